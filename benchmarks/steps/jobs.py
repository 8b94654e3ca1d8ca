"""What is measured: one trainer on one model, one batch size, in a process of its own."""

from dataclasses import dataclass

UNIT = "sft_full"
"""The variant whose figures are 1.00."""

VARIANTS = {
    "sft_full": "SFT, full logits (the unit)",
    "sft": "TRL SFTTrainer as it is",
    "gkd": "TRL GKDTrainer, second full model, no demonstrations",
    "distillation_given": "TRL DistillationTrainer on given answers, second full model, no demonstrations",
    "published@8": "published recipe, k = 8: second full model, full teacher forward, top-256 MSE",
    "published_jsd@8": "the same with TRL GKD's full-vocabulary JSD",
    "ours@0": "ours, k = 0, topk_mse",
    "ours@4": "ours, k = 4, topk_mse",
    "ours@8": "**ours, k = 8, topk_mse**",
    "ours@16": "ours, k = 16, topk_mse",
    "ours_jsd@8": "ours, k = 8, jsd (beta 0.5)",
    "cached@8": "ours, cached targets (top 256) of k = 8, topk_mse",
    "distillation": "writes its answers: TRL DistillationTrainer, second full model, no demonstrations",
    "sdft@8": "writes its answers: TRL SDFTTrainer, k = 8 as privileged context, top-256 JSD",
    "on_policy@8": "writes its answers: **ours, k = 8, topk_mse**",
}
"""Trainers by name; `@k`: the demonstrations that the teacher reads."""

WRITES = ("distillation", "sdft", "on_policy")
"""Kinds that write their answers during training."""


@dataclass(frozen=True, slots=True)
class Job:
    """One `trainer.train()`: a step that is not counted, `steps` timed ones, one under the profiler.

    Attributes:
        variant: A key of `VARIANTS`.
        model: A key of `steps.shapes.SHAPES`, or `demo` for the embedded model and GSM8K.
        tuning: `lora` (r = 16, all linear layers) or `full`.
        batch_size: Rows of a step.
        steps: That are timed.
        device: `cpu` (float32) or `cuda` (bfloat16 autocast).
        threads: Of torch.
        new_tokens: Longest answer that a trainer of `WRITES` writes.
        profile: Whether kernels and synchronisations are counted.
        gradient_checkpointing: As in TRL's configurations.
        data: Of GSM8K: hub, sample or a folder; None: ICL_DATA_DIR, else the hub.
        answers: Solutions of GSM8K joined into one answer; more than 1 makes longer rows.
    """

    variant: str
    model: str
    tuning: str = "lora"
    batch_size: int = 4
    steps: int = 3
    device: str = "cpu"
    threads: int = 1
    new_tokens: int = 128
    profile: bool = False
    gradient_checkpointing: bool = False
    data: str | None = None
    answers: int = 1

    @property
    def kind(self) -> str:
        """The variant without its demonstrations."""
        return self.variant.partition("@")[0]

    @property
    def shots(self) -> int:
        """Demonstrations that the teacher reads."""
        return int(self.variant.partition("@")[2] or 0)

    @property
    def total_steps(self) -> int:
        """Optimizer steps, those that are not timed included."""
        return 1 + self.steps + self.profile
