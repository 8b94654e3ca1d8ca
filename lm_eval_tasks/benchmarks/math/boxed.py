r"""The final answer of a MATH solution: the content of its last \boxed{}."""

import re

_OPENING = re.compile(r"\\(?:boxed|fbox)\s*\{")


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete `\boxed{...}` or `\fbox{...}`, or None.

    Braces nest; escaped ones (`\{`) do not count.
    """
    for opening in reversed(list(_OPENING.finditer(text))):
        depth = 1
        for brace in re.finditer(r"\\.|[{}]", text[opening.end() :], re.DOTALL):
            depth += {"{": 1, "}": -1}.get(brace.group(), 0)
            if depth == 0:
                return text[opening.end() : opening.end() + brace.start()].strip()
    return None
