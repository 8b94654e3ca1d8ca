"""`lm_eval run` as it is typed: files, truncation, and what the leaderboard makes of them."""

import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard
from lm_eval.__main__ import cli_evaluate

from distill.cli import main
from distill.evaluation.result import read_file, same_rows
from distill.report.comparability import differing
from distill.report.leaderboard import leaderboard, result_files
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.harness.tokens import is_cut, token_counter

LIMIT = 24


@pytest.fixture(scope="module")
def run(model_dir, tmp_path_factory):
    """`run(*arguments)`: the command on the saved tiny model; returns what it wrote."""
    original = sys.argv

    def command(*arguments):
        out = tmp_path_factory.mktemp("out")
        sys.argv = [
            "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={model_dir},dtype=float32",
            "--device", "cpu", "--batch_size", "4", "--include_path", str(TASK_DIR), "--limit", "3",
            "--metadata", '{"data": "sample"}', "--gen_kwargs", f"max_gen_toks={LIMIT}",
            "--output_path", str(out), "--log_samples", *arguments,
        ]  # fmt: skip
        try:
            cli_evaluate()
        finally:
            sys.argv = original
        (file,) = out.rglob("results_*.json")
        samples = {
            re.sub(r"samples_|_\d{4}-.*", "", path.stem): [json.loads(line) for line in path.open()]
            for path in file.parent.glob("samples_*.jsonl")
        }
        return SimpleNamespace(folder=out, results=json.loads(file.read_text()), samples=samples)

    return command


@pytest.fixture(scope="module")
def chat(run):
    return run("--tasks", "gsm8k_icl", "--apply_chat_template")


def test_the_files_are_complete(chat):
    assert set(chat.samples) == {"gsm8k_icl_0shot", "gsm8k_icl_fewshot"}
    assert chat.results["n-samples"]["gsm8k_icl_0shot"] == {"original": 64, "effective": 3}
    assert chat.results["configs"]["gsm8k_icl_0shot"]["metadata"]["versions"]["lm_eval"].startswith("0.4.13")


def test_a_random_model_never_stops_and_is_seen_to_be_cut(chat):
    for samples in chat.samples.values():
        assert [sample["truncated"] for sample in samples] == [True] * 3
        assert [sample["score_on_completed"] for sample in samples] == [None] * 3
    assert chat.results["results"]["gsm8k_icl_0shot"]["score_on_completed,none"] == "N/A"


def test_without_a_chat_template_the_models_files_tell(chat, evaluate, make_lm, model_dir):
    # The command puts --model_args into the metadata.
    arguments = chat.results["configs"]["gsm8k_icl_0shot"]["metadata"]
    assert arguments["pretrained"] == str(model_dir)
    results = evaluate(make_lm(None), "gsm8k_icl_0shot", metadata={"pretrained": str(model_dir)}, chat=False)
    sample = results["samples"]["gsm8k_icl_0shot"][0]
    assert isinstance(sample["truncated"], bool)
    assert sample["arguments"][0][1]["until"] == ["\n\nQuestion:"]


def test_an_unknown_tokenizer_leaves_the_question_open(tmp_path, caplog):
    assert token_counter(None, {"pretrained": str(tmp_path)}) is None
    assert token_counter(None, {"pretrained": "no-such/model-anywhere"}) is None
    assert token_counter(None, {}) is None
    assert "unknown" in caplog.text


@pytest.mark.parametrize(
    ("tokens", "limit", "cut"),
    [(512, 512, True), (500, 512, True), (480, 512, False), (31, 32, True), (20, 32, False), (0, 64, False)],
)
def test_a_count_near_the_limit_is_cut(tokens, limit, cut):
    assert is_cut(tokens, limit) is cut


def test_files_and_model_count_alike(model_dir, tokenizer):
    by_file, by_model = token_counter(None, {"pretrained": str(model_dir)}), token_counter(tokenizer, {})
    for text in ("", "Two and two are 4.", "#### 12\n\nQuestion:", "<think>ü</think>"):
        assert by_file(text) == by_model(text) == len(tokenizer(text, add_special_tokens=False).input_ids)


class TestLeaderboard:
    @pytest.fixture
    def board(self, chat, tmp_path):
        assert (
            main(
                ["leaderboard", str(chat.folder), str(chat.folder), "--output", str(tmp_path / "board.json")]
            )
            == 0
        )
        return json.loads((tmp_path / "board.json").read_text())

    def test_names_the_model_and_how_it_was_asked(self, board, model_dir):
        (entry,) = board["models"]
        assert (entry["model"], entry["backend"], entry["dtype"]) == (str(model_dir), "hf", "float32")
        assert entry["versions"]["lm_eval"].startswith("0.4.13")
        zero, few = entry["tasks"]
        assert (zero["num_fewshot"], few["num_fewshot"], few["n"], few["n_in_split"]) == (0, 8, 3, 64)
        assert few["asked"]["demonstrations"] == "fixed"

    def test_counts_come_from_the_rows(self, board, chat):
        (entry,) = board["models"]
        for record in entry["tasks"]:
            verdicts = [sample["flexible_acc"] for sample in chat.samples[record["task"]]]
            found = record["metrics"]["flexible_acc"]
            assert (found["count"], found["n"]) == (sum(verdicts), 3)
            assert found["value"] == pytest.approx(sum(verdicts) / 3)
        assert record["metrics"]["score_on_completed"] == {
            "value": None, "stderr": None, "count": None, "n": 0, "interval": None, "unit": "row",
        }  # fmt: skip

    def test_our_own_gap_asks_what_lm_eval_asks(self, chat, model_dir, tmp_path):
        words = ["gap", "--model", str(model_dir), "--task", "gsm8k", "--data", "sample", "--n_samples", "3"]
        words += ["--max_new_tokens", str(LIMIT), "--backend", "hf", "--output", str(tmp_path / "gap.json")]
        assert main(words) == 0
        files = result_files([chat.folder, tmp_path])
        by_shots = {}
        for result in (result for file in files for result in read_file(file)):
            by_shots.setdefault(result.entry["num_fewshot"], []).append(result)
        for one, other in by_shots.values():
            assert differing(one.entry, other.entry) == [] and same_rows(one, other)
            assert one.entry["metrics"] == other.entry["metrics"]
        board = leaderboard(files)
        (entry,) = board["models"]  # the same weights, and nothing that is told of them differs
        assert [record["results_file"] for record in entry["tasks"]] == [str(tmp_path / "gap.json")] * 2
        assert board["warnings"] == [] == board["comparisons"]

    def test_a_later_run_replaces_the_same_question_only(self, chat, tmp_path):
        for name, n in (("again", 3), ("shorter", 2)):
            later = chat.results | {
                "n-samples": {task: {"original": 64, "effective": n} for task in chat.samples}
            }
            (tmp_path / f"results_9999-{name}.json").write_text(json.dumps(later))
        main(["leaderboard", str(chat.folder), str(tmp_path), "--output", str(tmp_path / "b.json")])
        (entry,) = json.loads((tmp_path / "b.json").read_text())["models"]
        zero = [record for record in entry["tasks"] if record["task"] == "gsm8k_icl_0shot"]
        assert sorted((record["n"], "again" in record["results_file"]) for record in zero) == [
            (2, False),
            (3, True),
        ]

    def test_the_model_card_has_both_shots_and_keeps_its_text(self, chat, tmp_path):
        card = tmp_path / "README.md"
        card.write_text("---\nlicense: mit\n---\n# Mine\n")
        main(
            ["leaderboard", str(chat.folder), "--output", str(tmp_path / "b.json"), "--model_card", str(card)]
        )
        loaded = ModelCard.load(card)
        assert loaded.data.license == "mit"
        assert "# Mine" in loaded.text
        strict = [result for result in loaded.data.eval_results if result.metric_type == "strict_acc"]
        assert [result.metric_name for result in strict] == [
            "strict acc (0-shot, first 3 of 64 rows)", "strict acc (8-shot, first 3 of 64 rows)",
        ]  # fmt: skip
        assert {result.dataset_type for result in strict} == {"icl-distill/sample-gsm8k"}

    @pytest.mark.parametrize(
        ("text", "message"), [("{", "cannot be read as JSON"), ("{}", "no result file of lm_eval")]
    )
    def test_a_wrong_file_is_named(self, tmp_path, capsys, text, message):
        (tmp_path / "results_1.json").write_text(text)
        assert main(["leaderboard", str(tmp_path), "--output", str(tmp_path / "b.json")]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "results_1.json" in error
        assert not (tmp_path / "b.json").exists()


class TestMistakesEndWithOneParagraph:
    """No traceback, and the remedy in the message; as exit codes are made of `SystemExit`'s text."""

    @pytest.fixture
    def words(self, model_dir, tmp_path):
        return [
            "--model", "hf", "--model_args", f"pretrained={model_dir}", "--device", "cpu", "--include_path",
            str(TASK_DIR), "--output_path", str(tmp_path / "out"), "--tasks",
        ]  # fmt: skip

    def test_no_row_that_can_be_used(self, words, gsm8k_folder, tmp_path, monkeypatch):
        folder = tmp_path / "data"
        shutil.copytree(gsm8k_folder, folder)
        (folder / "gsm8k" / "train.jsonl").write_text('{"question": "One?"}\n')
        monkeypatch.setenv("ICL_DATA_DIR", str(folder))
        monkeypatch.setattr(sys, "argv", ["lm_eval", *words, "gsm8k_icl_fewshot", "--limit", "1"])
        with pytest.raises(SystemExit, match=r"^lm_eval: .*no usable row.*train\.jsonl line 1.*answer"):
            cli_evaluate()
        assert not (tmp_path / "out").exists()

    def test_a_misspelt_metadata_key(self, words, tmp_path):
        """In a process of its own, as a user starts it."""
        command = [sys.executable, "-m", "lm_eval", *words, "gsm8k_icl", "--metadata", '{"dat": "sample"}']
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        message = done.stderr.strip().splitlines()[-1]
        assert message == "lm_eval: metadata: unknown key 'dat'; did you mean 'data'?"
        assert not (tmp_path / "out").exists()
