"""`icl-distill cache-teacher`: run the teacher once, so that training need not."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from distill.evaluation.settings import BACKENDS, parse_pairs
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require

if TYPE_CHECKING:
    from distill.training.caching.build import Backend
    from distill.training.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; what it does not know are the training's."""
    parser.epilog = (
        "All other options are those of trl_recipes/distill.py: --base_config, --config and any key. "
        "--teacher_targets names the folder to write."
    )
    parser.add_argument("--backend", choices=BACKENDS, default="hf", help="what runs the teacher")
    parser.add_argument("--rows_per_shard", type=int, default=256, help="rows of a file")
    parser.add_argument("--vllm_args", default="", metavar="K=V,...", help="further arguments of vLLM")
    parser.set_defaults(rest=[])


def run(args: argparse.Namespace) -> int:
    """Cache the targets of every training row and say how large they are."""
    require("train")
    engine_args = parse_pairs("--vllm_args", args.vllm_args)
    if args.rows_per_shard < 1:
        raise UserError(f"--rows_per_shard is {args.rows_per_shard}; it must be 1 or more.")
    # TRL and torch, only once the options are known to be right
    from trl import ModelConfig

    from distill.training.caching.build import cache_targets
    from distill.training.caching.fingerprint import target_fingerprint
    from distill.training.config import DataArguments, ICLDistillConfig
    from distill.training.config_files import parse_run
    from distill.training.launch import prepare

    (data_args, model_args, config), settings = parse_run(
        (DataArguments, ModelConfig, ICLDistillConfig), args.rest
    )
    if not config.teacher_targets:
        raise UserError("teacher_targets is missing: name the folder to write the targets to.")
    prepared = prepare(data_args, model_args, config, settings)

    def load() -> "Backend":
        return _load(args.backend, prepared, engine_args)

    manifest = cache_targets(
        prepared.data.train,
        Path(config.teacher_targets),
        fingerprint=target_fingerprint(prepared),
        backend=args.backend,
        load=load,
        log_normalizer=args.backend == "hf",
        rows_per_shard=args.rows_per_shard,
    )
    print(
        f"{config.teacher_targets}: {manifest['rows']} rows, {manifest['answer_tokens']} answer tokens, "
        f"{manifest['bytes'] / 1e6:.1f} MB. Outside the top {config.top_k}: "
        f"{manifest['mean_tail_mass']:.2%} of the probability on average, at most "
        f"{manifest['max_tail_mass']:.2%}"
    )
    return 0


def _load(backend: str, prepared: "Run", engine_args: dict[str, object]) -> "Backend":
    if backend == "vllm":
        from distill.training.caching.vllm_backend import VllmBackend

        return VllmBackend(prepared, engine_args)
    from distill.training.caching.hf_backend import HfBackend

    return HfBackend(prepared)
