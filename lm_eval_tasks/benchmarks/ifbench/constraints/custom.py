"""`custom:*`: tasks whose question and constraint are one, without arguments."""

import csv
import io
import re
from collections.abc import Sequence
from itertools import pairwise
from string import ascii_lowercase

from lm_eval_tasks.benchmarks.ifbench.text import EDGES, ascii_letters, bare, sentences
from lm_eval_tasks.benchmarks.ifbench.vocabulary import NORTHERN_CAPITALS
from lm_eval_tasks.scoring.constraints import constraint

_NUMBER = re.compile(r"\d+")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NAPOLEON = range(1769, 1822)
_SHORT_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_QUESTION = re.compile(r"Question \d+[.|):;]?\s*")
_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w")
_SPECIAL = re.compile(r"[^\w\s]")
_AFRICAN_LINES = 52


@constraint("custom:multiples")
def multiples(text: str) -> bool:
    """The numbers in the text are the multiples of 7 from 14 to 49, in order."""
    return _NUMBER.findall(text) == [str(number) for number in range(14, 51, 7)]


@constraint("custom:mcq_count_length")
def mcq_count_length(text: str) -> bool:
    """Four questions, `Question 1` and so on, of five options each, every one longer than the one before.

    Nothing stands before the first; what follows the options of a question is passed over.
    """
    if not text.startswith("Question"):
        return False
    questions = [piece.strip() for piece in _QUESTION.split(text) if piece.strip()]
    lines = [[line.strip() for line in question.split("\n")] for question in questions]
    marked = [[bool(_OPTION.match(line)) for line in question] for question in lines]
    if len(lines) != 4 or any(sum(question) != 5 for question in marked):
        return False
    asked = [
        " ".join(question[: options.index(True)]) for question, options in zip(lines, marked, strict=True)
    ]
    return all(len(one.strip()) < len(other.strip()) for one, other in pairwise(asked))


@constraint("custom:reverse_newline")
def reverse_newline(text: str) -> bool:
    """From the line with Zimbabwe on, 52 lines or more from Z to A.

    Kept: whether they are the countries of Africa is not checked.
    """
    lines = [line.strip(EDGES) for line in text.split("\n") if line.strip(EDGES)]
    start = next((place for place, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
    found = [ascii_letters(line) for line in lines[start:]]
    return len(found) >= _AFRICAN_LINES and all(one >= other for one, other in pairwise(found))


@constraint("custom:word_reverse")
def word_reverse(text: str) -> bool:
    """Read backwards, word by word, it says `bald eagle`.

    Kept: that this is an English sentence is not checked.
    """
    return "bald eagle" in " ".join(bare(text.lower()).split()[::-1])


@constraint("custom:character_reverse")
def character_reverse(text: str) -> bool:
    """Read backwards, letter by letter, it says `bald eagle`."""
    return "elgae dlab" in text.lower()


@constraint("custom:sentence_alphabet")
def sentence_alphabet(text: str) -> bool:
    """26 sentences that start with A to Z, in any case."""
    return [sentence.lstrip()[:1].lower() for sentence in sentences(text)] == list(ascii_lowercase)


@constraint("custom:european_capitals_sort")
def european_capitals_sort(text: str) -> bool:
    """The capitals north of 45 degrees, from north to south, between commas; diacritics do not count.

    Kept: the public list has no Kyiv.
    """
    found = [name.strip() for name in ascii_letters(text).split(",")]
    return [name for name in found if name] == list(NORTHERN_CAPITALS)


@constraint("custom:csv_city")
def csv_city(text: str) -> bool:
    """A header and seven rows of five fields."""
    rows = _read(text, ",")
    header = ["ID", "Country", "City", "Year", "Count"]
    return len(rows) == 8 and rows[0] == header and all(len(row) == 5 for row in rows)


@constraint("custom:csv_special_character")
def csv_special_character(text: str) -> bool:
    """A header and fourteen rows; a quoted field holds a special character.

    Kept: rows behind the one with that field may have any number of fields.
    """
    names = ("ProductID", "Category", "Brand", "Price", "Stock")
    rows = _read(_with_quotes(text), ",")
    if len(rows) != 15 or not _is_header(text, r",[ \t]*", names):
        return False
    for row in rows[1:]:
        if len(row) != 5:
            return False
        if any(map(_is_special, row)):
            return True
    return False


def _is_special(field: str) -> bool:
    """Whether quotation marks, in the first line, hold a special character, which they are themselves."""
    line = field.split("\n")[0]
    return line.startswith('"') and _SPECIAL.search(line[1:].rpartition('"')[0]) is not None


@constraint("custom:csv_quotes")
def csv_quotes(text: str) -> bool:
    """A header and three rows of five fields between tabs, all in double quotation marks."""
    names = ("StudentID", "Subject", "Grade", "Semester", "Score")
    rows = _read(_with_quotes(text), "\t")
    if len(rows) != 4 or not _is_header(text, "\t *", names):
        return False
    fields = [field.strip() for row in rows for field in row]
    return all(len(row) == 5 for row in rows) and all(
        field.startswith('"') and field.endswith('"') for field in fields
    )


def _read(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:  # the public checker breaks off here
        return []


def _with_quotes(text: str) -> str:
    """So that the reader leaves the quotation marks around fields where they are."""
    return text.replace('"', '"""')


def _is_header(text: str, separator: str, names: Sequence[str]) -> bool:
    """Whether the first line has these names, each with quotation marks or without."""
    pattern = separator.join(rf'(?:{name}|"{name}")' for name in names)
    return re.fullmatch(pattern, text.split("\n")[0].strip()) is not None


@constraint("custom:date_format_list")
def date_format_list(text: str) -> bool:
    """Dates of Napoleon's lifetime, YYYY-MM-DD, between commas.

    Kept: months and days of 00 pass.
    """
    return all(_is_date(date.strip()) for date in text.strip().split(","))


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    return year in _NAPOLEON and month <= 12 and day <= _SHORT_MONTHS.get(month, 31 if month else 99)
