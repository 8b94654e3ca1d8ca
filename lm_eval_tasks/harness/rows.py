"""Rows of one's own as lm-evaluation-harness sees them: the class of the folders that `task_folder` writes.

The harness's own class takes one string as the question; here it is a conversation, with tools.
"""

import difflib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import datasets as hf_datasets
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from lm_eval_tasks.episodes import Episode, Message, Prompt
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.harness.task import IclTask, _versions
from lm_eval_tasks.prompting.context import PRIVILEGED_TEMPLATE, Context
from lm_eval_tasks.prompting.row_demonstrations import MODES, Pick, picker
from lm_eval_tasks.prompts import to_plain_text
from lm_eval_tasks.results import METRICS, Metric, pooled_mean, pooled_stderr, warn_when_high
from lm_eval_tasks.scoring import diagnostics
from lm_eval_tasks.scoring.thinking import split_thinking
from lm_eval_tasks.sources.json_lines import JsonLinesSource, open_json_lines
from lm_eval_tasks.sources.row_format import to_row

logger = logging.getLogger(__name__)

VIEWS = ("student", "teacher")
FAILURES = ("truncated", "unclosed_think", "scorer_error")


@dataclass(frozen=True, slots=True)
class RowOptions:
    """What the harness's `--metadata` may set.

    Attributes:
        view: `student`: the row's prompt; `teacher`: its `teacher_prompt`, or the prompt with its privileged
            text.
        demonstrations: See `lm_eval_tasks.prompting.row_demonstrations.Mode`.
        demonstration_seed: Seed of those that are drawn.
        enable_thinking: Given to the chat template.

    Raises:
        UserError: a value that cannot be used.
    """

    view: str = "student"
    demonstrations: str = "listed"
    demonstration_seed: int = 42
    enable_thinking: bool = False

    def __post_init__(self) -> None:
        """Check the values, which come from a command line."""
        check(self.view in VIEWS, "metadata: view", self.view, f"choose from {', '.join(VIEWS)}")
        mode = self.demonstrations
        check(mode in MODES, "metadata: demonstrations", mode, f"choose from {', '.join(MODES)}")
        seed, thinks = self.demonstration_seed, self.enable_thinking
        check(type(seed) is int, "metadata: demonstration_seed", seed, "it must be of type int")
        check(type(thinks) is bool, "metadata: enable_thinking", thinks, "it must be of type bool")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> "RowOptions":
        """Read our keys; the harness puts its own and the model's arguments into the same mapping.

        Raises:
            UserError: a wrong value, or a key that is one of ours but for its spelling.
        """
        metadata = dict(metadata or {})
        names = [field.name for field in fields(cls)]
        for key in metadata.keys() - set(names):
            if close := difflib.get_close_matches(str(key), names, n=1, cutoff=0.8):
                raise UserError(f"metadata: unknown key {key!r}; did you mean {close[0]!r}?")
        template = metadata.get("chat_template_args")
        if isinstance(template, Mapping) and "enable_thinking" in template:
            metadata.setdefault("enable_thinking", template["enable_thinking"])
        return cls(**{name: metadata[name] for name in names if metadata.get(name) is not None})


class RowsTask(IclTask):
    """A folder of rows, asked as the distillation reads them.

    Attributes:
        folder: Where the files are that the YAML file names; set by the `task.py` beside it.
    """

    folder: ClassVar[Path | None] = None
    source: JsonLinesSource

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load the rows that `dataset_kwargs` names, and read the options."""
        given = dict(dataset_kwargs or {})
        self.row_options = RowOptions.from_metadata(self.config.metadata)
        folder = self._found_folder()
        self.source = open_json_lines(
            evaluation=folder / given.get("evaluation", "eval.jsonl"),
            demonstrations=folder / given["demonstrations"] if "demonstrations" in given else None,
            metric=given.get("metric"),
            name=self.config.task,
        )
        evaluated = self.source.evaluation()
        self._rows = {row.id: row for row in evaluated}
        self._tools = _read_tools(folder / given["tools"]) if "tools" in given else None
        self._context = Context(
            privileged=given.get("privileged"),
            privileged_template=given.get("privileged_template") or PRIVILEGED_TEMPLATE,
        )
        self._check_view(evaluated)
        self._row_pickers: dict[int, Pick] = {}
        self._metrics = _metrics(self._metric_name)
        self.dataset = {
            self.config.test_split: hf_datasets.Dataset.from_list([_doc(row) for row in evaluated])
        }
        self.config.metadata = (self.config.metadata or {}) | {
            "data_fingerprint": _fingerprint(evaluated),
            "pool_fingerprint": _fingerprint(self.source.demonstrations),
            **asdict(self.row_options),
            "metric": given.get("metric"),
            "versions": _versions(),
        }

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = True,
        chat_template: Any = None,
        gen_prefix: str | None = None,
    ) -> Any:
        """The conversation through the model's chat template, or as plain text without one.

        Raises:
            UserError: demonstrations were asked for in one single user turn, the template refuses, or there
                are tools and no template.
        """
        if num_fewshot and apply_chat_template and not fewshot_as_multiturn:
            raise UserError(
                f"{self.config.task}: demonstrations are always turns of the conversation here; leave out "
                "--fewshot_as_multiturn false."
            )
        prompt = self._prompt(self._rows[doc["id"]], num_fewshot, system_instruction)
        if self._chat:
            return self._chat.render(prompt, tools=self._tools)
        if self._tools or any(turn["role"] == "tool" for turn in prompt):
            raise UserError(
                f"{self.config.task}: rows with tools need a chat template (--apply_chat_template)."
            )
        return to_plain_text(prompt)

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        """Score one answer by the row's metric; every answer gives a value to every metric."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return dict(ConfigurableTask.process_results(self, doc, results))
        reply = results[0] if results and isinstance(results[0], str) else None
        opened = self._chat is not None and self._chat.opens_thinking
        judgement = self.source.judge(self._rows[doc["id"]], reply, opened_in_prompt=opened)
        if judgement.error:
            logger.error("%s row %s counts as wrong: %s", self.config.task, doc["id"], judgement.error)
        truncated = self._is_truncated(reply)
        thought = split_thinking(reply or "", opened_in_prompt=opened)
        flags = asdict(diagnostics.flag(reply or "", thought, truncated=truncated))
        del flags["no_answer"]  # these metrics extract none
        metrics = {
            self._metric_name: judgement.score,
            f"completed_{self._metric_name}": judgement.score if truncated is False else None,
            "scorer_error": judgement.error is not None,
            **flags,
        }
        # Beside what is no plain mean stands its standard error, from the same values.
        twice = {
            f"{name}_stderr": value for name, value in metrics.items() if f"{name}_stderr" in self._metrics
        }
        return metrics | twice

    def aggregation(self) -> dict[str, Callable[..., Any]]:
        """The aggregation of every metric; those of failure rates warn when they are high."""
        ours = {name: metric.aggregation for name, metric in self._metrics.items()}
        for name in FAILURES:
            ours[name] = partial(warn_when_high, name, self.config.task, ours[name])
        return {**ConfigurableTask.aggregation(self), **ours}

    def higher_is_better(self) -> dict[str, bool]:
        """The direction of every metric."""
        ours = {name: metric.higher_is_better for name, metric in self._metrics.items()}
        return {**ConfigurableTask.higher_is_better(self), **ours}

    @property
    def _thinks(self) -> bool:
        return self.row_options.enable_thinking

    @property
    def _metric_name(self) -> str:
        assert self.source.metric is not None
        name = self.source.metric.name
        return f"{name}_score" if name in METRICS else name

    def _prompt(self, row: Episode, num_fewshot: int, system: str | None) -> tuple[Message, ...]:
        pick = self._row_picker(num_fewshot)
        prompt: Prompt
        if self.row_options.view == "teacher":
            context = replace(self._context, num_fewshot=num_fewshot, system_instruction=system)
            prompt = context.apply(self.source, [row], pick)[0].taught
        else:
            prompt = self.source.show(row, pick(row), system=system)
        assert not isinstance(prompt, str)
        return prompt

    def _row_picker(self, k: int) -> Pick:
        if k not in self._row_pickers:
            options = self.row_options
            self._row_pickers[k] = picker(
                self.source.demonstrations, k, mode=options.demonstrations, seed=options.demonstration_seed
            )
        return self._row_pickers[k]

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

    def _check_view(self, rows: list[Episode]) -> None:
        if self.row_options.view == "student" or self._context.privileged:
            return
        if not any(row.teacher_prompt or row.privileged for row in rows):
            raise UserError(
                f"{self.config.task}: metadata asks for the view 'teacher', but no row has a "
                "'teacher_prompt' or a 'privileged_context'. Leave it out; --num_fewshot and "
                "--system_instruction do without."
            )


def _metrics(name: str) -> dict[str, Metric]:
    """The metrics of one run, the row's own first."""
    completed = f"completed_{name}"
    flags = ("scorer_error", "empty", "unclosed_think", "looping", "truncated", "truncated_stderr")
    return {
        name: Metric(mean, higher_is_better=True),
        completed: Metric(pooled_mean, higher_is_better=True),
        f"{completed}_stderr": Metric(pooled_stderr, higher_is_better=False),
        **{flag: METRICS[flag] for flag in flags},
    }


def _read_tools(path: Path) -> list[dict[str, Any]]:
    try:
        tools = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the tools of the rows, {path} ({error}).") from None
    check(isinstance(tools, list), f"{path}", tools, "it must be a list of tool schemas")
    return list(tools)


def _fingerprint(rows: Iterable[Episode]) -> str:
    """A SHA-256 (first 16 hex digits) over the rows, in order."""
    lines = [json.dumps(to_row(row), ensure_ascii=False, sort_keys=True) for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _doc(row: Episode) -> dict[str, Any]:
    """A harness document, for its log; Arrow would fill nulls into nested fields, so they are JSON texts."""
    reference = dict(row.reference)
    return {
        "id": row.id,
        "question": row.question,
        "target": reference.pop("target", ""),
        "reference": json.dumps(reference, ensure_ascii=False),
    }
