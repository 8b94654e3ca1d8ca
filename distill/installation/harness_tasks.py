"""The task files among lm-eval's own, so that `lm_eval --tasks ifeval_icl` needs no flag.

lm-eval 0.4.13 reads its own folder `tasks` and `--include_path`; it has no plugin discovery. A wheel cannot
put files there: they would stay when lm-eval is removed or becomes an editable install, and a folder
`lm_eval` without `__init__.py` hides every other one. So links are made once lm-eval is there, and the RECORD
of both packages names them: pip takes them away with whichever goes first. (lm-eval's alone would not do: pip
leaves a link whose target is gone, and with it the folder.)
"""

import importlib.util
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import DISTRIBUTION
from lm_eval_tasks.files import write_text

FOLDER = "lm_eval/tasks/icl_distill"
"""Where the links stand, from the folder that lm-eval is installed in."""

WITHOUT_LINKS = f"lm_eval --include_path {TASK_DIR} ..."
"""What finds the tasks everywhere."""


def link_tasks() -> Path:
    """Link the task files into lm-eval's folder, or mend the links; returns the folder of links.

    Raises:
        UserError: the importable lm-eval is none that pip put beside this package, or cannot be written to.
    """
    site, records = linkable()
    folder = site / FOLDER
    targets = {path.name: path for path in sorted(TASK_DIR.rglob("*.yaml"))}
    try:
        # The lists first: what they name and is not there does no harm, what they do not name would stay.
        for record in records:
            _enter(record, list(targets))
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.yaml"):
            old.unlink()
        for name, target in targets.items():
            (folder / name).symlink_to(target.resolve())
    except OSError as error:
        raise UserError(f"cannot write to {folder} ({error.strerror}). Use: {WITHOUT_LINKS}") from None
    return folder


def _enter(record: Path, names: list[str]) -> None:
    """Name the links in a distribution's list of files, once."""
    lines = [line for line in record.read_text(encoding="utf-8").splitlines() if not line.startswith(FOLDER)]
    write_text(record, "\n".join([*lines, *(f"{FOLDER}/{name},," for name in names)]) + "\n")


def linkable() -> tuple[Path, list[Path]]:
    """The folder that lm-eval and this package are both installed in, and the RECORD of each.

    Raises:
        UserError: they are not; an editable lm-eval, or one of another environment, is left as it is.
    """
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise UserError("there is no lm-eval; `icl-distill doctor` says what to do.")
    try:
        harness, own = distribution("lm-eval"), distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise UserError(f"{error.name} is not installed by pip. Use: {WITHOUT_LINKS}") from None
    site, package = _site(harness), Path(spec.origin).resolve().parent
    if package.parent != site:
        raise UserError(
            f"lm_eval is imported from {package} and not installed in {site}, as an editable install is: "
            f"nothing is written there. Use: {WITHOUT_LINKS}"
        )
    if _site(own) != site:
        raise UserError(
            f"lm-eval is installed in {site}, and {DISTRIBUTION} in {_site(own)}: nothing is written there. "
            f"Use: {WITHOUT_LINKS}"
        )
    return site, [_record(found) for found in (harness, own)]


def _record(found: Distribution) -> Path:
    record = next((file for file in found.files or () if file.name == "RECORD"), None)
    installer = (found.read_text("INSTALLER") or "").strip()
    if record is None or installer == "conda":  # conda goes by a list of its own
        raise UserError(
            f"{found.name} in {_site(found)} would be removed without the links: it has no RECORD, or conda "
            f"installed it. Use: {WITHOUT_LINKS}"
        )
    return Path(str(record.locate()))


def _site(found: Distribution) -> Path:
    return Path(str(found.locate_file(""))).resolve()
