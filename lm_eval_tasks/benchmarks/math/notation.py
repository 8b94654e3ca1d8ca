"""LaTeX expressions as they are compared: notation without meaning, Unicode, inequalities, names."""

import re

_MEANINGLESS = re.compile(
    r"\\[!,;:>\ ]|~|\s|\\(?:left|right|displaystyle|limits|q?quad|[bB]ig[lr]?)(?![a-zA-Z])"
)
_SAME_COMMAND = (
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (
        re.compile(
            r"\\(?:text(?:bf|it|rm|normal|sf|tt)?|mbox|math(?:rm|bf|it|sf)|operatorname)\s*\{([^{}]*)\}"
        ),
        r"\1",
    ),
    (re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))"), ""),
    (re.compile(r"\\(?=[$%])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"^\$+|\$+$"), ""),
)
_ROOT = re.compile(r"\u221a\s*(?:\((?P<group>[^()]*)\)|(?P<operand>\d+(?:\.\d+)?|[a-zA-Z])|(?=\{))")
_SYMBOLS = str.maketrans(
    {
        "\u03c0": r"\pi ", "\u221e": r"\infty ", "\u2264": r"\le ", "\u2265": r"\ge ", "\u222a": r"\cup ",
        "\u2208": r"\in ", "\u2212": "-", "\u00b1": r"\pm ", "\u00d7": r"\times ", "\u00b7": r"\cdot ",
        "\u00b0": r"^\circ ",
    }
)  # fmt: skip
_NAME = re.compile(r"(?:\\(?:angle|triangle|overline|arc)(?![a-zA-Z]) ?)?\{? ?[a-zA-Z]{2,} ?\}?")
_PRODUCT = re.compile(r"[a-z]{2,3}")
_LESS = r" ?(?:\\(?:le|leq|leqslant|lt)(?![a-zA-Z])|<=?) ?"
_MORE = r" ?(?:\\(?:ge|geq|geqslant|gt)(?![a-zA-Z])|>=?) ?"
_CHAIN = re.compile(
    rf"(?P<one>[^<>=]+?)(?:(?P<below>{_LESS})(?P<x>[a-zA-Z])(?P<above>{_LESS})"
    rf"|(?P<over>{_MORE})(?P<y>[a-zA-Z])(?P<under>{_MORE}))(?P<two>[^<>=]+)"
)
_INTERVAL = re.compile(
    r"(?:(?P<variable>[a-zA-Z]) ?\\in(?![a-zA-Z]) ?)?(?P<interval>[\[(][^\[\]()]+,[^\[\]()]+[\])])"
)


def readable(expression: str) -> str:
    """The expression with LaTeX's commands in the place of symbols of Unicode."""
    roots = _ROOT.sub(lambda root: r"\sqrt" + _braced(root["group"] or root["operand"]), expression)
    return roots.translate(_SYMBOLS)


def spaced(expression: str) -> str:
    """The expression without sizes, text commands, degree signs, and a final full stop; single spaces."""
    for pattern, replacement in _SAME_COMMAND:
        expression = pattern.sub(replacement, expression)
    return " ".join(_MEANINGLESS.sub(" ", expression).split()).rstrip(".")


def without_notation(expression: str) -> str:
    """`spaced`, without the spaces."""
    return spaced(expression).replace(" ", "")


def other_names(answer: str, target: str) -> bool:
    """Whether both are names or words (`ABC`, `even`) and not the same: letters that are not multiplied.

    Up to three small letters (`xy`) are taken for a product, whose order does not count.

    Args:
        answer: `spaced`.
        target: `spaced`.
    """
    if not (_NAME.fullmatch(answer) and _NAME.fullmatch(target)):
        return False
    return answer != target and not (_PRODUCT.fullmatch(answer) and _PRODUCT.fullmatch(target))


def as_intervals(answer: str, target: str) -> tuple[str, str] | None:
    r"""Both as intervals, where one is an inequality such as `-2 \le x \le 7` and the other an interval.

    Args:
        answer: `spaced`.
        target: `spaced`.
    """
    first, second = _interval_like(answer, target), _interval_like(target, answer)
    return (first or answer, second or target) if first or second else None


def _interval_like(chain: str, interval: str) -> str | None:
    found, told = _CHAIN.fullmatch(chain), _INTERVAL.fullmatch(interval)
    if found is None or told is None or told["variable"] not in (None, found["x"] or found["y"]):
        return None
    return _as_interval(found)


def _as_interval(chain: re.Match[str]) -> str:
    low, high, left, right = chain["one"], chain["two"], chain["below"], chain["above"]
    if left is None:
        low, high, left, right = high, low, chain["under"], chain["over"]
    closed = tuple("e" in sign or "=" in sign for sign in (left, right))
    return f"{'[' if closed[0] else '('}{low},{high}{']' if closed[1] else ')'}"


def _braced(text: str | None) -> str:
    return "" if text is None else f"{{{text}}}"
