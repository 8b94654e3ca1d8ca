"""`detectable_format:*`: lists, highlights, sections, titles, JSON.

Where the official regular expression takes quadratic time on some texts, the same matches are counted in one
pass here.
"""

import re

from lm_eval_tasks.benchmarks.ifeval.scorer.patterns import guarded
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.scoring.json_text import is_json

# The official `^\s*` may begin lines earlier, which changes no count.
_ASTERISK_LINE = re.compile(r"^[^\S\n]*\*[^*].*", re.MULTILINE)
_DASH_LINE = re.compile(r"^[^\S\n]*-", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*[^\n\*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*([^\n\*]*)\*\*")
_FENCES = ("```json", "```Json", "```JSON", "```")


def number_bullet_lists(text: Text, *, num_bullets: int) -> bool:
    """Exactly so many lines start with a bullet, `-` or `*`; `**bold` is none.

    Official defect, kept: a lone `*` takes the following line with it.
    """
    bullets = len(_ASTERISK_LINE.findall(text.raw)) + len(_DASH_LINE.findall(text.raw))
    return bullets == num_bullets


def number_highlighted_sections(text: Text, *, num_highlights: int) -> bool:
    """At least so many `*highlights*`; a `**double**` one counts as well."""
    single = sum(1 for match in _HIGHLIGHT.findall(text.raw) if match.strip("*").strip())
    double = sum(1 for inner in _DOUBLE_HIGHLIGHT.findall(text.raw) if inner.strip())
    return single + double >= num_highlights


def multiple_sections(text: Text, *, section_spliter: str, num_sections: int) -> bool:
    """At least so many numbered section marks, such as `SECTION 1`."""
    pattern = guarded(section_spliter.strip(), before=r"\s?", after=r"\s?\d+\s?", ignore_case=False)
    # The official checker counts the pieces of re.split, to which each group of the pattern adds one.
    return pattern.count(text.raw) * (1 + pattern.groups) >= num_sections


def title(text: Text) -> bool:
    """A line holds `<<something>>`."""
    return any(_title_of(line) for line in text.raw.split("\n") if "<<" in line)


def _title_of(line: str) -> str:
    r"""What `<<[^\n]+>>` matches in a line (from the first mark to the last), without the marks."""
    begin, end = line.find("<<"), line.rfind(">>")
    return line[begin:end].lstrip("<").rstrip(">").strip() if end >= begin + 3 else ""


def json_format(text: Text) -> bool:
    """The whole response is JSON, with or without a code fence."""
    body = text.stripped
    for fence in _FENCES:
        body = body.removeprefix(fence)
    return is_json(body.removesuffix("```").strip())
