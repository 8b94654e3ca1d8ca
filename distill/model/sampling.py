"""Answers sampled with transformers' `generate`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.fsdp import register_fsdp_forward_method
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, GenerationConfig, PreTrainedModel

from distill.model.packed_attention import longest_window
from distill.model.prefix_cache import SharedPrefix
from distill.model.sharding import is_sharded


def sampling_config(
    *, max_new_tokens: int, temperature: float, stop_ids: Sequence[int], pad_token_id: int
) -> GenerationConfig:
    """Pure sampling at `temperature`, whatever sampling defaults the model's own configuration has."""
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=True,
        temperature=temperature,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        eos_token_id=list(stop_ids),
        pad_token_id=pad_token_id,
        use_cache=True,
    )


def sample(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    prefix: SharedPrefix | None = None,
) -> list[list[int]]:
    """One answer to each prompt, up to and including the token that ends it.

    Args:
        model: In evaluation mode; sharded ones take part in every process's call.
        prompts: Token ids.
        config: See `sampling_config`; an answer without one of its end tokens was cut at `max_new_tokens`.
        prefix: If all prompts begin with it, its states are not computed again.
    """
    cache = repeated(prefix, len(prompts)) if prefix is not None and _serves(prefix, prompts, model) else None
    begin = 0 if cache is None else cache.get_seq_length()
    ids, mask = _pad(prompts, begin, config.pad_token_id, model.device)
    _gather_root(model)
    with torch.no_grad():
        written = model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            # Processes whose answers are complete go on until all are: sharded weights are gathered in step.
            synced_gpus=is_sharded(model),
            **({} if cache is None else {"past_key_values": cache}),
        )
    stops = set(config.eos_token_id)
    return [_ended(row, stops) for row in written[:, ids.shape[1] :].tolist()]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The generators of torch start from `seed` in here, and are afterwards as if nothing had been drawn."""
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(seed)
        yield


def _pad(
    prompts: Sequence[Sequence[int]], begin: int, pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask `[B, S]`; the padding stands behind the first `begin` tokens, which all prompts share."""
    rests = [torch.tensor(prompt[begin:], device=device) for prompt in prompts]
    rest = pad_sequence(rests, batch_first=True, padding_value=pad_token_id, padding_side="left")
    mask = pad_sequence([torch.ones_like(row) for row in rests], batch_first=True, padding_side="left")
    first = torch.tensor(prompts[0][:begin], dtype=torch.long, device=device).expand(len(prompts), -1)
    return torch.cat([first, rest], dim=1), torch.cat([torch.ones_like(first), mask], dim=1)


def _serves(prefix: SharedPrefix, prompts: Sequence[Sequence[int]], model: PreTrainedModel) -> bool:
    """Whether the prefix stands before something in every prompt.

    Not with sliding windows: they count the padding behind the prefix as distance.
    """
    ids = prefix.ids.tolist()
    if not ids or longest_window(model.config):
        return False
    return all(len(prompt) > len(ids) and list(prompt[: len(ids)]) == ids for prompt in prompts)


def repeated(prefix: SharedPrefix, rows: int) -> DynamicCache:
    """A cache that holds the prefix once for each of so many rows."""
    cache = DynamicCache()
    for index, layer in enumerate(prefix.cache.layers if prefix.cache is not None else ()):
        each = (value.expand(rows, -1, -1, -1) for value in (layer.keys, layer.values))
        cache.update(*each, index)
    return cache


def _gather_root(model: nn.Module) -> None:
    """FSDP2 gathers what belongs to no layer before `forward` only; `generate` needs it as well."""
    if "generate" not in vars(model):
        register_fsdp_forward_method(model, "generate")  # does nothing to other models


def _ended(answer: list[int], stops: set[int]) -> list[int]:
    """`answer` without the padding behind its end token."""
    end = next((at for at, token in enumerate(answer) if token in stops), len(answer) - 1)
    return answer[: end + 1]
