"""A run of `vf-eval` or `eval` -> a report under `reports/`, and the list of reports in the README.

`vf-eval` in a checkout has its report written when it ends. Of a saved run:

    ifeval-report                 # the newest run under ./environments/ifeval/outputs
    ifeval-report RUN_FOLDER      # of vf-eval -s (results.jsonl), or of v1's eval (traces.jsonl)

Every reward is computed again from the logged completion; the report says how many agree with the log.
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ifeval.runs import Run, judged_run, newest_run, read_run
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json, write_text

logger = logging.getLogger(__name__)

BEGIN, END = "<!-- vf:begin:reports -->", "<!-- vf:end:reports -->"
_NONE = (
    '<p>No reports found. Run <code>uv run vf-eval ifeval -a \'{"key": "value"}\'</code> to generate one.</p>'
)


def write_report(run: Run, environment: Path, name: str) -> Path:
    """Write `reports/<name>.md` and `.json`, and list all reports in the README; returns the page."""
    reports = environment / "reports"
    summary = run.summary()
    path = reports / f"{name}.md"
    write_text(path, _page(name, summary, run))
    write_json(reports / f"{name}.json", summary)
    update_readme(environment / "README.md", reports)
    return path


def report_outputs(
    metadata: Mapping[str, Any], results: Sequence[Mapping[str, Any]], results_path: Path
) -> Path | None:
    """Report on a run of `vf-eval` that has just ended, saved or not.

    Args:
        metadata: As in `Run`.
        results: As in `Run`.
        results_path: The folder that `vf-eval` named for the run: `<environment>/outputs/evals/<name>/<id>`.

    Returns:
        The page; None where the run has no rollout or `<environment>` has no README with our markers, such as
        in a folder of the user's own.
    """
    environment = results_path.parents[min(3, len(results_path.parents) - 1)]
    readme = environment / "README.md"
    if not results or not readme.is_file() or BEGIN not in readme.read_text(encoding="utf-8"):
        return None
    try:
        return write_report(judged_run(metadata, results), environment, _name(results_path))
    except (UserError, OSError) as error:  # the run itself is done
        logger.warning("no report of %s: %s", results_path, error)
        return None


def _name(folder: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", f"{folder.resolve().parent.name}--{folder.resolve().name}")


def update_readme(readme: Path, reports: Path) -> None:
    """Replace what stands between the markers by a list of the reports.

    Raises:
        UserError: the README lacks its markers.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{readme} must hold {BEGIN} and, after it, {END}, once each.")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    write_text(readme, f"{before}\n{_listing(reports)}\n{after}")


def _listing(reports: Path) -> str:
    rows = []
    for path in sorted(reports.glob("*.json")):
        summary = json.loads(path.read_text(encoding="utf-8"))
        cells = (
            f'<a href="reports/{escape(path.stem)}.md">{escape(str(summary["model"]))}</a>',
            f"<code>{escape(json.dumps(summary['env_args']))}</code>",
            str(summary["rollouts"]),
            f"{summary['mean_reward']:.4f}",
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    if not rows:
        return _NONE
    head = "".join(f"<th>{name}</th>" for name in ("model", "arguments", "rollouts", "mean reward"))
    return "\n".join(["<table>", f"<tr>{head}</tr>", *rows, "</table>"])


def _page(name: str, summary: Mapping[str, Any], run: Run) -> str:
    facts = {key: value for key, value in summary.items() if key != "metrics"}
    lines = [f"# {name}", "", "| | |", "| --- | --- |"]
    lines += [f"| {key} | {_cell(value)} |" for key, value in facts.items()]
    lines += ["", "## Metrics", "", "| metric | mean |", "| --- | --- |"]
    lines += [f"| {key} | {value:.4f} |" for key, value in summary["metrics"].items()]
    problems = [
        (row["example_id"], found.problem) for row, found in zip(run.results, run.grades, strict=True)
    ]
    lines += ["", "## Responses that could not be judged", ""]
    lines += [f"- example {number}: {problem}" for number, problem in problems if problem] or ["None."]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"`{json.dumps(value)}`" if isinstance(value, Mapping) else str(value)


def main() -> None:
    """Write one report."""
    parser = argparse.ArgumentParser(
        prog="ifeval-report", description="a report of a saved run of vf-eval or eval"
    )
    parser.add_argument("run", type=Path, nargs="?", help="its folder; default: the newest run")
    parser.add_argument(
        "--environment", type=Path, default=Path("environments/ifeval"), help="folder with the README"
    )
    args = parser.parse_args()
    try:
        folder = args.run or newest_run(args.environment)
        run = read_run(folder)
        path = write_report(run, args.environment, _name(folder))
    except UserError as error:
        print(f"ifeval-report: {error}", file=sys.stderr)
        sys.exit(2)
    summary = run.summary()
    print(
        f"{path}: {summary['rollouts']} rollouts, mean reward {summary['mean_reward']:.4f}, "
        f"recomputed rewards equal: {run.matches} of {len(run.results)}"
    )
    sys.exit(0 if run.matches == len(run.results) else 1)


if __name__ == "__main__":
    main()
