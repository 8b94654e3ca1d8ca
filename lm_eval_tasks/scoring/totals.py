"""Verdicts added up: accuracies, their uncertainty, per-type breakdown, diagnostics."""

from collections import defaultdict
from typing import Any

from lm_eval_tasks.scoring.diagnostics import Diagnostics
from lm_eval_tasks.scoring.statistics import clustered_stderr, effective_n, wilson_interval
from lm_eval_tasks.scoring.tasks import Judged


class Metric:
    """One accuracy: sums per cluster, since answers to one question are not independent."""

    def __init__(self) -> None:
        self._clusters: dict[str, tuple[float, int]] = {}
        # Responses that name no question are clusters of their own; equal sums need no entry each.
        self._alone: dict[tuple[float, int], int] = defaultdict(int)
        self.total = 0.0
        self.n = 0

    def add(self, cluster: str | None, total: float, n: int) -> None:
        """Add `n` observations that sum to `total`."""
        self.total += total
        self.n += n
        if cluster is None:
            self._alone[float(total), n] += 1
        else:
            before, before_n = self._clusters.get(cluster, (0.0, 0))
            self._clusters[cluster] = (before + total, before_n + n)

    def summary(self) -> dict[str, Any]:
        """Value, count, clustered standard error, 95% Wilson interval (on the effective number)."""
        if not self.n:
            return {"value": None, "count": "0/0", "stderr_clustered": None, "wilson_95": None, "clusters": 0}
        clusters = len(self._clusters) + sum(self._alone.values())
        value = self.total / self.n
        stderr = clustered_stderr(self._all_clusters())
        low, high = wilson_interval(value, effective_n(value, stderr, clusters, self.n))
        return {
            "value": value,
            "count": f"{self.total:g}/{self.n}" if self.total % 1 else f"{int(self.total)}/{self.n}",
            "stderr_clustered": stderr,
            "wilson_95": [low, high],
            "clusters": clusters,
        }

    def _all_clusters(self) -> list[tuple[float, int]]:
        alone = [sums for sums, times in sorted(self._alone.items()) for _ in range(times)]
        return [*self._clusters.values(), *alone]


class Totals:
    """Everything the output file says about the scores."""

    def __init__(self, task: str, metrics: tuple[str, ...]) -> None:
        self._task = task
        self._metrics = {name: Metric() for name in metrics}
        self._main = metrics[0]
        self._types: dict[str, tuple[Metric, Metric]] = defaultdict(lambda: (Metric(), Metric()))
        self._timed_out = 0
        self.diagnostics = Diagnostics()

    def add(self, judged: Judged) -> None:
        """Add one response, or one malformed row."""
        for name, (total, n) in judged.scores.items():
            self._metrics[name].add(judged.cluster, total, n)
        for name, strict, loose in judged.types:
            self._types[name][0].add(judged.cluster, strict, 1)
            self._types[name][1].add(judged.cluster, loose, 1)
        self._timed_out += judged.timed_out
        if judged.flags is not None:
            score = judged.scores[self._main][0]
            self.diagnostics.add(judged.flags, score=score, response_tokens=judged.response_tokens)

    def summary(self) -> dict[str, Any]:
        """The metrics, per-type breakdown and diagnostics."""
        metrics = {name: metric.summary() for name, metric in self._metrics.items()}
        result: dict[str, Any] = {"metrics": metrics}
        if self._task == "ifeval":
            values = [metric["value"] for metric in metrics.values()]
            known = [value for value in values if value is not None]
            result["mean_of_four"] = {
                "label": "unweighted mean of the four accuracies above (not an official number)",
                "value": sum(known) / len(known) if known else None,
            }
            result["per_instruction_type"] = {
                name: {"strict": strict.summary(), "loose": loose.summary()}
                for name, (strict, loose) in sorted(self._types.items())
            }
        diagnostics = self.diagnostics.summary()
        diagnostics["score_on_completed_metric"] = self._main
        if self._task == "math":
            diagnostics["verification_timeouts"] = self._timed_out
        result["diagnostics"] = diagnostics
        return result
