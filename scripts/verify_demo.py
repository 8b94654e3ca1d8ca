"""Check the outcome of `make demo` by its files, and print the table that README shows:

    python scripts/verify_demo.py runs/demo

Of the bake (`orders/bake.json`): counts that give the scores, what the demo is expected to show, held-out
divergence, prompt lengths, files. Of the IFEval run (`ifeval/`): counts, every view measured, truncated and
looping responses counted as in the samples, a divergence from the prompted model before and after each
training, a falling loss, the report with its figures. `--short` leaves out what a few steps and rows cannot
promise.
"""  # noqa: D415 (the command ends the first sentence)

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Checks = list[tuple[bool, str]]

CONDITIONS = ("baseline", "online_v1")
VIEWS = {
    "base": "bare",
    "prompted": "prompted with the demonstrations",
    "sft": "SFT on the demonstrations, best of three learning rates",
    "baked": "**baked**",
}
PHRASINGS = {"seen": 0.9, "unseen": 0.8}
"""Phrasings of the evaluated orders, and how much of the gap is to be closed on each."""


def main() -> int:
    """Print one line a check, then the table; the exit code says whether all checks hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    outcome = read(args.folder / "orders" / "bake.json")
    run = args.folder / "ifeval"
    parts = {
        "orders": bake_files(outcome) + counts(outcome) + ([] if args.short else promises(outcome)),
        "ifeval": scores(run / "ifeval")
        + divergences(run / "ifeval", args.short)
        + losses(run / "ifeval", args.short),
        "report": report(run / "report"),
    }
    failed = 0
    for name, checks in parts.items():
        for holds, text in checks:
            print(f"{'ok  ' if holds else 'FAIL'} {name}: {text}")
            failed += not holds
    print("\n" + table(outcome))
    return 1 if failed else 0


def bake_files(outcome: Json) -> Checks:
    """What a bake delivers is there, and it measured what it is about."""
    adapter, page = Path(outcome["adapter"]), Path(outcome["report"])
    weights = adapter / "adapter_model.safetensors"
    tokens, divergence = outcome["prompt_tokens"], outcome["divergence"]
    return [
        (weights.is_file() and weights.stat().st_size > 100_000, f"adapter {adapter}"),
        (page.is_file(), f"report {page}"),
        (str(adapter) in outcome["lm_eval_command"], "the stored command measures this adapter"),
        (tokens["baked"] < tokens["prompted"], f"prompt tokens {tokens['prompted']} -> {tokens['baked']}"),
        (
            divergence["after"] < divergence["before"],
            f"held-out divergence {divergence['before']:.3f} -> {divergence['after']:.3f}",
        ),
    ]


def counts(outcome: Json) -> Checks:
    """Counts give the scores, lie in their intervals, and those of the phrasings add up to them."""
    found = []
    for view in VIEWS:
        score = outcome[view]
        if score is None:
            continue
        low, high = score["interval"]
        parts = [part[view] for part in outcome["by"]["values"].values()]
        summed = sum(part["correct"] for part in parts), sum(part["n"] for part in parts)
        holds = abs(score["score"] - score["correct"] / score["n"]) < 1e-9
        holds &= low - 1e-9 <= score["score"] <= high + 1e-9
        holds &= summed == (score["correct"], score["n"])
        found.append(
            (holds, f"{view} {told(score)}, [{low:.1%}, {high:.1%}], by phrasing {summed[0]}/{summed[1]}")
        )
    return found


def promises(outcome: Json) -> Checks:
    """What a whole demo is expected to show."""
    base, prompted, closed = outcome["base"], outcome["prompted"], outcome["gap_closed"]
    found = [
        (base["n"] >= 120, f"{base['n']} rows are judged, at least 120"),
        (base["score"] <= 0.05, f"bare {told(base)}, about none"),
        (prompted["score"] >= 0.7, f"prompted {told(prompted)}, at least 70%"),
        (outcome["sft"] is not None, "SFT on the demonstrations is measured"),
        (
            closed is not None and closed["interval"][0] >= 0.7,
            f"gap closed {share(closed)}, its interval above 70%",
        ),
    ]
    for phrasing, least in PHRASINGS.items():
        part = outcome["by"]["values"].get(phrasing)
        value = part and part["gap_closed"]
        found.append(
            (
                bool(value) and value["value"] >= least,
                f"{phrasing}: closed {share(value)}, at least {least:.0%}",
            )
        )
    return found


def table(outcome: Json) -> str:
    """The table of README, in Markdown, and a line on time."""
    values, tokens = outcome["by"]["values"], outcome["prompt_tokens"]
    phrasings = [name for name in PHRASINGS if name in values]
    lines = [
        "| | "
        + " | ".join(f"{name} phrasings" for name in phrasings)
        + " | all, 95% interval | prompt tokens |",
        "|---" * (len(phrasings) + 3) + "|",
    ]
    for view, label in VIEWS.items():
        if (score := outcome[view]) is None:
            continue
        low, high = score["interval"]
        cells = [told(values[name][view]) for name in phrasings]
        length = tokens["prompted" if view == "prompted" else "baked"]
        lines.append(
            f"| {label} | {' | '.join(cells)} | {told(score)}, {low:.0%} to {high:.0%} | {length:g} |"
        )
    cells = [share(values[name]["gap_closed"]) for name in phrasings]
    saved = f"{tokens['prompted'] - tokens['baked']:g} saved"
    lines.append(f"| gap closed | {' | '.join(cells)} | {share(outcome['gap_closed'])} | {saved} |")
    seconds = dict(outcome["seconds"])
    whole = max(seconds.pop("all"), sum(seconds.values()))  # a repeated command is short: its stages count
    stages = ", ".join(f"{name.partition('-')[0]} {took:.0f} s" for name, took in seconds.items())
    return "\n".join([*lines, "", f"{whole:.0f} s in all ({stages})."])


def told(score: Json) -> str:
    """A score with its counts."""
    return f"{score['correct']}/{score['n']} ({score['correct'] / score['n']:.0%})"


def share(closed: Json | None) -> str:
    """A share of the gap with its interval."""
    if closed is None:
        return "not said"
    low, high = closed["interval"]
    return f"{closed['value']:.0%} [{low:.0%}, {high:.0%}]"


def scores(folder: Path) -> Checks:
    """Every condition is measured, with counts that give the rate, doubtful responses counted."""
    entries = [entry for name in ("gap", "results") for entry in read(folder / f"{name}.json")["results"]]
    found = []
    for entry in entries:
        label = f"{entry['condition']} step {entry['step']} {entry['num_fewshot']}-shot"
        for name, metric in entry["metrics"].items():
            holds = metric["total"] > 0 and abs(metric["rate"] - metric["correct"] / metric["total"]) < 1e-9
            found.append(
                (holds, f"{label} {name} {metric['rate']:.2%} ({metric['correct']}/{metric['total']})")
            )
        found += [doubtful(folder, entry, name, label) for name in ("truncated", "response_looping")]
    measured = {(entry["condition"], entry["num_fewshot"] > 0) for entry in entries}
    wanted = {("base", False), ("base", True), *((condition, False) for condition in CONDITIONS)}
    return [*found, (wanted <= measured, "0-shot, k-shot, SFT and distilled are all measured")]


def doubtful(folder: Path, entry: Json, name: str, label: str) -> tuple[bool, str]:
    """The count of truncated or looping responses is that of the samples."""
    lines = (folder / entry["samples"]).read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    stated = entry["diagnostics"][name]
    holds = stated["total"] == len(rows) and stated["count"] == sum(bool(row[name]) for row in rows)
    return holds, f"{label} {name} {stated['count']}/{stated['total']}"


def divergences(folder: Path, short: bool) -> Checks:
    """KL(prompted model || student) on held-out rows: measured and moved; distilled: fallen."""
    found = []
    for condition in CONDITIONS:
        steps = read(folder / condition / "divergence.json")["steps"]
        base, last = steps["0"]["kl_teacher"], steps[max(steps, key=int)]["kl_teacher"]
        holds = len(steps) > 1 and 0 < base < math.inf and 0 < last < math.inf and last != base
        found.append((holds, f"{condition} divergence is measured and moved, {base:.4f} -> {last:.4f}"))
        if condition != "baseline" and not short:
            found.append((last < base, f"{condition} divergence fell"))
    return found


def losses(folder: Path, short: bool) -> Checks:
    """The training loss is finite and, over a whole run, falls."""
    found = []
    for condition in CONDITIONS:
        states = (folder / condition).glob("checkpoint-*/trainer_state.json")
        last = max(states, key=lambda path: int(path.parent.name.rpartition("-")[2]))
        logged = [entry["loss"] for entry in read(last)["log_history"] if "loss" in entry]
        holds = bool(logged) and all(math.isfinite(loss) for loss in logged)
        if not short:
            holds = holds and len(logged) > 1 and logged[-1] < logged[0]
        found.append((holds, f"{condition} loss {' -> '.join(f'{loss:.3f}' for loss in logged)}"))
    return found


def report(folder: Path) -> Checks:
    """The report has its sections, one page and a figure."""
    text = (folder / "report.md").read_text(encoding="utf-8")
    sections = [f"Section {number}" for number in (1, 3, 4)]
    figures = list(folder.glob("*.png"))
    page = (folder / "index.html").read_text(encoding="utf-8")
    whole = page.count('role="img"') >= 4 and 'id="prompts"' in page and page.rstrip().endswith("</html>")
    return [
        *((section in text, f"{section} is there") for section in sections),
        (whole, f"one HTML page with figures and samples, {len(page) / 1000:.0f} kB"),
        (len(figures) >= 1 and figures[0].stat().st_size > 10_000, f"figures: {[f.name for f in figures]}"),
    ]


def read(path: Path) -> Json:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
