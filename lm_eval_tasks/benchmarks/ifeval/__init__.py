"""IFEval: instructions that a program can check; see README.md beside this file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval_tasks.benchmarks.definition import Benchmark, Role, Score
from lm_eval_tasks.benchmarks.ifeval.judge import make_ifeval_judge
from lm_eval_tasks.benchmarks.ifeval.make_training import make_ifeval
from lm_eval_tasks.benchmarks.ifeval.metrics import IFEVAL_METRICS, ifeval_parts, score_ifeval
from lm_eval_tasks.benchmarks.ifeval.rows import is_compliant, parse_ifeval
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.reading import Split


def _describe(role: Role, rows: Sequence[Mapping[str, Any]], episodes: Sequence[Episode]) -> list[str]:
    kinds = Counter(name for row in episodes for name in row.reference["instruction_id_list"])
    lines = [f"{sum(kinds.values())} instructions of {len(kinds)} types"]
    if role == "train":
        compliant = sum(is_compliant(row) for row in rows)
        lines.insert(0, f"compliant (prompt_level_strict_acc): {compliant} of {len(rows)}")
    return lines


BENCHMARK = Benchmark(
    name="ifeval",
    title="IFEval",
    dataset_title="IFEval",
    # The hub's only split of google/IFEval is called train; it is the evaluation set.
    evaluation=Split("google/IFEval", None, "train", "test.jsonl"),
    train=Split("argilla/ifeval-like-data", "filtered", "train", "train.jsonl"),
    num_fewshot=4,
    parse=parse_ifeval,
    score=score_ifeval,
    metrics=IFEVAL_METRICS,
    parts=ifeval_parts,
    scores=(
        Score(
            "prompt_level_strict_acc",
            column="Prompt Acc.",
            heading="Prompt-level strict accuracy (primary metric)",
        ),
        Score("prompt_level_loose_acc"),
        Score(
            "inst_level_strict_acc",
            unit="instruction",
            column="Instruction Acc.",
            heading="Instruction-level accuracy",
        ),
        Score("inst_level_loose_acc", unit="instruction"),
    ),
    make_judge=make_ifeval_judge,
    unrelated="gsm8k",
    usable=is_compliant,
    logged=("instruction_id_list",),
    describe=_describe,
    make_training=make_ifeval,
)
