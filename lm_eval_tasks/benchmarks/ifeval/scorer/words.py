"""Words as nltk's `word_tokenize` separates them, and how many of them are all capitals.

The rules below pad and split the way nltk's `NLTKWordTokenizer` does (rules after the Penn Treebank's
`tokenizer.sed`). Where only the number of all-capital tokens is wanted, most sentences need none of them.
nltk itself is not imported: that takes seconds. Engines are nltk's own: `regex`, and `re` for contractions.
"""

import re
from functools import lru_cache

import regex

_PAD = r" \g<0> "
# (what to look for, what takes its place), in nltk's order, which matters: later rules see earlier spaces.
_BEFORE_ENDING = [
    (r"[\u00ab\u201c\u2018\u201e]|`+", _PAD),
    (r'^"', "``"),
    (r"``", _PAD),
    (r"""([ (\[{<])("|'{2})""", r"\1 `` "),
    (r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
    (r"""([^.])(\.)([\])}>"'\u00bb\u201d\u2019 ]*+)\s*$""", r"\1 \2 \3 "),
    (r"([:,])(\D)", r" \1 \2"),
    (r"[:,]$", _PAD),
    (r"\.{2,}", _PAD),
    (r"[;@#$%&]", _PAD),
    (r"[\u2012-\u2015]", _PAD),
    (r"""([^.])(\.)([\])}>"']*)\s*$""", r"\1 \2\3 "),
    (r"[?!]", _PAD),
    (r"([^'])' ", r"\1 ' "),
    (r"[*]", _PAD),
    (r"[\]\[(){}<>]", _PAD),
    (r"--", _PAD),
]
_ENDING = [
    (r"[\u00bb\u201d\u2019]", _PAD),
    (r"''", _PAD),
    (r'"', " '' "),
    (r"\s+", " "),
    (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
    (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
]
_CONTRACTIONS = [
    r"\b(can)(not)\b",
    r"\b(d)('ye)\b",
    r"\b(gim)(me)\b",
    r"\b(gon)(na)\b",
    r"\b(got)(ta)\b",
    r"\b(lem)(me)\b",
    r"\b(more)('n)\b",
    r"\b(wan)(na)(?=\s)",
    r" ('t)(is)\b",
    r" ('t)(was)\b",
]
_RULES_BEFORE_ENDING = [(regex.compile(pattern), text) for pattern, text in _BEFORE_ENDING]
_RULES_ENDING = [(regex.compile(pattern), text) for pattern, text in _ENDING]
_RULES_CONTRACTIONS = [re.compile(pattern, re.IGNORECASE) for pattern in _CONTRACTIONS]


# Without apostrophes and the contractions that have none, the rules come down to spaces for separators:
# punctuation apart from full stops and hyphens, and commas and colons before anything but a digit.
_SEPARATORS = regex.compile(
    r"[\u00ab\u201c\u2018\u201e\u00bb\u201d\u2019`\";@#$%&\u2012-\u2015?!*\[\](){}<>]|\.{2,}|--|[:,](?!\d)"
)
_NEEDS_ALL_RULES = re.compile(r"'|[:,][:,]|cannot|gimme|gonna|gotta|lemme|wanna", re.IGNORECASE)
_CACHED_LENGTH = 300


def word_tokens(sentence: str) -> tuple[str, ...]:
    """The tokens of one sentence, punctuation marks among them."""
    # A text of nothing but short sentences (`. . .`) repeats them: 33 rules take longer than the text is.
    return _split_cached(sentence) if len(sentence) <= _CACHED_LENGTH else _split(sentence)


def count_upper_tokens(sentence: str) -> int:
    """Number of tokens of one sentence for which `str.isupper` holds."""
    if sentence.islower():
        return 0
    # The loose variants of a response share most of their sentences.
    return _count_cached(sentence) if len(sentence) <= _CACHED_LENGTH else _count(sentence)


def _count(sentence: str) -> int:
    text = _all_rules(sentence) if _NEEDS_ALL_RULES.search(sentence) else _SEPARATORS.sub(" ", sentence)
    return sum(map(str.isupper, text.split()))


_count_cached = lru_cache(maxsize=1 << 14)(_count)


def _split(sentence: str) -> tuple[str, ...]:
    return tuple(_all_rules(sentence).split())


_split_cached = lru_cache(maxsize=1 << 14)(_split)


def _all_rules(sentence: str) -> str:
    for rule, replacement in _RULES_BEFORE_ENDING:
        sentence = rule.sub(replacement, sentence)
    sentence = f" {sentence} "
    for rule, replacement in _RULES_ENDING:
        sentence = rule.sub(replacement, sentence)
    for contraction in _RULES_CONTRACTIONS:
        sentence = contraction.sub(r" \1 \2 ", sentence)
    return sentence
