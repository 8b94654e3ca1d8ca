"""IFBench: constraints that no training set for IFEval has; see README.md beside this file."""

from functools import partial
from pathlib import Path

from lm_eval_tasks.benchmarks.definition import Benchmark
from lm_eval_tasks.benchmarks.ifbench import constraints
from lm_eval_tasks.benchmarks.ifeval.judge import IFEvalJudge, make_instruction_judge
from lm_eval_tasks.benchmarks.ifeval.metrics import (
    IFEVAL_METRICS,
    INSTRUCTION_SCORES,
    ifeval_parts,
    score_ifeval,
)
from lm_eval_tasks.benchmarks.ifeval.rows import describe_instructions, is_compliant, parse_ifeval
from lm_eval_tasks.reading import Split

INSTRUCTION_IDS = constraints.IDS
_DATASET = "allenai/IFBench_test"
parse_ifbench = partial(parse_ifeval, source="ifbench")


def _make_judge(data: Path | None) -> IFEvalJudge:
    return make_instruction_judge(data, "ifbench", _DATASET, parse_ifbench)


BENCHMARK = Benchmark(
    name="ifbench",
    title="IFBench",
    dataset_title="IFBench",
    # The hub's only split is called train; it is the evaluation set.
    evaluation=Split(_DATASET, None, "train", "test.jsonl"),
    # Trained and shown: IFEval's kinds of constraints. Judged: others. So the score is one of generalisation.
    train=Split("argilla/ifeval-like-data", "filtered", "train", "train.jsonl", folder="ifeval"),
    num_fewshot=4,
    parse=parse_ifbench,
    score=score_ifeval,
    metrics=IFEVAL_METRICS,
    parts=ifeval_parts,
    scores=INSTRUCTION_SCORES,
    make_judge=_make_judge,
    unrelated="gsm8k",
    usable=is_compliant,
    logged=("instruction_id_list",),
    describe=describe_instructions,
)
