"""Letters of options in running text, told from articles and words."""

import re
from collections.abc import Mapping

LETTERS = "ABCDE"

OPTION_LIST = re.compile(r"^\(?A[.)] [^\n]*\n\(?B[.)] ", re.MULTILINE)
"""Where a list of options begins."""

# All searches end in time proportional to the text: gaps and lines are looked at so far only.
_WINDOW = 100
_OPENED = r"[(\[{<$\"'\u201c\u2018\u00ab]{0,6}(?:\\boxed)?[({\s]{0,4}"
_CLOSED = r"[)\]}>$\"'\u201d\u2019\u00bb]{0,6}"
_NO_WORD = r"(?!['\u2019-]?\w)"
_LEADING_LETTER = re.compile(rf"{_OPENED}(?P<letter>[A-Ea-e]){_NO_WORD}{_CLOSED}(?P<rest>.*)", re.DOTALL)
_FURTHER_LETTER = re.compile(rf"[\s,/&+]*(?:\b(?:or|and)\b)?[\s,/&+]*{_OPENED}[A-E]{_NO_WORD}")
_CONNECTION = re.compile(r"\b(?:or|and)\b|[,/&+]")
_ARTICLE = re.compile(r"\A(?:an?|the)\s+")


def line_after(text: str, match: re.Match[str]) -> str:
    """The rest of the line behind `match`, as far as it is looked at."""
    return text[match.end() : match.end() + _WINDOW].partition("\n")[0]


def letter_at_start(rest: str, options: Mapping[str, str]) -> str | None:
    """The option letter with which `rest` begins, unless it begins with several or with a word.

    Args:
        rest: Text behind an announcement.
        options: The options' texts, `plain`, by letter.
    """
    match = _LEADING_LETTER.match(rest.strip())
    if match is None or names_several(rest):
        return None
    letter, following = match["letter"], match["rest"]
    if following[:1].isspace() and following.strip(" .,;:!?)"):
        # "A dog", "a dog": an article, unless the option's own text follows.
        articled = letter in "Aa" and following.strip()[0].isalnum()
        if (articled or letter.islower()) and plain(following) != options.get(letter.upper()):
            return None
    return letter.upper()


def names_several(rest: str) -> bool:
    """Whether `rest` begins with two letters or more, such as `A or B`."""
    match = _LEADING_LETTER.match(rest.strip())
    if match is None or not match["letter"].isupper():
        return False
    further = _FURTHER_LETTER.match(match["rest"])
    # "A. A dog" repeats no letter: a full stop is no connection.
    return further is not None and _CONNECTION.search(further.group()) is not None


def plain(text: str) -> str:
    """Text as options are compared: case, white space and punctuation around it do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'\u201c\u201d\u2018\u2019()[]{}<>$")


def named_by_text(piece: str, options: Mapping[str, str]) -> list[str]:
    """The letters of the options whose text `piece` is: word for word, else but for an article before it."""
    found = plain(piece)
    exact = [letter for letter, option in options.items() if option and option == found]
    bare = _ARTICLE.sub("", found)
    return exact or [
        letter for letter, option in options.items() if bare and _ARTICLE.sub("", option) == bare
    ]
