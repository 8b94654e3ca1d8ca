"""The YAML file of `icl-distill run`: which benchmarks, which conditions, how much of each.

The classes are the file: their fields are its keys, with bounds, and `run_schema` is made of them. What can
be seen only together with the training files is looked at by `distill.pipeline.checks`.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from distill.pipeline.config_errors import complaint
from distill.pipeline.values import (
    BatchSize,
    ConfigName,
    Devices,
    Fewshot,
    FolderName,
    ModelArgument,
    Positive,
    Seed,
    Step,
    model_arguments,
    or_empty,
)
from distill.report.published import BASE, RUN_FILE, parse_reported
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping, write_text
from lm_eval_tasks.prompting.demonstrations import Mode

IRRELEVANT = "irrelevant"
"""The demonstrations of another benchmark, a causal control."""

RETENTION_TASKS = tuple(one.retention for one in BENCHMARKS.values() if one.retention)
"""Asked of base and students by default: a choice of options by likelihood, and written answers."""

_TAKEN = ("logs", "report")
"""Folders of a run that no benchmark can have."""
_TAKEN_THERE = ("samples", "trained", "retention")
"""Folders of a benchmark that no condition can have."""

_FORBID = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True, config=_FORBID)
class Answers:
    """Options of `icl-distill answers`."""

    n: Positive | None = None
    """Answers drawn of each row; 1: the greedy one."""
    keep: Literal["all", "correct"] | None = None
    """Which of them are kept."""
    gold: Literal["rewrite", "keep"] | None = None
    """Whether completions that are there are answered anew."""
    limit: Positive | None = None
    """Rows that are answered; none: all."""


@dataclass(frozen=True, slots=True, config=_FORBID)
class BenchmarkRun:
    """One benchmark of a run. Files are relative to the run file."""

    config: str
    """Training file."""
    num_fewshot: Annotated[tuple[Fewshot, ...], Field(min_length=1)]
    """The numbers of demonstrations that the gap is measured at."""
    max_new_tokens: Positive | None = None
    """Longest answer, in tokens; none: the task's own limit."""
    checkpoint_steps: Annotated[tuple[Step, ...], Field(min_length=1)] = ("best",)
    """The training steps that are evaluated, or `best`, `last`."""
    n_samples: Positive | None = None
    """Evaluated rows; none: the run's own number."""
    task: str | None = None
    """What is asked, as `--task` takes it; none: what the benchmark is called."""
    inputs: str | None = None
    """JSON lines to learn from, in the place of the task's own rows."""
    evaluation: str | None = None
    """JSON lines that are judged, where the task is a file of rows."""
    train_split: str | None = None
    """The split of an lm-eval task to learn from."""
    metric: str | None = None
    """What judges rows of one's own."""
    demonstrations: str | None = None
    """How they are chosen, or a file of them."""
    system_instruction: str | None = None
    """Text or file."""
    document: tuple[str, ...] = ()
    """Files whose text the teacher reads."""
    privileged: str | None = None
    """Column that the teacher reads beside the question."""
    privileged_template: str | None = None
    """The teacher's turn then, with {question} and {privileged}."""
    answers: Answers | None = None
    """Who answers inputs without completions; none: nobody."""
    prompted: tuple[str, ...] = ()
    """Conditions that are evaluated with the prompt, too."""


@dataclass(frozen=True, slots=True, config=_FORBID)
class Condition:
    """One way of training."""

    config: ConfigName | None = None
    """Distillation file merged over the benchmark's, relative to the run file; `{benchmark}` stands for the
    benchmark's name. None: plain SFT."""
    demonstrations: Literal[Mode, "irrelevant"] | None = None
    """What its teacher reads instead of the file's demonstrations; `irrelevant`: another benchmark's."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options laid over the training file for this condition alone."""
    devices: Devices | None = None
    """GPUs that it trains on, as CUDA_VISIBLE_DEVICES names them, one process each. Conditions on disjoint
    devices train at the same time. None: all, alone."""

    @model_validator(mode="after")
    def _check(self) -> "Condition":
        if self.demonstrations is not None and self.config is None:
            raise ValueError("demonstrations: SFT has no teacher to read them; give a config too")
        return self


@dataclass(frozen=True, slots=True, config=_FORBID)
class Retention:
    """What baking costs: asked of base model and final students; drift and economy come with it."""

    tasks: tuple[str, ...] = RETENTION_TASKS
    """Asked bare: `csqa_icl_mc`, `gsm8k`, a task of lm-eval; the job's own is left out. []: drift alone."""
    data: str = "sample"
    """Of benchmarks among them: `hub`, `sample` or a folder, relative to where the run is started."""
    n_samples: Positive = 200
    """Evaluated rows of each, the first ones; with fewer than 200 in all, `forgot nothing` is not said."""
    max_new_tokens: Positive | None = 128
    """Longest answer, in tokens; none: the task's own limit."""
    best_of: tuple[str, ...] = ()
    """Conditions that are tries at one thing: only the one that scored best on the job is measured."""


@dataclass(frozen=True, slots=True, config=_FORBID)
class RunConfig:
    """One run. Files are relative to the run file."""

    model_name_or_path: str
    """A hub name, a folder, or `demo` for the embedded model."""
    benchmarks: Annotated[Mapping[FolderName, BenchmarkRun], Field(min_length=1)]
    """By name."""
    output_dir: str | None = None
    """Where everything is written; none: the run file's folder."""
    conditions: Annotated[
        Mapping[FolderName, Annotated[Condition, BeforeValidator(or_empty)]], Field(min_length=1)
    ] = field(
        default_factory=lambda: {
            "baseline": Condition(),
            "online_v1": Condition("{benchmark}_online_v1.yaml"),
        }
    )
    """By the name of their folder, in the report's order."""
    data: str | None = None
    """`hub`, `sample` or a folder; none: `ICL_DATA_DIR`, else `hub`."""
    backend: Literal["hf", "vllm"] | None = None
    """Of the evaluation; none: vllm where CUDA is."""
    accelerate_config: str | None = None
    """File for `accelerate launch`."""
    n_samples: Positive | None = None
    """Evaluated rows of each benchmark; none: all."""
    batch_size: BatchSize = 16
    """Of the evaluation on the hf backend: a number or `auto`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the evaluated weights."""
    tensor_parallel_size: Positive = 1
    """GPUs that one vLLM engine spans."""
    model_args: Annotated[Mapping[str, ModelArgument], AfterValidator(model_arguments)] = field(
        default_factory=dict
    )
    """Further arguments of lm-eval's model class, such as `max_model_len`, for all that is measured."""
    seed: Seed = 42
    """Of everything drawn."""
    together: Annotated[bool, Field(strict=True)] = False
    """Train all conditions of a benchmark in one process, one after another: it loads once."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options laid over every training file, such as `learning_rate`."""
    retention: Retention | None = None
    """What baking costs; none: not measured."""
    reported: Mapping[str, Any] | None = None
    """Published scores, see `distill.report.published`."""
    reported_source: str | None = None
    """Where they are from."""

    @model_validator(mode="after")
    def _check(self) -> "RunConfig":
        for name, run in self.benchmarks.items():
            if run.task is None and name not in BENCHMARKS:
                raise ValueError(
                    f"benchmarks.{name} is unknown; choose from {', '.join(BENCHMARKS)}, or say with the key "
                    "'task' what it is"
                )
            _check_free(f"benchmarks.{name}", name, _TAKEN)
            for condition in run.prompted:
                if condition not in self.conditions:
                    raise ValueError(
                        f"benchmarks.{name}.prompted: {condition!r} is no condition of this run; choose from "
                        f"{', '.join(self.conditions)}"
                    )
        for name in self.retention.best_of if self.retention else ():
            if name not in self.conditions:
                raise ValueError(
                    f"retention.best_of: {name!r} is no condition of this run; choose from "
                    f"{', '.join(self.conditions)}"
                )
        for name in self.conditions:
            if name == BASE:
                raise ValueError(
                    f"conditions: {name!r} is the untrained model; give the condition another name"
                )
            _check_free(f"conditions.{name}", name, _TAKEN_THERE)
        return self


def _check_free(where: str, name: str, taken: tuple[str, ...]) -> None:
    if name in taken or re.search(r"\.(json|jsonl|yaml)$", name):
        raise ValueError(f"{where}: a run has a folder or file of this name; choose another")


def load_run_config(path: Path) -> RunConfig:
    """Read and check a run file.

    Raises:
        UserError: the file is missing or no YAML mapping, or a key is unknown, missing or of a value that
            cannot be used; all of them are named.
    """
    config = run_config(read_yaml_mapping(path), f"{path}: ")
    parse_reported(config.reported, config.reported_source, config.benchmarks, config.conditions, path)
    return config


def run_config(raw: Mapping[str, Any], where: str) -> RunConfig:
    """A run out of its keys, checked; `where` they stand, for messages.

    Raises:
        UserError: see `load_run_config`.
    """
    try:
        return TypeAdapter(RunConfig).validate_python(raw)
    except ValidationError as error:
        raise UserError(f"{where}{complaint(error, RunConfig)}") from None


def run_schema() -> dict[str, Any]:
    """The JSON schema of a run file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | TypeAdapter(RunConfig).json_schema()


def save_run_config(config: RunConfig, output_dir: Path) -> Path:
    """Write the run as it is carried out, command line included, into its folder."""
    path = output_dir / RUN_FILE
    # Through JSON, which turns tuples into the lists that plain YAML has.
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return path
