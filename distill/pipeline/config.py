"""The YAML file of `icl-distill run`: which benchmarks, which conditions, how much of each."""

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from distill.report.published import BASE, RUN_FILE, parse_reported
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping, write_text
from lm_eval_tasks.prompting.demonstrations import MODES

IRRELEVANT = "irrelevant"
"""The demonstrations of another benchmark, a causal control."""

_FOLDER = re.compile(r"[A-Za-z0-9][\w.-]*")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One benchmark of a run.

    Attributes:
        config: Training file, relative to the run file.
        num_fewshot: The numbers of demonstrations that the gap is measured at.
        max_new_tokens: Longest answer, in tokens; None: the task's own limit.
        checkpoint_steps: The training steps that are evaluated, or `best`, `last`.
        n_samples: Evaluated rows; None: the run's own number.
        task: What is asked, as `--task` takes it; None: what the benchmark is called. Files here and below
            are relative to the run file.
        inputs: JSON lines to learn from, in the place of the task's own rows.
        evaluation: JSON lines that are judged, where the task is a file of rows.
        train_split: See `TaskSpec`; so are the following.
        metric: What judges rows of one's own.
        demonstrations: How they are chosen, or a file of them.
        system_instruction: Text or file.
        document: Files.
        privileged: Column.
        privileged_template: Text.
        answers: Who answers inputs without completions, and how often: options of `icl-distill answers`
            (`n`, `keep`); None: nobody.
        prompted: Conditions that are evaluated with the prompt, too.
    """

    config: str
    num_fewshot: tuple[int, ...]
    max_new_tokens: int | None = None
    checkpoint_steps: tuple[int | str, ...] = ("best",)
    n_samples: int | None = None
    task: str | None = None
    inputs: str | None = None
    evaluation: str | None = None
    train_split: str | None = None
    metric: str | None = None
    demonstrations: str | None = None
    system_instruction: str | None = None
    document: tuple[str, ...] = ()
    privileged: str | None = None
    privileged_template: str | None = None
    answers: Mapping[str, Any] | None = None
    prompted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One way of training.

    Attributes:
        config: Distillation file merged over the benchmark's, relative to the run file; `{benchmark}` stands
            for the benchmark's name. None: plain SFT.
        demonstrations: What its teacher reads instead of the file's demonstrations: one of
            `lm_eval_tasks.prompting.demonstrations.MODES`, or `irrelevant`, those of another benchmark.
        training: Options laid over the training file for this condition alone.
        devices: GPUs that it trains on, as CUDA_VISIBLE_DEVICES names them, one process each. Conditions on
            disjoint devices train at the same time. None: all, alone.
    """

    config: str | None = None
    demonstrations: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[int | str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run.

    Attributes:
        output_dir: Where everything is written; None: the run file's folder.
        model_name_or_path: A hub name, a folder, or `demo` for the embedded model.
        benchmarks: By name.
        conditions: By the name of their folder, in the report's order.
        data: `hub`, `sample` or a folder; None: `ICL_DATA_DIR`, else `hub`.
        backend: `hf` or `vllm`; None: vllm where CUDA is.
        accelerate_config: File for `accelerate launch`, relative to the run file.
        n_samples: Evaluated rows of each benchmark; None: all.
        batch_size: Of the evaluation on the hf backend.
        dtype: Of the evaluated weights.
        tensor_parallel_size: GPUs that one vLLM engine spans.
        seed: Of everything drawn.
        together: Train all conditions of a benchmark in one process, one after another: it loads once.
        training: Options laid over every training file, such as `learning_rate`.
        reported: Published scores, see `distill.report.published`.
        reported_source: Where they are from.
    """

    model_name_or_path: str
    benchmarks: Mapping[str, BenchmarkRun]
    output_dir: str | None = None
    conditions: Mapping[str, Condition] = field(
        default_factory=lambda: {
            "baseline": Condition(),
            "online_v1": Condition("{benchmark}_online_v1.yaml"),
        }
    )
    data: str | None = None
    backend: str | None = None
    accelerate_config: str | None = None
    n_samples: int | None = None
    batch_size: int = 16
    dtype: str = "auto"
    tensor_parallel_size: int = 1
    seed: int = 42
    together: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, Any] | None = None
    reported_source: str | None = None


def load_run_config(path: Path) -> RunConfig:
    """Read and check a run file.

    Raises:
        UserError: the file is missing or no YAML mapping, or a key is unknown, missing or of a wrong kind.
    """
    raw = read_yaml_mapping(path)
    for name, kind in (("benchmarks", BenchmarkRun), ("conditions", Condition)):
        if name in raw:
            raw[name] = _build_each(kind, raw[name], f"{path}: {name}")
    config = _build(RunConfig, raw, str(path))
    for name, run in config.benchmarks.items():
        if run.task is None and name not in BENCHMARKS:
            raise UserError(
                f"{path}: benchmarks.{name} is unknown; choose from {', '.join(BENCHMARKS)}, or say with "
                "the key 'task' what it is."
            )
        if not _FOLDER.fullmatch(name):
            raise UserError(f"{path}: benchmarks.{name!r} names a folder; use letters, digits, _, - and .")
    for name, condition in config.conditions.items():
        _check_condition(name, condition, f"{path}: conditions")
    if not isinstance(config.training, Mapping):
        raise UserError(f"{path}: training: must be a mapping of options, not {config.training!r:.60}.")
    parse_reported(config.reported, config.reported_source, config.benchmarks, config.conditions, path)
    return config


def with_limits(config: RunConfig, *, n_samples: int | None, max_steps: int | None) -> RunConfig:
    """The run, shortened.

    Args:
        config: The run.
        n_samples: Evaluate no more rows than this, whatever the file says.
        max_steps: End training at this step, and evaluate its checkpoint alone.
    """
    changes: dict[str, Any] = {}
    training = dict(config.training)
    if max_steps is not None:
        changes["checkpoint_steps"] = (max_steps,)
        training |= {"max_steps": max_steps, "save_steps": max_steps}
    if n_samples is not None:
        changes["n_samples"] = n_samples
    benchmarks = {name: dataclasses.replace(run, **changes) for name, run in config.benchmarks.items()}
    return dataclasses.replace(config, benchmarks=benchmarks, training=training)


def _check_condition(name: str, condition: Condition, where: str) -> None:
    if name == BASE:
        raise UserError(f"{where}: {name!r} is the untrained model; give the condition another name.")
    if not _FOLDER.fullmatch(name):
        raise UserError(f"{where}: {name!r} names a folder; use letters, digits, _, - and .")
    wish, known = condition.demonstrations, (*MODES, IRRELEVANT)
    if wish is not None and wish not in known:
        raise UserError(
            f"{where}.{name}.demonstrations: {wish!r} is unknown; choose from {', '.join(known)}."
        )
    if wish is not None and condition.config is None:
        raise UserError(f"{where}.{name}.demonstrations: SFT has no teacher to read them; give a config too.")
    devices = condition.devices
    if devices is None:
        return
    if not isinstance(devices, tuple) or not devices or len(set(devices)) < len(devices):
        raise UserError(
            f"{where}.{name}.devices: {devices!r:.60} is no list of different GPUs; write [0, 1], or "
            "leave it out."
        )


def _build_each(kind: type[T], raw: Any, where: str) -> dict[str, T]:
    if not isinstance(raw, dict) or not raw:
        raise UserError(f"{where}: must be a mapping of names, not {raw!r:.60}.")
    return {name: _build(kind, entry or {}, f"{where}.{name}") for name, entry in raw.items()}


def _build(kind: type[T], raw: Any, where: str) -> T:
    """A dataclass out of a mapping; lists become tuples."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must be a mapping of keys, not {raw!r:.60}.")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in raw:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(fields)}."
            raise UserError(f"{where}: unknown key {key!r}; {hint}")
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and raw.get(name) is None:
            raise UserError(f"{where}: key {name!r} is missing.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})


def save_run_config(config: RunConfig, output_dir: Path) -> Path:
    """Write the run as it is carried out, command line included, into its folder."""
    path = output_dir / RUN_FILE
    # Through JSON, which turns tuples into the lists that plain YAML has.
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return path
