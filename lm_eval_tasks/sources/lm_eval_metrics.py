"""What an lm-eval task measures."""

from dataclasses import dataclass
from typing import Any

from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

_RIGHT_OR_WRONG = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a task.

    Attributes:
        name: As lm-eval's results name it, before the comma and the filter's name.
        higher_is_better: Its direction.
        binary: Whether a row's value is 0 or 1; None: the task's own function makes it, its values tell.
    """

    name: str
    higher_is_better: bool
    binary: bool | None


def metrics_of(task: ConfigurableTask) -> tuple[Metric, ...]:
    """Its metrics in the YAML's order, the primary one first."""
    aggregation, judged = task.aggregation(), task.config.process_results
    return tuple(
        Metric(name, bool(higher), _is_binary(name, aggregation.get(name), judged))
        for name, higher in task.higher_is_better().items()
    )


def filters_of(task: ConfigurableTask) -> tuple[str, ...]:
    """Its answer filters in the YAML's order."""
    return tuple(str(item["name"]) for item in task.config.filter_list or [{"name": "none"}])


def _is_binary(name: str, aggregation: Any, judged: Any) -> bool | None:
    if aggregation is not mean:
        return False
    return None if judged is not None else name in _RIGHT_OR_WRONG
