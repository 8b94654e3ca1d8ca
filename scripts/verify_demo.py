"""Check the outcome of a demo run by its files: `python scripts/verify_demo.py runs/demo`.

Fails where a score has no counts, the training loss does not fall, the distilled student is no nearer to the
few-shot teacher than the base model, or the report lacks a table or its figure. `--short` leaves out the two
comparisons that a run of a few steps cannot promise.
"""

import argparse
import json
import sys
from pathlib import Path

CONDITIONS = ("baseline", "online_v1")


def main() -> int:
    """Print one line a check; the exit code says whether all hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    failed = 0
    for benchmark in ("gsm8k", "ifeval"):
        folder = args.folder / benchmark
        checks = scores(folder) + divergences(folder, args.short) + losses(folder, args.short)
        for holds, text in checks:
            print(f"{'ok  ' if holds else 'FAIL'} {benchmark}: {text}")
            failed += not holds
    for holds, text in report(args.folder / "report"):
        print(f"{'ok  ' if holds else 'FAIL'} report: {text}")
        failed += not holds
    return 1 if failed else 0


def scores(folder: Path) -> list[tuple[bool, str]]:
    """Every condition is measured, with counts that give the rate."""
    entries = [entry for name in ("gap", "results") for entry in read(folder / f"{name}.json")["results"]]
    found = []
    for entry in entries:
        for name, metric in entry["metrics"].items():
            holds = metric["total"] > 0 and abs(metric["rate"] - metric["correct"] / metric["total"]) < 1e-9
            label = f"{entry['condition']} step {entry['step']} {entry['num_fewshot']}-shot {name}"
            found.append((holds, f"{label} {metric['rate']:.2%} ({metric['correct']}/{metric['total']})"))
    measured = {(entry["condition"], entry["num_fewshot"] > 0) for entry in entries}
    wanted = {("base", False), ("base", True), *((condition, False) for condition in CONDITIONS)}
    return [*found, (wanted <= measured, "0-shot, k-shot, SFT and distilled are all measured")]


def divergences(folder: Path, short: bool) -> list[tuple[bool, str]]:
    """KL(few-shot teacher || 0-shot student) on held-out rows falls below the base model's."""
    found = []
    for condition in CONDITIONS:
        steps = read(folder / condition / "divergence.json")["steps"]
        base, last = steps["0"]["kl_teacher"], steps[max(steps, key=int)]["kl_teacher"]
        must = condition != "baseline" and not short
        found.append((last < base or not must, f"{condition} divergence {base:.4f} -> {last:.4f}"))
    return found


def losses(folder: Path, short: bool) -> list[tuple[bool, str]]:
    """The training loss falls."""
    found = []
    for condition in CONDITIONS:
        states = (folder / condition).glob("checkpoint-*/trainer_state.json")
        last = max(states, key=lambda path: int(path.parent.name.rpartition("-")[2]))
        logged = [entry["loss"] for entry in read(last)["log_history"] if "loss" in entry]
        holds = len(logged) >= 1 and (short or logged[-1] < logged[0])
        found.append((holds, f"{condition} loss {logged[0]:.3f} -> {logged[-1]:.3f} ({len(logged)} logged)"))
    return found


def report(folder: Path) -> list[tuple[bool, str]]:
    """The report has the seeds' sections and one figure."""
    text = (folder / "report.md").read_text(encoding="utf-8")
    sections = [f"Section {number}" for number in (1, 3, 4)]
    figures = list(folder.glob("*.png"))
    page = (folder / "index.html").read_text(encoding="utf-8")
    whole = page.count('role="img"') >= 8 and 'id="prompts"' in page and page.rstrip().endswith("</html>")
    return [
        *((section in text, f"{section} is there") for section in sections),
        (whole, f"one HTML page with figures and samples, {len(page) / 1000:.0f} kB"),
        (len(figures) >= 1 and figures[0].stat().st_size > 10_000, f"figures: {[f.name for f in figures]}"),
    ]


def read(path: Path) -> dict:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
