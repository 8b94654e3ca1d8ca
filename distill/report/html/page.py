"""The page: a template, its style and scripts, and what they show, in one file."""

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from distill.report.entries import metric_heading, shown_metrics, title_of
from distill.report.figure import panel_svg
from distill.report.html.samples import sample_groups
from distill.report.html.shades import shaded_groups
from distill.report.html.standings import standings
from distill.report.html.svg import inline
from distill.report.html.verdict import cards
from distill.report.markdown import Report, Section

_PACKAGE = "distill.report.html"
_SCRIPTS = ("leaderboard.js", "answers.js", "samples.js", "page.js")


def render(report: Report) -> str:
    """The page's HTML.

    Text from models and files is escaped: jinja2 does so in the template, the Markdown renderer knows no
    HTML, and the samples are JSON that the scripts show as text. The Content-Security-Policy allows our style
    and scripts, by their hashes, and nothing else.
    """
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    style, script = _asset("report.css"), "\n".join(map(_asset, _SCRIPTS))
    results = standings(report)
    sections = [_section(section) for section in report.sections]
    page = environment.get_template("report.html.j2").render(
        title=report.title,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        errors=[_inline_markdown(error) for error in report.errors],
        causes={
            cause: [_inline_markdown(warning) for warning in told]
            for cause, told in report.warnings_by_cause.items()
        },
        results=results,
        tasks=list(dict.fromkeys(result.task for result in results)),
        conditions=list(dict.fromkeys(result.condition for result in results)),
        models=list(dict.fromkeys(result.model for result in results)),
        measured=max(entry["date"] for entry in report.collection.entries)[:10],
        cards=cards(report),
        metrics={
            title_of(entry): [metric_heading(entry, name) for name in shown_metrics(entry)]
            for entry in report.collection.entries
        },
        sections=sections,
        samples=[*sample_groups(report), *shaded_groups(report.collection.training)],
    )
    # Lone surrogates, which JSON can carry into names, have no bytes in UTF-8.
    return page.encode("utf-8", "replace").decode()


def _asset(name: str) -> str:
    return (importlib.resources.files(_PACKAGE) / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _section(section: Section) -> dict[str, Any]:
    figures = [
        {
            "title": drawing.title,
            "caption": drawing.caption,
            "panels": [
                inline(
                    panel_svg(panel),
                    prefix=f"{drawing.name}{number}-",
                    label=f"{drawing.title}: {panel.title}",
                )
                for number, panel in enumerate(drawing.panels)
            ],
        }
        for drawing in section.drawings
    ]
    html = Markup(_markdown().render("\n\n".join(section.parts), {"heading": section.heading}))
    return {"heading": section.heading, "html": html, "figures": figures}


def _inline_markdown(text: str) -> Markup:
    return Markup(_markdown().renderInline(text))


def _markdown() -> MarkdownIt:
    """Knows what our sections are made of; links, images and HTML are text to it."""
    parser = MarkdownIt("zero").enable(["table", "heading", "list", "emphasis", "escape"])
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    return parser


def _table_open(
    renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Mapping[str, Any]
) -> str:
    """A table that scrolls by itself, and says by the headings before it what it shows."""
    words = [env["heading"]]
    for number in range(place):
        if tokens[number].type == "heading_open":
            # A heading ends those of its own level and below.
            words = [*words[: int(tokens[number].tag[1]) - 2], tokens[number + 1].content]
    caption = escape(": ".join(words))
    return (
        f'<div class="scroll" role="group" aria-label="{caption}" tabindex="0"><table>'
        f"<caption>{caption}</caption>"
    )
