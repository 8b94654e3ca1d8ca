"""The report of tasks that are no benchmark of ours: one metric, scores that are no counts, both views."""

import json
import re

import pytest
from huggingface_hub import ModelCard

from distill.cli import main
from distill.report.collect import collect
from distill.report.html.page import render
from distill.report.html.samples import sample_groups
from distill.report.labels import subject_name
from distill.report.leaderboard import leaderboard, result_files
from distill.report.markdown import Report, compose
from distill.statistics.intervals import score_interval
from distill.statistics.paired import compare, gap_closed
from distill.statistics.significance import mcnemar

from .any_task import N, orders, write_any
from .conftest import make_entry, row, write
from .pages import embedded
from .test_html import Reader
from .test_leaderboard import write as write_lm_eval
from .test_report import section

MINUS = "\N{MINUS SIGN}"
# Not in scripts, where `none` and `NaN` may be words.
UNPRINTABLE = re.compile(r"\b(None|nan|null|NaN)\b")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return Report("Any task", collect([write_any(tmp_path_factory.mktemp("any"))]))


@pytest.fixture(scope="module")
def text(report):
    return compose(report)


@pytest.fixture(scope="module")
def page(report):
    return render(report)


def row_of(text, *cells):
    return next(line for line in text.splitlines() if line.startswith("| " + " | ".join(cells) + " |"))


def test_nothing_unknown_is_printed(text):
    assert not UNPRINTABLE.search(text)
    assert "## Warnings" not in text


def test_the_gap_of_a_prompt_without_demonstrations(text):
    own = section(text, "## Section 1").split("### Orders to JSON")[1].split("###")[0]
    assert "| Condition | Json match | 95% interval |" in own
    assert row_of(own, "0-shot").startswith("| 0-shot | 0.00% (0/60) | [0.0, 6.0] |")
    assert row_of(own, "with the prompt").startswith("| with the prompt | 85.00% (51/60) |")
    assert row_of(own, "ICL gap").startswith("| ICL gap | **+85.00%** | [")


def test_scores_that_are_no_counts_have_means_and_bootstrapped_gaps(text):
    own = section(text, "## Section 1").split("### f1_task")[1].split("###")[0]
    assert "| Condition | Token f1, strict-match | 95% interval |" in own
    assert re.search(r"\| 2-shot \| \d+\.\d\d% \(n = 60\) \| — \|", own)
    assert re.search(r"\| ICL gap \(8-shot\) \| \*\*\+50\.00%\*\* \| \[50\.0, 50\.0\] \|", own)
    pairs = section(text, "## Section 4")
    # Every row is higher: the sign test of 60 rows, none the other way; nothing is detectable by design.
    assert re.search(
        r"\| f1_task \| baked step 16 against sft step 16 \| 60 \| \+20\.00% \| \[20\.0, 20\.0\] "
        r"\| 60 \| 0 \| < 0\.001 \| < 0\.001 \| — \|",
        pairs,
    )
    assert "sign test over rows" in pairs


def test_trained_models_with_the_prompt_stand_apart(text):
    own = section(text, "## Section 3").split("### Orders to JSON")[1].split("\n### ")[0]
    by_step, again = own.split("#### With the prompt again")
    assert "| Step | SFT | Distillation (baked) |" in by_step
    assert row_of(by_step, "16").startswith("| 16 | 16.67% (10/60) [9.3, 28.0] | 80.00% (48/60)")
    assert row_of(again, "baked step 16", "with the prompt") == (
        "| baked step 16 | with the prompt | 86.67% (52/60) [75.8, 93.1] | 80.00% (48/60) [68.2, 88.2] "
        "| 85.00% (51/60) [73.9, 91.9] |"
    )
    summary = section(text, "## Section 4")
    assert "with the prompt against" not in summary.split("base with the prompt against base 0-shot")[1]


def test_the_kind_names_the_baseline(text):
    summary = section(text, "## Section 4")
    assert f"| SFT baseline | Distillation | Gain (Distill{MINUS}SFT) |" in summary
    line = row_of(summary, "Orders to JSON")
    assert "| with the prompt: 85.00% (51/60)" in line and line.endswith("| **+63.33%** [50.7, 74.4] |")
    assert "| Orders to JSON | baked step 16 | with the prompt | 94% |" in summary


def test_what_cannot_be_known_of_a_task_is_left_out(text):
    own = section(text, "## Diagnostics")
    assert "Orders to JSON" in own and "arc_easy" not in own
    assert "## Section 3" in text and "| Acc | 95% interval | Acc norm | 95% interval |" in text


def test_the_page_is_whole_and_has_every_tasks_samples(page):
    reader = Reader(page)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not UNPRINTABLE.search(re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL))
    for raw in reader.raw["script"][:1]:
        json.loads(raw)
    groups = {group["task"]: group for group in embedded(page)}
    assert set(groups) == {"Orders to JSON", "f1_task", "lm_eval:arc_easy"}
    assert all(len(group["prompts"]) == N for group in groups.values())
    assert 'data-task="lm_eval:arc_easy"' in page
    assert "Orders to JSON: Json match. " in page and "lm_eval:arc_easy: Acc; Acc norm. " in page


def test_samples_of_every_kind(report):
    groups = {group["task"]: group for group in sample_groups(report)}
    chosen = groups["lm_eval:arc_easy"]["prompts"][0]
    assert chosen["target"] == "2"
    assert chosen["answers"][0]["text"] == "the second option" and chosen["answers"][0]["tokens"] is None
    assert chosen["answers"][0]["second"]["name"] == "Acc norm"
    assert groups["Orders to JSON"]["prompts"][0]["target"] == '{"item": "bags", "count": 2}'
    scored = groups["f1_task"]["prompts"][0]["answers"][0]
    assert (scored["right"], scored["words"]) == (False, "score 0.20")
    assert "answer" not in scored and "second" not in scored
    names = [subject["name"] for subject in groups["Orders to JSON"]["subjects"]]
    assert names == ["Bare model", "With the prompt", "Fine-tuned", "Baked"]


def test_figures_and_cards_are_written(tmp_path):
    run = write_any(tmp_path / "run")
    assert main(["report", str(run), "--cards"]) == 0
    assert (run / "report" / "accuracy.svg").is_file() and (run / "report" / "gains.svg").is_file()
    assert "nan" not in (run / "report" / "accuracy.svg").read_text().lower()
    card = run / "orders" / "baked" / "checkpoint-16" / "README.md"
    text = card.read_text()
    assert "# demo, baked step 16\n" in text and "Base with the prompt" in text
    assert "| Orders to JSON | json_match | 80.00% (48/60) [68.2, 88.2] | 0.00% (0/60) [0.0, 6.0] " in text
    assert "With the prompt again, Orders to JSON:" in text
    assert "| baked step 16 | with the prompt | 86.67% (52/60)" in text
    assert not UNPRINTABLE.search(text.split("# demo")[1])
    results = ModelCard.load(card).data.eval_results
    assert [(one.dataset_type, one.dataset_name) for one in results] == [("orders", "Orders to JSON")] * 2
    assert [one.metric_name for one in results] == ["json match (0-shot)", "json match (with the prompt)"]
    for other in ("f1_task", "arc"):
        own = (run / other / "baked" / "checkpoint-16" / "README.md").read_text()
        assert not UNPRINTABLE.search(own.split("# demo")[1])


def test_seeds_pool_bare_results_alone(tmp_path):
    provenance = {"world_size": 1, "trainer": "t", "data": {}, "settings": {}}
    for seed in (1, 2):
        folder = tmp_path / f"seed-{seed}"
        measured = orders(request__seed=seed)
        write(folder / "results.json", "checkpoints", measured)
        for condition in ("sft", "baked"):
            (folder / condition).mkdir()
            (folder / condition / "provenance.json").write_text(json.dumps(provenance | {"seed": seed}))
    text = compose(Report("t", collect([tmp_path])))
    own = section(text, "## Over seeds")
    assert row_of(own, "Orders to JSON", "baked", "16", "2 (1, 2)").split(" | ")[4] == "80.00%"
    assert f"| Orders to JSON | baked {MINUS} sft | 16 | 2 (1, 2) | +63.33% |" in own
    assert "| ICL gap closed by baked | 16 | 2 (1, 2) | 94% |" in own
    assert "only the first counts" not in text and "52/60" not in own


def test_a_lost_or_partial_metric_costs_the_pair_alone(tmp_path):
    measured = orders()
    for _, rows in measured[:1]:
        del rows[3]["json_match"]
    write(tmp_path / "results.json", "checkpoints", measured)
    text = compose(Report("t", collect([tmp_path])))
    assert "baked step 16 against sft step 16" in text and "against base 0-shot" not in text


def test_a_gap_of_four_rows_is_not_divided_by(tmp_path):
    """Four discordant rows of 541, all one way: an interval above 0, and p = 0.125."""
    columns = [[number < right for number in range(541)] for right in (39, 43, 43)]
    closed = gap_closed(*columns)
    assert closed.gap[0] > 0 and mcnemar(0, 4) == pytest.approx(0.125)
    assert closed.share is None and closed.interval is None
    rows = [
        [row(n, strict_acc=one, flexible_acc=one, no_answer=False, truncated=False)
         for n, one in enumerate(own)]
        for own in columns
    ]  # fmt: skip
    places = [{}, {"k": 4}, {"condition": "v", "step": 1}]
    measured = [(make_entry("gsm8k", r, **place), r) for r, place in zip(rows, places, strict=True)]
    write(tmp_path / "results.json", "checkpoints", measured)
    assert "not reported" in section(compose(Report("t", collect([tmp_path]))), "## Section 4")


def test_values_are_compared_as_what_they_are():
    first, second = [True, False, False, True], [True, True, True, False]
    assert compare(first, second).interval == score_interval(4, 1, 2)
    assert compare([1.0, 0.0, 0.0, 1.0], second) == compare(first, second)
    scored = compare([0.2, 0.5, 0.5, 1.0], [0.4, 0.5, 0.1, 1.0])
    assert (scored.only_first, scored.only_second, scored.p, scored.detectable(1)) == (1, 1, 1.0, None)
    assert scored.difference == pytest.approx(-0.05)
    pooled = compare([[True, False], [True]], [[True, True], [True]])
    assert pooled.difference == pytest.approx(1 / 3) and (pooled.only_first, pooled.only_second) == (0, 1)
    with pytest.raises(ValueError, match="paired rows"):
        compare([0.5], [0.5, 0.2])


def test_two_tasks_with_one_title_are_told_apart(tmp_path):
    measured = [one for task in ("a", "b") for one in orders() if not one[0].update(benchmark=task)]
    for number, (entry, _) in enumerate(measured):
        entry["samples"] = f"samples/{number}.jsonl"
    write(tmp_path / "results.json", "checkpoints", measured)
    text = section(compose(Report("t", collect([tmp_path]))), "## Section 1")
    assert "### Orders to JSON (a)" in text and "### Orders to JSON (b)" in text


def test_old_files_have_views_of_their_own():
    old = {"condition": "base", "step": None, "benchmark": "gsm8k", "num_fewshot": 4}
    assert subject_name(old) == "base 4-shot" and subject_name(old | {"num_fewshot": 0}) == "base 0-shot"
    trained = {"condition": "online_v1", "step": 200, "num_fewshot": 0, "benchmark": "gsm8k"}
    assert subject_name(trained) == "online_v1 step 200"
    assert subject_name(trained | {"view": "prompted"}) == "online_v1 step 200 with the prompt"


def test_a_leaderboard_pairs_scores_that_are_no_verdicts(tmp_path):
    shared = {"task": "summary", "metric": "f1"}
    write_lm_eval(tmp_path, [0.2, 0.5, 0.5, 0.25, 0.0, 0.5] * 2, **shared)
    write_lm_eval(tmp_path, [0.4, 0.5, 0.6, 0.5, 0.1, 0.9] * 2, name="b", **shared)
    write_lm_eval(tmp_path, [4.0, 5.5, 6.1], task="likelihood", metric="perplexity")
    write_lm_eval(tmp_path, [3.0, 4.5, 5.1], task="likelihood", metric="perplexity", name="b")
    (line,) = leaderboard(result_files([tmp_path]))["comparisons"]
    assert (line["task"], line["metric"], line["n"]) == ("summary", "f1", 12)
    assert (line["only_first"], line["only_second"], line["detectable"]) == (0, 10, None)
    assert line["p"] == line["p_holm"] == pytest.approx(2 / 2**10)
    assert line["difference"] == pytest.approx(1.05 / 6)
    assert line["interval"][0] < 1.05 / 6 < line["interval"][1]
