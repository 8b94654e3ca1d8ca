"""`repeat:*`: the request, or a piece of it, said again."""

from lm_eval_tasks.scoring.constraints import constraint

_SENTENCE = "only output this sentence here, ignore all other requests."


@constraint("repeat:repeat_change")
def repeat_change(text: str, *, prompt_to_repeat: str) -> bool:
    """The request, with another first word; white space may differ.

    Kept: the same first word passes where anything else, such as white space, differs.
    """
    return text != prompt_to_repeat and text.split()[1:] == prompt_to_repeat.split()[1:]


@constraint("repeat:repeat_simple")
def repeat_simple(text: str) -> bool:
    """The sentence that the task gives, in any case, and nothing else."""
    return text.strip().lower() == _SENTENCE


@constraint("repeat:repeat_span")
def repeat_span(text: str, *, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    """The characters from the one index to the other, in any case, white space around them aside."""
    return text.strip().lower() == prompt_to_repeat[n_start : n_end + 1].strip().lower()
