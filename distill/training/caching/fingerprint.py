"""What decides a teacher's targets, part by part, so that a mismatch can name the part."""

from collections.abc import Mapping
from typing import Any

from distill.model.fingerprints import digest, model_fingerprint, model_folder
from distill.teachers.cached.fingerprint import tokenizer_digest
from distill.training.run import Run
from lm_eval_tasks.prompting.context import PRIVILEGED_TEMPLATE

_DEMONSTRATIONS = (
    "demonstrations", "demonstration_seed", "demonstrations_from", "num_fewshot", "demonstration_ids",
    "pool_fingerprint",
)  # fmt: skip


def target_fingerprint(run: Run) -> dict[str, Any]:
    """The parts of a run that decide what its teacher says.

    `model` is a name and `weights` a digest of their content, None where they are not on this machine; with
    both sides' weights known the name does not matter.
    """
    args, data_args, record = run.args, run.data_args, run.data.record
    own = args.teacher == "self"
    name = str(run.model_args.model_name_or_path if own else args.teacher_model_name_or_path)
    given = dict(args.teacher_model_init_kwargs or {})
    revision = run.model_args.model_revision if own else given.pop("revision", None)
    template = run.tokenizer.chat_template
    return {
        "model": name,
        "weights": _weights(name, revision),
        "revision": revision,
        "tokenizer": tokenizer_digest(run.tokenizer),
        "chat_template": None if template is None else digest(template),
        "enable_thinking": data_args.enable_thinking,
        "data": {key: record[key] for key in ("benchmark", "fingerprint", "answers")},
        "demonstrations": {key: record[key] for key in _DEMONSTRATIONS}
        | {"sets": data_args.demonstration_sets, "teacher_max_length": data_args.teacher_max_length},
        "context": _beside(record["context"]),
        "top_k": args.top_k,
        "dtype": _dtype(run),
    } | ({"teacher_model_init_kwargs": digest(given)} if given else {})


def _beside(context: Mapping[str, Any]) -> dict[str, str | None]:
    """What else the teacher reads, as digests, since it may be a manual; None: nothing."""
    template = context["privileged_template"]
    told = {key: context[key] for key in ("system_instruction", "documents", "privileged")}
    told["privileged_template"] = template if template != PRIVILEGED_TEMPLATE else None
    return {key: digest(value) if value else None for key, value in told.items()}


def _weights(name: str, revision: str | None) -> str | None:
    try:
        folder = model_folder(name, revision)
    except ValueError:  # not here, or a path that is no hub name either
        return None
    if not any(folder.glob(pattern) for pattern in ("*.safetensors", "*.bin")):
        return None
    return model_fingerprint(folder)


def _dtype(run: Run) -> str:
    model_args, args = run.model_args, run.args
    words = [f"{model_args.dtype} weights"]
    words += [f"{bits} bits" for bits in (4, 8) if getattr(model_args, f"load_in_{bits}bit")]
    words += [f"{name} autocast" for name in ("bf16", "fp16") if getattr(args, name)]
    return ", ".join(words)
