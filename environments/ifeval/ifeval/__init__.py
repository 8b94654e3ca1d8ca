"""The environment `ifeval` of verifiers: `load_environment` (legacy API) and `IFEvalTaskset` (v1).

Each face is imported when it is asked for: the v1 stack takes seconds, and 0.4 has no legacy one.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import verifiers as vf

    from ifeval.taskset import IFEvalTaskset

__all__ = ["IFEvalTaskset", "load_environment"]


def load_environment(
    num_train_examples: int = -1,
    num_eval_examples: int = -1,
    reasoning: bool = False,
    reward_mode: str = "all",
    data: str | None = None,
    revision: str = "main",
) -> "vf.Environment":
    """The environment for `vf-eval ifeval` and legacy trainers.

    Args:
        num_train_examples: Keep no more training rows than this; -1: all.
        num_eval_examples: Keep no more evaluation rows than this; -1: all.
        reasoning: Ask for `<think>...</think>`, judge only what follows it, and add the shaping reward.
        reward_mode: `all` or `fraction`; they differ for rows with several constraints.
        data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
        revision: Whose constraint functions judge: `main` (open-instruct's of August 2026) or `tulu3`.

    Raises:
        UserError: an argument that cannot be used, or data that cannot be loaded.
    """
    from ifeval.legacy import build_environment

    return build_environment(
        num_train_examples=num_train_examples,
        num_eval_examples=num_eval_examples,
        reasoning=reasoning,
        reward_mode=reward_mode,
        data=data,
        revision=revision,
    )


def __getattr__(name: str) -> Any:
    if name == "IFEvalTaskset":
        from ifeval.taskset import IFEvalTaskset

        return IFEvalTaskset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
