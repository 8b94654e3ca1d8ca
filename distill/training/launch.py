"""What the launchers share: from parsed arguments to a finished run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from accelerate import PartialState
from transformers import AutoTokenizer, PreTrainedTokenizerBase, TrainerCallback
from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config, get_quantization_config

from distill.encoding.collator import DistillCollator
from distill.encoding.prefixes import find_prefixes
from distill.model.demo_model import resolve_model
from distill.model.output_head import check_head
from distill.teachers.base import Teacher
from distill.teachers.cached.store import TargetStore
from distill.teachers.models import self_teacher
from distill.training import provenance
from distill.training.caching.fingerprint import target_fingerprint
from distill.training.checkpoints import clear_storage_errors, resume_path, steps_done
from distill.training.config import DataArguments
from distill.training.data import TrainingData, load_training_data
from distill.training.held_out import DivergenceCallback, DivergenceMeter
from distill.training.names import FINISHED_FILE, SETTINGS_FILE
from distill.training.run import Run
from distill.training.trainer import ICLDistillTrainer
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json, write_text


def run_or_exit(main: Callable[[], None]) -> None:
    """Run a launcher's `main`; bad input ends the process with one paragraph and code 2."""
    try:
        main()
    except UserError as error:
        sys.exit(_complaint(error))


def _complaint(error: UserError) -> int:
    if PartialState().is_main_process:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
    return 2


def prepare(
    data_args: DataArguments, model_args: ModelConfig, args: SFTConfig, settings: dict[str, Any]
) -> Run:
    """Resolve the model, load tokenizer and rows, and say what was found.

    Raises:
        UserError: the model or the data cannot be loaded.
    """
    if not model_args.model_name_or_path:
        raise UserError("model_name_or_path is missing: name a hub model, a folder, or 'demo'.")
    refuse_remote_code(args)
    with PartialState().local_main_process_first():
        model_args.model_name_or_path = resolve_model(model_args.model_name_or_path)
    tokenizer = load_tokenizer(model_args, args)
    data = load_training_data(data_args, tokenizer, max_length=args.max_length, seed=args.seed)
    args.model_init_kwargs = (args.model_init_kwargs or {}) | {
        "revision": model_args.model_revision,
        "attn_implementation": model_args.attn_implementation,
        "dtype": model_args.dtype,
    }
    state = PartialState()
    if state.is_main_process:
        print(f"world size {state.num_processes}", flush=True)
        print(f"training rows: {data.record['train']}; held out: {data.record['held_out']}", flush=True)
    return Run(data_args, model_args, args, settings, tokenizer, data)


def refuse_remote_code(args: Any) -> None:
    """Refuse to run what a model's repository brings.

    Raises:
        UserError: it is asked for.
    """
    if args.trust_remote_code:
        raise UserError(
            "trust_remote_code: code out of a model's repository is never run here. Leave it out; a model "
            "that transformers knows needs none."
        )


def check_teacher_targets(run: Run) -> None:
    """Before a model is loaded: are the cached targets those of this run, for every row?

    Raises:
        UserError: they are not; it names the part that differs, or the row.
    """
    if run.args.teacher_targets is None:
        return
    TargetStore(run.args.teacher_targets).check(target_fingerprint(run), run.data.train)
    if run.data.held_out and PartialState().is_main_process:
        print(
            "teacher_targets: the held-out rows' divergence is not measured, because that needs a teacher "
            "(eval_rows keeps them out of training all the same)",
            flush=True,
        )


def load_tokenizer(model_args: ModelConfig, args: SFTConfig) -> PreTrainedTokenizerBase:
    """The model's tokenizer, with the chat template and end token that `args` may name.

    Raises:
        UserError: there is none under that name.
    """
    tokenizer = named_tokenizer(model_args, args.chat_template_path)
    if args.eos_token:
        tokenizer.eos_token = args.eos_token
    # Done here, before the rows are tokenised; the trainer need not do it again.
    args.chat_template_path = None
    return tokenizer


def named_tokenizer(
    model_args: ModelConfig, chat_template_path: str | None = None
) -> PreTrainedTokenizerBase:
    """The model's tokenizer; raises as `load_tokenizer`."""
    name = str(model_args.model_name_or_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=model_args.model_revision)
        if chat_template_path:
            tokenizer.chat_template = _chat_template(chat_template_path)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model_name_or_path: cannot load the tokenizer of {name!r} ({reason}). Give a folder with a "
            "saved model, a hub name that this machine can reach, or 'demo' for the embedded model."
        ) from None
    return tokenizer


def _chat_template(path: str) -> str:
    if path.endswith((".jinja", ".j2")):
        return Path(path).read_text(encoding="utf-8")
    return AutoTokenizer.from_pretrained(path).chat_template


def model_arguments(run: Run) -> dict[str, Any]:
    """The arguments of SFTTrainer that describe the model."""
    return {
        "model": run.model_args.model_name_or_path,
        "processing_class": run.tokenizer,
        "peft_config": get_peft_config(run.model_args),
        "quantization_config": get_quantization_config(run.model_args),
    }


def train(trainer: SFTTrainer, run: Run) -> None:
    """Record what the run is, train (or go on), and leave the last checkpoint complete.

    Raises:
        UserError: it was to go on from an incomplete checkpoint or another run's, or the disk is full.
    """
    output_dir = Path(run.args.output_dir)
    checkpoint = resume_path(run.args.resume_from_checkpoint, output_dir)
    record = _provenance(run, trainer)
    if checkpoint is not None:
        provenance.check_same_run(record, Path(checkpoint).parent / provenance.FILE)
    with clear_storage_errors(output_dir):
        if trainer.is_world_process_zero():
            (output_dir / FINISHED_FILE).unlink(missing_ok=True)
            # A plain dump keeps settings readable by the next run's --config.
            write_text(output_dir / SETTINGS_FILE, yaml.safe_dump(run.settings, sort_keys=False))
            write_json(output_dir / provenance.FILE, record)
            run.tokenizer.save_pretrained(output_dir)
    trainer.add_callback(RowCountsCallback(trainer, run.data))
    if run.data.held_out and not getattr(run.args, "teacher_targets", None):
        trainer.add_callback(_divergence_callback(trainer, run))
    seconds = None
    if checkpoint is not None and 0 < run.args.max_steps <= steps_done(checkpoint):
        # The trainer would take one step too many: it looks at max_steps only after a step.
        if trainer.is_world_process_zero():
            print(f"{checkpoint}: its step is max_steps ({run.args.max_steps}); nothing is left", flush=True)
    else:
        with clear_storage_errors(output_dir):
            output = trainer.train(resume_from_checkpoint=checkpoint)
        # A resumed training knows how long its last part took alone.
        seconds = output.metrics.get("train_runtime") if checkpoint is None else None
    if trainer.is_world_process_zero():
        step = trainer.state.global_step or run.args.max_steps
        write_json(output_dir / FINISHED_FILE, {"step": step, "seconds": seconds})
    if run.args.push_to_hub:
        trainer.push_to_hub()


def has_finished(output_dir: Path) -> bool:
    """Whether a training into this folder has come to its end."""
    return (output_dir / FINISHED_FILE).is_file()


class RowCountsCallback(TrainerCallback):
    """Logs once what the rows lost to their budgets."""

    def __init__(self, trainer: SFTTrainer, data: TrainingData) -> None:
        """Attach to a trainer."""
        self._trainer = trainer
        counts = data.record["train"]
        self._logs = {
            "train_rows": counts["rows"],
            "rows_dropped": counts["over_student_budget"] + counts["over_teacher_budget"],
            "demonstrations_dropped": counts["demonstrations_dropped"],
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log, unless the interrupted run has."""
        if state.global_step == 0:
            self._trainer.log(dict(self._logs))


def _divergence_callback(trainer: SFTTrainer, run: Run) -> DivergenceCallback:
    head = check_head(trainer.model)
    prompts = [row["teacher_prompt_ids"] for row in run.data.held_out]
    live = trainer.teacher if isinstance(trainer, ICLDistillTrainer) else None
    if isinstance(live, Teacher) and run.args.teacher == "self":
        teacher = live.serving(prompts)
    else:
        teacher = self_teacher(trainer.model, head, prefixes=find_prefixes(prompts), device=run.args.device)
    meter = DivergenceMeter(
        run.data.held_out,
        DistillCollator.of(run.tokenizer),
        teacher,
        batch_size=run.args.per_device_eval_batch_size,
    )
    patience = run.data_args.early_stop
    texts = [[run.tokenizer.decode([token]) for token in answer] for answer in meter.answers]
    return DivergenceCallback(trainer, meter, head, run.args.output_dir, early_stop=patience, texts=texts)


def _provenance(run: Run, trainer: SFTTrainer) -> dict[str, Any]:
    return provenance.describe(
        model=run.settings.get("model_name_or_path"),
        revision=run.model_args.model_revision,
        seed=run.args.seed,
        world_size=trainer.accelerator.num_processes,
        trainer=type(trainer).__name__,
        data=run.data.record,
        settings=(run.data_args, run.model_args, run.args),
        resumed=bool(run.args.resume_from_checkpoint) and os.path.isdir(run.args.output_dir),
    )
