"""`economy.json`: what a request saves, and after how many of them the training has paid for itself.

    schema, schema_version   "icl-distill/economy", 1
    engine, device           that served the requests
    students                 a list, one for each: condition, step, and the fields of `Saving`

All of it is measured: prompt tokens on the evaluated rows, the time to the first token on the engine in use
(one request at a time, a prompt of so many tokens that no cache knows), seconds of training as the trainer
counts them and of the teacher's answers.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from distill.evaluation.checkpoints import Checkpoint
from distill.evaluation.result import read_file
from distill.model.fingerprints import device_name
from lm_eval_tasks.files import write_json

FINISHED = "finished.json"
"""Beside the checkpoints; holds the training's `seconds`."""


@dataclass(frozen=True, slots=True)
class Request:
    """Prompt tokens of a request, on average over the evaluated rows.

    Attributes:
        before: With the prompt.
        after: Without it.
    """

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Saving:
    """What one student saves, and cost.

    Attributes:
        condition: Of the student.
        step: Of the student.
        prompt_tokens_before: With the prompt.
        prompt_tokens_after: Without it.
        prefill_seconds_before: Time to the first token of the base model with the prompt.
        prefill_seconds_after: Of the student without it.
        training_seconds: None: not known, since the training was interrupted or is an earlier version's.
        answers_seconds: Of the teacher's answers.
        requests_to_pay: After how many the seconds saved exceed those of training and answers; None: not
            known, or nothing is saved.
    """

    condition: str
    step: int
    prompt_tokens_before: float
    prompt_tokens_after: float
    prefill_seconds_before: float
    prefill_seconds_after: float
    training_seconds: float | None
    answers_seconds: float
    requests_to_pay: int | None

    @classmethod
    def of(
        cls, student: Checkpoint, request: Request, prefill: tuple[float, float], *, answers_seconds: float
    ) -> "Saving":
        """Of a student, by the measured seconds of prefill before and after."""
        before, after = prefill
        training = training_seconds(student.folder.parent)
        spent = None if training is None else training + answers_seconds
        pays = None if spent is None or before <= after else math.ceil(spent / (before - after))
        lengths = round(request.before, 1), round(request.after, 1)
        seconds = round(before, 6), round(after, 6)
        return cls(student.condition, student.step, *lengths, *seconds, training, answers_seconds, pays)


def read_request(gap: Path) -> Request | None:
    """Prompt tokens with and without the prompt, from the rows of `gap`; of several prompts the longest.

    Raises:
        UserError: the file cannot be used.
    """
    if not gap.is_file():
        return None
    lengths: dict[tuple[str, int], list[int]] = {}
    for one in read_file(gap):
        if one.entry["condition"] == "base":
            found = [int(row["prompt_tokens"]) for row in (one.rows or {}).values()]
            lengths.setdefault((one.entry["view"], one.entry["num_fewshot"]), []).extend(found)
    means = {key: statistics.fmean(values) for key, values in lengths.items() if values}
    prompted = [mean for (view, _), mean in means.items() if view == "prompted"]
    bare = [mean for (view, _), mean in means.items() if view == "bare"]
    return Request(max(prompted), bare[0]) if prompted and bare else None


def training_seconds(folder: Path) -> float | None:
    """What the training in `folder` took; None where nobody noted it."""
    path = folder / FINISHED
    noted = json.loads(path.read_text(encoding="utf-8")).get("seconds") if path.is_file() else None
    return None if noted is None else float(noted)


def write_economy(path: Path, engine: str, savings: Sequence[Saving]) -> None:
    """Write the file."""
    head = {"schema": "icl-distill/economy", "schema_version": 1, "engine": engine, "device": device_name()}
    write_json(path, head | {"students": [asdict(saving) for saving in savings]})
