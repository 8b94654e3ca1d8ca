"""How a benchmark of a run is asked: one value for the gap, the answers, the teacher and the evaluation.

A training file, the run file and a condition may each say something of it. It is resolved here, once, and
every stage is handed the result in full, so that none falls back to a default that another does not have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.pipeline.config import IRRELEVANT, BenchmarkRun, RunConfig
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping
from lm_eval_tasks.prompting.demonstrations import CONTROLS, DEFAULT_SEED, MODES
from lm_eval_tasks.sources.task_folder import is_task_file

_READ = (
    "demonstrations", "demonstration_seed", "system_instruction", "document", "privileged",
    "privileged_template", "enable_thinking",
)  # fmt: skip
"""What a view holds beside the number of demonstrations, by the names of commands and training files."""


@dataclass(frozen=True, slots=True)
class View:
    """What a prompted model reads.

    Attributes:
        num_fewshot: Demonstrations.
        read: What else was said, by name; what was not has one default everywhere.
        of: Another task that the demonstrations are taken from.
    """

    num_fewshot: int
    read: Mapping[str, Any]
    of: str | None = None

    def taught(self) -> dict[str, Any]:
        """As options of a training."""
        other = {} if self.of is None else {"demonstrations_from": self.of}
        return {"num_fewshot": self.num_fewshot, **self.read, **other}

    def asked(self) -> dict[str, Any]:
        """As options of `gap`, `answers` and `eval`, but for the number of demonstrations.

        A causal control is for the teacher alone: it is compared with what the real demonstrations give.
        """
        return {name: value for name, value in self.read.items() if not _is_control(name, value)}

    def differences(self, measured: "View", usual: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Name, value here and value there of what differs, but for the number and for a causal control.

        Args:
            measured: The other view.
            usual: What holds where nothing is said.
        """
        here, there = usual | self.asked(), usual | measured.asked()
        for name in _READ:
            control = self.of or _is_control(name, self.read.get(name))
            if not (control and name == "demonstrations") and _plain(here.get(name)) != _plain(
                there.get(name)
            ):
                yield name, here.get(name), there.get(name)


def training_files(
    config: RunConfig, benchmark: str, condition: str | None, folder: Path
) -> tuple[Path, ...]:
    """The training files of a condition, later ones laid over earlier ones; of none, the common one."""
    overlay = None if condition is None else config.conditions[condition].config
    named = [config.benchmarks[benchmark].config]
    named += [] if overlay is None else [overlay.replace("{benchmark}", benchmark)]
    return tuple(folder / name for name in named)


def view_of(config: RunConfig, benchmark: str, folder: Path, condition: str | None = None) -> View:
    """How a benchmark is asked; or how a condition's teacher is.

    The training files say it, the benchmark in the run file over them, then the `training` of the run; the
    condition's own words go last.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        folder: Folder of the run file, which its file names are relative to.
        condition: One of its conditions; None: what the conditions have in common, which is measured.

    Raises:
        UserError: irrelevant demonstrations are wanted of what is no benchmark.
    """
    run = config.benchmarks[benchmark]
    said: dict[str, Any] = {}
    for file in training_files(config, benchmark, condition, folder):
        said |= read_yaml_mapping(file) if file.is_file() else {}  # one that is missing is told elsewhere
    said |= _of_the_run_file(run, folder)
    if condition is not None:
        said |= _of_a_control(config.conditions[condition].demonstrations, benchmark)
    said |= config.training
    if condition is not None:
        said |= config.conditions[condition].training
    shots = said.get("num_fewshot")
    read = {name: said[name] for name in _READ if said.get(name) is not None}
    if isinstance(document := read.get("document"), str):
        read["document"] = (document,)
    return View(max(run.num_fewshot) if shots is None else int(shots), read, said.get("demonstrations_from"))


def check_view(config: RunConfig, benchmark: str, condition: str, folder: Path, path: Path) -> None:
    """See that the gap that is measured is that of a condition's teacher.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        condition: One of its conditions.
        folder: Folder of the run file.
        path: The run file, for messages.

    Raises:
        UserError: it is another's; names both values.
    """
    measured = view_of(config, benchmark, folder)
    taught = view_of(config, benchmark, folder, condition)
    run = config.benchmarks[benchmark]
    usual = {"demonstrations": _own_way(str(run.task), folder), "demonstration_seed": DEFAULT_SEED}
    for name, here, there in taught.differences(measured, usual):
        raise UserError(
            f"{path}: condition {condition!r} has {name} {_shown(here)}, and gap and scores of {benchmark} "
            f"are measured with {_shown(there)}. Write it into {run.config} or "
            "under `training` of the run, so that all stages read it, or give the condition a run file of "
            "its own."
        )
    distils, shots = config.conditions[condition].config is not None, run.num_fewshot
    if distils and taught.num_fewshot not in shots:
        raise UserError(
            f"{path}: benchmarks.{benchmark}.num_fewshot is {list(shots)}, and the teacher of condition "
            f"{condition!r} reads {taught.num_fewshot} demonstrations, so its gap is not among those that "
            f"are measured. Add {taught.num_fewshot} there, or let the training's num_fewshot be one of them."
        )


def _own_way(task: str, folder: Path) -> str:
    """How demonstrations are chosen where nobody says it: of rows of one's own, in their order."""
    return "listed" if task.endswith(".jsonl") or is_task_file(folder / task) else "fixed"


def _of_the_run_file(run: BenchmarkRun, folder: Path) -> dict[str, Any]:
    said = {
        "demonstrations": _placed(run.demonstrations, folder),
        "system_instruction": _placed(run.system_instruction, folder),
        "document": tuple(folder / path for path in run.document) or None,
        "privileged": run.privileged,
        "privileged_template": run.privileged_template,
    }
    return {name: value for name, value in said.items() if value is not None}


def _of_a_control(demonstrations: str | None, benchmark: str) -> dict[str, Any]:
    if demonstrations != IRRELEVANT:
        return {} if demonstrations is None else {"demonstrations": demonstrations}
    if benchmark not in BENCHMARKS:
        raise UserError(
            f"conditions: irrelevant demonstrations are another benchmark's, and {benchmark!r} is not one of "
            f"{', '.join(BENCHMARKS)}; name them with demonstrations_from in the condition's training."
        )
    return {"demonstrations": "fixed", "demonstrations_from": BENCHMARKS[benchmark].unrelated}


def _is_control(name: str, value: Any) -> bool:
    return name == "demonstrations" and value in CONTROLS


def _placed(value: str | None, folder: Path) -> Path | str | None:
    """A file beside the run file, or the value as it is: a mode, or a text."""
    if value is None or value in MODES:
        return value
    try:
        return folder / value if (folder / value).is_file() else value
    except (OSError, ValueError):  # a text too long for a name
        return value


def _plain(value: Any) -> Any:
    """Equal where it means the same: a list or a tuple, no thinking said or left out."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return None if value is None or value is False else str(value)


def _shown(value: Any) -> str:
    return "nothing said" if value is None else f"{value!r:.80}"
