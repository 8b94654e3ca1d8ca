"""The legacy face: `vf.SingleTurnEnv`, parser and rubric."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import verifiers.legacy as vf
from datasets import Dataset
from verifiers.legacy.utils.save_utils import make_serializable

from ifeval.core import raw_response
from ifeval.report import report_outputs
from lm_eval_tasks.benchmarks.rlvr.data import RlvrRow, load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import build_prompt, check_reasoning
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, check_revision
from lm_eval_tasks.benchmarks.rlvr.rewards import Grade, check_mode, final_answer, grade


class SingleThinkXMLParser(vf.ThinkParser):
    """The library's think parser, held to one block: after several, or none, there is no final answer.

    The answer keeps the white space that ends it, because constraints see it. Reasoning that the server has
    taken out of the content is put back before the form is judged.
    """

    def parse(self, text: str) -> str:
        """The final answer; empty where there is none."""
        return final_answer(text, reasoning=True)[0]

    def get_format_reward_func(self) -> Any:
        """1 for exactly one well-formed think block and a non-empty answer after it, else 0."""
        follows_format = super().get_format_reward_func()

        def format_reward(completion: vf.Messages, **kwargs: Any) -> float:
            text = _response_text(self, completion, reasoning=True)
            if not isinstance(text, str) or not self.parse(text).strip():
                return 0.0
            return float(follows_format([{"role": "assistant", "content": text}]))

        return format_reward


class IFEvalRubric(vf.Rubric):
    """Constraint reward and, with reasoning, the shaping reward; logs a metric per constraint function."""

    def __init__(
        self, *, parser: vf.Parser, reasoning: bool, mode: str, revision: str = DEFAULT_REVISION
    ) -> None:
        self._reasoning = reasoning
        self._options = {"reasoning": reasoning, "mode": mode, "revision": revision}
        funcs = [self.constraint_reward, self.think_shaping] if reasoning else [self.constraint_reward]
        super().__init__(funcs=funcs, weights=[1.0] * len(funcs), parser=parser)

    def grade(self, completion: vf.Messages, answer: str) -> Grade:
        """The whole verdict on a completion; `answer` is the ground truth."""
        text = _response_text(self.parser, completion, reasoning=self._reasoning)
        return grade(text, answer, **self._options)

    def constraint_reward(self, completion: vf.Messages, answer: str) -> float:
        """0 to 1 by the row's constraints."""
        return self.grade(completion, answer).constraint_reward

    def think_shaping(self, completion: vf.Messages, answer: str) -> float:
        """+0.2 or -0.2; 0 where the row cannot be graded at all."""
        return self.grade(completion, answer).think_shaping

    async def score_rollout(self, state: vf.State) -> None:
        """Score, then log what each constraint said."""
        await super().score_rollout(state)
        self._log(state)

    async def score_group(self, states: list[vf.State]) -> None:
        """Score, then log what each constraint said."""
        await super().score_group(states)
        for state in states:
            self._log(state)

    def _log(self, state: vf.State) -> None:
        found = self.grade(state["completion"], state.get("answer", ""))
        state["metrics"] |= {**found.verdicts, "problem": float(found.problem is not None)}
        if found.problem is not None:
            state["info"] = {**(state.get("info") or {}), "problem": found.problem}


class IFEvalEnv(vf.SingleTurnEnv):
    """The environment; `bad_rows` are the records of data rows that cannot be asked or graded."""

    def __init__(self, *, bad_rows: Iterable[Any], **kwargs: Any) -> None:
        self.bad_rows = tuple(bad_rows)
        super().__init__(**kwargs)

    async def evaluate(self, *args: Any, **kwargs: Any) -> vf.GenerateOutputs:
        """As the library's; what `vf-eval` asks for, which names a folder for its results, gets a report."""
        outputs = await super().evaluate(*args, **kwargs)
        if kwargs.get("results_path") is not None:
            # As `vf-eval -s` would write them.
            plain = json.loads(
                json.dumps([outputs["metadata"], *outputs["outputs"]], default=make_serializable)
            )
            report_outputs(plain[0], plain[1:], Path(kwargs["results_path"]))
        return outputs


def build_environment(
    *,
    num_train_examples: int,
    num_eval_examples: int,
    reasoning: bool,
    reward_mode: str,
    data: str | None,
    revision: str,
) -> IFEvalEnv:
    """See `ifeval.load_environment`."""
    check_reasoning(reasoning)
    check_mode(reward_mode)
    check_revision(revision)
    rows = load_rlvr(data, num_train_examples=num_train_examples, num_eval_examples=num_eval_examples)
    parser = SingleThinkXMLParser() if reasoning else vf.Parser()
    return IFEvalEnv(
        bad_rows=rows.bad_rows,
        env_id="ifeval",
        dataset=_dataset(rows.train, reasoning),
        eval_dataset=_dataset(rows.evaluation, reasoning),
        parser=parser,
        rubric=IFEvalRubric(parser=parser, reasoning=reasoning, mode=reward_mode, revision=revision),
    )


def _dataset(rows: Iterable[RlvrRow], reasoning: bool) -> Dataset:
    return Dataset.from_list(
        [
            {
                "prompt": build_prompt(row.question, reasoning=reasoning),
                "question": row.question,
                "answer": row.ground_truth,
            }
            for row in rows
        ]
    )


def _response_text(parser: vf.Parser, completion: vf.Messages, *, reasoning: bool) -> object:
    """The last assistant message as the model wrote it; None where there is none."""
    if isinstance(completion, str):
        return completion
    messages = parser.get_assistant_messages(completion or [])
    if not messages:
        return None
    message = messages[-1]
    fields = message if isinstance(message, dict) else message.model_dump()
    return raw_response(fields.get("content"), fields.get("reasoning_content"), reasoning=reasoning)
