"""How things are called and numbers are written in a report."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from distill.evaluation.kinds import DISTILLED, SFT
from distill.evaluation.results import WITH_PROMPT, view_name
from distill.report.entries import BASELINE, Entry, is_bare, kind_of

MISSING = "—"
MINUS = "\N{MINUS SIGN}"


def condition_name(condition: str, kind: str) -> str:
    """A condition over a column: `Baseline`, `SFT (lr_2)`, `Distillation (online_v1)`, or its name alone."""
    if kind == SFT:
        own = {BASELINE: "Baseline", "sft": "SFT"}
        return own.get(condition, f"SFT ({condition})")
    return f"Distillation ({condition})" if kind == DISTILLED else condition


def plain_condition(condition: str, kind: str) -> str:
    """A condition as a newcomer reads it: `Fine-tuned`, `Baked (online_v1)`, or its name alone."""
    known = {SFT: ("Fine-tuned", (BASELINE, "sft")), DISTILLED: ("Baked", ("baked",))}
    word, usual = known.get(kind, ("", ()))
    if not word:
        return condition
    return word if condition in usual else f"{word} ({condition})"


def plain_name(entry: Entry) -> str:
    """`Bare model`, `With the prompt (8 examples)`, `Baked`, or `Baked, with the prompt`; no step."""
    if entry["step"] is not None:
        name = plain_condition(entry["condition"], kind_of(entry))
        return name + ("" if is_bare(entry) else f", {WITH_PROMPT}")
    if is_bare(entry):
        return "Bare model"
    shown = entry["num_fewshot"]
    return "With the prompt" + (f" ({shown} example{'' if shown == 1 else 's'})" if shown else "")


def model_name(name: str) -> str:
    """A hub name as it is; of a folder, its last part."""
    return Path(name).name if Path(name).is_absolute() else name


def subject_name(entry: Entry) -> str:
    """Such as `base 4-shot`, `online_v1 step 200` or `online_v1 step 200 with the prompt`."""
    if entry["step"] is None:
        return f"{entry['condition']} {view_name(entry)}"
    return checkpoint_name(entry) + ("" if is_bare(entry) else f" {WITH_PROMPT}")


def checkpoint_name(entry: Entry) -> str:
    """Such as `online_v1 step 200`."""
    return f"{entry['condition']} step {entry['step']}"


def percent(rate: float | None) -> str:
    """`7.21%`."""
    return MISSING if rate is None else f"{100 * rate:.2f}%"


def points(difference: float) -> str:
    """A difference of rates, as `+1.29%`; the minus is the typographic one."""
    return f"{100 * difference:+.2f}%".replace("-", MINUS)


def counted(metric: Entry | None) -> str:
    """`7.21% (39/541)`; of values that are no counts, `7.21% (n = 541)`."""
    if metric is None or metric["rate"] is None:
        return MISSING
    correct = metric.get("correct")
    of = f"n = {metric['total']}" if correct is None else f"{correct}/{metric['total']}"
    return f"{percent(metric['rate'])} ({of})"


def interval(bounds: Sequence[float] | None, digits: int = 1) -> str:
    """`[5.3, 9.7]`, in percent; of differences, `[-1.2, 3.8]`."""
    if bounds is None:
        return MISSING
    low, high = (f"{100 * bound:.{digits}f}".replace("-", MINUS) for bound in bounds)
    return f"[{low}, {high}]"


def with_interval(metric: Entry | None) -> str:
    """`7.21% (39/541) [5.3, 9.7]`; the interval where there is one."""
    bounds = metric.get("interval") if metric else None
    return f"{counted(metric)} {interval(bounds)}" if bounds else counted(metric)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a vertical bar within a cell is escaped."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
