"""`ratio:*`: shares of stop words, overlap with a text, kinds and lengths of sentences."""

from lm_eval_tasks.benchmarks.ifbench.text import sentences, words
from lm_eval_tasks.benchmarks.ifbench.vocabulary import STOP_WORDS
from lm_eval_tasks.scoring.constraints import constraint

_TOLERANCE = 2  # percentage points


@constraint("ratio:stop_words")
def stop_words(text: str, *, percentage: float) -> bool:
    """At most this percentage of the words are stop words."""
    found = words(text)
    share = sum(word.lower() in STOP_WORDS for word in found) / len(found) * 100 if found else float("inf")
    return share <= percentage


@constraint("ratio:overlap")
def overlap(text: str, *, reference_text: str, percentage: float) -> bool:
    """This percentage, within two points, of the text's different trigrams occur in the reference.

    Kept: they are trigrams of characters, not of words.
    """
    mine, theirs = _trigrams(text), _trigrams(reference_text)
    if not mine:
        return False
    share = len(mine & theirs) / len(mine)
    return percentage - _TOLERANCE <= share * 100 <= percentage + _TOLERANCE


def _trigrams(text: str) -> set[str]:
    return {text[start : start + 3] for start in range(len(text) - 2)}


@constraint("ratio:sentence_type")
def sentence_type(text: str) -> bool:
    """Twice as many sentences end with a full stop as with a question mark; none of either will do."""
    return _ending(text, ".") == 2 * _ending(text, "?")


@constraint("ratio:sentence_balance")
def sentence_balance(text: str) -> bool:
    """As many sentences end with `.` as with `?` and with `!`; none of any will do."""
    return _ending(text, ".") == _ending(text, "?") == _ending(text, "!")


def _ending(text: str, mark: str) -> int:
    return sum(sentence.endswith(mark) for sentence in sentences(text))


@constraint("ratio:sentence_words")
def sentence_words(text: str) -> bool:
    """Three sentences of the same number of characters.

    Kept: that their words must differ is not checked.
    """
    found = sentences(text)
    return len(found) == 3 and len({len(sentence.strip()) for sentence in found}) == 1
