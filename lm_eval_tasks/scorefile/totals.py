"""Verdicts added up: accuracies, their uncertainty, breakdown, diagnostics."""

from collections import defaultdict
from typing import Any

from lm_eval_tasks.scorefile.judging import Judge, Judged
from lm_eval_tasks.scoring.diagnostics import Diagnostics
from lm_eval_tasks.scoring.intervals import clustered_stderr, effective_n, wilson_interval


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

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._metrics = {name: Metric() for name in judge.metrics}
        self._main = judge.metrics[0]
        self._parts: dict[str, dict[str, Metric]] = defaultdict(lambda: defaultdict(Metric))
        self._counts: dict[str, int] = {}
        self.diagnostics = Diagnostics()

    def add(self, judged: Judged) -> None:
        """Add one response, or one malformed row."""
        for name, (total, n) in judged.scores.items():
            self._metrics[name].add(judged.cluster, total, n)
        for kind, levels in judged.parts:
            for level, holds in levels.items():
                self._parts[kind][level].add(judged.cluster, holds, 1)
        for name, count in judged.counts.items():
            self._counts[name] = self._counts.get(name, 0) + count
        if judged.flags is not None:
            score = judged.scores[self._main][0]
            self.diagnostics.add(judged.flags, score=score, response_tokens=judged.response_tokens)

    def summary(self) -> dict[str, Any]:
        """The metrics, what the judge makes of them, and diagnostics."""
        metrics = {name: metric.summary() for name, metric in self._metrics.items()}
        parts = {
            kind: {level: metric.summary() for level, metric in levels.items()}
            for kind, levels in sorted(self._parts.items())
        }
        diagnostics = self.diagnostics.summary()
        diagnostics |= {"score_on_completed_metric": self._main, **self._counts}
        return {"metrics": metrics, **self._judge.summarise(metrics, parts), "diagnostics": diagnostics}
