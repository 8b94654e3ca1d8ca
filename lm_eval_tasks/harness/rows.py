"""Rows of one's own as lm-evaluation-harness sees them: the class of the folders that `task_folder` writes.

The harness's own class takes one string as the question; here it is a conversation, with tools.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.task import IclTask
from lm_eval_tasks.prompting.context import PRIVILEGED_TEMPLATE, Context
from lm_eval_tasks.sources.json_lines import open_json_lines
from lm_eval_tasks.sources.rows_source import JsonLinesSource


class RowsTask(IclTask):
    """A folder of rows, asked as the distillation reads them.

    Attributes:
        folder: Where the files are that the YAML file names; set by the `task.py` beside it.
    """

    folder: ClassVar[Path | None] = None

    def open(self, dataset_kwargs: Mapping[str, Any]) -> JsonLinesSource:
        """The rows of the folder that `dataset_kwargs` names.

        Raises:
            UserError: the folder is not known, or a file cannot be used.
        """
        folder = self._found_folder()

        def file(name: str) -> Path | None:
            return folder / dataset_kwargs[name] if name in dataset_kwargs else None

        return open_json_lines(
            evaluation=file("evaluation") or folder / "eval.jsonl",
            demonstrations=file("demonstrations"),
            tools=file("tools"),
            metric=dataset_kwargs.get("metric"),
            name=self.config.task,
        )

    def read_context(self, dataset_kwargs: Mapping[str, Any]) -> Context:
        """The privileged column and its template."""
        return Context(
            privileged=dataset_kwargs.get("privileged"),
            privileged_template=dataset_kwargs.get("privileged_template") or PRIVILEGED_TEMPLATE,
        )

    def _found_folder(self) -> Path:
        """The folder of the YAML file: told by the class beside it, else by the harness, where it knows."""
        if self.folder is not None:
            return self.folder
        told = (self.config.metadata or {}).get("config_source")
        if not told or told == "inline":
            raise UserError(
                f"{self.config.task}: lm_eval does not say where its YAML file is, so its rows cannot be "
                "found. Name the class by a Python file beside the YAML, as icl-distill writes it "
                "(class: !function task.Rows)."
            )
        return Path(told).resolve().parent
