"""lm-eval's transformers model, reading once what the prompts of a task share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from distill.evaluation.shared_prompt import (
    SharedPrompt,
    answers_alike,
    base_of,
    generates_plainly,
    obstacle,
    run_behind,
    shared_tokens,
)

Answer = TypeVar("Answer")


class SharingHFLM(HFLM):
    """`HFLM` with the same answers; `share_prompts=False` makes it `HFLM`."""

    def __init__(self, *args: Any, share_prompts: bool = True, **kwargs: Any) -> None:
        """As `HFLM`."""
        super().__init__(*args, **kwargs)
        self._sharing = share_prompts and self.backend == "causal" and obstacle(self.model) is None
        self._tried = False  # whether answers are alike
        self._ids: list[int] = []  # what the prompts in hand share
        self._shared: SharedPrompt | None = None

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """As `HFLM`, a task at a time: prompts of one task begin alike."""

        def answer(part: list[Instance]) -> list[str]:
            ids = [self.tok_encode(one.args[0]) for one in part] if self._sharing else []
            with self._share(shared_tokens(ids)):
                return list(super(SharingHFLM, self).generate_until(part, disable_tqdm))

        return by_task(requests, answer) if self._sharing else answer(requests)

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As `HFLM`, a task at a time."""

        def answer(part: list[Instance]) -> list[tuple[float, bool]]:
            return list(super(SharingHFLM, self).loglikelihood(part, disable_tqdm))

        return by_task(requests, answer) if self._sharing else answer(requests)

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        with self._share(shared_tokens(context for _, context, _ in requests)):
            return list(super()._loglikelihood_tokens(requests, disable_tqdm, override_bs))

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> torch.Tensor:
        mask = kwargs.get("attention_mask")
        if self._ids and mask is not None and generates_plainly(self.model, kwargs):
            padding = context.shape[1] - mask.sum(-1)
            if shared := self._shared_by(context, padding):
                context, kwargs["attention_mask"] = shared.move_padding(
                    context, padding, self.tokenizer.pad_token_id
                )
                kwargs["past_key_values"] = shared.states.new_cache(len(context))
                with shared.states.attended_by(base_of(self.model)):
                    return super()._model_generate(context, max_length, stop, **kwargs)
        return super()._model_generate(context, max_length, stop, **kwargs)

    def _model_call(
        self,
        inps: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `HFLM`; logits of the shared tokens are left out, and lm-eval counts from the end."""
        if self._ids and attn_mask is None and labels is None:
            shared = self._shared_by(inps, torch.zeros(len(inps), dtype=torch.long, device=inps.device))
            if shared:
                with torch.no_grad(), self._autocast():
                    return run_behind(self.model, shared, input_ids=inps[:, len(shared.ids) :])
        return super()._model_call(inps, attn_mask, labels)

    @contextmanager
    def _share(self, ids: list[int]) -> Iterator[None]:
        """In here prompts begin with `ids`; what the model makes of them is forgotten afterwards."""
        self._ids = ids if self._sharing else []
        try:
            yield
        finally:
            self._ids, self._shared = [], None

    def _shared_by(self, inputs: torch.Tensor, padding: torch.Tensor) -> SharedPrompt | None:
        """The shared tokens' states, if the model can share and all rows begin with them."""
        with torch.no_grad(), self._autocast():
            if not self._tried:
                self._tried, self._sharing = True, answers_alike(self.model, self._ids)
            if not self._sharing:
                return None
            if self._shared is None:
                self._shared = SharedPrompt(self.model, self._ids, inputs.device)
        return self._shared if self._shared.begins(inputs, padding) else None

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            device_type=self.device.type,
            dtype=self.mixed_precision_dtype,
            enabled=self.mixed_precision_dtype is not None,
        )


def by_task(
    requests: Sequence[Instance], answer: Callable[[list[Instance]], Sequence[Answer]]
) -> list[Answer]:
    """Answers in the order of the requests, asked for one task after another."""
    places: dict[str | None, list[int]] = {}
    for place, request in enumerate(requests):
        places.setdefault(request.task_name, []).append(place)
    found: dict[int, Answer] = {}
    for of_task in places.values():
        found |= zip(of_task, answer([requests[place] for place in of_task]), strict=True)
    return [found[place] for place in range(len(requests))]
