"""What a training run is told: data, model (TRL's `ModelConfig`) and training, in one flat YAML."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from trl import SFTConfig

from distill.objectives.backends import LOSS_KERNELS, check_kernel
from distill.objectives.chunked import OBJECTIVES, Objective
from distill.on_policy.config import GenerationArguments
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import check as _check
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, MODES
from lm_eval_tasks.sources import TaskSpec

TEACHERS = ("self", "ema", "model")
LEARN_FROM = ("train", "demonstrations")


@dataclass
class DataArguments:
    """Which rows are trained on, and what the teacher reads before each.

    The rows are the same whatever the demonstrations are, and for SFT as well: those of the training split
    that are neither evaluated, nor one of the fixed demonstrations, nor held out.
    """

    task: str | None = field(
        default=None,
        metadata={
            "help": f"What is learnt: {', '.join(BENCHMARKS)}, any task of lm-eval by name or YAML file, or "
            "a JSONL file."
        },
    )
    benchmark: str | None = field(default=None, metadata={"help": "The former name of task."})
    data: str | None = field(
        default=None, metadata={"help": "hub, sample or a folder; default: ICL_DATA_DIR, else hub."}
    )
    num_fewshot: int | None = field(
        default=None, metadata={"help": "Demonstrations that the teacher reads; default: the task's."}
    )
    inputs: str | None = field(
        default=None, metadata={"help": "JSON lines to learn from, in the place of the task's own rows."}
    )
    evaluation: str | None = field(
        default=None, metadata={"help": "Of rows of one's own: those that are judged, and never learnt from."}
    )
    train_split: str | None = field(
        default=None,
        metadata={"help": "Split of an lm-eval task to learn from; default: its training split."},
    )
    learn_from: str = field(
        default="train",
        metadata={
            "help": "train, or demonstrations: those that the teacher would read (a baseline of SFT); "
            "held-out rows are the task's all the same."
        },
    )
    answers: str | None = field(
        default=None,
        metadata={"help": "File of `icl-distill answers`: the rows' answers in the place of gold ones."},
    )
    demonstrations: str | None = field(
        default=None,
        metadata={
            "help": f"How they are chosen ({', '.join(MODES)}), or a JSONL file of them; default: the task's "
            "way, fixed or listed."
        },
    )
    system_instruction: str | None = field(
        default=None, metadata={"help": "Text, or a file of it, that the teacher reads as the system's turn."}
    )
    document: list[str] | None = field(
        default=None, metadata={"help": "Files whose text the teacher reads in the system's turn."}
    )
    privileged: str | None = field(
        default=None,
        metadata={"help": "Column whose text the teacher reads beside the question; completion: the answer."},
    )
    privileged_template: str | None = field(
        default=None, metadata={"help": "The teacher's turn then, with {question} and {privileged}."}
    )
    demonstration_seed: int = field(default=DEFAULT_SEED, metadata={"help": "Seed of their choice."})
    demonstration_sets: int = field(
        default=1, metadata={"help": "Fixed sets, by consecutive seeds, shared out among the rows."}
    )
    demonstrations_from: str | None = field(
        default=None,
        metadata={"help": "Another task to take them from: irrelevant ones, a causal control."},
    )
    enable_thinking: bool = field(default=False, metadata={"help": "Passed to the chat template."})
    teacher_max_length: int | None = field(
        default=4096,
        metadata={
            "help": "Token budget of the teacher's prompt and answer; whole demonstrations are left out "
            "of a prompt that exceeds it. The student's budget is max_length."
        },
    )
    max_train_rows: int | None = field(default=None, metadata={"help": "Train on no more rows than this."})
    eval_rows: int = field(
        default=32,
        metadata={
            "help": "Training rows held out to measure the divergence from the few-shot teacher, before "
            "training and at every checkpoint; 0: not measured."
        },
    )
    early_stop: int = field(
        default=0,
        metadata={
            "help": "End training after so many checkpoints in a row without a lower held-out divergence; 0: "
            "never."
        },
    )

    def __post_init__(self) -> None:
        """Check values that no later step could explain as well."""
        both = self.task and self.benchmark and self.task != self.benchmark
        _check(not both, "benchmark", self.benchmark, f"task is {self.task!r}, whose former name it is")
        self.task = self.task or self.benchmark
        _check(bool(self.task), "task", self.task, "name what is learnt; see --help")
        TaskSpec.of(self)
        _check(
            self.learn_from in LEARN_FROM,
            "learn_from",
            self.learn_from,
            f"choose from {', '.join(LEARN_FROM)}",
        )
        _check(self.demonstration_sets > 0, "demonstration_sets", self.demonstration_sets, "give 1 or more")
        shots = self.num_fewshot
        _check(shots is None or shots >= 0, "num_fewshot", shots, "give 0 or more")
        _check(self.eval_rows >= 0, "eval_rows", self.eval_rows, "give 0 or more")
        _check(self.early_stop >= 0, "early_stop", self.early_stop, "give 0 or more")
        _check(
            self.early_stop == 0 or self.eval_rows > 0,
            "early_stop",
            self.early_stop,
            "it needs a held-out divergence, and eval_rows is 0",
        )
        for name in ("teacher_max_length", "max_train_rows"):
            value = getattr(self, name)
            _check(value is None or value > 0, name, value, "give a positive number or leave it out")


@dataclass
class ICLDistillConfig(GenerationArguments, SFTConfig):
    """Configuration of `ICLDistillTrainer`: TRL's `SFTConfig` and the distillation's own keys."""

    # transformers' way to let JSON text stand for a dictionary on the command line.
    _VALID_DICT_FIELDS: ClassVar[list[str]] = [*SFTConfig._VALID_DICT_FIELDS, "teacher_model_init_kwargs"]

    objective: str = field(
        default="topk_mse", metadata={"help": f"Divergence from the teacher: {', '.join(OBJECTIVES)}."}
    )
    ce_weight: float = field(default=1.0, metadata={"help": "Weight of the gold answer's cross-entropy."})
    distill_weight: float = field(
        default=0.5, metadata={"help": "Weight of the divergence (the recipe's lambda)."}
    )
    top_k: int = field(default=256, metadata={"help": "Teacher entries seen by topk_mse and topk_kl."})
    beta: float = field(
        default=0.0, metadata={"help": "Of jsd: 0 forward KL(teacher || student), 1 reverse KL."}
    )
    temperature: float = field(
        default=1.0, metadata={"help": "Of jsd, both logits are divided by it; and of sampling."}
    )
    teacher: str = field(
        default="self",
        metadata={"help": "self: the untrained student; ema: its moving average; model: another one."},
    )
    teacher_model_name_or_path: str | None = field(
        default=None, metadata={"help": "Of teacher: model; its vocabulary must be the student's."}
    )
    teacher_model_init_kwargs: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "Of teacher: model: more of from_pretrained's, such as {revision: ..., device_map: auto, "
            "quantization_config: {load_in_4bit: true}}; default: the student's dtype and attention."
        },
    )
    teacher_targets: str | None = field(
        default=None,
        metadata={"help": "Folder of `icl-distill cache-teacher`, read in the place of a teacher."},
    )
    ema_decay: float = field(default=0.99, metadata={"help": "Of teacher: ema, per step."})
    shared_prefix: bool = field(
        default=True,
        metadata={"help": "Run what all teacher prompts begin with once, instead of in every row."},
    )
    loss_chunk_tokens: int | None = field(
        default=None,
        metadata={
            "help": "Answer tokens whose logits exist at the same time; default: 128, on a GPU as many as "
            "need a 32nd of its memory."
        },
    )
    loss_kernel: str = field(
        default="fused",
        metadata={
            "help": f"Computes the loss: {', '.join(LOSS_KERNELS)}; trl (Triton on GPUs) and liger know the "
            "objective jsd only."
        },
    )
    ddp_find_unused_parameters: bool | None = field(
        default=False, metadata={"help": "The loss reaches every trained parameter, so DDP need not search."}
    )

    def __post_init__(self) -> None:
        """Check the distillation's keys; rows come tokenised, so TRL must not prepare them again."""
        _check(
            self.objective in OBJECTIVES, "objective", self.objective, f"choose from {', '.join(OBJECTIVES)}"
        )
        for name in ("ce_weight", "distill_weight"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "give 0 or more")
        _check(
            self.ce_weight + self.distill_weight > 0,
            "ce_weight and distill_weight",
            0,
            "one must be positive",
        )
        _check(self.teacher in TEACHERS, "teacher", self.teacher, f"choose from {', '.join(TEACHERS)}")
        _check(
            (self.teacher == "model") == (self.teacher_model_name_or_path is not None),
            "teacher_model_name_or_path",
            self.teacher_model_name_or_path,
            f"it is given with teacher: model and only then, and teacher is {self.teacher!r}",
        )
        _check(
            not self.teacher_model_init_kwargs or self.teacher == "model",
            "teacher_model_init_kwargs",
            self.teacher_model_init_kwargs,
            f"it is of teacher: model, and teacher is {self.teacher!r}",
        )
        if self.teacher_targets:
            self._check_cached()
        _check(0 <= self.ema_decay <= 1, "ema_decay", self.ema_decay, "give a number from 0 to 1")
        _check(self.top_k > 0, "top_k", self.top_k, "give 1 or more")
        _check(0 <= self.beta <= 1, "beta", self.beta, "give a number from 0 to 1")
        _check(self.temperature > 0, "temperature", self.temperature, "give a positive number")
        chunk = self.loss_chunk_tokens
        _check(chunk is None or chunk > 0, "loss_chunk_tokens", chunk, "give 1 or more, or leave it out")
        check_kernel(self.loss_kernel, self.objective)
        self.check_generation(self.distill_weight)
        for name in ("packing", "padding_free", "assistant_only_loss"):
            _check(
                not getattr(self, name),
                name,
                True,
                "distillation rows are answers after prompts: leave it out",
            )
        idle = {each.name: each.default for each in fields(SFTConfig)}
        for name in ("label_smoothing_factor", "loss_type", "pad_to_multiple_of"):
            _check(
                getattr(self, name) in (idle[name], None),
                name,
                getattr(self, name),
                "SFT knows it and distillation does not: leave it out",
            )
        self.remove_unused_columns = False
        self.dataset_kwargs = {"skip_prepare_dataset": True}
        super().__post_init__()

    def _check_cached(self) -> None:
        """Refuse what a teacher's top K on the gold answers, noted before training, cannot serve."""
        unless = ", or leave teacher_targets out"
        _check(
            self.objective != "jsd",
            "objective",
            self.objective,
            "teacher_targets hold the teacher's top_k entries and it needs all: choose topk_mse, or topk_kl "
            "(the forward KL with everything outside the top_k as one outcome)" + unless,
        )
        _check(self.teacher != "ema", "teacher", self.teacher, "it changes with every step" + unless)
        _check(not self.generates, "lmbda and seq_kd", "on", "teacher_targets are of gold answers" + unless)

    def build_objective(self) -> Objective:
        """The objective that the keys describe."""
        return Objective(
            name=self.objective,
            ce_weight=self.ce_weight,
            distill_weight=self.distill_weight,
            top_k=self.top_k,
            beta=self.beta,
            temperature=self.temperature,
        )
