"""What a bake cost, as `bake.json` holds it.

    retention    by `baked` and `sft`: verdict (lost, forgot nothing, open), words, rows, difference and
                 interval of all rows together, and tasks: each with task, metric, bare, student (score and
                 interval), rows, difference, interval, p (adjusted)
    drift        by `baked` and `sft`: kl (nats per token), interval, same (share of tokens as before),
                 prompts, tokens
    economy      of the baked model: see `distill.evaluation.economy.Saving`; engine, device

null where it was not measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.summary import primary_metric
from distill.report.cost_words import retention_words
from distill.report.costs import Cost, read_costs

Json = dict[str, Any]


def read_outcome(job: Path, students: Mapping[str, str | None]) -> Json:
    """The part of `bake.json`.

    Args:
        job: The folder of the job's results.
        students: Conditions by what the file calls them; None: there is none.
    """
    costs = {cost.condition: cost for cost in read_costs(job)}
    found = {name: costs[condition] for name, condition in students.items() if condition in costs}
    economy = found["baked"].economy if "baked" in found else None
    return {
        "retention": {name: _retention(cost) for name, cost in found.items() if cost.kept} or None,
        "drift": {name: _drift(cost) for name, cost in found.items() if cost.drift} or None,
        "economy": economy and {name: economy[name] for name in economy if name not in ("condition", "step")},
    }


def _retention(cost: Cost) -> Json:
    assert cost.kept is not None and cost.kept.together is not None
    together = cost.kept.together
    compared = zip(cost.tasks, cost.kept.tasks, cost.kept.p_holm, strict=True)
    return {
        "verdict": str(cost.kept.verdict),
        "words": retention_words(cost),
        "rows": together.n,
        "difference": together.difference,
        "interval": _listed(together.interval),
        "tasks": [
            {
                "task": bare["benchmark"],
                "metric": primary_metric(bare),
                "bare": _score(bare),
                "student": _score(own),
                "rows": paired.n,
                "difference": paired.difference,
                "interval": _listed(paired.interval),
                "p": p,
            }
            for (bare, own), paired, p in compared
        ],
    }


def _drift(cost: Cost) -> Json:
    assert cost.drift is not None
    return {
        "kl": cost.drift["kl"],
        "interval": _listed(cost.drift_interval),
        "same": cost.drift["same"],
        "prompts": len(cost.drift["prompts"]),
        "tokens": sum(cost.drift["tokens"]),
    }


def told_shortly(outcome: Mapping[str, Any]) -> str:
    """What the baked model forgot, its drift, when it has paid for itself; "" where none was measured."""
    own = {name: (outcome.get(name) or {}).get("baked") for name in ("retention", "drift")}
    said = []
    if own["retention"]:
        said.append(own["retention"]["words"])
    if own["drift"]:
        said.append(f"drift {own['drift']['kl']:.3f} nats per token")
    if (economy := outcome.get("economy")) and economy["requests_to_pay"] is not None:
        said.append(f"paid for itself after {economy['requests_to_pay']:,} requests")
    return "; ".join(said)


def _score(entry: Mapping[str, Any]) -> Json:
    metric = entry["metrics"][primary_metric(entry)]
    return {"score": metric["rate"], "interval": metric["interval"]}


def _listed(interval: Sequence[float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
