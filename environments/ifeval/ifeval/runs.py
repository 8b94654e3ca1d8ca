"""Saved runs of `vf-eval` (legacy) and `eval` (v1), read into one shape and judged again."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ifeval.core import raw_response
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION
from lm_eval_tasks.benchmarks.rlvr.rewards import Grade, batch_metrics, grade
from lm_eval_tasks.errors import UserError

LEGACY_FILE, V1_FILE = "results.jsonl", "traces.jsonl"
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Run:
    """A saved run, judged again.

    Attributes:
        metadata: What was asked: `model`, `date`, `env_args`, `sampling_args`.
        results: One logged mapping per rollout, in `vf-eval`'s shape.
        grades: The same rollouts, judged here.
    """

    metadata: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    grades: Sequence[Grade]

    @property
    def matches(self) -> int:
        """Rollouts whose logged reward equals the one computed here."""
        pairs = zip(self.results, self.grades, strict=True)
        return sum(math.isclose(row["reward"], found.reward, abs_tol=_TOLERANCE) for row, found in pairs)

    def summary(self) -> dict[str, Any]:
        """The figures of the report."""
        rewards = [row["reward"] for row in self.results]
        return {
            "model": self.metadata.get("model"),
            "date": self.metadata.get("date"),
            "env_args": self.metadata.get("env_args") or {},
            "sampling_args": self.metadata.get("sampling_args") or {},
            "examples": len({row["example_id"] for row in self.results}),
            "rollouts": len(self.results),
            "mean_reward": sum(rewards) / len(rewards),
            "errors": sum(row.get("error") is not None for row in self.results),
            "truncated": sum(bool(row.get("is_truncated")) for row in self.results),
            "recomputed_rewards_equal": self.matches,
            "metrics": batch_metrics(self.grades),
        }


def newest_run(environment: Path) -> Path:
    """The run under `outputs/evals` that was written last.

    Raises:
        UserError: there is none.
    """
    runs = sorted(environment.glob(f"outputs/evals/*/*/{LEGACY_FILE}"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise UserError(f"{environment / 'outputs'} holds no saved run. Run vf-eval with -s first.")
    return runs[-1].parent


def read_run(folder: Path) -> Run:
    """Read and judge a run.

    Raises:
        UserError: files missing or unreadable, or no rollout in them.
    """
    try:
        if (folder / V1_FILE).is_file():
            metadata, results = _read_v1(folder)
        else:
            metadata = _read_json(folder / "metadata.json")
            results = list(_read_lines(folder / LEGACY_FILE))
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder} is not a saved run of vf-eval or eval ({type(error).__name__}: {error}). "
            "Run vf-eval with -s."
        ) from None
    if not results:
        raise UserError(f"{folder} holds no rollout.")
    return judged_run(metadata, results)


def judged_run(metadata: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Run:
    """A run of these rollouts, in `vf-eval`'s shape, judged again by the arguments in its metadata."""
    env_args = metadata.get("env_args") or {}
    options = {
        "reasoning": env_args.get("reasoning", False),
        "mode": env_args.get("reward_mode", "all"),
        "revision": env_args.get("revision", DEFAULT_REVISION),
    }
    return Run(metadata, results, [_grade_again(row, **options) for row in results])


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return (dict(json.loads(line)) for line in lines if line.strip())


def _read_v1(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A run of `eval`: its resolved configuration, and the traces of its episodes."""
    config = _read_json(folder / "configs" / "resolved" / "eval.json")
    episodes = list(_read_lines(folder / V1_FILE))
    traces = [trace for episode in episodes for trace in episode["traces"]]
    taskset = config["env"]["taskset"]
    metadata = {
        "model": config.get("model"),
        "date": datetime.fromtimestamp(traces[0]["timing"]["start"], UTC).isoformat() if traces else None,
        "env_args": {"split": taskset["split"], **_options(taskset["task"])},
        "sampling_args": {key: value for key, value in config["sampling"].items() if value is not None},
    }
    return metadata, [_legacy_shape(trace) for trace in traces]


def _options(task: Mapping[str, Any]) -> dict[str, Any]:
    # Runs of earlier versions name no revision.
    return {name: task[name] for name in ("reasoning", "reward_mode", "revision") if name in task}


def _legacy_shape(trace: Mapping[str, Any]) -> dict[str, Any]:
    data, calls = trace["task"]["data"], trace["calls"]
    return {
        "example_id": data["idx"],
        "answer": data["ground_truth"],
        "completion": [node["message"] for node in trace["nodes"]],
        "reward": sum(reward["score"] * reward["weight"] for reward in trace["rewards"].values()),
        "error": trace["errors"] or None,
        "is_truncated": bool(calls) and calls[-1].get("finish_reason") == "length",
    }


def _grade_again(row: Mapping[str, Any], *, reasoning: bool, mode: str, revision: str) -> Grade:
    messages = [message for message in row.get("completion") or [] if message.get("role") == "assistant"]
    if not messages and row.get("error") is not None:
        return Grade(0.0, 0.0, 0.0, {}, "the rollout failed before the model had answered")
    last = messages[-1] if messages else {}
    text = raw_response(last.get("content"), last.get("reasoning_content"), reasoning=reasoning)
    return grade(text, row.get("answer", ""), reasoning=reasoning, mode=mode, revision=revision)
