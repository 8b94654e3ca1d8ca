"""Multi-IF: instructions that add up over the turns of a dialogue; see README.md beside this file."""

from lm_eval_tasks.benchmarks.definition import Benchmark
from lm_eval_tasks.benchmarks.ifeval.metrics import INSTRUCTION_SCORES, ifeval_parts
from lm_eval_tasks.benchmarks.ifeval.rows import is_compliant
from lm_eval_tasks.benchmarks.multi_if.judge import DATASET, make_turn_judge
from lm_eval_tasks.benchmarks.multi_if.metrics import MULTI_IF_METRICS, score_turn
from lm_eval_tasks.benchmarks.multi_if.rows import (
    NAME,
    describe_dialogues,
    parse_turn,
    turn_document,
    turns_of_dialogue,
)
from lm_eval_tasks.reading import Split

BENCHMARK = Benchmark(
    name=NAME,
    title="Multi-IF",
    dataset_title="Multi-IF",
    # The hub's only split is called train; it is the evaluation set.
    evaluation=Split(DATASET, None, "train", "test.jsonl"),
    # Single turns: the score is one of generalisation to dialogues.
    train=Split("argilla/ifeval-like-data", "filtered", "train", "train.jsonl", folder="ifeval"),
    num_fewshot=4,
    turns=turns_of_dialogue,
    parse=parse_turn,
    score=score_turn,
    metrics=MULTI_IF_METRICS,
    parts=ifeval_parts,
    document=turn_document,
    scores=INSTRUCTION_SCORES,
    make_judge=make_turn_judge,
    unrelated="gsm8k",
    usable=is_compliant,
    logged=("instruction_id_list", "turn"),
    describe=describe_dialogues,
)
