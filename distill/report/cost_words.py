"""What baking cost, in words: never more than the rows show."""

from distill.report.costs import Cost
from distill.report.entries import title_of
from distill.report.labels import MINUS, interval
from distill.statistics.paired import Paired
from distill.statistics.retention import ENOUGH_ROWS, MARGIN, Kept, Verdict


def retention_words(cost: Cost) -> str:
    """`forgot nothing measurable: ...`, `forgot: ...`, or what is missing; "" where nothing was asked."""
    found = cost.kept
    if found is None or found.together is None:
        return ""
    if found.verdict == Verdict.LOST:
        return _lost(cost, found)
    told = f"{difference(found.together)} on {found.together.n} rows"
    if found.verdict == Verdict.NOTHING:
        return f"forgot nothing measurable: {told}"
    if found.together.n < ENOUGH_ROWS:
        return f"no loss shown: {told}; to say that it forgot nothing takes {ENOUGH_ROWS}"
    return f"no loss shown: {told}; a loss of {100 * MARGIN:.0f} points is not excluded"


def drift_words(cost: Cost) -> str:
    """Drift with its interval; "" where it was not measured."""
    if cost.drift is None or cost.drift_interval is None:
        return ""
    low, high = cost.drift_interval
    told = f"{cost.drift['kl']:.3f} nats per token [{low:.3f}, {high:.3f}]"
    return f"{told}, {cost.drift['same']:.0%} of tokens as before"


def economy_words(cost: Cost) -> str:
    """What a request saves, and when the training has paid for itself; "" where it was not measured."""
    found = cost.economy
    if found is None:
        return ""
    tokens = found["prompt_tokens_before"] - found["prompt_tokens_after"]
    before, after = (milliseconds(found[f"prefill_seconds_{name}"]) for name in ("before", "after"))
    told = f"{tokens:.0f} prompt tokens saved per request, first token after {after} ms instead of {before}"
    pays = found["requests_to_pay"]
    return told + (f"; the training pays for itself after {pays:,} requests" if pays is not None else "")


def milliseconds(seconds: float) -> str:
    """`41`, or `3.2` of few."""
    return f"{1000 * seconds:.0f}" if seconds >= 0.01 else f"{1000 * seconds:.1f}"


def difference(paired: Paired) -> str:
    """`-1.2 points [-3.0, 0.6]`."""
    value = f"{100 * paired.difference:+.1f}".replace("-", MINUS)
    return f"{value} points" + (f" {interval(paired.interval)}" if paired.interval else "")


def _lost(cost: Cost, found: Kept) -> str:
    lost = [
        f"{difference(one)} on {title_of(entry)} ({one.n} rows)"
        for (entry, _), one in zip(cost.tasks, found.tasks, strict=True)
        if one.shown and not one.better
    ]
    if not lost and found.together:
        lost = [f"{difference(found.together)} on {found.together.n} rows"]
    return f"forgot: {', '.join(lost)}"
