"""A result in the files of lm-evaluation-harness, for the tools that read those."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from distill.evaluation.result import Result, Row
from distill.model.fingerprints import digest
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.files import write_json, write_text
from lm_eval_tasks.scoring.metrics import UNKNOWN
from lm_eval_tasks.scoring.names import ON_COMPLETED, PARTS

Json = dict[str, Any]

_METADATA = {"demonstrations": "mode", "demonstration_seed": "seed", "pool_source": "source",
             "pool_fingerprint": "pool_fingerprint"}  # fmt: skip


def write_lm_eval(result: Result, folder: Path) -> Path:
    """Write a result as `lm_eval --output_path FOLDER --log_samples` does.

    Args:
        result: The result.
        folder: In it, a folder of its own is made for the model and the view.

    Returns:
        The results file; `samples_*.jsonl` is beside it, where the rows are known.
    """
    entry = result.entry
    who = [entry["condition"], *([str(entry["step"])] if entry["step"] is not None else [])]
    name = "-".join([*who, entry["view"], f"{entry['num_fewshot']}shot"])
    stamp = re.sub(r"[:+]", "-", entry["date"] or "undated")
    file = folder / re.sub(r"[^\w.-]", "_", name) / f"results_{result.task}-{stamp}.json"
    if result.rows is not None:
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in _samples(result))
        samples = f"samples_{result.task}_{file.stem.removeprefix('results_')}.jsonl"
        write_text(file.with_name(samples), "".join(lines))
    write_json(file, _results(result))
    return file


def _results(result: Result) -> Json:
    entry, task, model = result.entry, result.task, result.entry["model"]
    data, versions = entry["data"], entry["versions"]
    scores, directions = _scores(entry)
    arguments = {"pretrained": model["name"], "dtype": model["dtype"]}
    if result.checkpoint:
        arguments["peft" if model["kind"] == "adapter" else "pretrained"] = str(result.checkpoint)
    return {
        "results": {task: {"name": task, "alias": task, "sample_len": data["rows"], **scores}},
        "group_subtasks": {task: []},
        "configs": {task: _config(result)},
        "versions": {task: (entry.get("lm_eval") or {}).get("version")},
        "n-shot": {task: entry["num_fewshot"]},
        "higher_is_better": {task: directions},
        "n-samples": {task: {"original": data["rows_in_split"], "effective": data["rows"]}},
        "config": {
            "model": entry["request"]["backend"],
            "model_args": arguments,
            "model_dtype": model["dtype"],
            "limit": data["rows"] if data["rows"] < data["rows_in_split"] else None,
        },
        "date": datetime.fromisoformat(entry["date"]).timestamp() if entry["date"] else None,
        "lm_eval_version": versions.get("lm_eval"),
        "transformers_version": versions.get("transformers"),
        "chat_template_sha": entry["prompts"]["chat_template"],
        "total_evaluation_time_seconds": str(entry["seconds"]),
    }


def _scores(entry: Json) -> tuple[Json, dict[str, bool]]:
    """Values and standard errors as `metric,filter`, and whether more is better."""
    shares = {name: one for name, one in entry["diagnostics"].items() if isinstance(one, dict)}
    found: Json = {}
    for name, one in (entry["metrics"] | shares).items():
        metric, _, filter_ = name.partition(",")
        numbers = {"": one["rate"], "_stderr": one.get("stderr")}
        for ending, value in numbers.items():
            found[f"{metric}{ending},{filter_ or 'none'}"] = UNKNOWN if value is None else value
    directions = {name.partition(",")[0]: name not in shares or name.startswith("score") for name in
                  (*entry["metrics"], *shares)}  # fmt: skip
    return found, directions


def _config(result: Result) -> Json:
    entry, shown = result.entry, result.entry["demonstrations"]
    name, data = entry["benchmark"], entry["data"]
    metadata = {key: shown[ours] for key, ours in _METADATA.items() if ours in shown}
    if not name.startswith("lm_eval:"):
        metadata["data_fingerprint"] = data.get("split_fingerprint", data.get("fingerprint"))
        metadata["data_source"] = data["source"]
    if PARTS in entry:
        metadata[PARTS] = entry[PARTS]
    known = {"dataset_kwargs": {"benchmark": name}} if name in BENCHMARKS else {}
    return known | {
        "task": result.task,
        "num_fewshot": entry["num_fewshot"],
        "output_type": "generate_until" if entry["generation"] else "multiple_choice",
        "generation_kwargs": entry["generation"],
        "metadata": metadata
        | {"enable_thinking": entry["request"].get("enable_thinking"), "versions": entry["versions"]},
    }


def _samples(result: Result) -> Iterator[Json]:
    """A line for each row and answer filter."""
    filters = dict.fromkeys(name.partition(",")[2] or "none" for name in result.entry["metrics"])
    for place, (id, row) in enumerate((result.rows or {}).items()):
        for filter_ in filters:
            yield _sample(result, place, id, row, filter_)


def _sample(result: Result, place: int, id: str, row: Row, filter_: str) -> Json:
    names = [name for name in result.entry["metrics"] if (name.partition(",")[2] or "none") == filter_]
    values = {name.partition(",")[0]: row[name] for name in names if name in row}
    values |= {name: row[name] for name in result.entry["diagnostics"] if row.get(name) is not None}
    completed = result.entry["diagnostics"].get(ON_COMPLETED)
    if completed and row.get("truncated") is False:
        values[ON_COMPLETED] = row[completed["metric"]]
    doc = {"id": id, "prompt": row["question"], "target": row.get("target")}
    doc |= {name: row[name] for name in ("instruction_id_list",) if name in row}
    return {
        "doc_id": row.get("doc_id", place),
        "doc": doc,
        "target": row.get("target"),
        "arguments": {},
        "resps": [[row["response"]]],
        "filtered_resps": [row["response"]],
        "filter": filter_,
        "metrics": list(values),
        "doc_hash": row.get("doc_hash") or digest(row["question"]),
        "prompt_hash": row.get("prompt_sha") or "",
        "target_hash": digest(str(row.get("target"))),
        **values,
    }
