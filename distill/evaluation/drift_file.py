"""`drift.json`: what was measured of each student's drift, with the rows.

    schema, schema_version   "icl-distill/drift", 1
    base_fingerprint         of the bare model's weights
    asked                    fingerprint of the prompts and of how long an answer may be
    students                 a list, one for each:
      condition, step, kind
      fingerprint            of its weights
      kl, same               KL(bare || student) per token in nats; share of tokens that it prefers, too
      prompts                ids, in the order of the rows
      kl_rows, same_rows     of each prompt's answer: sums over its tokens
      tokens                 of each answer
      answers                fingerprint of the prompts and of the bare model's answers to them
      dtype, device, seconds

What is not of this base model and these prompts is measured anew.
"""

from pathlib import Path
from typing import Any

from distill.evaluation.drift import NEW_TOKENS, Drift, DriftMeter
from distill.evaluation.retention_files import PROMPTS, read_drift
from distill.evaluation.session import Subject
from distill.model.fingerprints import device_name, digest
from lm_eval_tasks.files import write_json

_SCHEMA = {"schema": "icl-distill/drift", "schema_version": 1}


class DriftFile:
    """Grows by one student at a time."""

    def __init__(self, path: Path, base_fingerprint: str) -> None:
        """Open `path`, or begin it; what it says of another base model is left out.

        Raises:
            UserError: it is not readable.
        """
        self._path = path
        asked = digest([PROMPTS.read_text(encoding="utf-8"), NEW_TOKENS])
        self._of = {"base_fingerprint": base_fingerprint, "asked": asked}
        content = read_drift(path)
        same = all(content.get(name) == value for name, value in self._of.items())
        self._students: list[dict[str, Any]] = content["students"] if same else []

    def knows(self, subject: Subject) -> bool:
        """Whether it holds this very student."""
        return any(
            one["fingerprint"] == subject.fingerprint and _named(one, subject) for one in self._students
        )

    def add(self, subject: Subject, meter: DriftMeter, found: Drift, dtype: str) -> None:
        """Save a student, in the place of an earlier one of its name."""
        entry = {
            "condition": subject.condition,
            "step": subject.step,
            "kind": subject.training,
            "fingerprint": subject.fingerprint,
            "kl": found.kl,
            "same": found.same,
            "prompts": meter.ids,
            "kl_rows": found.kl_rows,
            "same_rows": found.same_rows,
            "tokens": found.tokens,
            "answers": meter.fingerprint,
            "dtype": dtype,
            "device": device_name(),
            "seconds": round(found.seconds, 1),
        }
        self._students = [one for one in self._students if not _named(one, subject)] + [entry]
        write_json(self._path, _SCHEMA | self._of | {"students": self._students})


def _named(entry: dict[str, Any], subject: Subject) -> bool:
    return (entry["condition"], entry["step"]) == (subject.condition, subject.step)
