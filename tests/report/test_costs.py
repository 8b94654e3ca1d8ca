"""What baking cost in words and tables: never more than the rows show."""

import json

import pytest

from distill.evaluation.divergence import Divergence
from distill.evaluation.token_divergence import TokenDivergence
from distill.report.collect import TrainingRun
from distill.report.cost_tables import cost_parts
from distill.report.cost_words import drift_words, economy_words, retention_words
from distill.report.costs import read_costs
from distill.report.html.shades import shaded_groups
from distill.report.token_tables import token_parts
from distill.statistics.retention import Verdict, kept

SAVING = {
    "condition": "baked", "step": 24, "prompt_tokens_before": 612.0, "prompt_tokens_after": 40.0,
    "prefill_seconds_before": 0.25, "prefill_seconds_after": 0.05, "training_seconds": 90.0,
    "answers_seconds": 10.0, "requests_to_pay": 500,
}  # fmt: skip


def verdicts(right, n):
    return [place < right for place in range(n)]


@pytest.mark.parametrize(
    ("bare", "student", "n", "verdict"),
    [
        (100, 100, 240, Verdict.NOTHING),
        (100, 98, 200, Verdict.NOTHING),
        (50, 50, 199, Verdict.OPEN),  # too few rows
        (100, 70, 240, Verdict.LOST),
        (40, 20, 60, Verdict.LOST),  # a loss may show on few
        (60, 80, 240, Verdict.NOTHING),  # better is no loss
    ],
)
def test_nothing_is_forgotten_only_where_enough_rows_say_so(bare, student, n, verdict):
    assert kept([verdicts(bare, n)], [verdicts(student, n)]).verdict == verdict


def test_a_loss_on_one_of_several_tasks_is_held_to_their_number():
    """Six rows of 60, none the other way: p = 0.03, of two tasks 0.06."""
    bare, student = [verdicts(20, 60), verdicts(20, 60)], [verdicts(14, 60), verdicts(26, 60)]
    found = kept(bare, student)
    assert found.tasks[0].p < 0.05 < found.p_holm[0] and found.verdict == Verdict.OPEN
    assert kept(bare[:1], student[:1]).verdict == Verdict.LOST


def test_many_rows_that_scatter_do_not_show_that_nothing_is_forgotten():
    bare = [place % 2 == 0 for place in range(200)]
    student = [place // 2 % 2 == 0 and place < 190 for place in range(200)]
    found = kept([bare], [student])
    assert not found.together.shown and found.together.interval[0] < -0.1 and found.verdict == Verdict.OPEN


def entry(condition, step, task, right, n):
    metric = {"correct": right, "total": n, "rate": right / n, "interval": [0.1, 0.9], "unit": "row"}
    return {
        "condition": condition, "step": step, "benchmark": task, "title": task.upper(), "view": "bare",
        "num_fewshot": 0, "metrics": {"acc": metric}, "samples": f"{condition}-{task}.jsonl",
        **{name: {} for name in ("model", "request", "diagnostics", "data", "demonstrations", "prompts")},
        "versions": {},
    }  # fmt: skip


def folder_of(job, counts):
    """A job's folder `retention`, with one student; `counts`: by task (bare, student, n)."""
    folder = job / "retention"
    folder.mkdir()
    entries = []
    for task, (bare, student, n) in counts.items():
        for condition, step, right in (("base", None, bare), ("baked", 24, student)):
            entries.append(entry(condition, step, task, right, n))
            rows = [{"id": str(i), "acc": value} for i, value in enumerate(verdicts(right, n))]
            (folder / entries[-1]["samples"]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = {"schema": "icl-distill/results", "schema_version": 1, "kind": "retention", "results": entries}
    (folder / "results.json").write_text(json.dumps(content))
    drift = {"condition": "baked", "step": 24, "kl": 0.25, "same": 0.75, "kl_rows": [2.0, 4.0] * 8}
    drift |= {"tokens": [8, 16] * 8, "prompts": list("abcdefghijklmnop")}
    (folder / "drift.json").write_text(json.dumps({"students": [drift]}))
    economy = {"engine": "hf", "device": "CPU", "students": [SAVING]}
    (folder / "economy.json").write_text(json.dumps(economy))
    return job


def test_costs_are_told(tmp_path):
    (cost,) = read_costs(folder_of(tmp_path, {"one": (60, 58, 120), "two": (30, 31, 100)}))
    assert retention_words(cost).startswith("forgot nothing measurable: \N{MINUS SIGN}0.5 points [")
    assert retention_words(cost).endswith("on 220 rows")
    assert drift_words(cost) == "0.250 nats per token [0.250, 0.250], 75% of tokens as before"
    told = "572 prompt tokens saved per request, first token after 50 ms instead of 250; the training pays"
    assert economy_words(cost) == f"{told} for itself after 500 requests"
    text = "\n".join(cost_parts([cost]))
    assert "| baked step 24 | ONE | Acc | 120 | 50.00% (60/120)" in text
    assert "| 612 → 40 | 250 → 50 | 90 | 10 | 500 | hf, CPU |" in text


def test_few_rows_say_what_is_missing_and_a_loss_is_named(tmp_path):
    (tmp_path / "few").mkdir()
    (few,) = read_costs(folder_of(tmp_path / "few", {"one": (20, 19, 40)}))
    assert retention_words(few).endswith("on 40 rows; to say that it forgot nothing takes 200")
    (tmp_path / "lost").mkdir()
    (lost,) = read_costs(folder_of(tmp_path / "lost", {"one": (60, 30, 100), "two": (30, 30, 100)}))
    assert retention_words(lost).startswith("forgot: \N{MINUS SIGN}30.0 points [")
    assert retention_words(lost).endswith("on ONE (100 rows)")


def test_nothing_measured_costs_nothing(tmp_path):
    assert read_costs(tmp_path) == [] and cost_parts([]) == []


def test_tokens_are_told_by_position_and_by_what_they_lost():
    rows = [
        [("{", 2.0, 0.5), (" red", 1.0, 0.25), ("<end>", 0.5, 0.5)],
        [("{", 1.0, 0.5), ("<end>", 0.0, 0.25)],
    ]
    positions, tokens, _ = token_parts(TokenDivergence(12, [*rows, [("{", 3.0, 1.0)]]))
    assert "| first | 3 | 2.0000 | 0.6667 | \N{MINUS SIGN}1.3333 |" in positions
    assert (
        "| middle | 1 | 1.0000 | 0.2500 |" in positions
        and "| last | 2 | 0.2500 | 0.3750 | +0.1250 |" in positions
    )
    lines = tokens.splitlines()[2:]
    assert (
        lines[0].startswith('| "\\{" | 3 |')
        and lines[0].endswith("| 4.00 |")
        and lines[1].startswith('| " red" |')
    )
    assert len(lines) == 2  # the end lost nothing


def test_tokens_are_shaded_by_their_nats_the_most_to_learn_first():
    rows = [[("a\n", 0.01, 0.0), ("b", 0.3, 0.1)], [("c", 2.5, 0.6)]]
    run = TrainingRun(
        "baked", "distilled", "t", "Orders", "prompted", [], Divergence(), TokenDivergence(8, rows)
    )
    (group,) = shaded_groups([run])
    assert [one["name"] for one in group["subjects"]] == ["Before training", "Baked, step 8"]
    assert group["task"].startswith("Orders, Baked") and group["of"] == "Orders"
    first, second = group["prompts"]  # the one with the most to learn first
    assert (first["id"], second["id"]) == ("held-out 2", "held-out 1") and second["question"] == "a\nb"
    before, after = ([token[:2] for token in one["tokens_shaded"]] for one in first["answers"])
    assert before == [["c", 5]] and after == [["c", 3]]
    assert [token[:2] for token in second["answers"][0]["tokens_shaded"]] == [["a\n", 0], ["b", 2]]
    assert shaded_groups([TrainingRun("sft", "sft", "t", "Orders", "prompted", [], Divergence())]) == []
