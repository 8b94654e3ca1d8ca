"""What a user asks of `bake`, as one checked value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.evaluation.answers import KEEP
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.sources import TaskSpec

METHODS = ("off_policy", "on_policy")
BASELINES = ("sft", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeRequest:
    """One bake.

    Attributes:
        model: A hub name, a folder, or `demo` for the embedded model.
        output: Folder for everything that is written.
        task: See `TaskSpec`; None: rows of one's own, which `evaluation` holds.
        evaluation: JSON lines that are judged.
        metric: What judges them; default: exact_match.
        num_fewshot: Demonstrations; default: all of a file's, the task's own number else.
        demonstrations: A file of demonstrations, or how they are chosen.
        system_instruction: Text or file.
        document: Files.
        privileged: Column that only the teacher reads.
        privileged_template: How it stands beside the question.
        inputs: JSON lines to learn from, labelled or not.
        train_split: Of an lm-eval task.
        data: Where a benchmark's rows are.
        limit: Learn from no more inputs than this.
        n_samples: Evaluate no more rows than this.
        max_new_tokens: Longest answer.
        backend: `hf` or `vllm`.
        dtype: Of the weights; None: float32 on CPUs, bfloat16 on GPUs.
        batch_size: Prompts at once on the hf backend.
        accelerate_config: For `accelerate launch`; None: one process.
        baseline: `sft`: plain fine-tuning on the labels at hand, the best of three learning rates; `none`.
        method: `off_policy`, or `on_policy`: the student writes the answers.
        n_answers: Answers that the teacher draws of each input; 1: the greedy one.
        keep: Which of them are learnt from.
        by: Column of the evaluated rows whose values are scored apart.
        seed: Of everything drawn.
        force: Go on though the prompt does not help.
        merge: Write merged weights as well.
        training: Keys of a training config.

    Raises:
        UserError: a value cannot be used.
    """

    model: str
    output: Path
    task: str | None = None
    evaluation: str | None = None
    metric: str | None = None
    num_fewshot: int | None = None
    demonstrations: str | None = None
    system_instruction: str | None = None
    document: tuple[str, ...] = ()
    privileged: str | None = None
    privileged_template: str | None = None
    inputs: str | None = None
    train_split: str | None = None
    data: str | None = None
    limit: int | None = None
    n_samples: int | None = None
    max_new_tokens: int | None = None
    backend: str | None = None
    dtype: str | None = None
    batch_size: int = 64
    accelerate_config: str | None = None
    baseline: str = "sft"
    method: str = "off_policy"
    n_answers: int = 1
    keep: str = "all"
    by: str | None = None
    seed: int = 42
    force: bool = False
    merge: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would fail, or mislead, later."""
        if (self.task is None) == (self.evaluation is None) and not str(self.task).endswith(".jsonl"):
            raise UserError(
                "name what is baked by one of --task (a benchmark, a task of lm-eval, a YAML or a JSONL "
                "file) and --eval (JSON lines that are judged)."
            )
        for name, known in (("method", METHODS), ("baseline", BASELINES), ("keep", KEEP)):
            value = getattr(self, name)
            check(value in known, f"--{name}", value, f"choose from {', '.join(known)}")
        for name in ("limit", "n_samples", "max_new_tokens", "batch_size", "n_answers"):
            number = getattr(self, name)
            check(number is None or number > 0, f"--{name}", number, "give 1 or more")
        check(self.seed >= 0, "--seed", self.seed, "give 0 or more")
        if self.accelerate_config and not Path(self.accelerate_config).is_file():
            raise UserError(f"--accelerate_config {self.accelerate_config} does not exist.")
        if str(self.task).endswith(".jsonl") and self.inputs and self.evaluation:
            raise UserError(
                f"rows to learn from are named twice: --task {self.task} and --inputs {self.inputs}. Keep "
                "one of them."
            )
        if self.inputs is None and self.task is None:
            raise UserError("--inputs is missing: with --eval, name the JSON lines to learn from.")

    def spec(self) -> TaskSpec:
        """The task and its prompt."""
        return TaskSpec.of(self, task=self.task or self.evaluation)
