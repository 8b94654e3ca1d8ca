"""A source of rows -> a folder that lm-evaluation-harness measures.

    task.yaml             the task: `lm_eval --tasks FOLDER/task.yaml --apply_chat_template ...`
    task.py               tells it where the folder is
    eval.jsonl            the rows that are judged
    demonstrations.jsonl  the rows that `--num_fewshot K` shows the first K of, if there are any
    tools.json            the tools of all rows, if there are any

The harness hands a class its configuration without the place of its file, but takes a class from a Python
file beside the YAML. Hence `task.py`: the folder may move, and may be named from any directory.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lm_eval_tasks.benchmarks.metric import resolve_metric
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.files import write_json, write_text
from lm_eval_tasks.sources.row_format import to_row
from lm_eval_tasks.sources.rows_source import JsonLinesSource

EVALUATION, DEMONSTRATIONS, TOOLS = "eval.jsonl", "demonstrations.jsonl", "tools.json"

_PYTHON = '''"""The task of task.yaml, whose files stand beside this one."""

from pathlib import Path

from lm_eval_tasks.harness.rows import RowsTask


class Rows(RowsTask):
    """The rows of this folder."""

    folder = Path(__file__).parent
'''


class TaskFolder(NamedTuple):
    """What was written.

    Attributes:
        yaml: The task file; None where there can be none.
        why_not: Why there is none.
    """

    yaml: Path | None
    why_not: str | None = None


def write_task_folder(
    folder: Path | str,
    source: JsonLinesSource,
    *,
    name: str,
    max_new_tokens: int,
    metric: str | None = None,
    num_fewshot: int = 0,
    privileged: str | None = None,
    privileged_template: str | None = None,
) -> TaskFolder:
    """Write a folder for `lm_eval --tasks FOLDER/task.yaml`; files of an earlier call are replaced.

    Args:
        folder: Made if needed.
        source: Its evaluated rows and its demonstrations are written.
        name: The task's name in the harness.
        max_new_tokens: Where an answer is cut.
        metric: As `resolve_metric` takes it; default: the source's.
        num_fewshot: Demonstrations shown unless `--num_fewshot` says otherwise.
        privileged: See `lm_eval_tasks.prompting.context.Context`; for the teacher's view.
        privileged_template: As `privileged`.

    Returns:
        Where the task file is, or why there is none: tools that differ by row.

    Raises:
        UserError: a name that the harness cannot take, a number out of range, or no evaluated rows.
    """
    check(
        bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)), "task name", name, "use letters, digits, _, - and ."
    )
    check(max_new_tokens > 0, "max_new_tokens", max_new_tokens, "it must be 1 or more")
    spec = metric or (source.metric.spec if source.metric else None)
    if spec is None:
        raise UserError(f"{name}: no metric was named; give one with --metric.")
    resolve_metric(spec)
    evaluated, shown = source.evaluation(), source.demonstrations
    check(
        0 <= num_fewshot <= len(shown), "num_fewshot", num_fewshot, f"there are {len(shown)} demonstrations"
    )
    folder = Path(folder)
    task_file = folder / "task.yaml"
    tools = {json.dumps(row.tools, sort_keys=True) for row in evaluated}
    shared = evaluated[0].tools if len(tools) == 1 else None
    task_file.unlink(missing_ok=True)  # never beside rows of another call
    _write_rows(folder / EVALUATION, evaluated, keep_tools=len(tools) > 1)
    _write_rows(folder / DEMONSTRATIONS, shown, keep_tools=False)
    _write_tools(folder / TOOLS, shared)
    if len(tools) > 1:
        return TaskFolder(None, f"{name}: tools differ by row, so no task file for lm_eval is written.")
    files = {
        "evaluation": EVALUATION,
        "demonstrations": DEMONSTRATIONS if shown else None,
        "tools": TOOLS if shared else None,
        "metric": spec,
        "privileged": privileged,
        "privileged_template": privileged_template,
    }
    write_text(folder / "task.py", _PYTHON)
    write_text(task_file, _task_yaml(name, files, max_new_tokens, num_fewshot))
    return TaskFolder(task_file)


def rows_config(name: str, max_new_tokens: int) -> dict[str, Any]:
    """What the harness is told of a task of rows, whether a file or an opened source holds them."""
    return {
        "task": name,
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "question",
        "doc_to_target": "target",
        "metric_list": [],  # the task's class names them
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": max_new_tokens},
        "metadata": {"version": 1.0},
    }


def _task_yaml(name: str, files: Mapping[str, Any], max_new_tokens: int, num_fewshot: int) -> str:
    config = rows_config(name, max_new_tokens)
    config["dataset_kwargs"] = {key: value for key, value in files.items() if value is not None}
    if num_fewshot:  # the harness would take a 0 for final, and ignore --num_fewshot
        config["num_fewshot"] = num_fewshot
    head = "# lm_eval --tasks THIS_FILE --apply_chat_template ...\nclass: !function task.Rows\n"
    return head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _write_rows(path: Path, rows: Iterable[Episode], *, keep_tools: bool) -> None:
    lines = [to_row(row) for row in rows]
    if not lines:
        path.unlink(missing_ok=True)
        return
    for line in lines:
        if not keep_tools:
            line.pop("tools", None)
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _write_tools(path: Path, tools: Sequence[Mapping[str, Any]] | None) -> None:
    if tools is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, [dict(tool) for tool in tools])


class TaskFiles(NamedTuple):
    """What the task file of a folder names."""

    name: str
    evaluation: Path
    demonstrations: Path | None
    tools: Path | None
    metric: str | None
    max_new_tokens: int


_CLASS_LINE = re.compile(r"(?m)^class:.*\b(?:task\.Rows|RowsTask)\s*$")


def is_task_file(path: Path) -> bool:
    """Whether a YAML file is one of `write_task_folder`; tasks of lm-eval may have a `task.py` too."""
    try:
        return _CLASS_LINE.search(path.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False


def read_task_folder(task_file: Path) -> TaskFiles:
    """The files that a task file of `write_task_folder` names.

    Raises:
        UserError: it is missing, or no such file.
    """
    try:
        # The class is named by a tag that only the harness knows.
        text = task_file.read_text(encoding="utf-8")
        config = yaml.safe_load(_CLASS_LINE.sub("", text))
        files, limit = config["dataset_kwargs"], int(config["generation_kwargs"]["max_gen_toks"])
        name, evaluation = str(config["task"]), task_file.parent / files["evaluation"]
    except OSError as error:
        raise UserError(f"cannot read the task file {task_file} ({error.strerror}).") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{task_file} is no task file of rows ({error!r}); write it anew.") from None

    def beside(key: str) -> Path | None:
        return task_file.parent / files[key] if files.get(key) else None

    return TaskFiles(name, evaluation, beside("demonstrations"), beside("tools"), files.get("metric"), limit)
