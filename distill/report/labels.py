"""How things are called and numbers are written in a report."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.scores import SCORES

Entry = Mapping[str, Any]

BENCHMARK_NAMES = {"gsm8k": "GSM8K", "csqa": "CSQA", "math": "MATH", "ifeval": "IFEval"}
BASELINE = "baseline"
MISSING = "—"
MINUS = "\N{MINUS SIGN}"

_METRIC_NAMES = {
    "strict_acc": ("Accuracy", "Accuracy"),
    "flexible_acc": ("Flexible Acc.", "Accuracy, any answer format"),
    "prompt_level_strict_acc": ("Prompt Acc.", "Prompt-level strict accuracy (primary metric)"),
    "inst_level_strict_acc": ("Instruction Acc.", "Instruction-level accuracy"),
}


def shown_metrics(benchmark: str) -> list[str]:
    """The metrics that tables show, the primary one first."""
    second = "inst_level_strict_acc" if benchmark == "ifeval" else "flexible_acc"
    return [SCORES[benchmark].primary, second]


def metric_column(name: str) -> str:
    """A metric's name over a column."""
    return _METRIC_NAMES[name][0]


def metric_heading(name: str) -> str:
    """A metric's name over a table."""
    return _METRIC_NAMES[name][1]


def condition_name(condition: str) -> str:
    """A condition over a column: `Baseline`, `Distillation (online_v1)`."""
    return "Baseline" if condition == BASELINE else f"Distillation ({condition})"


def in_order(conditions: Iterable[str]) -> list[str]:
    """Conditions as a report lists them: the SFT baseline, then the others as they come."""
    names = list(dict.fromkeys(conditions))
    return sorted(names, key=lambda name: name != BASELINE)


def model_name(name: str) -> str:
    """A hub name as it is; of a folder, its last part."""
    return Path(name).name if Path(name).is_absolute() else name


def subject_name(entry: Entry) -> str:
    """Such as `base 4-shot` or `online_v1 step 200`."""
    if entry["step"] is None:
        return f"{entry['condition']} {entry['num_fewshot']}-shot"
    return f"{entry['condition']} step {entry['step']}"


def percent(rate: float | None) -> str:
    """`7.21%`."""
    return MISSING if rate is None else f"{100 * rate:.2f}%"


def points(difference: float) -> str:
    """A difference of rates, as `+1.29%`; the minus is the typographic one."""
    return f"{100 * difference:+.2f}%".replace("-", MINUS)


def counted(metric: Entry | None) -> str:
    """`7.21% (39/541)`."""
    if metric is None:
        return MISSING
    return f"{percent(metric['rate'])} ({metric['correct']}/{metric['total']})"


def interval(bounds: Sequence[float], digits: int = 1) -> str:
    """`[5.3, 9.7]`, in percent; of differences, `[-1.2, 3.8]`."""
    low, high = (f"{100 * bound:.{digits}f}".replace("-", MINUS) for bound in bounds)
    return f"[{low}, {high}]"


def with_interval(metric: Entry | None) -> str:
    """`7.21% (39/541) [5.3, 9.7]`."""
    return MISSING if metric is None else f"{counted(metric)} {interval(metric['interval'])}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a vertical bar within a cell is escaped."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
