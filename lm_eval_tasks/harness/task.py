"""The tasks as lm-evaluation-harness sees them.

The YAML files under `tasks/` name `IclTask` as their class and the functions of `lm_eval_tasks.results` as
their scorers. Options come in through the harness's `--metadata` (a JSON object); see `TaskOptions`.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import datasets as hf_datasets
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.utils import normalize_gen_kwargs

from lm_eval_tasks.chat import ModelChat
from lm_eval_tasks.datasets import load_evaluation, load_pool, load_train, resolve_source
from lm_eval_tasks.demonstrations import DemonstrationPicker, without_overlap
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.options import TaskOptions
from lm_eval_tasks.prompts import PLAIN_TEXT_STOP, build_messages, to_plain_text, user_prompt
from lm_eval_tasks.results import METRICS, Circumstances, Scorer, warn_when_high
from lm_eval_tasks.schemas import LETTERS, Example, fingerprint
from lm_eval_tasks.tokens import CountTokens, is_cut, token_counter

logger = logging.getLogger(__name__)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Under the command `lm_eval` a user's mistake ends the run with its message instead of a traceback.

    The harness has no place for such errors. From Python the exception passes as it is.
    """
    try:
        yield
    except UserError as error:
        program = Path(sys.argv[0])  # bin/lm_eval, bin/lm-eval, or .../lm_eval/__main__.py
        if {program.name, program.parent.name}.isdisjoint({"lm_eval", "lm-eval"}):
            raise
        raise SystemExit(f"lm_eval: {error}") from None


class IclTask(ConfigurableTask):
    """A benchmark asked with k demonstrations, rendered by `lm_eval_tasks.prompts`.

    The harness's own few-shot sampler and rendering are not used: the teacher of the distillation must read,
    token for token, what is evaluated here.
    """

    @_told_plainly()
    def __init__(self, config: dict[str, Any]) -> None:
        """Load the rows; `config` is the YAML file's content."""
        self._pickers: dict[int, DemonstrationPicker] = {}
        self._chat: ModelChat | None = None
        self._count_tokens: CountTokens | None = None
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load evaluated rows (`dataset_kwargs` names the benchmark) and read the options."""
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
            "demonstrations": self.options.demonstrations,
            "demonstration_seed": self.options.demonstration_seed,
            "enable_thinking": self._thinks,
            "versions": _versions(),
        }

    def fewshot_docs(self) -> None:
        """None: `fewshot_context` picks the demonstrations."""

    @_told_plainly()
    def build_all_requests(
        self,
        *,
        cache_requests: bool = False,
        apply_chat_template: bool = False,
        chat_template: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """As the harness does, never from its cache of requests."""
        if cache_requests:
            # Its key knows neither our demonstrations nor the data: it would serve another run's prompts.
            logger.warning("%s: --cache_requests is ignored; prompts are built anew", self.config.task)
        self._chat = None
        if apply_chat_template and chat_template is not None:
            self._chat = ModelChat(chat_template, enable_thinking=self._thinks)
        if self.OUTPUT_TYPE == "generate_until":
            tokenizer = self._chat.tokenizer if self._chat else None
            self._count_tokens = token_counter(tokenizer, self.config.metadata)
        super().build_all_requests(
            apply_chat_template=apply_chat_template, chat_template=chat_template, **kwargs
        )

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
        """The prompt: chat turns through the model's template, or plain text without one.

        Raises:
            UserError: demonstrations were asked for in one single user turn, or the template refuses.
        """
        if num_fewshot and apply_chat_template and not fewshot_as_multiturn:
            raise UserError(
                f"{self.config.task}: demonstrations are always turns of the conversation here; leave out "
                "--fewshot_as_multiturn false."
            )
        example = self._examples[doc["id"]]
        demonstrations = self._picker(num_fewshot).pick(example) if num_fewshot else []
        messages = build_messages(example, demonstrations, system=system_instruction)
        return self._chat.render(messages) if self._chat else to_plain_text(messages)

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> Instance | list[Instance]:
        """As the harness does; without a chat template, a further `Question:` ends the answer."""
        requests = super().construct_requests(doc, ctx, **kwargs)
        if isinstance(requests, Instance) and not kwargs.get("apply_chat_template"):
            generation_kwargs = requests.arguments[1]
            generation_kwargs["until"] = [*generation_kwargs.get("until", []), PLAIN_TEXT_STOP]
        return requests

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        """Score one answer by the YAML file's scorer, which learns whether the answer was cut."""
        scorer: Scorer = self.config.process_results
        if self.OUTPUT_TYPE != "generate_until" or not callable(scorer):  # multiple choice, --predict_only
            return dict(super().process_results(doc, results))
        circumstances = Circumstances(
            truncated=self._is_truncated(results[0]),
            opens_thinking=self._chat is not None and self._chat.opens_thinking,
        )
        return scorer(doc, results, circumstances)

    def aggregation(self) -> dict[str, Callable[..., Any]]:
        """The aggregation of every metric; those of failure rates warn when they are high."""
        ours = {name: metric.aggregation for name, metric in METRICS.items()}
        for name in ("truncated", "unclosed_think", "scorer_error"):
            ours[name] = partial(warn_when_high, name, self.config.task, ours[name])
        return {**super().aggregation(), **ours}

    def higher_is_better(self) -> dict[str, bool]:
        """The direction of every metric."""
        return {
            **super().higher_is_better(),
            **{name: metric.higher_is_better for name, metric in METRICS.items()},
        }

    @property
    def _thinks(self) -> bool:
        """Options are compared by the answer's first tokens in multiple choice: nothing is thought there."""
        return self.options.enable_thinking and self.OUTPUT_TYPE == "generate_until"

    def _is_truncated(self, response: Any) -> bool | None:
        if self._count_tokens is None or not isinstance(response, str):
            return None
        limit = normalize_gen_kwargs(self.config.generation_kwargs)["max_gen_toks"]
        return is_cut(self._count_tokens(response), limit)

    def _picker(self, k: int) -> DemonstrationPicker:
        if k not in self._pickers:
            source = self.options.pool
            if source:
                pool = load_train(self.benchmark, source)
            else:
                pool, source = load_pool(self.benchmark, self.options.data)
            pool, dropped = without_overlap(pool, self._examples.values())
            if dropped:
                logger.warning(
                    "%s: %d rows of the demonstrations' pool are evaluated here and left out",
                    self.benchmark, dropped,
                )  # fmt: skip
            self._pickers[k] = DemonstrationPicker(
                pool, k, mode=self.options.demonstrations, seed=self.options.demonstration_seed
            )
            self.config.metadata |= {"pool_source": source, "pool_fingerprint": fingerprint(pool)}
        return self._pickers[k]


def _versions() -> dict[str, str]:
    """Versions of what decides on answers and verdicts; the harness logs only some."""
    installed = {}
    for name in ("icl-distill", "lm_eval", "torch", "transformers", "vllm", "peft", "math-verify"):
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def _doc(example: Example) -> dict[str, Any]:
    """A harness document; IFEval's arguments stay one JSON string, since Arrow would fill in nulls."""
    doc: dict[str, Any] = {
        "benchmark": example.benchmark,
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
