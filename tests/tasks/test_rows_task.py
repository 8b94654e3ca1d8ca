"""Folders of rows through lm-eval's own paths: what is asked, what is scored, from where."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lm_eval.__main__ import cli_evaluate
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from distill.encoding.encode import encode_prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.sources.json_lines import open_json_lines, read_episodes
from lm_eval_tasks.sources.task_folder import write_task_folder

ROOT = Path(__file__).parents[2]
SYSTEM = {"role": "system", "content": "You take orders."}
TALK = [
    SYSTEM, {"role": "user", "content": "Three apples."}, {"role": "assistant", "content": "Which kind?"},
    {"role": "user", "content": "Red ones."},
]  # fmt: skip
TOLD = {"role": "user", "content": "Three red apples were asked for. Note it."}
ROWS = [
    {"prompt": "Two pears for Anna, please.", "completion": "2 pears", "privileged_context": "Anna owes 3."},
    {"prompt": TALK, "completion": "3 red apples", "teacher_prompt": [SYSTEM, TOLD]},
    {"prompt": "Un café, s'il vous plaît.", "system": "Speak French.", "completion": "1 café"},
]  # fmt: skip
SHOWN = [
    {"prompt": "One plum.", "completion": "1 plum"},
    {"prompt": [*TALK[1:3], {"role": "user", "content": "Green."}], "completion": "3 green apples"},
    {"prompt": "Four figs.", "completion": "4 figs"},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "order",
            "description": "Places an order.",
            "parameters": {"type": "object", "properties": {"item": {"type": "string"}}},
        },
    }
]


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def make_folder(tmp_path):
    """`make_folder(rows, ...)`: the source and what `write_task_folder` gives for it."""

    def make(rows=ROWS, shown=SHOWN, *, metric="exact_match", folder="task", max_new_tokens=6, **more):
        source = open_json_lines(
            evaluation=lines(tmp_path / "e.jsonl", rows),
            demonstrations=lines(tmp_path / "d.jsonl", shown) if shown else None,
            metric=metric,
            name="orders",
        )
        written = write_task_folder(
            tmp_path / folder, source, name="orders", max_new_tokens=max_new_tokens, **more
        )
        return source, written

    return make


@pytest.fixture
def ask():
    """`ask(lm, yaml, ...)`: what lm-eval makes of a task file that it is given by its path."""

    def run(lm, yaml, *, metadata=None, chat=True, **more):
        manager = TaskManager(include_defaults=False, metadata=metadata or {})
        return simple_evaluate(lm, tasks=[str(yaml)], task_manager=manager, apply_chat_template=chat, **more)

    return run


@pytest.fixture
def asked_ids(ask):
    """The token ids that a run sent to the model, in the order of the rows."""

    def run(lm, yaml, **more):
        samples = sorted(ask(lm, yaml, **more)["samples"]["orders"], key=lambda sample: sample["doc_id"])
        return [lm.tok_encode(sample["arguments"][0][0]) for sample in samples]

    return run


class TestWhatIsAskedIsWhatIsRead:
    """Token for token, through `simple_evaluate`: the student's view, the teacher's, and the prompted one."""

    @pytest.mark.parametrize("template", ["chatml", "qwen3.jinja", "llama3"])
    def test_the_student(self, make_folder, make_lm, asked_ids, template):
        source, written = make_folder()
        lm = make_lm(template)
        expected = [encode_prompt(lm.tokenizer, row.prompt) for row in source.evaluation()]
        assert asked_ids(lm, written.yaml) == expected

    @pytest.mark.parametrize("template", ["chatml", "qwen3.jinja", "llama3"])
    @pytest.mark.parametrize("mode", ["listed", "fixed", "per_example"])
    def test_the_teacher(self, make_folder, make_lm, asked_ids, template, mode):
        source, written = make_folder()
        lm = make_lm(template)
        context = Context(
            num_fewshot=2, demonstrations=mode, demonstration_seed=5, system_instruction="Be brief."
        )
        taught = context.apply(source, source.evaluation(), source.picker(2, mode, 5).pick)
        expected = [encode_prompt(lm.tokenizer, row.taught) for row in taught]
        seen = asked_ids(
            lm, written.yaml, num_fewshot=2, system_instruction="Be brief.",
            metadata={"view": "teacher", "demonstrations": mode, "demonstration_seed": 5},
        )  # fmt: skip
        assert seen == expected
        texts = [lm.tok_decode(ids) for ids in seen]
        assert "Anna owes 3." in texts[0]
        assert "Three red apples were asked for." in texts[1]
        assert "Be brief." not in texts[1], "a row's own conversation is all that its teacher reads"
        assert "Be brief.\n\nSpeak French." in texts[2]

    def test_the_prompted_model(self, make_folder, make_lm, asked_ids):
        source, written = make_folder()
        lm = make_lm("chatml")
        expected = [
            encode_prompt(lm.tokenizer, source.show(row, source.pool()[:3], system="Be brief."))
            for row in source.evaluation()
        ]
        assert asked_ids(lm, written.yaml, num_fewshot=3, system_instruction="Be brief.") == expected

    @pytest.mark.parametrize("view", ["student", "teacher"])
    def test_tools(self, make_folder, make_lm, asked_ids, view):
        rows = [row | {"tools": TOOLS} for row in ROWS]
        source, written = make_folder(rows)
        lm = make_lm("qwen3.jinja")
        episodes = source.evaluation()
        if view == "teacher":
            episodes = Context().apply(source, episodes, lambda row: [])
        expected = [encode_prompt(lm.tokenizer, row.taught if view == "teacher" else row.prompt, tools=TOOLS)
                    for row in episodes]  # fmt: skip
        seen = asked_ids(lm, written.yaml, metadata={"view": view})
        assert seen == expected
        assert all("Places an order." in lm.tok_decode(ids) for ids in seen)

    def test_a_privileged_column(self, make_folder, make_lm, asked_ids):
        source, written = make_folder(
            privileged="completion", privileged_template="{question} ({privileged})"
        )
        lm = make_lm("chatml")
        context = Context(privileged="completion", privileged_template="{question} ({privileged})")
        taught = context.apply(source, source.evaluation(), lambda row: [])
        seen = asked_ids(lm, written.yaml, metadata={"view": "teacher"})
        assert seen == [encode_prompt(lm.tokenizer, row.taught) for row in taught]
        assert "please. (2 pears)" in lm.tok_decode(seen[0])

    def test_a_base_model(self, make_folder, make_lm, ask):
        _, written = make_folder(ROWS[:1])
        lm = make_lm(None)
        (sample,) = ask(lm, written.yaml, chat=False, num_fewshot=1)["samples"]["orders"]
        prompt, settings = sample["arguments"][0]
        assert (
            prompt
            == "Question: One plum.\n\nAnswer: 1 plum\n\nQuestion: Two pears for Anna, please.\n\nAnswer:"
        )
        assert settings["until"] == ["\n\nQuestion:"]
        source = open_json_lines(evaluation=written.yaml.parent / "eval.jsonl")
        bare = encode_prompt(lm.tokenizer, source.evaluation()[0].prompt)
        assert bare == lm.tok_encode(prompt.partition("1 plum\n\n")[2])

    def test_thinking(self, make_folder, make_lm, asked_ids):
        source, written = make_folder()
        lm = make_lm("qwen3.jinja")
        on, off = (
            asked_ids(lm, written.yaml, metadata={"enable_thinking": value}) for value in (True, False)
        )
        assert off == [encode_prompt(lm.tokenizer, row.prompt) for row in source.evaluation()]
        assert on == [
            encode_prompt(lm.tokenizer, row.prompt, enable_thinking=True) for row in source.evaluation()
        ] != off  # fmt: skip


class TestScores:
    def test_every_metric_has_a_value_and_a_standard_error(self, make_folder, make_lm, ask):
        _, written = make_folder(max_new_tokens=64)
        results = ask(make_lm("chatml"), written.yaml)
        found = results["results"]["orders"]
        assert found["exact_match,none"] == 0.0
        assert found["exact_match_stderr,none"] == 0.0
        assert found["truncated,none"] == 1.0
        assert {
            "response_empty,none",
            "unclosed_think,none",
            "scorer_error,none",
            "score_on_completed,none",
        } <= set(found)
        assert found["score_on_completed,none"] == "N/A"
        assert "no_answer,none" not in found
        config = results["configs"]["orders"]
        metadata = config["metadata"]
        assert metadata["demonstrations"] == "listed"
        assert config["dataset_kwargs"]["metric"] == "exact_match"
        assert len(metadata["data_fingerprint"]) == 16

    def test_an_answer_that_is_right(self, make_folder, make_lm, ask):
        # What the random model says is taken for the gold answer: exact match must find it.
        lm = make_lm("chatml")
        _, written = make_folder()
        said = [s["resps"][0][0] for s in ask(lm, written.yaml)["samples"]["orders"]]
        assert all(text.strip() for text in said)
        _, again = make_folder([row | {"completion": text} for row, text in zip(ROWS, said, strict=True)])
        results = ask(lm, again.yaml)
        assert results["results"]["orders"]["exact_match,none"] == 1.0
        assert [s["exact_match"] for s in results["samples"]["orders"]] == [1.0] * 3

    def test_a_metric_of_ones_own_that_raises(self, make_folder, make_lm, ask, tmp_path, monkeypatch, caplog):
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "orders_metric_of_mine.py").write_text(
            "def half(reply, reference):\n    return 0.5 if reference['kind'] == 'x' else 1 / 0\n"
        )
        rows = [row | {"kind": kind} for row, kind in zip(ROWS, "xyx", strict=True)]
        _, written = make_folder(rows, metric="orders_metric_of_mine:half")
        with caplog.at_level(logging.ERROR):
            found = ask(make_lm("chatml"), written.yaml)["results"]["orders"]
        assert found["half,none"] == pytest.approx(1 / 3)
        assert found["scorer_error,none"] == pytest.approx(1 / 3)
        assert re.search("orders row 1 counts as wrong: .*ZeroDivisionError", caplog.text)

    def test_a_template_that_opens_thinking(self, make_folder, make_lm, make_tokenizer, ask):
        always = make_tokenizer("chatml").chat_template.replace("assistant\n{%", "assistant\n<think>\n{%")
        _, written = make_folder()
        found = ask(make_lm(always), written.yaml)["results"]["orders"]
        assert found["unclosed_think,none"] == found["response_empty,none"] == 1.0

    def test_answers_alone(self, make_folder, make_lm, ask):
        _, written = make_folder()
        samples = ask(make_lm("chatml"), written.yaml, predict_only=True)["samples"]["orders"]
        assert len(samples) == 3


class TestFolder:
    def test_holds_the_rows_as_they_were(self, make_folder):
        source, written = make_folder([row | {"tools": TOOLS, "note": 3} for row in ROWS])
        folder = written.yaml.parent
        assert sorted(path.name for path in folder.iterdir()) == [
            "demonstrations.jsonl", "eval.jsonl", "task.py", "task.yaml", "tools.json",
        ]  # fmt: skip
        read = read_episodes(folder / "eval.jsonl", "orders")
        assert [row.prompt for row in read] == [row.prompt for row in source.evaluation()]
        assert [row.reference for row in read] == [row.reference for row in source.evaluation()]
        assert [row.tools for row in read] == [None] * 3
        assert read_episodes(folder / "demonstrations.jsonl", "orders") == source.pool()
        assert str(folder) not in "".join(p.read_text() for p in folder.iterdir())

    def test_tools_that_differ_by_row_have_no_task_file(self, make_folder, tmp_path):
        make_folder()
        source, written = make_folder([ROWS[0] | {"tools": TOOLS}, *ROWS[1:]])
        assert written.yaml is None
        assert "tools differ by row" in written.why_not
        assert not (tmp_path / "task" / "task.yaml").exists(), "that of an earlier call is gone"
        rows = read_episodes(tmp_path / "task" / "eval.jsonl", "orders")
        assert [row.tools for row in rows] == [row.tools for row in source.evaluation()]

    def test_default_shots_and_the_option_that_overrules_them(self, make_folder, make_lm, asked_ids):
        source, written = make_folder(num_fewshot=2)
        lm = make_lm("chatml")
        for more, k in (({}, 2), ({"num_fewshot": 1}, 1), ({"num_fewshot": 0}, 0)):
            expected = [
                encode_prompt(lm.tokenizer, source.show(r, source.pool()[:k])) for r in source.evaluation()
            ]
            assert asked_ids(lm, written.yaml, **more) == expected

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"num_fewshot": 4}, "num_fewshot: 4 cannot be used; there are 3 demonstrations"),
            ({"max_new_tokens": 0}, "max_new_tokens: 0 cannot be used"),
            ({"metric": "nope"}, "there is no 'nope'"),
        ],
    )
    def test_wrong_wishes_write_nothing(self, make_folder, tmp_path, more, message):
        with pytest.raises(UserError, match=re.escape(message)):
            make_folder(folder="never", **more)
        assert not (tmp_path / "never").exists()

    @pytest.mark.parametrize("name", ["a,b", "", "a b", "*", "-x"])
    def test_names_that_lm_eval_cannot_take(self, make_folder, tmp_path, name):
        source, _ = make_folder()
        with pytest.raises(UserError, match="task name"):
            write_task_folder(tmp_path / "never", source, name=name, max_new_tokens=4)


class TestFromAnywhere:
    @pytest.fixture
    def elsewhere(self, make_folder, tmp_path, monkeypatch):
        """A folder that has moved, looked at from another working directory."""
        _, written = make_folder()
        shutil.move(written.yaml.parent, tmp_path / "moved here")
        (tmp_path / "cwd").mkdir()
        monkeypatch.chdir(tmp_path / "cwd")
        return Path("..") / "moved here"

    def test_by_its_path(self, elsewhere, make_lm, ask):
        assert len(ask(make_lm("chatml"), elsewhere / "task.yaml")["samples"]["orders"]) == 3

    def test_by_include_path(self, elsewhere, make_lm):
        manager = TaskManager(include_path=str(elsewhere), include_defaults=False)
        results = simple_evaluate(
            make_lm("chatml"), tasks=["orders"], task_manager=manager, apply_chat_template=True
        )
        assert len(results["samples"]["orders"]) == 3

    def test_two_folders_in_one_process(self, make_folder, make_lm, ask):
        lm = make_lm("chatml")
        _, one = make_folder(folder="one")
        _, two = make_folder(ROWS[:1], folder="two")
        counts = [len(ask(lm, written.yaml)["samples"]["orders"]) for written in (one, two, one)]
        assert counts == [3, 1, 3]

    def test_without_the_file_beside_it(self, make_folder, make_lm, ask):
        _, written = make_folder()
        text = written.yaml.read_text().replace("task.Rows", "lm_eval_tasks.harness.rows.RowsTask")
        written.yaml.write_text(text)
        (written.yaml.parent / "task.py").unlink()
        lm = make_lm("chatml")
        assert len(ask(lm, written.yaml)["samples"]["orders"]) == 3, "lm-eval tells the path here"
        from lm_eval.tasks._yaml_loader import load_yaml

        manager = TaskManager(include_defaults=False)
        with pytest.raises(UserError, match="does not say where its YAML file is"):
            manager.load([load_yaml(written.yaml)])


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"view": "both"}, "metadata: view is 'both'; choose from student, teacher"),
        ({"demonstrations": "best"}, "metadata: demonstrations is 'best'; choose from fixed"),
        ({"demonstration_seed": "x"}, "demonstration_seed is 'x'; it must be of type int"),
        ({"enable_thinking": "yes"}, "enable_thinking is 'yes'; it must be of type bool"),
        ({"views": "teacher"}, "unknown key 'views'; did you mean 'view'?"),
    ],
)
def test_wrong_options(make_folder, make_lm, ask, metadata, message):
    _, written = make_folder()
    with pytest.raises(UserError, match=re.escape(message)):
        ask(make_lm("chatml"), written.yaml, metadata=metadata)


class TestMistakes:
    def test_a_teachers_view_without_anything_to_see(self, make_folder, make_lm, ask):
        _, written = make_folder(ROWS[2:])
        with pytest.raises(UserError, match="no row has a 'teacher_prompt' or a 'privileged_context'"):
            ask(make_lm("chatml"), written.yaml, metadata={"view": "teacher"})

    def test_more_demonstrations_than_there_are(self, make_folder, make_lm, ask):
        _, written = make_folder()
        with pytest.raises(UserError, match="num_fewshot 4 needs a pool of at least 4 rows, and it has 3"):
            ask(make_lm("chatml"), written.yaml, num_fewshot=4)

    def test_demonstrations_in_one_turn(self, make_folder, make_lm, ask):
        _, written = make_folder()
        with pytest.raises(UserError, match="--fewshot_as_multiturn"):
            ask(make_lm("chatml"), written.yaml, num_fewshot=1, fewshot_as_multiturn=False)

    def test_tools_without_a_template(self, make_folder, make_lm, ask):
        _, written = make_folder([row | {"tools": TOOLS} for row in ROWS])
        with pytest.raises(UserError, match="need a chat template"):
            ask(make_lm(None), written.yaml, chat=False)

    @pytest.mark.parametrize("missing", ["eval.jsonl", "demonstrations.jsonl", "tools.json"])
    def test_a_file_that_is_gone(self, make_folder, make_lm, ask, missing):
        _, written = make_folder([row | {"tools": TOOLS} for row in ROWS])
        (written.yaml.parent / missing).unlink()
        with pytest.raises(UserError, match=rf"cannot read .*{missing}"):
            ask(make_lm("chatml"), written.yaml)


def test_the_command_line(make_folder, model_dir, tmp_path, asked_ids, make_lm, monkeypatch):
    """As it is typed: another working directory, a folder that has moved, samples on disk; then a mistake."""
    source, written = make_folder()
    shutil.move(written.yaml.parent, tmp_path / "moved")

    words = [
        "--model", "hf", "--model_args", f"pretrained={model_dir},dtype=float32", "--device", "cpu",
        "--tasks", str(tmp_path / "moved" / "task.yaml"), "--apply_chat_template", "--batch_size", "3",
        "--output_path", str(tmp_path / "out"), "--log_samples",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", *words, "--num_fewshot", "2", "--system_instruction", "Be brief."],
        capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (samples,) = (tmp_path / "out").rglob("samples_orders_*.jsonl")
    rows = [json.loads(line) for line in samples.open()]
    lm = make_lm("chatml")
    shown = [source.show(row, source.pool()[:2], system="Be brief.") for row in source.evaluation()]
    sent = [lm.tok_encode(row["arguments"]["gen_args_0"]["arg_0"]) for row in rows]
    assert sent == [encode_prompt(lm.tokenizer, prompt) for prompt in shown]
    (results,) = (tmp_path / "out").rglob("results_*.json")
    assert json.loads(results.read_text())["results"]["orders"]["truncated,none"] == 1.0

    monkeypatch.setattr(sys, "argv", ["lm_eval", *words, "--metadata", '{"view": "both"}'])
    with pytest.raises(SystemExit, match=r"^lm_eval: metadata: view is 'both'"):
        cli_evaluate()
