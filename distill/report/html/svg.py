"""A figure's SVG file -> markup that stands inside a page.

The page forbids `style` attributes (Content-Security-Policy), so they become attributes of their own; and
black becomes the page's ink, so that a figure is readable in dark mode.
"""

import re
from xml.etree import ElementTree

from markupsafe import Markup

from distill.report.figure import BASE_COLOUR, COLOURS

_INK = {
    "#000000": "currentColor",
    "black": "currentColor",
    "#b0b0b0": "var(--grid)",
    BASE_COLOUR: "var(--base)",
    **{colour.lower(): f"var(--c{number})" for number, colour in enumerate(COLOURS)},
}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT_SIZE = re.compile(r"([\d.]+)px")


def inline(document: str, *, prefix: str, label: str) -> Markup:
    """The `<svg>` element of a document that matplotlib wrote.

    Args:
        document: The file's text.
        prefix: Put before every id: several figures stand on one page.
        label: What a screen reader says.
    """
    root = ElementTree.fromstring(document)
    for parent in list(root.iter()):
        for child in list(parent):
            if _name(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _clean(element, prefix)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    # Matplotlib's defaults, which its `<style>` held.
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt", "fill": "currentColor"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _clean(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _name(element.tag)
    attributes = {_name(name): value for name, value in element.attrib.items()}
    attributes |= _declarations(attributes.pop("style", ""))
    for name, value in attributes.items():
        if name == "id":
            value = prefix + value
        elif name == "href":
            value = f"#{prefix}{value.removeprefix('#')}"
        elif name in ("fill", "stroke"):
            value = _INK.get(value.lower(), value)
        elif name == "d":
            value = " ".join(value.split())
        attributes[name] = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
    element.attrib = attributes
    element.tail = None
    if element.tag != "text":
        element.text = None


def _declarations(style: str) -> dict[str, str]:
    """`fill: none; stroke: #000` as attributes; the page's own font takes the place of matplotlib's."""
    found: dict[str, str] = {}
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in ("font", "font-size"):
            size = _FONT_SIZE.search(value)
            found |= {"font-size": size[1]} if size else {}
        elif name and name != "font-family":
            found[name] = value
    return found


def _name(qualified: str) -> str:
    return qualified.rpartition("}")[2]
