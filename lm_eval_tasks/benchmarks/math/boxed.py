r"""The final answer of a MATH solution: the content of its last \boxed{}."""

import re

BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
r"""Where a box begins, with braces or without (`\boxed 2`)."""

# What an unbraced box holds: all up to where the formula or its line ends, else one number or command.
_UNBRACED = re.compile(
    r"[ \t]*(?=[-+.\d\\(]|[a-zA-Z](?![a-zA-Z]))"
    r"(?P<inside>[^\n${}]{1,100}?(?=\s{0,9}(?:\$|\\\)|\\\]))|[-+]?[\d.,/]*\d|[a-zA-Z]|\\[a-zA-Z]+(?:\{[^{}\n]{0,50}\}){0,2})"
)
_EDGE = re.compile(r"\A\s+|(?:\\*\s)+\Z")


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete box, or None.

    Boxes are `\boxed{...}` and `\fbox{...}`; braces nest, escaped ones (`\{`) do not count. `$\boxed 2$`, as
    some rows of MATH have it, holds what is left of the formula.
    """
    for box in reversed(list(BOX.finditer(text))):
        inside = _inside(text, box.end())
        if inside is not None:
            return trimmed(inside)
    return None


def trimmed(expression: str) -> str:
    r"""The expression without white space around it, LaTeX's (`5\ `) included."""
    return _EDGE.sub("", expression)


def _inside(text: str, position: int) -> str | None:
    braces = re.compile(r"\s*\{").match(text, position)
    if braces is None:
        unbraced = _UNBRACED.match(text, position)
        return unbraced["inside"] if unbraced else None
    depth = 1
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, braces.end()):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return text[braces.end() : brace.start()]
    return None
