"""From answers to metrics, aggregates and standard errors."""

import json
import math
import random
import statistics

import pytest
from lm_eval.api.metrics import median, stderr_for_metric
from lm_eval.utils import make_table

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.benchmarks.ifeval.metrics import mean_of_levels, mean_of_levels_stderr
from lm_eval_tasks.harness.metrics import Pooled
from lm_eval_tasks.scoring.metrics import POOLED, UNKNOWN, pooled_mean, pooled_stderr
from lm_eval_tasks.scoring.names import PARTS
from lm_eval_tasks.scoring.response import Circumstances

CSQA = {
    "benchmark": "csqa",
    "id": "0",
    "target": "B",
    "choices": ["ax", "bow", "cup", "dog", "elk"],
    "prompt": "?",
}
IFEVAL = {
    "benchmark": "ifeval",
    "id": "7",
    "prompt": "Write.",
    "instruction_id_list": ["punctuation:no_comma", "keywords:existence", "punctuation:no_comma"],
    "kwargs": json.dumps([{}, {"keywords": ["cat"]}, {}]),
}
DONE = Circumstances(truncated=False)


class TestOneAnswer:
    def test_ifeval_four_numbers_and_types(self):
        found = BENCHMARKS["ifeval"].score(IFEVAL, "A dog.", DONE)
        assert found["prompt_level_strict_acc"] is found["prompt_level_loose_acc"] is False
        assert found["inst_level_strict_acc"] == found["inst_level_loose_acc"] == [True, False, True]
        assert BENCHMARKS["ifeval"].parts(IFEVAL, found) == [
            ("punctuation:no_comma", True), ("keywords:existence", False), ("punctuation:no_comma", True),
        ]  # fmt: skip
        assert found["score_on_completed"] is False

    def test_thinking_is_not_scored(self):
        found = BENCHMARKS["ifeval"].score(IFEVAL, "<think>well, well</think>A cat.", DONE)
        assert found["prompt_level_strict_acc"] is True
        assert found["unclosed_think"] is False

    @pytest.mark.parametrize("opened", [True, False])
    def test_a_thought_without_end_is_an_empty_answer(self, opened):
        text = "Answer: B" if opened else "<think>Answer: B"
        found = BENCHMARKS["csqa"].score(CSQA, text, Circumstances(truncated=True, opens_thinking=opened))
        assert (found["strict_acc"], found["response_empty"], found["unclosed_think"]) == (False, True, True)
        assert found["score_on_completed"] is None

    def test_an_answer_of_unknown_length_is_not_counted_as_completed(self):
        found = BENCHMARKS["csqa"].score(CSQA, "Answer: B", Circumstances())
        assert found["strict_acc"] is True
        assert found["truncated"] is found["score_on_completed"] is None

    def test_every_answer_has_every_metric(self):
        good, bad = (set(BENCHMARKS["ifeval"].score(IFEVAL, text, DONE)) for text in ("A cat.", ""))
        assert good == bad <= set(BENCHMARKS["ifeval"].metrics)

    @pytest.mark.parametrize(
        ("benchmark", "doc", "answer"),
        [
            ("ifeval", IFEVAL | {"instruction_id_list": ["no:such"], "kwargs": "[{}]"}, "A cat."),
            ("ifeval", IFEVAL, None),
            ("ifeval", IFEVAL | {"instruction_id_list": [], "kwargs": "[]"}, "A cat."),
            ("gsm8k", {"benchmark": "gsm8k", "id": "3", "target": "none"}, "#### 5"),
            ("csqa", CSQA, None),
        ],
    )
    def test_a_bad_row_counts_as_wrong_and_is_reported(self, benchmark, doc, answer, caplog):
        found = BENCHMARKS[benchmark].score(doc, answer, DONE)
        assert found["scorer_error"] is True
        assert not found.get("strict_acc", found.get("prompt_level_strict_acc"))
        assert f"row {doc['id']}" in caplog.text
        if benchmark == "ifeval":  # one instruction at least, so that none leaves a denominator
            assert found["inst_level_strict_acc"] == [False] * max(len(doc["instruction_id_list"]), 1)


class TestAggregation:
    def test_instructions_are_pooled_over_prompts(self):
        assert pooled_mean([[True, False, True], [False]]) == 0.5
        assert pooled_mean([[True], None, [False, False]]) == pytest.approx(1 / 3)

    def test_nothing_known_is_no_number(self):
        assert pooled_mean([None, None]) == pooled_stderr([None, None]) == UNKNOWN

    def test_stderr_of_single_verdicts_is_the_ordinary_one(self):
        items = [True, False, False, True, None, True]
        known = [float(item) for item in items if item is not None]
        assert pooled_stderr(items) == pytest.approx(statistics.stdev(known) / math.sqrt(len(known)))

    def test_stderr_is_clustered_by_prompt(self):
        rng = random.Random(0)
        items = [[rng.random() < 0.5] * rng.choice([1, 2, 3]) for _ in range(400)]
        naive = math.sqrt(0.25 / sum(map(len, items)))
        resampled = [pooled_mean(rng.choices(items, k=len(items))) for _ in range(400)]
        assert pooled_stderr(items) == pytest.approx(statistics.stdev(resampled), rel=0.1)
        assert pooled_stderr(items) > 1.3 * naive

    def test_mean_of_levels(self):
        rng = random.Random(1)
        items = []
        for _ in range(400):
            verdicts = [rng.random() < 0.6 for _ in range(rng.choice([1, 2, 3]))]
            items.append([all(verdicts), verdicts])
        prompts = statistics.fmean(prompt for prompt, _ in items)
        assert mean_of_levels(items) == pytest.approx(
            (prompts + pooled_mean([verdicts for _, verdicts in items])) / 2
        )
        resampled = [mean_of_levels(rng.choices(items, k=len(items))) for _ in range(400)]
        assert mean_of_levels_stderr(items) == pytest.approx(statistics.stdev(resampled), rel=0.1)


def sorted_scores():
    return sorted(BENCHMARKS["ifeval"].scores, key=lambda score: score.name)


class TestPooled:
    """The harness takes its own standard error of what `Pooled` leaves it."""

    @pytest.mark.parametrize("n", [2, 3, 8, 25])
    def test_the_harness_finds_our_standard_error(self, n):
        rng = random.Random(n)
        items = [[rng.random() < 0.5 for _ in range(rng.choice([1, 2, 3]))] for _ in range(n)]
        value, stderr = pooled_mean(items), pooled_stderr(items)
        pooled = Pooled(POOLED)
        assert pooled(items) == value
        assert stderr_for_metric(pooled, bootstrap_iters=100)(items) == pytest.approx(stderr)
        assert len(items) == n

    def test_nothing_else_is_taken_for_the_mean(self):
        assert Pooled(POOLED) != median and Pooled(POOLED) not in (len, "mean")


@pytest.fixture(scope="module")
def found(make_lm, evaluate):
    """A run's results."""
    return evaluate(make_lm("chatml"), "ifeval_icl", limit=6, max_gen_toks=12)


class TestInTheHarness:
    def test_aggregates_follow_from_the_samples(self, found):
        samples, metrics = found["samples"]["ifeval_icl_0shot"], found["results"]["ifeval_icl_0shot"]
        by_prompt = [sample["inst_level_strict_acc"] for sample in samples]
        verdicts = [verdict for one in by_prompt for verdict in one]
        rate = statistics.fmean(verdicts)
        # Both verdicts occur, and prompts of several instructions: no shorter formula gives the same.
        assert set(verdicts) == {True, False} and len(verdicts) > len(by_prompt) == 6
        assert metrics["inst_level_strict_acc,none"] == pytest.approx(rate)
        squares = sum(sum(verdict - rate for verdict in one) ** 2 for one in by_prompt)
        expected = math.sqrt(squares * 6 / 5) / len(verdicts)
        assert metrics["inst_level_strict_acc_stderr,none"] == pytest.approx(expected)

    def test_types_of_instructions_are_no_metrics_but_a_record(self, found):
        told = found["configs"]["ifeval_icl_0shot"]["metadata"][PARTS]
        verdicts = {}
        for sample in found["samples"]["ifeval_icl_0shot"]:
            kinds = sample["doc"]["instruction_id_list"]
            for kind, verdict in zip(kinds, sample["inst_level_strict_acc"], strict=True):
                verdicts.setdefault(kind, []).append(verdict)
        assert {kind: (one["count"], one["total"]) for kind, one in told.items()} == {
            kind: (sum(one), len(one)) for kind, one in verdicts.items()
        }

    def test_every_metric_knows_its_direction(self, found):
        directions = found["higher_is_better"]["ifeval_icl_0shot"]
        assert directions["inst_level_loose_acc"] is True
        assert directions["truncated"] is False

    def test_the_table_prints_pooled_metrics_with_their_stderr(self, found):
        row = next(line for line in make_table(found).splitlines() if "|inst_level_strict_acc " in line)
        value, stderr = row.split("|")[7].strip(), row.split("|")[9].strip()
        metrics = found["results"]["ifeval_icl_0shot"]
        assert value == f"{metrics['inst_level_strict_acc,none']:.4f}"
        assert stderr == f"{metrics['inst_level_strict_acc_stderr,none']:.4f}"
        assert "_stderr" not in make_table(found)

    def test_a_standard_error_has_none_of_its_own(self, found):
        assert "_stderr_stderr" not in json.dumps(found["results"])

    def test_the_four_numbers_come_first(self, found):
        lines = [line.split("|") for line in make_table(found).splitlines()]
        names = [line[5].strip() for line in lines if len(line) > 5]
        first = names.index("inst_level_loose_acc")
        assert all(not name or set(name) <= set("-:") or name == "Metric" for name in names[:first])
        assert names[first : first + 4] == [score.name for score in sorted_scores()]
        assert len(names) < 2 * 12 + 4  # of two tasks

    def test_results_are_strict_json(self, found):
        def refuse(constant):
            raise AssertionError(f"{constant} is not JSON")

        text = json.dumps(found["results"])
        assert json.loads(text, parse_constant=refuse)
