"""Numbers as people and models write them: thousands, currencies, signs, exponents."""

import re
from decimal import Decimal

_CURRENCY = r"(?:\\?(?:US|CA|AU|NZ|HK|[ACS])?\\?[$€£¥₹]|\b(?:Rs\.?|USD|EUR|GBP|INR))"

# A minus sign belongs to the number unless it stands between two operands, as in "10-5".
NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![\w)\]}}%.])[\u2212\u2013-])?   # hyphen, minus sign, en dash; "- 5" is a list item
    (?:{_CURRENCY}\s?(?P<inner_sign>[\u2212\u2013-])?)?
    (?P<digits>
        # 1,234.5; LaTeX: 1{{,}}234 and 1\,234; 1'234; 1 234 with any kind of space; one kind a number.
        \d{{1,3}}(?P<comma>,|\{{,\}}|\\,|['\u2019\u00a0\u2009\u202f\ ])\d{{3}}(?:(?P=comma)\d{{3}})*(?!\d)
        (?:\.\d+)?
      | \d+(?:\.\d+)?
      | (?<![\w.])\.\d+
    )
    (?P<exponent>[eE][+-]?\d{{1,4}}(?!\w))?
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
