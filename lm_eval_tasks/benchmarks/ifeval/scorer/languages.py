"""`language:*` and `change_case:*`: the language of the response and its capitals.

Where the language cannot be told (digits, emoji), the official checkers count the instruction as followed.
"""

from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text


def response_language(text: Text, *, language: str) -> bool:
    """The first guess of langdetect is `language`."""
    return text.language in (None, language)


def english_capital(text: Text) -> bool:
    """No lower-case letter, at least one capital, and English."""
    return text.raw.isupper() and text.language in (None, "en")


def english_lowercase(text: Text) -> bool:
    """No capital, at least one lower-case letter, and English."""
    return text.raw.islower() and text.language in (None, "en")


def capital_word_frequency(text: Text, *, capital_frequency: int, capital_relation: str) -> bool:
    """All-capital tokens of nltk's word tokenizer number less than / at least `capital_frequency`."""
    return text.has_upper_tokens(capital_frequency) == (capital_relation == "at least")
