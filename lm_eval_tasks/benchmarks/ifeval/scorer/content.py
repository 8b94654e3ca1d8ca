"""`detectable_content`, `startend`, `combination`, `punctuation`: what the response says, and where."""

from lm_eval_tasks.benchmarks.ifeval.scorer.patterns import guarded
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.scoring.brackets import count_bracketed

_OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
_SEPARATOR = "*" * 6


def number_placeholders(text: Text, *, num_placeholders: int) -> bool:
    """At least so many `[placeholders]`."""
    return count_bracketed(text.raw) >= num_placeholders


def postscript(text: Text, *, postscript_marker: str) -> bool:
    """The marker occurs, in any case, anywhere."""
    marker = postscript_marker.strip()
    pattern = _POSTSCRIPTS.get(marker, marker.lower())
    return guarded(pattern, ignore_case=False, multiline=True).search(text.lower)


def constrained_response(text: Text) -> bool:
    """One of the three fixed options occurs."""
    return any(option in text.raw for option in _OPTIONS)


def two_responses(text: Text) -> bool:
    """Two different answers between six asterisks; only the outermost pieces may be blank."""
    pieces = [piece.strip() for piece in text.raw.split(_SEPARATOR)]
    if not all(pieces[1:-1]):
        return False
    answers = [piece for piece in pieces if piece]
    return len(answers) == 2 and answers[0] != answers[1]


def repeat_prompt(text: Text, *, prompt_to_repeat: str) -> bool:
    """The response starts with the request, in any case."""
    return text.stripped.lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(text: Text, *, end_phrase: str) -> bool:
    """The response ends with the phrase, in any case; quotation marks around the response do not count."""
    return text.stripped.strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(text: Text) -> bool:
    """Double quotation marks open and close the response."""
    return len(text.stripped) > 1 and text.stripped[0] == text.stripped[-1] == '"'


def no_comma(text: Text) -> bool:
    """No comma."""
    return "," not in text.raw
