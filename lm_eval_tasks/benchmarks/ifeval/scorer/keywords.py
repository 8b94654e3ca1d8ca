"""`keywords:*`: words that must or must not occur.

Keywords are regular expressions in the official checkers, unescaped: `node.js` also matches `nodexjs`. Those
that do not compile (where the official checker crashes) are taken literally.
"""

from lm_eval_tasks.benchmarks.ifeval.scorer.patterns import guarded
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text


def existence(text: Text, *, keywords: tuple[str, ...]) -> bool:
    """Every keyword matches somewhere, in any case, also inside words."""
    return all(guarded(keyword).search(text.raw) for keyword in keywords)


def frequency(text: Text, *, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword's non-overlapping matches number less than / at least `frequency`."""
    return at_least(guarded(keyword.strip()).count(text.raw), frequency, relation)


def forbidden_words(text: Text, *, forbidden_words: tuple[str, ...]) -> bool:
    """No word occurs as a whole word, in any case."""
    return not any(guarded(word, whole_word=True).search(text.raw) for word in forbidden_words)


def letter_frequency(text: Text, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    """The letter occurs less than / at least `let_frequency` times, in any case.

    The official checker draws a random letter where the argument is no ASCII letter (key 1122's `#`, key
    1129's `!`); here the character itself is counted.
    """
    return at_least(text.lower.count(letter.strip().lower()), let_frequency, let_relation)


def at_least(number: int, threshold: int, relation: str) -> bool:
    """Whether `number` stands in the relation (`less than` or `at least`) to the threshold."""
    return number < threshold if relation == "less than" else number >= threshold
