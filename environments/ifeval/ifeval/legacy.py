"""The legacy face: `vf.SingleTurnEnv`, parser and rubric."""

from collections.abc import Iterable
from typing import Any

import verifiers.legacy as vf
from datasets import Dataset

from ifeval.core import raw_response
from lm_eval_tasks.benchmarks.rlvr.data import RlvrRow, load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import build_prompt, check_reasoning
from lm_eval_tasks.benchmarks.rlvr.rewards import Grade, check_mode, final_answer, grade, is_well_formed


class SingleThinkXMLParser(vf.Parser):
    """Takes what follows the one `</think>` as the final answer; none without it, or after several blocks."""

    def parse(self, text: str) -> str:
        """The final answer; empty where there is none."""
        return final_answer(text, reasoning=True)[0]

    def get_format_reward_func(self) -> Any:
        """1 for exactly one well-formed think block and a non-empty answer after it, else 0."""

        def format_reward(completion: vf.Messages) -> float:
            text = _response_text(self, completion, reasoning=True)
            return float(isinstance(text, str) and is_well_formed(text))

        return format_reward


class IFEvalRubric(vf.Rubric):
    """Constraint reward and, with reasoning, the shaping reward; logs a metric per constraint function."""

    def __init__(self, *, parser: vf.Parser, reasoning: bool, mode: str) -> None:
        self._reasoning, self._mode = reasoning, mode
        funcs = [self.constraint_reward, self.think_shaping] if reasoning else [self.constraint_reward]
        super().__init__(funcs=funcs, weights=[1.0] * len(funcs), parser=parser)

    def grade(self, completion: vf.Messages, answer: str) -> Grade:
        """The whole verdict on a completion; `answer` is the ground truth."""
        text = _response_text(self.parser, completion, reasoning=self._reasoning)
        return grade(text, answer, reasoning=self._reasoning, mode=self._mode)

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


def build_environment(
    *, num_train_examples: int, num_eval_examples: int, reasoning: bool, reward_mode: str, data: str | None
) -> IFEvalEnv:
    """See `ifeval.load_environment`."""
    check_reasoning(reasoning)
    check_mode(reward_mode)
    rows = load_rlvr(data, num_train_examples=num_train_examples, num_eval_examples=num_eval_examples)
    parser = SingleThinkXMLParser() if reasoning else vf.Parser()
    return IFEvalEnv(
        bad_rows=rows.bad_rows,
        env_id="ifeval",
        dataset=_dataset(rows.train, reasoning),
        eval_dataset=_dataset(rows.evaluation, reasoning),
        parser=parser,
        rubric=IFEvalRubric(parser=parser, reasoning=reasoning, mode=reward_mode),
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
