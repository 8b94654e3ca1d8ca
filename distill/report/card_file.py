"""A model card (README.md) of which one part is ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_text

SOURCE = "icl-distill"
"""What the source of our results in a `model-index` begins with."""

BEGIN = "<!-- icl-distill: begin. Between these two lines the text is written anew; yours goes outside. -->"
END = "<!-- icl-distill: end -->"


def update_card(
    file: Path, *, title: str, part: str | None, results: Sequence[EvalResult], defaults: ModelCardData
) -> None:
    """Put our part and our results into a card; everything else in it stays.

    PEFT's card that nobody filled in is replaced. The same arguments leave the file as it is.

    Args:
        file: The card; made if need be.
        title: Heading of a new card.
        part: Our part, Markdown; None leaves the text as it is.
        results: Our entries of its `model-index`; their source begins with `SOURCE`.
        defaults: Metadata of a card that has none by these names; `model_name` is needed.

    Raises:
        UserError: the card's metadata cannot be read, our part has no end, or the file cannot be written.
    """
    card = _read(file)
    data = cast(ModelCardData, card.data)  # typed as its base class
    for name, value in defaults.to_dict().items():
        if not data.get(name):
            data[name] = value
    data.model_name = data.model_name or defaults.model_name
    theirs = [result for result in data.eval_results or [] if not str(result.source_name).startswith(SOURCE)]
    data.eval_results = [*theirs, *results]
    if part is not None:
        card.text = _with_part(card.text, title, part, file)
    text = str(card)
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    try:
        write_text(file, text)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}); write no card, or another.") from None


def _read(file: Path) -> ModelCard:
    try:
        return ModelCard(file.read_text(encoding="utf-8") if file.is_file() else "---\n{}\n---\n")
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file}: its metadata cannot be read ({reason}). Mend or delete it.") from None


def _with_part(text: str, title: str, part: str, file: Path) -> str:
    ours = f"{BEGIN}\n\n{part}\n\n{END}"
    before, begin, rest = text.partition(BEGIN)
    if begin:
        _, end, after = rest.partition(END)
        if not end:
            raise UserError(f"{file}: the line {END!r} is missing. Put it where our part ends.")
        return before + ours + after
    if not text.strip() or _is_stub(text):
        return f"\n# {title}\n\n{ours}\n"
    return f"{text.rstrip()}\n\n{ours}\n"


def _is_stub(text: str) -> bool:
    """Whether this is the empty card that PEFT saves: huggingface_hub's template and PEFT's version."""
    words, _, version = text.partition("### Framework versions")
    template = ModelCard.from_template(ModelCardData()).text
    return words.split() == template.split() and version.split()[:2] in ([], ["-", "PEFT"])
