"""The keys that say who writes the training's answers; names as in TRL's GKD and distillation configs."""

from dataclasses import dataclass, field

from lm_eval_tasks.errors import check

VLLM_MODES = ("colocate", "server")


@dataclass
class GenerationArguments:
    """Answers generated during training: by the student (`lmbda`) and by the teacher (`seq_kd`)."""

    lmbda: float = field(
        default=0.0,
        metadata={"help": "Fraction of batches whose answers the student writes: 0 none, 1 all (GKD)."},
    )
    seq_kd: bool = field(
        default=False,
        metadata={"help": "The other batches' answers are written by the teacher, not the gold ones."},
    )
    max_new_tokens: int = field(
        default=128, metadata={"help": "Longest generated answer; each row's budgets bound it as well."}
    )
    use_vllm: bool = field(
        default=False, metadata={"help": "The student writes through vLLM; needs GPUs and `trl[vllm]`."}
    )
    vllm_mode: str = field(
        default="colocate",
        metadata={
            "help": "colocate: on the training's GPUs; server: a server started with `trl vllm-serve`."
        },
    )
    vllm_model_impl: str = field(
        default="vllm", metadata={"help": "The engine's model code: vllm or transformers."}
    )
    vllm_enable_sleep_mode: bool = field(
        default=False, metadata={"help": "Of colocate: free the engine's memory while the student trains."}
    )
    vllm_gpu_memory_utilization: float = field(
        default=0.3, metadata={"help": "Of colocate: the engine's share of each GPU's memory."}
    )
    vllm_max_model_length: int | None = field(
        default=None, metadata={"help": "Of colocate: longest question and answer; default: the model's."}
    )
    vllm_tensor_parallel_size: int = field(
        default=1, metadata={"help": "Of colocate: GPUs that share one engine."}
    )
    vllm_server_base_url: str | None = field(
        default=None, metadata={"help": "Of server: its address, in the place of host and port."}
    )
    vllm_server_host: str = field(default="0.0.0.0", metadata={"help": "Of server: where it listens."})
    vllm_server_port: int = field(default=8000, metadata={"help": "Of server: where it listens."})
    vllm_server_timeout: float = field(
        default=240.0, metadata={"help": "Of server: seconds to wait until it is up."}
    )
    vllm_group_port: int = field(
        default=51216, metadata={"help": "Of server: port over which the weights are sent."}
    )

    @property
    def generates(self) -> bool:
        """Whether any answer is written during training."""
        return self.lmbda > 0 or self.seq_kd

    def check_generation(self, distill_weight: float) -> None:
        """Check the keys.

        Raises:
            UserError: a value cannot be used.
        """
        check(0 <= self.lmbda <= 1, "lmbda", self.lmbda, "give a number from 0 to 1")
        check(self.max_new_tokens > 0, "max_new_tokens", self.max_new_tokens, "give 1 or more")
        check(
            distill_weight > 0 or not self.generates,
            "distill_weight",
            distill_weight,
            "generated answers are trained on by the divergence alone, so it must be positive with lmbda or "
            "seq_kd",
        )
        check(
            not self.use_vllm or self.lmbda > 0,
            "use_vllm",
            True,
            "the engine writes the student's answers: set lmbda above 0, or leave it out",
        )
        check(
            self.vllm_mode in VLLM_MODES, "vllm_mode", self.vllm_mode, f"choose from {', '.join(VLLM_MODES)}"
        )
