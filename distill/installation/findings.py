"""What `icl-distill doctor` says of one thing."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "absent", "note", "problem"]
"""`absent`: not installed, and nothing needs it; `note`: works, with something to know; `problem`: broken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        name: What was looked at.
        status: How it is.
        found: What was seen.
        remedy: What to do; "": nothing.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""
