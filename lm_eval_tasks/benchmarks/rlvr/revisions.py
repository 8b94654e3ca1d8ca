"""Which state of open-instruct the constraint functions follow: a table of functions for each.

`main` is commit e6c3044a (August 2026), `tulu3` is 9c2d44be (November 2024), with which Tulu 3 was trained.
Four of the 25 functions differ; 7dba4c9e2 (March 2025), 3d761d084 and a09e14928 (April, May 2026) mended
them. What `tulu3` gets wrong is kept, so that a published run can be repeated.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lm_eval_tasks.benchmarks.rlvr import functions as main
from lm_eval_tasks.errors import check

DEFAULT_REVISION = "main"


def verify_sentence_constraint(text: str, N: Any, quantifier: Any) -> bool:
    """The number of sentences; an exclamation mark ends none."""
    return main.verify_sentence_constraint(text.replace("!", ";"), N, quantifier)


def validate_placeholders(text: str, N: Any) -> bool:
    """Always: the original returned a pair, which is true whatever is in it."""
    main.validate_placeholders(text, N)  # which refuses the arguments that the original raises on
    return True


def validate_choice(text: str, options: Any) -> bool:
    """The whole answer is a part of any option."""
    main.validate_choice(text, options)  # as above
    return any(text in option for option in options)


def validate_frequency_capital_words(text: str, N: Any, quantifier: Any) -> bool:
    """The number of words of A to Z alone; `around` means exactly."""
    bounds = ("at least", "at most") if quantifier == "around" else (quantifier,)
    return all(main.validate_frequency_capital_words(text, N, bound) for bound in bounds)


_TULU3 = (
    verify_sentence_constraint,
    validate_placeholders,
    validate_choice,
    validate_frequency_capital_words,
)

REVISIONS: Mapping[str, Mapping[str, Callable[..., bool]]] = {
    DEFAULT_REVISION: main.FUNCTIONS,
    "tulu3": {**main.FUNCTIONS, **{function.__name__: function for function in _TULU3}},
}
"""By revision, the known constraint functions by name; the names are the same in all."""


def check_revision(revision: str) -> str:
    """`revision`, if it is one.

    Raises:
        UserError: it is not.
    """
    check(revision in REVISIONS, "revision", revision, f"choose from {', '.join(REVISIONS)}")
    return revision
