"""The instructions that Multi-IF judges otherwise than IFEval: counts by language, and quotation marks.

Verdicts equal those of the public checkers (facebookresearch/Multi-IF at 1cdb53e), language identification
seeded; see README.md beside this file for what differs.
"""

import re
from collections.abc import Sequence
from typing import Literal

from lm_eval_tasks.benchmarks.ifeval.scorer import lengths
from lm_eval_tasks.benchmarks.ifeval.scorer.keywords import at_least
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.scoring.constraints import constraint, is_replaced

Relation = Literal["less than", "at least"]
_QUOTES = ('""', "\u201c\u201d", "\u300c\u300d")
_CHARACTER_COUNTED = frozenset(["zh", "zh-cn", "zh-tw", "ja"])
_THAI = "th"  # its words and sentences take a dictionary
_CJK_SENTENCE = re.compile(r"[^!?.\u3002\uff01\uff1f\uff0e\n]+")
_DANDA = re.compile(r"(?<=[\u0964!?])\s*")
_MARKS = re.compile(
    r"[\\.!?/_,{}<>:;$%^&*(+\"'`~@#)\[\]\-"
    r"\uff0e\u2014\uff01\uff0c\u3002\uff1f\u3001\uffe5\u2026\uff08\uff09\uff1a\uff1b\u300a\u300b"
    r"\u201c\u201d\u00bb\u3014\u3015\u300c\u300d]"
)
_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af]")


def judged_as(ids: Sequence[str]) -> list[str]:
    """The ids that judge a row's instructions; what `ICL_CONSTRAINTS` names comes first here, too."""
    return [name if is_replaced(name) else _JUDGED.get(name, name) for name in ids]


def reported_as(id: str) -> str:
    """The id in the row, of one that judges."""
    return next((name for name, judge in _JUDGED.items() if judge == id), id)


@constraint("multi_if:quotation")
def quotation(text: str) -> bool:
    """Straight, curly or corner marks open and close the answer."""
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] + stripped[-1] in _QUOTES


@constraint("multi_if:number_words")
def number_words(text: str, *, num_words: int, relation: Relation) -> bool:
    """So many words; in Chinese and Japanese so many characters. An answer in Thai does not keep it."""
    found = Text(text)
    if found.language == _THAI:
        return False
    if found.language in _CHARACTER_COUNTED:
        bare = _MARKS.sub("", text)
        return at_least(len(_CJK.findall(bare)) + len(_CJK.sub(" ", bare).split()), num_words, relation)
    return lengths.number_words(found, num_words=num_words, relation=relation)


@constraint("multi_if:number_sentences")
def number_sentences(text: str, *, num_sentences: int, relation: Relation) -> bool:
    """So many sentences, by the marks of the answer's language. An answer in Thai does not keep it."""
    found = Text(text)
    if found.language == _THAI:
        return False
    if found.language in _CHARACTER_COUNTED:
        pieces = [piece for line in text.splitlines() for piece in _CJK_SENTENCE.findall(line.strip())]
        return at_least(len(pieces), num_sentences, relation)
    if found.language == "hi":
        return at_least(sum(map(bool, map(str.strip, _DANDA.split(text)))), num_sentences, relation)
    return lengths.number_sentences(found, num_sentences=num_sentences, relation=relation)


_JUDGED = {
    "startend:quotation": "multi_if:quotation",
    "length_constraints:number_words": "multi_if:number_words",
    "length_constraints:number_sentences": "multi_if:number_sentences",
}
