"""The tasks as lm-evaluation-harness sees them.

The YAML files under `tasks/` name `IclTask` as their class and the scoring functions below. Options come in
through the harness's `--metadata` (a JSON object); see `TaskOptions`.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import datasets as hf_datasets
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from lm_eval_tasks.datasets import load_evaluation, load_pool, resolve_source
from lm_eval_tasks.demonstrations import DEFAULT_SEED, DemonstrationPicker, Mode, without_overlap
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompts import PLAIN_TEXT_STOP, build_messages, to_plain_text, user_prompt
from lm_eval_tasks.schemas import LETTERS, Example, fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What `--metadata` may set.

    Attributes:
        data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
        demonstrations: See `lm_eval_tasks.demonstrations.Mode`.
        demonstration_seed: Seed of their choice.
    """

    data: str | None = None
    demonstrations: Mode = "fixed"
    demonstration_seed: int = DEFAULT_SEED

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> "TaskOptions":
        """Read our keys; the harness puts its own and the model's arguments into the same mapping."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (metadata or {}).items() if name in names})


class IclTask(ConfigurableTask):
    """A benchmark asked with k demonstrations, rendered by `lm_eval_tasks.prompts`.

    The harness's own few-shot sampler and rendering are not used: the teacher of the distillation must read,
    token for token, what is evaluated here.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        """Load the rows; `config` is the YAML file's content."""
        self._pickers: dict[int, DemonstrationPicker] = {}
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load evaluated rows (`dataset_kwargs` names the benchmark) and the demonstrations' pool."""
        self.benchmark: str = (dataset_kwargs or {})["benchmark"]
        self.options = TaskOptions.from_metadata(self.config.metadata)
        examples = load_evaluation(self.benchmark, self.options.data)
        self._examples = {example.id: example for example in examples}
        if len(self._examples) != len(examples):
            raise UserError(f"{self.benchmark}: evaluated rows share an id (IFEval's 'key' must be unique).")
        self.dataset = {self.config.test_split: hf_datasets.Dataset.from_list([_doc(e) for e in examples])}
        self.config.metadata = (self.config.metadata or {}) | {
            "data_source": resolve_source(self.options.data),
            "data_fingerprint": fingerprint(examples),
        }

    def fewshot_docs(self) -> None:
        """None: `fewshot_context` picks the demonstrations."""

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = True,
        chat_template: Any = None,
        gen_prefix: str | None = None,
    ) -> str:
        """The prompt: chat turns through the model's template, or plain text without one.

        Raises:
            UserError: demonstrations were asked for in one single user turn.
        """
        if num_fewshot and apply_chat_template and not fewshot_as_multiturn:
            raise UserError(
                f"{self.config.task}: demonstrations are always turns of the conversation here; leave out "
                "--fewshot_as_multiturn false."
            )
        example = self._examples[doc["id"]]
        demonstrations = self._picker(num_fewshot).pick(example) if num_fewshot else []
        messages = build_messages(example, demonstrations, system=system_instruction)
        if apply_chat_template and chat_template is not None:
            return str(chat_template(messages, add_generation_prompt=True))
        return to_plain_text(messages)

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> Instance | list[Instance]:
        """As the harness does; without a chat template, a further `Question:` ends the answer."""
        requests = super().construct_requests(doc, ctx, **kwargs)
        if isinstance(requests, Instance) and not kwargs.get("apply_chat_template"):
            generation_kwargs = requests.arguments[1]
            generation_kwargs["until"] = [*generation_kwargs.get("until", []), PLAIN_TEXT_STOP]
        return requests

    def _picker(self, k: int) -> DemonstrationPicker:
        if k not in self._pickers:
            pool, source = load_pool(self.benchmark, self.options.data)
            pool, dropped = without_overlap(pool, self._examples.values())
            if dropped:
                logger.warning(
                    "%s: %d demonstrations' rows are evaluated and left out", self.benchmark, dropped
                )
            picker = DemonstrationPicker(
                pool, k, mode=self.options.demonstrations, seed=self.options.demonstration_seed
            )
            self._pickers[k] = picker
            self.config.metadata |= {"pool_source": source, "pool_fingerprint": fingerprint(pool)}
        return self._pickers[k]


def _doc(example: Example) -> dict[str, Any]:
    """A harness document; IFEval's arguments stay one JSON string, since Arrow would fill in nulls."""
    doc: dict[str, Any] = {
        "id": example.id,
        "question": example.question,
        "prompt": user_prompt(example),
        "target": example.target,
    }
    if example.choices:
        doc["choices"] = list(example.choices)
        doc["answer_choices"] = [f"Answer: {letter}" for letter in LETTERS]
        doc["answer_index"] = LETTERS.index(example.target)
    if example.instruction_id_list:
        doc["instruction_id_list"] = list(example.instruction_id_list)
        doc["kwargs"] = json.dumps(
            [dict(kwargs) for kwargs in example.instruction_kwargs], ensure_ascii=False
        )
    return doc
