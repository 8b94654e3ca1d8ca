"""The leaderboard's intervals, pairs and warnings, on files as lm_eval writes them."""

import json

import pytest
from scipy.stats import binom, binomtest

from distill.cli import main
from distill.report.leaderboard import leaderboard, result_files
from distill.statistics.intervals import score_interval
from distill.statistics.significance import minimum_detectable_effect
from lm_eval_tasks.errors import UserError

ASKED = {
    "demonstrations": "fixed",
    "demonstration_seed": 42,
    "data_fingerprint": "d",
    "versions": {"icl-distill": "8"},
}


def write(
    folder, verdicts, *, name="a", task="gsm8k_icl_0shot", metric="strict_acc", log=True, ids=None, **changes
):
    """A results file and its log; `verdicts` by row, `changes` of what decides them."""
    folder.mkdir(parents=True, exist_ok=True)
    n = len(verdicts)
    ids = list(range(n)) if ids is None else ids
    benchmark = task.split("_")[0]
    results = {
        "results": {task: {f"{metric},none": mean(verdicts), f"{metric}_stderr,none": 0.1}},
        "configs": {
            task: {
                "dataset_kwargs": {"benchmark": benchmark},
                "metadata": ASKED | changes.pop("metadata", {}),
                "generation_kwargs": {"max_gen_toks": changes.pop("max_gen_toks", 64)},
            }
        },
        "config": {
            "model": changes.pop("backend", "vllm"),
            "model_args": {"pretrained": f"org/{name}", "dtype": changes.pop("dtype", "bfloat16")}
            | changes.pop("arguments", {}),
            "limit": changes.pop("limit", None),
            "model_sha": changes.pop("sha", ""),
        },
        "versions": {task: 1.0},
        "n-shot": {task: changes.pop("k", 0)},
        "n-samples": {task: {"original": 1319, "effective": n}},
        "chat_template_sha": "t",
        "lm_eval_version": "0.4.13",
        "task_hashes": {task: f"hash of {ids}"} if log else {},
    }
    prompt = changes.pop("prompt", "p")
    docs = changes.pop("docs", [{}] * n)
    assert not changes
    stem = f"{name}-{len(list(folder.iterdir()))}"
    file = folder / f"results_{stem}.json"
    file.write_text(json.dumps(results))
    rows = [
        {"doc_id": i, "doc": doc, "doc_hash": f"d{i}", "prompt_hash": f"{prompt}{i}", "filter": "none"}
        | {metric: verdict}
        for i, doc, verdict in zip(ids, docs, verdicts, strict=True)
    ]
    if log:
        lines = "".join(json.dumps(row) + "\n" for row in reversed(rows))
        (folder / f"samples_{task}_{stem}.jsonl").write_text(lines)
    return file


def mean(verdicts):
    flat = [v for verdict in verdicts for v in (verdict if isinstance(verdict, list) else [verdict])]
    known = [v for v in flat if not isinstance(v, list)]
    return sum(known) / len(known)


def board_of(*folders):
    return leaderboard(result_files(folders))


def metric_of(board, name):
    return board["models"][0]["tasks"][0]["metrics"][name]


def test_a_count_has_the_wilson_interval(tmp_path):
    write(tmp_path, [True] * 39 + [False] * 502)
    found = metric_of(board_of(tmp_path), "strict_acc")
    reference = binomtest(39, 541).proportion_ci(method="wilson")
    assert (found["count"], found["n"], found["unit"]) == (39, 541, "row")
    assert found["interval"] == pytest.approx([reference.low, reference.high])


def test_verdicts_on_instructions_are_clustered_by_prompt(tmp_path):
    # 100 prompts of three instructions that are right or wrong together: 100 independent verdicts, not 300.
    verdicts = [[number < 40] * 3 for number in range(100)]
    write(tmp_path, verdicts, task="ifeval_icl_0shot", metric="inst_level_strict_acc")
    found = metric_of(board_of(tmp_path), "inst_level_strict_acc")
    reference = binomtest(40, 100).proportion_ci(method="wilson")
    assert (found["count"], found["n"], found["unit"]) == (120, 300, "instruction")
    assert found["interval"] == pytest.approx([reference.low, reference.high], abs=1e-6)


def test_without_a_log_nothing_is_made_up(tmp_path):
    write(tmp_path / "a", [True, False], log=False)
    write(tmp_path / "b", [True, True], name="b")
    board = board_of(tmp_path)
    known = {name: value for name, value in metric_of(board, "strict_acc").items() if value is not None}
    assert known == {"value": 0.5, "stderr": 0.1}
    assert board["comparisons"] == []
    assert "no rows were logged for org/a" in " ".join(board["warnings"])


def test_what_is_no_verdict_has_no_count(tmp_path):
    write(tmp_path, [[True, [True, False]], [False, [False]]], task="other", metric="mean_of_levels")
    write(tmp_path, [0.5, 0.75], task="another", metric="f1")
    found = {record["task"]: record["metrics"] for record in board_of(tmp_path)["models"][0]["tasks"]}
    levels, f1 = found["other"]["mean_of_levels"], found["another"]["f1"]
    assert {levels[name] for name in ("count", "n", "interval", "unit")} == {None}
    assert [f1[name] for name in ("count", "n", "unit")] == [None, 2, "score"]


def test_models_are_paired_row_by_row(tmp_path):
    # Of 100 rows both get 50, only a 8, only b 20.
    write(tmp_path, [True] * 58 + [False] * 42)
    write(tmp_path, [True] * 50 + [False] * 8 + [True] * 20 + [False] * 22, name="b")
    (line,) = board_of(tmp_path)["comparisons"]
    assert (line["first"], line["second"]) == ("org/a (vllm, bfloat16)", "org/b (vllm, bfloat16)")
    assert (line["metric"], line["n"], line["only_first"], line["only_second"]) == ("strict_acc", 100, 8, 20)
    assert line["difference"] == pytest.approx(0.12)
    assert line["p"] == line["p_holm"] == pytest.approx(2 * binom.cdf(8, 28, 0.5))
    assert line["interval"] == pytest.approx(score_interval(100, 8, 20))
    assert line["differs"] == []


def test_instructions_have_an_interval_over_prompts_and_no_test(tmp_path):
    shared = {"task": "ifeval_icl_0shot", "metric": "inst_level_strict_acc"}
    write(tmp_path, [[True, False]] * 50 + [[False]] * 50, **shared)
    write(tmp_path, [[True, True]] * 50 + [[False]] * 50, name="b", **shared)
    (line,) = board_of(tmp_path)["comparisons"]
    assert line["difference"] == pytest.approx(50 / 150)
    assert line["interval"][0] < 50 / 150 < line["interval"][1]
    assert line["p"] is line["p_holm"] is line["only_first"] is None


def test_p_values_are_adjusted_for_all_pairs(tmp_path):
    for name, right in (("a", 10), ("b", 14), ("c", 30)):
        write(tmp_path, [number < right for number in range(40)], name=name)
    lines = board_of(tmp_path)["comparisons"]
    p, adjusted = (
        {line["first"][4] + line["second"][4]: line[name] for line in lines} for name in ("p", "p_holm")
    )
    for line in lines:
        share = (line["only_first"] + line["only_second"]) / 40
        assert line["detectable"] == minimum_detectable_effect(40, share, alpha=0.05 / 3)
    assert p == pytest.approx({"ab": 2 * 0.5**4, "ac": 2 * 0.5**20, "bc": 2 * 0.5**16})
    assert adjusted == pytest.approx({"ab": 2 * 0.5**4, "ac": 3 * 2 * 0.5**20, "bc": 2 * 2 * 0.5**16})


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({"backend": "hf"}, "the backend", "vllm for org/a (vllm, bfloat16); hf for org/b (hf, bfloat16)"),
        ({"dtype": "float32"}, "dtype", "float32 for org/b"),
        ({"max_gen_toks": 128}, "max_new_tokens", "128"),
        ({"metadata": {"data_fingerprint": "e"}}, "the data fingerprint", "e for org/b"),
        ({"metadata": {"demonstration_seed": 1}, "k": 8}, "the demonstrations' seed", "1 for org/b"),
        ({"metadata": {"versions": {"icl-distill": "9"}}}, "icl-distill's version", "9 for org/b"),
    ],
)
def test_what_differs_is_named_with_the_pair_and_in_a_warning(tmp_path, change, name, message):
    k = change.get("k", 0)
    write(tmp_path, [True, False], k=k)
    write(tmp_path, [True, True], name="b", **change)
    board = board_of(tmp_path)
    assert board["comparisons"][0]["differs"] == [name]
    (warning,) = board["warnings"]
    assert warning.startswith(f"gsm8k_icl_0shot, {k}-shot: {name} differs, so these scores do not compare: ")
    assert message in warning


def test_other_prompts_for_the_same_rows_are_named(tmp_path):
    write(tmp_path, [True, False])
    write(tmp_path, [True, True], name="b", prompt="q")
    board = board_of(tmp_path)
    assert board["comparisons"][0]["differs"] == ["the prompts"]
    assert "the 0-shot prompt differs" in board["warnings"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"ids": [2, 3]}, "the set of rows differs"), ({"k": 8}, "num_fewshot differs")],
)
def test_another_question_is_no_pair(tmp_path, change, message):
    write(tmp_path, [True, False])
    write(tmp_path, [True, True], name="b", **change)
    board = board_of(tmp_path)
    assert board["comparisons"] == []
    assert message in board["warnings"][0]


@pytest.mark.parametrize("log", [True, False])
def test_shards_are_not_merged(tmp_path, log):
    write(tmp_path, [True, False], log=log)
    write(tmp_path, [True, True], ids=[2, 3], log=log)
    board = board_of(tmp_path)
    (model,) = board["models"]
    assert [record["metrics"]["strict_acc"]["value"] for record in model["tasks"]] == [0.5, 1.0]
    assert "stands here 2 times" in board["warnings"][0] and "not merged" in board["warnings"][0]
    if log:
        assert [record["rows"]["first"] for record in model["tasks"]] == [0, 2]


def test_the_same_first_rows_again_replace_the_earlier_run(tmp_path):
    for verdicts in ([True, False], [True, True]):
        write(tmp_path, verdicts, log=False, limit=2)
    (model,) = board_of(tmp_path)["models"]
    assert [record["metrics"]["strict_acc"]["value"] for record in model["tasks"]] == [1.0]


def test_other_weights_under_one_name_are_another_model(tmp_path):
    for sha in ("one", "two"):
        write(tmp_path, [True, False], sha=sha)
    assert [model["sha"] for model in board_of(tmp_path)["models"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: 3, "is no result file of lm_eval: it has no results, configs"),
        (lambda found: found | {"configs": 3}, "it has no configs"),
        (lambda found: found | {"results": {}}, "results.gsm8k_icl_0shot has no metrics"),
        (lambda found: found | {"results": {"gsm8k_icl_0shot": {"alias": "a"}}}, "has no metrics"),
        (lambda found: found | {"n-samples": {}}, "n-samples.gsm8k_icl_0shot is missing"),
    ],
)
def test_what_is_no_result_is_named_with_its_file(tmp_path, change, message, capsys):
    file = write(tmp_path / "runs", [True, False])
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    assert main(["leaderboard", str(file), "--output", str(tmp_path / "board.json")]) == 2
    error = capsys.readouterr().err
    assert message in error and str(file) in error and not (tmp_path / "board.json").exists()


def test_a_log_cut_short_is_an_error(tmp_path):
    file = write(tmp_path, [True, False, True])
    (log,) = tmp_path.glob("samples_*")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2]))
    with pytest.raises(UserError, match=rf"holds 2 rows, and {file.name} counts 3"):
        board_of(tmp_path)
    log.write_text("".join(lines)[:-20])
    with pytest.raises(UserError, match="line 3 is not JSON"):
        board_of(tmp_path)


def test_the_command_prints_pairs_and_warnings(tmp_path, capsys):
    write(tmp_path / "in", [True, False] * 10)
    write(tmp_path / "in", [True, True] * 10, name="b", dtype="float16")
    assert main(["leaderboard", str(tmp_path / "in"), "--output", str(tmp_path / "board.json")]) == 0
    out, err = capsys.readouterr()
    assert "org/b (vllm, float16) against org/a (vllm, bfloat16): +50.00% [" in out
    assert "20 rows, p = 0.002, adjusted 0.002; differs: dtype" in out
    assert "warning: gsm8k_icl_0shot, 0-shot: dtype differs" in err
    board = json.loads((tmp_path / "board.json").read_text())
    assert board["format"] == 1 and len(board["comparisons"]) == 1
    assert "interval" in board["models"][0]["model_index"][0]["results"][0]["metrics"][0]["args"]
