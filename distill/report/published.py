"""Published scores, from a run file's `reported:` block, to stand beside what the run reproduces.

By benchmark, condition and measurement, as fractions of 1 of the benchmark's primary metric; or of several
metrics, each by its name::

    reported_source: where the figures are from
    reported:
      <benchmark>:
        base: {0-shot: 0.2608, 8-shot: 0.4708}
        baseline: {1000: 0.63, best: 0.6429}
        online_v1: {1000: {prompt_level_strict_acc: 0.3845, inst_level_strict_acc: 0.458}}

`base`, the untrained model, is measured at a number of shots. Any other condition is measured 0-shot at a
step: its number, or `final` (the last one evaluated), `best` (of those evaluated), `unstated` (the source
names none). The run's folder keeps the block in `run.yaml`; `read_reported` reads it there.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping

RUN_FILE = "run.yaml"
"""The run's configuration as it was carried out, in its output folder."""

BASE = "base"
STEP_WORDS = ("final", "best", "unstated")

_SHOTS = re.compile(r"(\d+)-shot")


@dataclass(frozen=True, slots=True)
class ReportedScore:
    """One published score.

    Attributes:
        benchmark: Its name.
        condition: `base`, or a training condition's name.
        num_fewshot: Demonstrations in the prompt; 0 for every trained condition.
        step: Optimiser step; None for `base` and where the source gives no number.
        which: What the block calls it: `8-shot`, `1000`, `final`, `best` or `unstated`.
        score: Fraction of 1.
        metric: Its metric's name; None: the benchmark's primary one.
    """

    benchmark: str
    condition: str
    num_fewshot: int
    step: int | None
    which: str
    score: float
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """The published scores of a run.

    Attributes:
        scores: In the file's order.
        source: Where they are from, as text.
    """

    scores: tuple[ReportedScore, ...] = ()
    source: str = ""


def read_reported(run_dir: Path) -> Reported:
    """The published scores of a run; none, where the folder has no `run.yaml` or it has no such block.

    Raises:
        UserError: the file is malformed.
    """
    path = run_dir / RUN_FILE
    if not path.is_file():
        return Reported()
    raw = read_yaml_mapping(path)
    conditions = raw.get("conditions") or {}
    return parse_reported(
        raw.get("reported"), raw.get("reported_source"), raw.get("benchmarks") or {}, conditions, path
    )


def parse_reported(
    block: Any, source: Any, benchmarks: Collection[str], conditions: Collection[str], path: Path
) -> Reported:
    """Check a `reported:` block against the run it belongs to.

    Args:
        block: The block, or None.
        source: The value of `reported_source`, or None.
        benchmarks: The run's.
        conditions: The run's, without `base`.
        path: The run file, for messages.

    Raises:
        UserError: an unknown benchmark, condition or measurement; a score that is no fraction; no source.
    """
    if not block:
        return Reported()
    if not isinstance(source, str) or not source.strip():
        raise UserError(f"{path}: reported_source is missing; say where the figures of `reported` are from.")
    scores = [
        score
        for benchmark, of_benchmark in _entries(block, benchmarks, f"{path}: reported")
        for condition, of_condition in _entries(
            of_benchmark, (BASE, *conditions), f"{path}: reported.{benchmark}"
        )
        for which, value in _entries(of_condition, None, f"{path}: reported.{benchmark}.{condition}")
        for score in _scores(benchmark, condition, which, value, f"{path}: reported.{benchmark}.{condition}")
    ]
    return Reported(tuple(scores), source.strip())


def _entries(block: Any, known: Collection[str] | None, where: str) -> list[tuple[Any, Any]]:
    if not isinstance(block, Mapping) or not block:
        raise UserError(f"{where}: must be a mapping of names, not {block!r:.60}.")
    for name in block:
        if known is not None and name not in known:
            raise UserError(f"{where}: {name!r} is not in this run; choose from {', '.join(known)}.")
    return list(block.items())


def _scores(benchmark: str, condition: str, which: Any, value: Any, where: str) -> list[ReportedScore]:
    if not isinstance(value, Mapping):
        return [_score(benchmark, condition, which, value, where)]
    known = tuple(BENCHMARKS[benchmark].metrics) if benchmark in BENCHMARKS else None
    return [
        replace(_score(benchmark, condition, which, score, where, f".{metric}"), metric=metric)
        for metric, score in _entries(value, known, f"{where}.{which}")
    ]


def _score(
    benchmark: str, condition: str, which: Any, score: Any, where: str, metric: str = ""
) -> ReportedScore:
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise UserError(f"{where}.{which}{metric}: the score is {score!r}; give a fraction from 0 to 1.")
    shots = _SHOTS.fullmatch(str(which))
    if condition == BASE and shots:
        return ReportedScore(benchmark, condition, int(shots[1]), None, str(which), float(score))
    if condition != BASE and (str(which).isdecimal() or which in STEP_WORDS):
        step = None if which in STEP_WORDS else int(which)
        return ReportedScore(benchmark, condition, 0, step, str(which), float(score))
    kind = "a number of shots, such as 8-shot" if condition == BASE else f"a step or {', '.join(STEP_WORDS)}"
    raise UserError(f"{where}: {which!r} names no measurement; for this condition, give {kind}.")
