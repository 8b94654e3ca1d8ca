"""Results files -> the report's folder: a Markdown page, an HTML page and figures."""

from collections.abc import Sequence
from pathlib import Path

from distill.evaluation.results import check_writable
from distill.report.cards import write_cards
from distill.report.collect import collect
from distill.report.figure import save
from distill.report.html.page import render
from distill.report.markdown import Report, compose
from lm_eval_tasks.files import write_text

MARKDOWN = "report.md"
HTML = "index.html"


def write_report(
    paths: Sequence[Path], output: Path, title: str, *, cards: bool = False
) -> tuple[list[Path], list[str]]:
    """Write `report.md`, `index.html`, and every figure as PNG and SVG into `output`.

    Args:
        paths: Results files, or folders of them.
        output: A folder; made if need be.
        title: The heading.
        cards: Write each checkpoint's model card as well.

    Returns:
        The two pages, and the cards; and the report's errors, see `Report.errors`.

    Raises:
        UserError: see `collect` and `write_cards`; or `output` cannot be written.
    """
    check_writable(output / MARKDOWN)
    report = Report(title, collect(paths), [path for path in paths if path.is_dir()])
    for section in report.sections:
        for drawing in section.drawings:
            save(drawing, output)
    write_text(output / HTML, render(report))
    written = write_cards(report) if cards else []
    # Last: `icl-distill run` takes it for the end of the stage.
    write_text(output / MARKDOWN, compose(report))
    return [output / MARKDOWN, output / HTML, *written], report.errors
