"""A run as the command line shortens it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from distill.pipeline.config import Condition, RunConfig
from lm_eval_tasks.errors import check


def with_limits(
    config: RunConfig, *, n_samples: int | None, max_steps: int | None, seed: int | None = None
) -> RunConfig:
    """The run, shortened, or drawn otherwise.

    Args:
        config: The run.
        n_samples: Evaluate no more rows than this, whatever the file says.
        max_steps: End training at this step, and evaluate its checkpoint alone.
        seed: Of everything drawn.

    Raises:
        UserError: a number is out of bounds.
    """
    check(n_samples is None or n_samples >= 1, "--n_samples", n_samples, "give 1 or more")
    check(max_steps is None or max_steps >= 1, "--max_steps", max_steps, "give 1 or more")
    check(seed is None or 0 <= seed < 2**32, "--seed", seed, "give a number from 0 to 4294967295")
    changes: dict[str, Any] = {}
    conditions, training = config.conditions, dict(config.training)
    if max_steps is not None:
        changes["checkpoint_steps"] = (max_steps,)
        steps = {"max_steps": max_steps, "save_steps": max_steps}
        training |= steps
        conditions = {name: without_options(condition, steps) for name, condition in conditions.items()}
    retention = config.retention
    if n_samples is not None:
        changes["n_samples"] = n_samples
        if retention is not None:
            fewer = min(n_samples, retention.n_samples)
            retention = dataclasses.replace(retention, n_samples=fewer)
    benchmarks = {name: dataclasses.replace(run, **changes) for name, run in config.benchmarks.items()}
    seed = config.seed if seed is None else seed
    return dataclasses.replace(
        config,
        benchmarks=benchmarks,
        conditions=conditions,
        training=training,
        seed=seed,
        retention=retention,
    )


def without_options(condition: Condition, keys: Mapping[str, Any]) -> Condition:
    """A condition without the options that would undo those of a whole run."""
    training = {name: value for name, value in condition.training.items() if name not in keys}
    return dataclasses.replace(condition, training=training)
