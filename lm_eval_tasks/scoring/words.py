"""All-capital words as nltk's `word_tokenize` separates them.

Only the number of all-capital tokens is wanted, so the rules below pad and split the way nltk's
`NLTKWordTokenizer` does (rules after the Penn Treebank's `tokenizer.sed`) and nothing is kept of the tokens.
nltk itself is not imported: that takes seconds. It matches with the `regex` engine, and so does this.
"""

import regex

_PAD = r" \g<0> "
# (what to look for, what takes its place), in nltk's order, which matters: later rules see earlier spaces.
_BEFORE_ENDING = [
    (r"[«“‘„]|`+", _PAD),
    (r'^"', "``"),
    (r"``", _PAD),
    (r"""([ (\[{<])("|'{2})""", r"\1 `` "),
    (r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
    (r"""([^.])(\.)([\])}>"'»”’ ]*+)\s*$""", r"\1 \2 \3 "),
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
    (r"[»”’]", _PAD),
    (r"''", _PAD),
    (r'"', " '' "),
    (r"\s+", " "),
    (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
    (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
]
_SPLIT = r" \1 \2 "
_CONTRACTIONS = [
    r"(?i)\b(can)(not)\b",
    r"(?i)\b(d)('ye)\b",
    r"(?i)\b(gim)(me)\b",
    r"(?i)\b(gon)(na)\b",
    r"(?i)\b(got)(ta)\b",
    r"(?i)\b(lem)(me)\b",
    r"(?i)\b(more)('n)\b",
    r"(?i)\b(wan)(na)(?=\s)",
    r"(?i) ('t)(is)\b",
    r"(?i) ('t)(was)\b",
]
_RULES_BEFORE_ENDING = [(regex.compile(pattern), text) for pattern, text in _BEFORE_ENDING]
_RULES_ENDING = [(regex.compile(pattern), text) for pattern, text in _ENDING]


def count_upper_tokens(sentence: str) -> int:
    """Number of tokens of one sentence for which `str.isupper` holds."""
    if sentence.islower():
        return 0
    for rule, replacement in _RULES_BEFORE_ENDING:
        sentence = rule.sub(replacement, sentence)
    sentence = f" {sentence} "
    for rule, replacement in _RULES_ENDING:
        sentence = rule.sub(replacement, sentence)
    return sum(map(str.isupper, sentence.split()))
