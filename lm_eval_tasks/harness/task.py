"""The tasks as lm-evaluation-harness sees them.

The YAML files of the benchmarks name `IclTask` as their class, and in `dataset_kwargs` what it asks. Options
come in through the harness's `--metadata` (a JSON object); see `TaskOptions`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import datasets as hf_datasets
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.utils import normalize_gen_kwargs

from lm_eval_tasks.episodes import QUESTION, Episode, Message, fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness import history
from lm_eval_tasks.harness.metrics import aggregations
from lm_eval_tasks.harness.mistakes import told_plainly
from lm_eval_tasks.harness.options import TaskOptions
from lm_eval_tasks.harness.source import HarnessSource
from lm_eval_tasks.harness.thinking import RunThinking
from lm_eval_tasks.harness.tokens import CountTokens, context_length, count_cut, is_cut, token_counter
from lm_eval_tasks.prompting.chat_template import ModelChat
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker, Mode
from lm_eval_tasks.prompting.plain_text import ANSWER, PLAIN_TEXT_STOP, plain_answer, to_plain_text
from lm_eval_tasks.reading import bad_rows_record
from lm_eval_tasks.scoring import constraints
from lm_eval_tasks.scoring.metrics import Metric, Metrics, share
from lm_eval_tasks.scoring.names import PARTS
from lm_eval_tasks.scoring.repeated import over_answers, repeated_metrics
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.sources.benchmark import BenchmarkSource
from lm_eval_tasks.sources.unjudged import broken, refuse

logger = logging.getLogger(__name__)


class IclTask(ConfigurableTask):
    """A source asked with k demonstrations, rendered by `lm_eval_tasks.prompting`.

    The harness's own few-shot sampler and rendering are not used: the teacher of the distillation must read,
    token for token, what is evaluated here.

    Attributes:
        engine_cut: Whether the engine cut its answer to a prompt, None where it does not know. The harness
            hands on text alone: without this function answers are tokenised again, to other lengths perhaps.
    """

    engine_cut: Callable[[str], bool | None] | None = None

    @told_plainly()
    def __init__(self, config: dict[str, Any]) -> None:
        """Load the rows; `config` is the YAML file's content."""
        self._pickers: dict[int, DemonstrationPicker] = {}
        self._chat: ModelChat | None = None
        self._count_tokens: CountTokens | None = None
        self._thinking: RunThinking | None = None
        self._parts: dict[str, list[bool]] = {}
        self._asked: dict[str, str] = {}  # prompts by the rows' ids
        self._sees_all = True  # of several processes each scores a part
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load evaluated rows (`dataset_kwargs` says which) and read the options."""
        self.options = TaskOptions.from_metadata(self.config.metadata)
        self._keep_repeats()
        self.source = self.open(dataset_kwargs or {})
        self._context = self.read_context(dataset_kwargs or {})
        self._mode = cast(Mode, self.options.demonstrations or self.source.demonstration_mode)
        episodes = self.source.evaluation()
        self._check_view(episodes)
        self._rows = {episode.id: episode for episode in episodes}
        self._episodes = dict(self._rows)
        if len(self._rows) != len(episodes):
            raise UserError(
                f"{self.source.name}: evaluated rows share an id (such as 'key'); give each its own."
            )
        documents = [self.source.document(episode) for episode in episodes]
        if self.options.strict:
            ids = [documents[place]["id"] for place in broken(self.source, documents)]
            rows_of = f"{self.source.name} in {self.source.data!r}"
            refuse(rows_of, ids, len(documents), option="'strict' in --metadata")
        self.dataset = {self.config.test_split: hf_datasets.Dataset.from_list(documents)}
        self.config.metadata = (self.config.metadata or {}) | {
            "data_source": self.source.data,
            "data_fingerprint": fingerprint(episodes),
            "demonstrations": self._mode,
            "demonstration_seed": self.options.demonstration_seed,
            "enable_thinking": self._thinks,
            "versions": _versions(),
            **bad_rows_record(self.source.bad_rows),
            **constraints.record(),
        }

    def open(self, dataset_kwargs: Mapping[str, Any]) -> HarnessSource:
        """What a YAML file asks, by its `dataset_kwargs`: `benchmark`, the name of one of this package's.

        Raises:
            UserError: the keys name nothing that can be asked.
        """
        if set(dataset_kwargs) == {"benchmark"}:
            return BenchmarkSource(dataset_kwargs["benchmark"], self.options.data, self.options.pool)
        raise UserError(f"dataset_kwargs: {dict(dataset_kwargs)!r} cannot be used; give 'benchmark: NAME'.")

    def read_context(self, dataset_kwargs: Mapping[str, Any]) -> Context:
        """What the view `teacher` adds to the rows beside demonstrations and a system instruction."""
        return Context()

    def fewshot_docs(self) -> None:
        """None: `fewshot_context` picks the demonstrations."""

    @told_plainly()
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
        self._check_sampling()
        self._chat = None
        self._parts = {}
        self._sees_all = kwargs.get("world_size") in (None, 1)
        if apply_chat_template and chat_template is not None:
            self._chat = ModelChat(chat_template, enable_thinking=self._thinks)
        metadata = self.config.metadata
        self._count_tokens = token_counter(self._chat.tokenizer if self._chat else None, metadata)
        end_token = self._chat.think_end_token if self._chat else metadata.get("think_end_token")
        self._thinking = RunThinking(
            self._chat, tags=self.options.think_tags, end_token=end_token, enable_thinking=self._thinks
        )
        self._write_history(**kwargs)
        super().build_all_requests(
            apply_chat_template=apply_chat_template, chat_template=chat_template, **kwargs
        )
        self._count_cut_prompts()

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
        episode = self._episodes[doc["id"]]
        if self._chat:
            return self._render(episode, num_fewshot, system_instruction)
        if episode.tools:
            raise UserError(
                f"{self.config.task}: rows with tools need a chat template (--apply_chat_template)."
            )
        prompt = self._prompt(episode, num_fewshot, system_instruction)
        return to_plain_text(prompt, label=episode.label)

    def doc_to_choice(self, doc: Any, doc_to_choice: Any = None) -> Any:
        """As the harness does; in plain text the prompt has written `Answer:` already."""
        choices = super().doc_to_choice(doc, doc_to_choice)
        return choices if self._chat else [plain_answer(choice) for choice in choices]

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> Instance | list[Instance]:
        """As the harness does; in plain text with labelled questions a further one ends the answer."""
        requests = super().construct_requests(doc, ctx, **kwargs)
        self._asked[doc["id"]] = ctx
        if isinstance(requests, Instance) and not self._chat and self._episodes[doc["id"]].label == QUESTION:
            generation_kwargs = requests.arguments[1]
            until = generation_kwargs.get("until") or []
            generation_kwargs["until"] = [*([until] if isinstance(until, str) else until), PLAIN_TEXT_STOP]
        return requests

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        """Score one answer by the source, which learns whether the answer was cut."""
        # Multiple choice; or a scorer in a YAML file, or the harness's --predict_only, which sets one.
        if self.OUTPUT_TYPE != "generate_until" or self.config.process_results is not None:
            return dict(super().process_results(doc, results))
        answers = results[0] if self._repeats > 1 and isinstance(results[0], list) else results[:1]
        scored = [self._score(doc, answer if isinstance(answer, str) else None) for answer in answers]
        metrics = self.source.metrics
        return over_answers(scored, metrics) if len(scored) > 1 else scored[0]

    def aggregation(self) -> dict[str, Callable[..., Any]]:
        """The aggregation of every metric; those of failure rates warn when they are high."""
        # Where the harness strips reasoning, what it left unstripped does not show in the texts.
        always = ["unclosed_think"] if self._thinking and self._thinking.stripped else []
        found = aggregations(self._metrics, task=self.config.task, always=always)
        return {**super().aggregation(), **found}

    def higher_is_better(self) -> dict[str, bool]:
        """The direction of every metric."""
        own = {name: metric.higher_is_better for name, metric in self._metrics.items()}
        return {**super().higher_is_better(), **own}

    def dump_config(self) -> dict[str, Any]:
        """As the harness does, which asks after scoring: verdicts by kind stand beside how it was asked."""
        found: dict[str, Any] = super().dump_config()
        if self._parts and self._sees_all:
            parts = sorted(self._parts.items())
            told = {name: share(sum(verdicts), len(verdicts)) for name, verdicts in parts}
            found["metadata"] = {**found["metadata"], PARTS: told}
        return found

    @property
    def _repeats(self) -> int:
        """Answers to a question that are judged; of a scorer or filters in a YAML file nothing is known."""
        return int(self.config.repeats or 1) if self._judges_repeats else 1

    @property
    def _metrics(self) -> Mapping[str, Metric]:
        several = repeated_metrics(self._repeats) if self._repeats > 1 else {}
        return {**self.source.metrics, **several}

    def _score(self, doc: dict[str, Any], response: str | None) -> Metrics:
        truncated = self._is_truncated(self._asked.get(doc["id"], ""), response)
        found = self.source.score(doc, response, self._circumstances(truncated))
        for name, verdict in self.source.parts(doc, found):
            self._parts.setdefault(name, []).append(verdict)
        return found

    def _prompt(self, episode: Episode, num_fewshot: int, system: str | None) -> tuple[Message, ...]:
        shown = self._picker(num_fewshot).pick(episode) if num_fewshot else []
        if self.options.view == "teacher":
            context = replace(self._context, num_fewshot=num_fewshot, system_instruction=system)
            prompt = context.prompt(self.source, episode, shown)
        else:
            prompt = self.source.show(episode, shown, system=system)
        assert not isinstance(prompt, str)
        return prompt

    def _circumstances(self, truncated: bool | None) -> Circumstances:
        begun = "" if self._chat else ANSWER
        if self._thinking is None:  # answers of another run
            return Circumstances(truncated=truncated, begun=begun)
        return self._thinking.circumstances(truncated, begun=begun)

    def _render(self, episode: Episode, num_fewshot: int, system: str | None) -> Any:
        """The prompt in the model's chat template."""
        assert self._chat is not None
        text = self._chat.render(self._prompt(episode, num_fewshot, system), tools=episode.tools)
        if self._thinking:
            self._thinking.saw(text)
        return text

    def _write_history(
        self,
        *,
        system_instruction: str | None = None,
        limit: int | None = None,
        samples: list[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        **_: Any,
    ) -> None:
        """Have the model answer the earlier turns of the conversations that it is asked.

        Raises:
            UserError: see `history.writer`.
        """
        self._episodes = dict(self._rows)
        unanswered = history.unanswered(self._rows.values(), own=self.options.own_history)
        if not unanswered:
            return
        docs = self.doc_iterator(rank=rank, limit=limit, world_size=world_size, samples=samples)
        conversations = {doc["id"]: unanswered[doc["id"]] for _, doc in docs if doc["id"] in unanswered}
        if not conversations:
            return
        task, shots = str(self.config.task), self.config.num_fewshot or 0
        model = history.writer(task, self._chat and self._chat.model, len(conversations), world_size)

        def ask(begun: Mapping[str, history.Turns]) -> list[str]:
            episodes = [replace(self._rows[id], prompt=turns) for id, turns in begun.items()]
            prompts = [self._render(episode, shots, system_instruction) for episode in episodes]
            requests = history.requests(task, prompts, self.config.generation_kwargs)
            responses = model.generate_until(requests)
            return [self._without_thinking(*pair) for pair in zip(prompts, responses, strict=True)]

        filled = history.fill(conversations, ask)
        self._episodes |= {id: replace(self._rows[id], prompt=turns) for id, turns in filled.items()}
        self.config.metadata["earlier_answers_written"] = len(filled)

    def _without_thinking(self, prompt: str, response: str) -> str:
        return self._circumstances(self._is_truncated(prompt, response)).split(response).answer

    def _keep_repeats(self) -> None:
        """Have the harness hand on all answers to a question, where `repeats` asks for several.

        Raises:
            UserError: options are compared by their likelihood, which is the same every time.
        """
        repeats = self.config.repeats
        several = repeats not in (None, 1) and self.config.process_results is None
        if several and self.config.output_type != "generate_until":
            raise UserError(
                f"{self.config.task}: repeats is {repeats!r}, but options are compared by their likelihood, "
                "which is the same every time. Leave it out."
            )
        self._judges_repeats = several and self.config.filter_list is None
        if self._judges_repeats:
            # By default the harness throws away all answers but the first.
            every = {"function": "take_first_k", "k": repeats}
            self.config.filter_list = [{"name": "none", "filter": [every]}]

    def _check_sampling(self) -> None:
        """Several answers are to differ.

        Raises:
            UserError: they are greedy.
        """
        given = self.config.generation_kwargs or {}
        if self._repeats > 1 and not (given.get("do_sample") or given.get("temperature")):
            raise UserError(
                f"{self.config.task}: repeats is {self._repeats}, but answers are greedy, so all of a "
                "question's are the same. Give --gen_kwargs do_sample=true,temperature=0.7, or leave it out."
            )

    def _count_cut_prompts(self) -> None:
        metadata = self.config.metadata
        context = self._chat.context if self._chat else context_length(metadata)
        if self._count_tokens is not None and context is not None:
            found = count_cut(self.instances, self._count_tokens, context, task=self.config.task)
            metadata["prompts_cut"] = found

    def _check_view(self, episodes: Iterable[Episode]) -> None:
        if self.options.view == "student" or self._context.privileged:
            return
        if not any(episode.teacher_prompt or episode.privileged for episode in episodes):
            raise UserError(
                f"{self.config.task}: metadata asks for the view 'teacher', but no row has a "
                "'teacher_prompt' or a 'privileged_context'. Leave it out; --num_fewshot and "
                "--system_instruction do without."
            )

    @property
    def _thinks(self) -> bool:
        """Options are compared by the answer's first tokens in multiple choice: nothing is thought there."""
        return self.options.enable_thinking and self.OUTPUT_TYPE == "generate_until"

    def _is_truncated(self, prompt: str, response: str | None) -> bool | None:
        if response is None:
            return None
        # Of several answers to a prompt the engine knows the last. Where the harness strips reasoning, the
        # text's own length alone tells whether that ended.
        stripped = self._thinking is not None and self._thinking.stripped
        if self.engine_cut and self._repeats == 1 and not stripped:
            cut = self.engine_cut(prompt)
            if cut is not None:
                return cut
        if self._count_tokens is None:
            return None
        limit = normalize_gen_kwargs(self.config.generation_kwargs)["max_gen_toks"]
        return is_cut(self._count_tokens(response), limit)

    def _picker(self, k: int) -> DemonstrationPicker:
        if k not in self._pickers:
            pool = self.source.pool()
            self._pickers[k] = DemonstrationPicker(
                pool, k, mode=self._mode, seed=self.options.demonstration_seed
            )
            self.config.metadata |= {
                "pool_source": self.source.pool_data,
                "pool_fingerprint": fingerprint(pool),
            } | bad_rows_record(self.source.bad_rows)
        return self._pickers[k]


def _versions() -> dict[str, str]:
    """Versions of what decides on answers and verdicts; the harness logs only some."""
    installed = {}
    for name in ("icl-distill", "lm_eval", "torch", "transformers", "vllm", "peft", "math-verify"):
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed
