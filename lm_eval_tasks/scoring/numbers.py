"""Numbers as people and models write them: thousands, currencies, signs, exponents."""

import re
from decimal import Decimal

# A minus sign belongs to the number unless it stands between two operands, as in "10-5".
NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]}%.])[-\u2212])?               # hyphen or unicode minus; "- 5" is a list item
    (?:\\?[$€£¥₹]\s?(?P<inner_sign>[-\u2212])?)?     # a currency sign, LaTeX-escaped or not
    (?P<digits>
        \d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)(?:\.\d+)?   # 1,234.5; LaTeX: 1{,}234 and 1\,234
      | \d+(?:\.\d+)?
      | (?<![\w.])\.\d+
    )
    (?P<exponent>[eE][+-]?\d{1,4}(?!\w))?
    """,
    re.VERBOSE,
)


def last_number(text: str) -> Decimal | None:
    """The last number in `text`."""
    matches = list(NUMBER.finditer(text))
    return to_decimal(matches[-1]) if matches else None


def to_decimal(match: re.Match[str]) -> Decimal:
    """The number that `NUMBER` matched."""
    digits = re.sub(r"[^\d.]", "", match["digits"])
    number = Decimal(digits + (match["exponent"] or ""))
    return -number if match["sign"] or match["inner_sign"] else number
