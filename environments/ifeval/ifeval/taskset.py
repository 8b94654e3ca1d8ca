"""The v1 face: a taskset with the same data, prompts and rewards."""

from collections.abc import Iterator
from typing import Literal

import verifiers.v1 as vf

from ifeval.core import is_gradable, raw_response
from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import system_prompt
from lm_eval_tasks.benchmarks.rlvr.rewards import Grade, grade


class IFEvalData(vf.TaskData):
    """A row; `satisfying` and `violating` are responses that come with the embedded sample."""

    ground_truth: str
    satisfying: str | None = None
    violating: str | None = None


class IFEvalTaskConfig(vf.TaskConfig):
    """How responses are judged."""

    reasoning: bool = False
    """Ask for `<think>...</think>`, judge only what follows it, and add the shaping reward."""
    reward_mode: Literal["all", "fraction"] = "all"
    """They differ for rows with several constraints."""
    revision: Literal["main", "tulu3"] = "main"
    """Whose constraint functions judge: open-instruct's of August 2026, or those of Tulu 3."""


class IFEvalConfig(vf.TasksetConfig):
    """Which rows are asked."""

    split: Literal["eval", "train"] = "eval"
    num_train_examples: int = -1
    """Keep no more training rows than this; -1: all."""
    num_eval_examples: int = -1
    """Keep no more evaluation rows than this; -1: all."""
    data: str | None = None
    """`hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`."""
    task: IFEvalTaskConfig = IFEvalTaskConfig()


class IFEvalTask(vf.Task[IFEvalData, vf.State, IFEvalTaskConfig]):
    """One question and its constraints."""

    def grade(self, trace: vf.Trace) -> Grade:
        """The whole verdict on the last assistant message."""
        messages = trace.assistant_messages
        content, thought = (
            (messages[-1].content, messages[-1].reasoning_content) if messages else (None, None)
        )
        config = self.config
        text = raw_response(content, thought, reasoning=config.reasoning)
        options = {"mode": config.reward_mode, "revision": config.revision}
        return grade(text, self.data.ground_truth, reasoning=config.reasoning, **options)

    @vf.reward
    async def constraint_reward(self, trace: vf.Trace) -> float:
        """0 to 1 by the row's constraints."""
        return self.grade(trace).constraint_reward

    @vf.reward
    async def think_shaping(self, trace: vf.Trace) -> float:
        """+0.2 or -0.2 with reasoning, else 0."""
        return self.grade(trace).think_shaping

    @vf.metric
    async def constraints(self, trace: vf.Trace) -> dict[str, float]:
        """What each constraint function said, and whether there was a problem; its text goes to the trace."""
        found = self.grade(trace)
        if found.problem is not None:
            trace.info["problem"] = found.problem
        return {**found.verdicts, "problem": float(found.problem is not None)}

    async def validate(self, runtime: vf.Runtime) -> bool:
        """Whether the row can be graded and, if it has responses, tells them apart."""
        data = self.data
        return is_gradable(data.ground_truth, data.satisfying, data.violating, self.config.revision)


class IFEvalTaskset(vf.Taskset[IFEvalTask, IFEvalConfig]):
    """RLVR-IFeval's questions."""

    def load(self) -> Iterator[IFEvalTask]:
        """The rows of the chosen split, in order."""
        config = self.config
        rows = load_rlvr(
            config.data,
            num_train_examples=config.num_train_examples,
            num_eval_examples=config.num_eval_examples,
        )
        for index, row in enumerate(rows.train if config.split == "train" else rows.evaluation):
            data = IFEvalData(
                idx=index,
                prompt=row.question,
                system_prompt=system_prompt(config.task.reasoning),
                ground_truth=row.ground_truth,
                satisfying=row.satisfying,
                violating=row.violating,
            )
            yield IFEvalTask(data, config.task)
