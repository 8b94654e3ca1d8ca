"""The model card of each checkpoint: how it was trained, and what the sweep measured."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from distill.report.card_file import SOURCE, update_card
from distill.report.collect import Found, base_beside
from distill.report.comparability import differences, own_warnings, truncation_differs
from distill.report.labels import (
    BENCHMARK_NAMES,
    MISSING,
    Entry,
    interval,
    model_name,
    points,
    shown_metrics,
    subject_name,
    table,
    with_interval,
)
from distill.report.markdown import Report
from distill.report.model_index import HARNESS, dataset_of
from distill.report.paired import RowLogs, gap_interval, zero_and_few_shot
from distill.report.tables import TRUNCATED_MARK, TRUNCATED_NOTE

RESULTS_NOTE = (
    "Counts and 95% intervals (Wilson; of instructions, clustered by prompt). The gain's interval: paired "
    "bootstrap over the same rows. It is of this checkpoint alone: choosing the best of several makes it "
    "look better than it is."
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
    checkpoints: dict[Path, list[Found]] = {}
    for one in report.collection.found:
        if one.checkpoint and one.checkpoint.is_dir():
            checkpoints.setdefault(one.checkpoint.resolve(), []).append(one)
    return [_write(folder, found, report) for folder, found in checkpoints.items()]


def _write(folder: Path, found: Sequence[Found], report: Report) -> Path:
    first = found[0].entry
    parts = ["## Training", _training_table(found[0], folder)]
    parts += ["## Results", *_results(found, report), RESULTS_NOTE]
    file = folder / "README.md"
    update_card(
        file,
        title=f"{model_name(first['model']['name'])}, {subject_name(first)}",
        part="\n\n".join(parts),
        results=[result for one in found for result in _eval_results(one.entry)],
        defaults=ModelCardData(
            model_name=f"{first['condition']}-{folder.name}",
            base_model=first["model"]["name"],
            library_name="peft" if first["model"]["kind"] == "adapter" else "transformers",
            pipeline_tag="text-generation",
            tags=["icl-distill"],
        ),
    )
    return file


def _training_table(one: Found, folder: Path) -> str:
    known = one.provenance
    model = one.entry["model"]
    rows = [["Base model", f"`{model['name']}` (weights {model['base_fingerprint']})"]]
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


def _results(found: Sequence[Found], report: Report) -> Iterator[str]:
    rows: list[list[str]] = []
    doubts: list[str] = []
    for one in found:
        zero, few_shot = zero_and_few_shot(base_beside(one, report.collection.found))
        rows += _result_rows(one.entry, zero, few_shot, report.logs)
        beside = [(subject_name(entry), entry) for entry in (zero, few_shot, one.entry) if entry]
        doubts += differences(BENCHMARK_NAMES[one.entry["benchmark"]], beside)
        doubts += own_warnings(entry for _, entry in beside)
        if zero and truncation_differs(zero, one.entry):
            doubts.append(TRUNCATED_NOTE)
    header = ["Dataset", "Metric", "This checkpoint, 0-shot", "Base, 0-shot", "Base with demonstrations"]
    yield table([*header, "Gain over base, 0-shot", "95% interval"], rows)
    if doubts:
        yield "\n".join(f"- **{doubt}**" for doubt in doubts)
    yield "\n".join(_measured(one.entry) for one in found)


def _result_rows(
    entry: Entry, zero: Entry | None, few_shot: Entry | None, logs: RowLogs
) -> Iterator[list[str]]:
    for name in shown_metrics(entry["benchmark"]):
        metric = entry["metrics"][name]
        row = [BENCHMARK_NAMES[entry["benchmark"]], name, with_interval(metric)]
        row.append(with_interval(zero["metrics"][name]) if zero else MISSING)
        shots = f"{few_shot['num_fewshot']}-shot: " if few_shot else ""
        row.append(shots + with_interval(few_shot["metrics"][name] if few_shot else None))
        mark = TRUNCATED_MARK if zero and truncation_differs(zero, entry) else ""
        row.append(points(metric["rate"] - zero["metrics"][name]["rate"]) + mark if zero else MISSING)
        bounds = gap_interval(zero, entry, name, logs) if zero else None
        yield [*row, interval(bounds) if bounds else MISSING]


def _measured(entry: Entry) -> str:
    data = entry["data"]
    asked = f"{data['rows']} of {data['rows_in_split']} rows of `{data['source']}` ({data['fingerprint']})"
    how = f"{entry['request']['backend']}, {entry['model']['dtype']}"
    return (
        f"- {BENCHMARK_NAMES[entry['benchmark']]}: {asked}; {how}, at most "
        f"{entry['generation']['max_gen_toks']} tokens; lm_eval {entry['versions']['lm_eval']}."
    )


def _eval_results(entry: Entry) -> Iterator[EvalResult]:
    data, versions = entry["data"], entry["versions"]
    way = f"{entry['num_fewshot']}-shot"
    if data["rows"] < data["rows_in_split"]:
        way += f", first {data['rows']} of {data['rows_in_split']} rows"
    prints = {"data_fingerprint": data["fingerprint"], "prompts_fingerprint": entry["prompts"]["fingerprint"]}
    for name in shown_metrics(entry["benchmark"]):
        metric = entry["metrics"][name]
        counted = {key: metric[key] for key in ("correct", "total", "interval", "stderr")}
        yield EvalResult(
            task_type="text-generation",
            **dataset_of(entry["benchmark"], data["source"], entry["benchmark"]),
            metric_type=name,
            metric_value=metric["rate"],
            metric_name=f"{name.replace('_', ' ')} ({way})",
            metric_args=counted | prints,
            source_name=f"{SOURCE} {versions['icl_distill']}, lm-evaluation-harness {versions['lm_eval']}",
            source_url=HARNESS,
        )
