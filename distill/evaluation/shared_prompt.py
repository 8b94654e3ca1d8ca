"""Prompts that begin alike are read once: demonstrations, a system text, a document before many questions.

The shared tokens are run at batch 1 into a cache; a batch then runs what is its own. Where that would not be
exact (sliding windows, recurrent layers, encoders, positions that hang on the length) nothing is shared.
"""

import inspect
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import PeftModel, PeftType
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from distill.encoding.prefixes import common_prefix
from distill.evaluation.shared_attention import RepeatedStates, SharedStates

MIN_SHARED = 12
"""Fewer shared tokens are not worth a forward pass of their own.

What a chat template says by itself suffices: the attention to them does without the copies of keys and values
that transformers makes at each step (120 answers of 40 tokens by a model of 135M on two cores: 35 s, not 49).
"""

_PROBE_SHARED, _PROBE_OWN = 24, 4
_PLAIN_GENERATION = {"attention_mask", "do_sample", "temperature", "top_k", "top_p", "min_p"}
_NEEDED_ARGUMENTS = {"attention_mask", "logits_to_keep", "past_key_values", "position_ids"}
_LENGTH_DEPENDENT_ROPE = {"dynamic", "longrope"}

log = logging.getLogger(__name__)


def shared_tokens(prompts: Iterable[Sequence[int]]) -> list[int]:
    """What all prompts begin with; at least one token of each is left, and `[]` stands for too few.

    Args:
        prompts: Token ids.
    """
    ids = [list(prompt) for prompt in prompts]
    if len(ids) < 2:
        return []
    same = common_prefix(ids)[: min(map(len, ids)) - 1]
    return same if len(same) >= MIN_SHARED else []


class SharedPrompt:
    """Tokens that prompts begin with, read once by the model as it is now.

    Attributes:
        ids: `[P]`.
        states: Their keys and values.
    """

    def __init__(self, model: nn.Module, ids: Sequence[int], device: torch.device) -> None:
        """Run `model`, with its adapters as they are, over `ids`; gradients are off."""
        self.ids = torch.tensor(ids, device=device)
        cache = DynamicCache()
        model(input_ids=self.ids[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
        self.states: SharedStates | RepeatedStates = (
            SharedStates(cache) if _stores_once(base_of(model)) else RepeatedStates(cache)
        )

    def begins(self, inputs: torch.Tensor, padding: torch.Tensor) -> bool:
        """Whether all rows begin with these tokens and go on.

        Args:
            inputs: `[B, S]`.
            padding: Tokens before each row's first, `[B]`.
        """
        places = padding[:, None] + torch.arange(len(self.ids) + 1, device=inputs.device)
        if int(places.max()) >= inputs.shape[1]:
            return False
        return bool((inputs.gather(1, places[:, :-1]) == self.ids).all())

    def move_padding(
        self, inputs: torch.Tensor, padding: torch.Tensor, pad_token_id: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask `[B, S]` of left-padded rows, the padding between the shared tokens and the rest."""
        length = len(self.ids)
        places = torch.arange(inputs.shape[1], device=inputs.device)
        own = places >= padding[:, None] + length
        ids = inputs.masked_fill(~own, pad_token_id)
        ids[:, :length] = self.ids
        return ids, (own | (places < length)).to(torch.long)


def base_of(model: nn.Module) -> Any:
    """The transformers model beneath a PEFT adapter."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _stores_once(base: Any) -> bool:
    """Whether the attention can be exchanged, and reading less pays."""
    config = base.config
    return (
        base.device.type == "cpu"
        and base._supports_attention_backend
        and config._attn_implementation == "sdpa"
        and config.get_text_config() is config
    )


def generates_plainly(model: Any, arguments: Iterable[str]) -> bool:
    """Whether nothing in a call of `generate` hangs on where the padding stands or on the rows' caches."""
    config = model.generation_config
    return (
        set(arguments) <= _PLAIN_GENERATION
        and (config.num_beams or 1) == 1
        and not config.no_repeat_ngram_size
        and config.cache_implementation is None
    )


def answers_alike(model: nn.Module, ids: Sequence[int]) -> bool:
    """Whether logits behind shared tokens are those of a plain forward pass; the start of `ids` is tried.

    Args:
        model: With or without an adapter.
        ids: At least `MIN_SHARED` tokens.
    """
    try:
        error = _probe(model, list(ids))
    except Exception as failure:  # of a model whose cache holds other than keys and values
        log.warning(
            "Shared tokens of prompts are read again for every row (%s: %s).", type(failure).__name__, failure
        )
        return False
    precise = base_of(model).dtype == torch.float32
    if error > (1e-4 if precise else 5e-2):
        log.info("Shared tokens of prompts are read again for every row: the logits are off by %.1g.", error)
        return False
    return True


def obstacle(model: nn.Module) -> str | None:
    """Why a model cannot share tokens, from its configuration; None if nothing speaks against it."""
    base, adapters = base_of(model), getattr(model, "peft_config", {}).values()
    if not isinstance(base, PreTrainedModel) or base.config.is_encoder_decoder:
        return "not a decoder of transformers"
    config = base.config
    if missing := _NEEDED_ARGUMENTS - set(inspect.signature(base.forward).parameters):
        return f"the model takes no {', '.join(sorted(missing))}"
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=config).layers):
        return "layers with sliding windows or other states"
    if _LENGTH_DEPENDENT_ROPE & set(_rope_types(getattr(config, "rope_parameters", None))):
        return "positions hang on the prompt's length"
    if any(
        one.peft_type != PeftType.LORA or getattr(one, "alora_invocation_tokens", None) for one in adapters
    ):
        return "an adapter other than LoRA"
    return None


def _rope_types(parameters: Any) -> list[str]:
    """All `rope_type`s in a configuration that may hold one set of parameters for each kind of layer."""
    if not isinstance(parameters, dict):
        return []
    inner = [kind for value in parameters.values() for kind in _rope_types(value)]
    return [*inner, str(parameters.get("rope_type"))]


def _probe(model: nn.Module, ids: list[int]) -> float:
    """Relative error of the logits behind shared tokens and padding."""
    device = base_of(model).device
    tried = min(_PROBE_SHARED, len(ids) - _PROBE_OWN)
    inputs = torch.tensor(ids[: tried + _PROBE_OWN], device=device)[None]
    expected = model(input_ids=inputs, logits_to_keep=1).logits[0, -1]
    shared = SharedPrompt(model, ids[:tried], device)
    padded = nn.functional.pad(inputs, (3, 0))
    moved, mask = shared.move_padding(padded, torch.tensor([3], device=device), 0)
    found = run_behind(
        model,
        shared,
        input_ids=moved[:, tried:],
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1)[:, tried:],
        logits_to_keep=1,
    )
    return float((found[0, -1] - expected).norm() / expected.norm())


def run_behind(model: nn.Module, shared: SharedPrompt, **inputs: Any) -> torch.Tensor:
    """Logits `[B, T, V]` of inputs that stand behind the shared tokens."""
    rows = len(inputs["input_ids"])
    cache: Cache = shared.states.new_cache(rows)
    with shared.states.attended_by(base_of(model)):
        logits: torch.Tensor = model(past_key_values=cache, use_cache=True, **inputs).logits
    return logits
