"""IFEval: instructions that a program can check; see README.md beside this file."""

from lm_eval_tasks.benchmarks.definition import Benchmark
from lm_eval_tasks.benchmarks.ifeval.judge import make_ifeval_judge
from lm_eval_tasks.benchmarks.ifeval.make_training import make_ifeval
from lm_eval_tasks.benchmarks.ifeval.metrics import (
    IFEVAL_METRICS,
    INSTRUCTION_SCORES,
    ifeval_parts,
    score_ifeval,
)
from lm_eval_tasks.benchmarks.ifeval.rows import describe_instructions, is_compliant, parse_ifeval
from lm_eval_tasks.reading import Split

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
    scores=INSTRUCTION_SCORES,
    make_judge=make_ifeval_judge,
    retention="ifeval",
    unrelated="gsm8k",
    usable=is_compliant,
    logged=("instruction_id_list",),
    describe=describe_instructions,
    make_training=make_ifeval,
)
