"""The model card of each checkpoint: how it was trained, and what the sweep measured."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from distill.evaluation.result import Result
from distill.evaluation.results import view_name
from distill.report.card_file import update_card
from distill.report.collect import base_beside
from distill.report.comparability import differences, own_warnings
from distill.report.cost_tables import cost_parts
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    is_bare,
    shown_metrics,
    title_of,
    truncation_differs,
)
from distill.report.labels import (
    MISSING,
    checkpoint_name,
    interval,
    model_name,
    points,
    subject_name,
    table,
    with_interval,
)
from distill.report.markdown import Report
from distill.report.model_index import eval_results
from distill.report.paired import RowLogs, compare_entries
from distill.report.tables import TRUNCATED_MARK, TRUNCATED_NOTE, with_prompt_table

RESULTS_NOTE = (
    "Counts and 95% intervals (Wilson; of instructions, clustered by prompt). The gain's interval: Tango's, "
    "over the same rows; of instructions and scores, the paired bootstrap's. It is of this checkpoint alone: "
    "choosing the best of several makes it look better than it is."
)

_BATCH = ("per_device_train_batch_size", "gradient_accumulation_steps")
_FACTS: Mapping[str, Sequence[str]] = {
    "Loss": ("objective", "ce_weight", "distill_weight", "top_k", "beta", "temperature", "lmbda"),
    "Teacher": ("teacher", "teacher_model_name_or_path", "teacher_targets", "teacher_max_length"),
    "Optimiser": ("optim", "learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay"),
    "Precision": ("dtype", "bf16", "fp16", "load_in_4bit", "load_in_8bit"),
    "Length": ("max_length",),
}
_ADAPTER = ("lora_r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora")


def write_cards(report: Report) -> list[Path]:
    """Write the card of every evaluated checkpoint whose folder is there.

    Raises:
        UserError: see `update_card`; or a training's files are malformed.
    """
    checkpoints: dict[Path, list[Result]] = {}
    for one in report.collection.found:
        if one.checkpoint and one.checkpoint.is_dir():
            checkpoints.setdefault(one.checkpoint.resolve(), []).append(one)
    return [_write(folder, found, report) for folder, found in checkpoints.items()]


def _write(folder: Path, found: Sequence[Result], report: Report) -> Path:
    found = sorted(found, key=lambda one: not is_bare(one.entry))
    first = found[0].entry
    parts = ["## Training", _training_table(found[0], folder)]
    parts += ["## Results", *_results(found, report), RESULTS_NOTE]
    costs = list({id(cost): cost for one in found for cost in report.costs_of(one.entry)}.values())
    if texts := cost_parts(costs):
        parts += ["## Retention, drift and economy", *texts]
    file = folder / "README.md"
    update_card(
        file,
        title=f"{model_name(first['model']['name'])}, {checkpoint_name(first)}",
        part="\n\n".join(parts),
        results=[result for one in found for result in eval_results(one)],
        defaults=ModelCardData(
            model_name=f"{first['condition']}-{folder.name}",
            base_model=first["model"]["name"],
            library_name="peft" if first["model"]["kind"] == "adapter" else "transformers",
            pipeline_tag="text-generation",
            tags=["icl-distill"],
        ),
    )
    return file


def _training_table(one: Result, folder: Path) -> str:
    known = one.provenance
    model = one.entry["model"]
    rows = [["Base model", f"`{model['name']}` (weights {model.get('base_fingerprint', 'not known')})"]]
    rows.append(["Condition", one.entry["condition"]])
    rows += [[name, text] for name, text in _facts(known)] if known else []
    rows.append(["Step", _steps(one.entry["step"], folder)])
    if not known:
        rows.append(["Settings", "not known: the training's folder has no provenance.json"])
    return table(["", ""], rows)


def _facts(known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings, data = known["settings"], known["data"]
    distilled = known["trainer"] == "ICLDistillTrainer"
    method = "distillation of a few-shot teacher" if distilled else "supervised fine-tuning"
    yield "Method", f"{method} (`{known['trainer']}`)"
    yield "Weights", _listed(settings, _ADAPTER, "LoRA: ") if settings.get("use_peft") else "all"
    for name, fields in _FACTS.items():
        if distilled or name not in ("Loss", "Teacher"):
            yield name, _listed(settings, fields)
    if distilled:
        yield "Demonstrations", _listed(data, ("num_fewshot", "demonstrations", "demonstration_seed"))
    batch = " x ".join(str(settings.get(name)) for name in _BATCH)
    yield "Batch", f"{batch} x {known['world_size']} (rows x accumulation x processes)"
    rows = data.get("train", {}).get("rows")
    source = f"{data.get('benchmark')} from `{data.get('source')}`"
    yield "Data", f"{source}, {rows} rows ({data.get('fingerprint')})"
    yield "Seed", str(known["seed"])
    yield "Versions", ", ".join(f"{name} {version}" for name, version in known["versions"].items())


def _listed(settings: Mapping[str, Any], names: Sequence[str], begin: str = "") -> str:
    """`name value` of what is set."""
    found = {name: settings[name] for name in names if settings.get(name, False) is not False}
    found = {name: value for name, value in found.items() if value is not None}
    return begin + ", ".join(f"{name} {value}" for name, value in found.items())


def _steps(step: int, folder: Path) -> str:
    state = folder / "trainer_state.json"
    planned = json.loads(state.read_text(encoding="utf-8")).get("max_steps") if state.is_file() else None
    return f"{step} of {planned}" if planned else str(step)


def _results(found: Sequence[Result], report: Report) -> Iterator[str]:
    rows: list[list[str]] = []
    doubts: list[str] = []
    shown = "Base with demonstrations"
    for one in (one for one in found if is_bare(one.entry)):
        base = base_beside(one, report.collection.found)
        bare, prompted = bare_and_prompted(base)[0], report.teachers.prompted(one.entry, base)
        rows += _result_rows(one.entry, bare, prompted, report.logs)
        beside = [(subject_name(entry), entry) for entry in (bare, prompted, one.entry) if entry]
        doubts += differences(title_of(one.entry), beside)
        doubts += own_warnings(entry for _, entry in beside)
        if prompted and not prompted["num_fewshot"]:
            shown = "Base with the prompt"
        if bare and truncation_differs(bare, one.entry):
            doubts.append(TRUNCATED_NOTE)
    if rows:
        header = ["Dataset", "Metric", "This checkpoint, 0-shot", "Base, 0-shot", shown]
        yield table([*header, "Gain over base, 0-shot", "95% interval"], rows)
    yield from _with_prompt(found, report)
    if doubts:
        yield "\n".join(f"- **{doubt}**" for doubt in doubts)
    yield "\n".join(_measured(one.entry) for one in found)


def _with_prompt(found: Sequence[Result], report: Report) -> Iterator[str]:
    """What the checkpoint does when it is given the prompt again, a table for each task."""
    tasks: dict[str, list[Result]] = {}
    for one in found:
        tasks.setdefault(title_of(one.entry), []).append(one)
    for title, own in tasks.items():
        group = [one.entry for one in own]
        if text := with_prompt_table([*base_beside(own[0], report.collection.found), *group]):
            yield from (f"With the prompt again, {title}:", text)


def _result_rows(
    entry: Entry, bare: Entry | None, prompted: Entry | None, logs: RowLogs
) -> Iterator[list[str]]:
    mark = TRUNCATED_MARK if bare and truncation_differs(bare, entry) else ""
    for name in shown_metrics(entry):
        metric = entry["metrics"][name]
        beside = [one["metrics"].get(name) if one else None for one in (bare, prompted)]
        row = [title_of(entry), name, *map(with_interval, (metric, beside[0]))]
        row.append((f"{view_name(prompted)}: " if prompted else "") + with_interval(beside[1]))
        row.append(points(metric["rate"] - beside[0]["rate"]) + mark if beside[0] else MISSING)
        gain = compare_entries(bare, entry, name, logs) if bare else None
        yield [*row, interval(gain.interval if gain else None)]


def _measured(entry: Entry) -> str:
    data, limit = entry["data"], entry["generation"].get("max_gen_toks")
    asked = f"{data['rows']} of {data['rows_in_split']} rows of `{data['source']}`"
    asked += f" ({data.get('fingerprint', MISSING)})"
    if not is_bare(entry):
        asked += f", {view_name(entry)}"
    how = f"{entry['request']['backend']}, {entry['model']['dtype']}"
    how += f", at most {limit} tokens" if limit else ""
    return f"- {title_of(entry)}: {asked}; {how}; lm_eval {entry['versions']['lm_eval']}."
