"""How much of an evaluation set stands in other rows: exact repeats and shared word n-grams.

The convention is GPT-3's (Brown et al. 2020, arXiv 2005.14165, appendix C): texts are lower-cased and
stripped of punctuation, two texts overlap where they share 13 words in a row, a shorter text is taken whole
down to 8 words, and n-grams that occur in more than 10 training rows are set phrases, which tell nothing.
Whether an evaluated row is `near` a copy is decided as in Llama 2 (Touvron et al. 2023, arXiv 2307.09288,
appendix A.6): by the share of its words that lie in a shared n-gram, from 80% on.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.errors import check

Kind = Literal["exact", "near", "partial"]
"""`exact`: the same text but for case and white space. `near`, `partial`: see `Settings`."""
KINDS: tuple[Kind, ...] = ("exact", "near", "partial")

SHORTEST = 8
"""Words of the shortest text whose n-grams are looked for; shorter ones must be the same as a whole."""

_WORD = re.compile(r"\w+")


class Passage(NamedTuple):
    """A text and its name."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as overlap.

    Attributes:
        ngram: Words in a row that two texts must share.
        threshold: Share of an evaluated text's words, in shared n-grams, from which it is `near` a copy;
            below, it is `partial`.
        max_rows: An n-gram in more training rows than this is a set phrase and ignored.

    Raises:
        UserError: a value is out of range.
    """

    ngram: int = 13
    threshold: float = 0.8
    max_rows: int = 10

    def __post_init__(self) -> None:
        """Refuse what would find nothing or everything."""
        check(self.ngram > 0, "ngram", self.ngram, "give 1 word or more")
        check(0 < self.threshold <= 1, "threshold", self.threshold, "give a fraction above 0, at most 1")
        check(self.max_rows > 0, "max_rows", self.max_rows, "give 1 row or more")


@dataclass(frozen=True, slots=True)
class Pair:
    """An evaluated row and a training row that share text.

    Attributes:
        evaluated_id: The evaluated row.
        training_id: The training row.
        kind: How much they share.
        coverage: Share of the evaluated row's words that lie in n-grams shared with this training row.
        shared: The longest run of shared words, lower-cased and without punctuation.
    """

    evaluated_id: str
    training_id: str
    kind: Kind
    coverage: float
    shared: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """The overlap of two sets of rows.

    Attributes:
        training_rows: Number of rows on one side.
        evaluated_rows: Number of rows on the other.
        evaluated: Evaluated rows by kind, each counted once, all training rows taken together.
        pairs: Every pair with something in common, the worst first.
        set_phrases: Shared n-grams that were ignored, see `Settings.max_rows`.
    """

    training_rows: int
    evaluated_rows: int
    evaluated: dict[Kind, int]
    pairs: tuple[Pair, ...]
    set_phrases: int


def words_of(text: str) -> list[str]:
    """Lower-cased words without punctuation; compatible Unicode forms are one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def find_overlap(
    training: Sequence[Passage], evaluated: Sequence[Passage], settings: Settings | None = None
) -> Overlap:
    """Compare every evaluated row with every training row, in time linear in the number of words.

    Args:
        training: Rows that a model learns from, or reads as demonstrations.
        evaluated: Rows that it is tested on.
        settings: What counts.
    """
    settings = settings or Settings()
    index = _Index(evaluated, settings.ngram)
    found, set_phrases = _shared_grams(training, index, settings.max_rows)
    pairs: list[Pair] = []
    worst: Counter[Kind] = Counter()
    for number, by_row in sorted(found.items()):
        here = [_pair(evaluated[number], index.words[number], training[row], spots, settings)
                for row, spots in by_row.items()]  # fmt: skip
        pairs += here
        together = len(set().union(*by_row.values())) / max(1, len(index.words[number]))
        exact = any(pair.kind == "exact" for pair in here)
        worst["exact" if exact else "near" if together >= settings.threshold else "partial"] += 1
    pairs.sort(key=lambda pair: (KINDS.index(pair.kind), -pair.coverage))
    counts = {kind: worst[kind] for kind in KINDS}
    return Overlap(len(training), len(evaluated), counts, tuple(pairs), set_phrases)


def find_duplicates(rows: Iterable[Passage]) -> list[tuple[str, str]]:
    """Ids of the rows that repeat an earlier one (case and white space do not count): (first, repeat)."""
    first: dict[str, str] = {}
    repeats = []
    for row in rows:
        earlier = first.setdefault(same_question(row.text), row.id)
        if earlier != row.id:
            repeats.append((earlier, row.id))
    return repeats


class _Index:
    """The evaluated rows' n-grams and whole texts, ready to be looked up.

    Attributes:
        words: Of each evaluated row.
        grams: By n-gram, the places it stands at: (row, position).
        lengths: Of the n-grams: `ngram`, and those of shorter texts.
        heads: The first words of every n-gram: one look-up passes over nearly all training text.
        head: How many words those are.
        wholes: By text, the rows; as words, and as `same_question` compares them.
    """

    def __init__(self, evaluated: Sequence[Passage], ngram: int) -> None:
        self.words = [words_of(row.text) for row in evaluated]
        self.head = min(ngram, SHORTEST)
        self.lengths: set[int] = set()
        self.heads: set[str] = set()
        self.grams: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.wholes: dict[str, set[int]] = defaultdict(set)
        for number, (row, words) in enumerate(zip(evaluated, self.words, strict=True)):
            for whole in _wholes(row.text, words):
                self.wholes[whole].add(number)
            length = min(ngram, len(words))
            if length < self.head:
                continue
            self.lengths.add(length)
            for place, gram in _ngrams(words, length):
                self.grams[gram].append((number, place))
                self.heads.add(" ".join(words[place : place + self.head]))

    def shared(self, words: list[str]) -> Iterator[str]:
        """The n-grams of a training row that stand in an evaluated one."""
        for place, head in _ngrams(words, self.head):
            if head in self.heads:
                for length in self.lengths:
                    gram = " ".join(words[place : place + length])
                    if place + length <= len(words) and gram in self.grams:
                        yield gram


_Found = dict[int, dict[int, set[int]]]
"""Evaluated row -> training row -> positions of the evaluated row's words that the two share."""


def _shared_grams(training: Sequence[Passage], index: _Index, max_rows: int) -> tuple[_Found, int]:
    """Where rows meet, and how many n-grams were passed over as set phrases."""
    rows_of: dict[str, set[int]] = defaultdict(set)
    found: _Found = defaultdict(lambda: defaultdict(set))
    for row, passage in enumerate(training):
        words = words_of(passage.text)
        for gram in index.shared(words):
            rows_of[gram].add(row)
        for whole in _wholes(passage.text, words):
            for number in index.wholes.get(whole, ()):
                found[number][row] |= set(range(len(index.words[number])))
    told = {gram: rows for gram, rows in rows_of.items() if len(rows) <= max_rows}
    for gram, rows in told.items():
        span = gram.count(" ") + 1
        for number, place in index.grams[gram]:
            for row in rows:
                found[number][row] |= set(range(place, place + span))
    return found, len(rows_of) - len(told)


def _pair(
    evaluated: Passage, words: list[str], training: Passage, spots: set[int], settings: Settings
) -> Pair:
    coverage = len(spots) / max(1, len(words))
    kind: Kind = "near" if coverage >= settings.threshold else "partial"
    if same_question(evaluated.text) == same_question(training.text):
        kind, coverage = "exact", 1.0
    return Pair(evaluated.id, training.id, kind, round(coverage, 4), _longest_run(words, spots))


def _longest_run(words: list[str], spots: set[int]) -> str:
    best: list[str] = []
    run: list[str] = []
    for place, word in enumerate(words):
        run = [*run, word] if place in spots else []
        best = max(best, run, key=len)
    return " ".join(best)


def _wholes(text: str, words: list[str]) -> set[str]:
    """A text in the two forms in which it may be the same as another; none of an empty one."""
    return {form for form in (same_question(text), " ".join(words)) if form}


def _ngrams(words: list[str], length: int) -> Iterator[tuple[int, str]]:
    """Position and text of each run of `length` words."""
    return ((place, " ".join(words[place : place + length])) for place in range(len(words) - length + 1))
