"""Two processes of one group, forked from a server that has loaded the libraries: no seconds of torchrun."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing

LOADED = ["trl.trainer.sft_trainer", "transformers.models.llama.modeling_llama", "distill.training.trainer"]
WORLD = 2


def in_two_processes(
    work: Callable[..., None], folder: Path, *args: Any, environment: Mapping[str, str] | None = None
) -> None:
    """Run `work(*args)` in both, as torchrun does; each sees its rank as `torch.distributed.get_rank()`.

    Args:
        work: A module's function.
        folder: Takes the file by which they find each other; a port might be another's.
        args: For `work`.
        environment: Variables beside torchrun's.

    Raises:
        ProcessRaisedException: one of them raised; holds its traceback.
    """
    multiprocessing.set_forkserver_preload(LOADED)
    meeting = folder / "meeting"
    meeting.unlink(missing_ok=True)
    torch.multiprocessing.start_processes(
        _begin, (work, str(meeting), dict(environment or {}), args), nprocs=WORLD, start_method="forkserver"
    )


def _begin(
    rank: int, work: Callable[..., None], meeting: str, environment: dict[str, str], args: tuple[Any, ...]
) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD}
    os.environ |= {name: str(value) for name, value in place.items()} | {"ACCELERATE_USE_CPU": "true"}
    os.environ |= environment
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{meeting}", timeout=timedelta(minutes=15), rank=rank, world_size=WORLD
    )
    work(*args)
    dist.destroy_process_group()
