"""Targets from vLLM's prompt log-probabilities: a large teacher at serving speed.

The prompt is demonstrations, question and answer; of what vLLM says, the answer's positions are kept. It
gives log-probabilities without their normaliser, so `topk_mse`, which compares raw logits, cannot use them.
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distill.encoding.token_rows import Row
from distill.model.demo_model import resolve_model
from distill.teachers.cached.shard import RowTargets, index_dtype
from distill.training.run import Run
from lm_eval_tasks.errors import UserError


class VllmBackend:
    """A teacher served by vLLM in this process."""

    batch_size = 256  # enough to keep the engine busy

    def __init__(self, run: Run, engine_args: Mapping[str, Any]) -> None:
        """Start the engine.

        Args:
            run: Whose teacher is asked.
            engine_args: Further arguments of `vllm.LLM`, such as `tensor_parallel_size`.

        Raises:
            UserError: the run is one that vLLM cannot serve.
        """
        _check(run)
        from vllm import LLM, SamplingParams

        args, model_args = run.args, run.model_args
        own = args.teacher == "self"
        longest = max(len(row["teacher_prompt_ids"]) + len(row["completion_ids"]) for row in run.data.train)
        defaults = {
            # What mixed precision comes down to for a model that is not trained.
            "dtype": "bfloat16" if args.bf16 else "float16" if args.fp16 else model_args.dtype,
            "max_model_len": longest + 1,
            "max_logprobs": args.top_k,
            "seed": args.seed,
            "enable_prefix_caching": True,
            "skip_tokenizer_init": True,
        }
        if own:
            defaults["revision"] = model_args.model_revision
        name = model_args.model_name_or_path if own else resolve_model(args.teacher_model_name_or_path)
        self._llm = LLM(model=name, **defaults | dict(engine_args))
        self._vocab_size = self._llm.llm_engine.model_config.get_vocab_size()
        self._top_k = min(args.top_k, self._vocab_size)
        self._sampling = SamplingParams
        self._indices = index_dtype(self._vocab_size)

    def score(self, rows: Sequence[Row]) -> list[RowTargets]:
        """The targets of `rows`, in their order."""
        found = self._ask(rows, reread=False)
        # Where two rows are identical, the cache serves the second one's answer as well, and what it skips
        # has no log-probabilities.
        missing = [index for index, targets in enumerate(found) if targets is None]
        if missing:
            again = self._ask([rows[index] for index in missing], reread=True)
            for index, targets in zip(missing, again, strict=True):
                found[index] = targets
        if any(targets is None for targets in found):
            raise RuntimeError("vLLM's prompt log-probabilities do not belong to the prompt's tokens")
        return [targets for targets in found if targets is not None]

    def _ask(self, rows: Sequence[Row], *, reread: bool) -> list[RowTargets | None]:
        """Targets, or None for a row whose answer was not computed."""
        sampling = self._sampling(
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=self._top_k,
            flat_logprobs=True,
            detokenize=False,
            # Without this vLLM computes the demonstrations anew for every row.
            skip_reading_prefix_cache=reread,
        )
        prompts = [{"prompt_token_ids": row["teacher_prompt_ids"] + row["completion_ids"]} for row in rows]
        outputs = self._llm.generate(prompts, sampling, use_tqdm=False)
        return [
            answer_targets(output.prompt_logprobs, row, self._top_k, self._indices)
            for row, output in zip(rows, outputs, strict=True)
        ]


def answer_targets(flat: Any, row: Row, top_k: int, indices_dtype: type[np.generic]) -> RowTargets | None:
    """One row's targets out of vLLM's flat log-probabilities.

    Args:
        flat: `vllm.logprobs.FlatLogprobs`: position by position, first the prompt's own token and then the
            `top_k` likeliest in falling order; nothing for the prompt's first token.
        row: The row whose teacher prompt and answer were the prompt.
        top_k: Entries per position.
        indices_dtype: See `distill.teachers.cached.shard.index_dtype`.

    Returns:
        None if the positions do not hold the answer's tokens: vLLM had them cached.
    """
    answer = row["completion_ids"]
    begin = flat.start_indices[len(row["teacher_prompt_ids"])]
    shape = (len(answer), top_k + 1)
    end = begin + shape[0] * shape[1]
    ids = np.array(flat.token_ids[begin:end]).reshape(shape)
    log_probs = np.array(flat.logprobs[begin:end], dtype=np.float64).reshape(shape)
    kept = np.exp(log_probs[:, 1:]).sum(-1)
    if ids[:, 0].tolist() != answer or not (kept < 1 + 1e-3).all():
        return None
    tail = np.clip(1 - kept, 0, None).astype(np.float32)
    return RowTargets(log_probs[:, 1:].astype(np.float16), ids[:, 1:].astype(indices_dtype), tail, None)


def _check(run: Run) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "--backend vllm starts its own processes: run it without `accelerate launch`, and give "
            "--vllm_args tensor_parallel_size=N for several GPUs."
        )
    if run.args.objective == "topk_mse":
        raise UserError(
            "objective: topk_mse compares raw logits, which vLLM does not give together with their "
            "normaliser. Use objective: topk_kl, or --backend hf."
        )
    if run.model_args.load_in_4bit or run.model_args.load_in_8bit:
        raise UserError("--backend vllm does not run bitsandbytes' quantised teacher; use --backend hf.")
    if importlib.util.find_spec("vllm") is None:
        raise UserError("--backend vllm: vLLM is not installed. Run: pip install 'icl-distill[train,vllm]'.")
