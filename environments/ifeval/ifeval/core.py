"""What both faces share: the text that is judged, and whether a row can be graded."""

from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION
from lm_eval_tasks.benchmarks.rlvr.rewards import grade

_PROBE = "A plain English sentence is enough to see whether a constraint can be judged."


def raw_response(content: object, reasoning_content: object, *, reasoning: bool) -> object:
    """The assistant's text as the model wrote it.

    A server that parses reasoning (`vllm serve --reasoning-parser ...`) moves it out of the content; with
    `reasoning` it is put back where it was.
    """
    if reasoning and isinstance(content, str | None) and isinstance(reasoning_content, str):
        return f"<think>{reasoning_content}</think>{content or ''}"
    return content


def is_gradable(
    ground_truth: str, satisfying: str | None, violating: str | None, revision: str = DEFAULT_REVISION
) -> bool:
    """Whether the row tells good responses from bad ones, as far as it has any.

    A row without responses of its own must at least judge an ordinary sentence without a problem.
    """
    if grade(_PROBE, ground_truth, revision=revision).problem is not None:
        return False
    keeps = satisfying is None or grade(satisfying, ground_truth, revision=revision).reward == 1.0
    breaks = violating is None or grade(violating, ground_truth, revision=revision).reward == 0.0
    return keeps and breaks
