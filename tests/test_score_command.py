"""The command as users run it: in a process of its own, on files."""

import json
import os
import subprocess
import sys

import pytest

from lm_eval_tasks.scorefile.chunks import Job, Line, score_lines
from lm_eval_tasks.scorefile.judging import AnswerJudge

PROMPTS = [
    {
        "key": 7,
        "prompt": "Say hello without commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    },
    {
        "key": 8,
        "prompt": "Two instructions.",
        "instruction_id_list": ["startend:quotation", "length_constraints:number_words"],
        "kwargs": [{"num_words": None}, {"num_words": 2, "relation": "at least", "keyword": None}],
    },
]
# Nothing may reach for a network: whoever opens a socket to one fails.
NO_NETWORK = """
import socket, sys
def refuse(*args, **kwargs): raise OSError("the network is cut off")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
from distill.cli import main
sys.exit(main(sys.argv[1:]))
"""


def score(tmp_path, *arguments, rows=None, env=()):
    if rows is not None:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "responses.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = ["--responses", "responses.jsonl", "--output", "out.json", "--verdicts", "verdicts.jsonl"]
    environment = {name: value for name, value in os.environ.items() if name != "ICL_DATA_DIR"} | dict(env)
    command = [sys.executable, "-c", NO_NETWORK, "score", *files, *map(str, arguments)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)


def output(tmp_path):
    return json.loads((tmp_path / "out.json").read_text())


def verdicts(tmp_path):
    return [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROMPTS))
    return path


def test_ifeval_by_prompt_and_by_key(tmp_path, prompts):
    rows = [
        {"prompt": "Two instructions.", "response": '"a b"'},
        {"key": 7, "response": "hello, you"},
        {"key": "7", "response": "<think>a, b</think>hello"},
        {"key": 8, "response": 'Sure\n"a b"'},
    ]
    done = score(tmp_path, "--task", "ifeval", "--data", prompts, rows=rows)
    assert done.returncode == 0, done.stderr
    assert verdicts(tmp_path)[0] == {
        "row": 0,
        "key": 8,
        "inst_level_strict": [True, True],
        "inst_level_loose": [True, True],
        "prompt_level_strict": True,
        "prompt_level_loose": True,
        "error": None,
    }
    assert [v["prompt_level_strict"] for v in verdicts(tmp_path)] == [True, False, True, False]
    result = output(tmp_path)
    counts = {name: metric["count"] for name, metric in result["metrics"].items()}
    assert counts == {
        "prompt_level_strict_acc": "2/4",
        "inst_level_strict_acc": "4/6",
        "prompt_level_loose_acc": "3/4",
        "inst_level_loose_acc": "5/6",
    }
    assert result["strict_acc_mean"] == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert result["per_instruction_type"]["startend:quotation"]["strict"]["count"] == "1/2"
    assert result["metrics"]["inst_level_strict_acc"]["clusters"] == 2
    assert result["data"]["prompts"] == 2
    assert "50.00%  (2/4" in done.stdout
    assert "score ifeval" in done.stderr  # the progress bar


def test_the_data_folder_of_the_environment_serves_ifeval(tmp_path, prompts):
    (tmp_path / "ifeval").mkdir()
    prompts.rename(tmp_path / "ifeval" / "test.jsonl")
    rows = [{"key": 7, "response": "hello"}]
    done = score(tmp_path, "--task", "ifeval", rows=rows, env={"ICL_DATA_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    done = score(tmp_path, "--task", "ifeval", rows=rows)
    assert done.returncode == 2
    assert "--data" in done.stderr and "row 0" in done.stderr


MALFORMED = [
    {"key": 7, "response": "hello"},
    "{broken",
    {"key": 7},
    {"key": 99, "response": "hello"},
    {"prompt": "say hello  without commas.", "response": "hello"},
    {"prompt": "Say hello without any commas.", "response": "hello"},
    {"prompt": "Something else entirely", "response": "hello"},
    ["no object"],
    {"response": "hello", "instruction_id_list": ["no:such"], "kwargs": [{}]},
    {"response": "hello", "instruction_id_list": ["keywords:existence"], "kwargs": [{}]},
    {"response": "hello", "instruction_id_list": [["punctuation:no_comma"]], "kwargs": [{}]},
    {"response": "hello", "instruction_id_list": [], "kwargs": []},
    {"response": "hello", "instruction_id_list": "punctuation:no_comma", "kwargs": [{}]},
    {"key": 8, "response": '"last one"'},
]


def test_malformed_rows_are_named_and_good_verdicts_kept(tmp_path, prompts):
    done = score(tmp_path, "--task", "ifeval", "--data", prompts, rows=MALFORMED)
    assert done.returncode == 2
    assert not (tmp_path / "out.json").exists()
    written = verdicts(tmp_path)
    assert [v["row"] for v in written] == list(range(len(MALFORMED)))
    assert [v["error"] is None for v in written] == [True] + [False] * 12 + [True]
    assert written[0]["prompt_level_strict"] and written[-1]["prompt_level_strict"]
    for row in range(1, 13):
        assert f"row {row} (line {row + 1})" in done.stderr
        assert written[row]["error"] and not written[row]["prompt_level_loose"]
    assert "case or white space" in written[4]["error"]
    assert "nearest is key 7" in written[5]["error"]
    assert "nearest" not in written[6]["error"]
    assert "no:such" in written[8]["error"]
    assert "keywords:existence" in written[9]["error"]
    assert all("'instruction_id_list'" in written[row]["error"] for row in (10, 11, 12))
    assert "Traceback" not in done.stderr


def test_keep_going_counts_malformed_rows_as_failures(tmp_path, prompts):
    done = score(tmp_path, "--task", "ifeval", "--data", prompts, "--keep_going", rows=MALFORMED)
    assert done.returncode == 0
    result = output(tmp_path)
    assert result["metrics"]["prompt_level_strict_acc"]["count"] == "2/14"
    assert result["metrics"]["inst_level_strict_acc"]["count"] == "3/15"
    assert result["malformed"]["count"] == 12


def test_a_row_that_breaks_its_scorer_is_one_of_them(caplog):
    def broken(answer, target):
        raise ZeroDivisionError("1/0")

    job = Job(lambda: AnswerJudge(broken), None)
    ((scored,),) = score_lines([Line(4, 5, 9, '{"response": "1", "target": "1"}')], job, workers=1)
    assert scored.error == "row 4 (line 5): breaks the scorer (ZeroDivisionError('1/0'))."
    assert scored.judged[0].scores["strict_acc"] == (0.0, 1)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("task", "rows", "first", "counts"),
    [
        (
            "gsm8k",
            [{"response": "#### 18", "target": "18"}, {"response": "18", "target": "x\n#### 18"}],
            {"row": 0, "strict": True, "flexible": True, "answer": "18", "error": None},
            {"strict_acc": "1/2", "flexible_acc": "2/2"},
        ),
        (
            "csqa",
            [{"response": "bank", "target": "A", "choices": ["bank", "b", "c", "d", "e"]}],
            {"row": 0, "strict": False, "flexible": True, "answer": "A", "error": None},
            {"strict_acc": "0/1", "flexible_acc": "1/1"},
        ),
        (
            "math",
            [{"response": "\\boxed{0.5}", "target": "\\frac12"}, {"response": "", "target": "So \\boxed{1}"}],
            {"row": 0, "strict": False, "flexible": True, "answer": "0.5", "error": None},
            {"strict_acc": "0/2", "flexible_acc": "1/2"},
        ),
        (
            "rlvr",
            [
                {"response": "a", "ground_truth": '{"func_name": "validate_no_commas"}'},
                {"response": "a", "ground_truth": {"func_name": "validate_choice", "options": 3}},
            ],
            {"row": 0, "reward": 1.0, "reason": None, "error": None},
            {"reward": "1/2"},
        ),
    ],
)
def test_the_other_tasks(tmp_path, task, rows, first, counts):
    done = score(tmp_path, "--task", task, rows=rows)
    assert done.returncode == 0, done.stderr
    assert verdicts(tmp_path)[0] == first
    assert {name: metric["count"] for name, metric in output(tmp_path)["metrics"].items()} == counts


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("gsm8k", {"response": "1"}),
        ("gsm8k", {"response": "1", "target": "none"}),
        ("gsm8k", {"response": None, "target": "1"}),
        ("csqa", {"response": "A", "target": "F"}),
        ("csqa", {"response": "A", "target": "A", "choices": "bank"}),
        ("math", {"response": "A", "target": 5}),
        ("rlvr", {"response": "A"}),
        ("rlvr", {"response": "A", "ground_truth": "{"}),
        ("rlvr", {"response": "A", "ground_truth": {"func_name": "eval"}}),
    ],
)
def test_malformed_rows_of_the_other_tasks(tmp_path, task, row):
    done = score(tmp_path, "--task", task, rows=[row])
    assert done.returncode == 2
    assert "row 0 (line 1)" in done.stderr
    assert verdicts(tmp_path)[0]["error"]


def test_rlvr_follows_the_revision_that_is_named(tmp_path):
    row = {"response": "none", "ground_truth": {"func_name": "validate_placeholders", "N": 1}}
    for more, revision, count in (((), "main", "0/1"), (("--revision", "tulu3"), "tulu3", "1/1")):
        done = score(tmp_path, "--task", "rlvr", *more, rows=[row])
        assert done.returncode == 0, done.stderr
        assert (output(tmp_path)["revision"], output(tmp_path)["metrics"]["reward"]["count"]) == (
            revision,
            count,
        )
    for words, remedy in (
        (("--task", "rlvr", "--revision", "2024"), "choose from main, tulu3"),
        (("--task", "math", "--revision", "main"), "math has none; leave it out"),
    ):
        done = score(tmp_path, *words, rows=[row])
        assert done.returncode == 2 and remedy in done.stderr


def test_samples_of_lm_eval(tmp_path):
    doc = {"id": "0", "question": "q", "target": "18"}
    sample = {"doc_id": 0, "doc": doc, "target": "18", "arguments": {"gen_args_0": {"arg_0": "q <think>\n"}}}
    rows = [
        sample | {"resps": [["still thinking #### 18"]], "filter": "strict-match"},
        sample | {"resps": [["done</think>#### 18", "x</think>17"]], "doc_id": 1, "filter": "strict-match"},
        sample | {"resps": [["done</think>#### 18"]], "doc_id": 0, "filter": "flexible-extract"},
    ]
    done = score(tmp_path, "--task", "gsm8k", rows=rows)
    assert done.returncode == 0, done.stderr
    assert [(v["row"], v["strict"]) for v in verdicts(tmp_path)] == [(0, False), (1, True), (1, False)]
    result = output(tmp_path)
    assert result["diagnostics"]["unclosed_think"] == pytest.approx(1 / 3)
    assert result["metrics"]["strict_acc"]["clusters"] == 2


def test_samples_whose_thinking_lm_eval_stripped(tmp_path):
    prompt = {"gen_args_0": {"arg_0": "q <think>\n"}}
    sample = {"doc": {"target": "18"}, "arguments": prompt, "resps": [["#### 18"]], "filter": "none"}
    told = [{}, {"unclosed_think": False}, {"unclosed_think": True}, {"opened_in_prompt": False}]
    told.append({"think_tags": ["<a>", "</a>"]})
    done = score(tmp_path, "--task", "gsm8k", rows=[sample | more for more in told])
    assert done.returncode == 0, done.stderr
    assert [v["strict"] for v in verdicts(tmp_path)] == [False, True, False, True, True]


def test_tags_of_a_row(tmp_path):
    rows = [
        {"response": "<a>1</a>#### 18", "target": "18", "think_tags": tags}
        for tags in (["<a>", "</a>"], "<a>")
    ]
    done = score(tmp_path, "--task", "gsm8k", "--keep_going", rows=rows)
    assert done.returncode == 0, done.stderr
    good, bad = verdicts(tmp_path)
    assert good["strict"] and "field 'think_tags' is '<a>'" in bad["error"]


def test_ifeval_samples_bring_their_instructions(tmp_path):
    doc = PROMPTS[1] | {"kwargs": json.dumps(PROMPTS[1]["kwargs"])}
    done = score(tmp_path, "--task", "ifeval", rows=[{"doc_id": 3, "doc": doc, "resps": [['"a b"']]}])
    assert done.returncode == 0, done.stderr
    assert verdicts(tmp_path)[0]["inst_level_strict"] == [True, True]
    assert verdicts(tmp_path)[0]["key"] == 8


def test_truncated_responses_raise_a_loud_warning(tmp_path):
    rows = [
        {"response": "1", "target": "1", "finish_reason": "length", "response_tokens": 9},
        {"response": "#### 1", "target": "1", "finish_reason": "stop", "response_tokens": 3},
        {"response": "#### 1", "target": "1", "truncated": False},
    ]
    done = score(tmp_path, "--task", "gsm8k", rows=rows)
    diagnostics = output(tmp_path)["diagnostics"]
    assert "WARNING: 33.3%" in done.stderr
    assert diagnostics["score_on_completed"] == 1.0
    assert diagnostics["mean_response_tokens"] == 6


@pytest.mark.parametrize(
    "arguments", [["--task", "gsm8k", "--workers", "0"], ["--task", "ifeval", "--data", "absent.jsonl"]]
)
def test_bad_arguments(tmp_path, arguments):
    done = score(tmp_path, *arguments, rows=[{"response": "1", "target": "1"}])
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_an_empty_or_absent_file_is_an_error(tmp_path):
    assert score(tmp_path, "--task", "gsm8k").returncode == 2
    done = score(tmp_path, "--task", "gsm8k", rows=["", " "])
    assert done.returncode == 2 and "no rows" in done.stderr


def test_odd_bytes_are_malformed_rows(tmp_path):
    (tmp_path / "responses.jsonl").write_bytes(
        b'{"response": "1", "target": "1"}\n\xff\xfe\n\n{"response": "\\ud800 1", "target": "1"}'
    )
    done = score(tmp_path, "--task", "gsm8k", "--keep_going")
    assert done.returncode == 0, done.stderr
    assert [v["flexible"] for v in verdicts(tmp_path)] == [True, False, True]


def test_runs_and_workers_give_the_same_bytes(tmp_path):
    rows = [
        {
            "response": f"It is {n}. \\boxed{{{n}/{n % 7 + 1}}} #### {n % 5}",
            "target": str(n % 3),
            "key": n % 50,
        }
        for n in range(900)
    ]
    seen = set()
    for task, workers in (("gsm8k", 1), ("gsm8k", 1), ("gsm8k", 2)):
        assert score(tmp_path, "--task", task, "--workers", workers, rows=rows).returncode == 0
        seen.add((tmp_path / "out.json").read_bytes() + (tmp_path / "verdicts.jsonl").read_bytes())
    assert len(seen) == 1


def test_neither_torch_nor_lm_eval_is_imported(tmp_path):
    program = (
        "import sys; from distill.cli import main; main(sys.argv[1:]); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'lm_eval', 'nltk', 'sympy')))"
    )
    (tmp_path / "r.jsonl").write_text(json.dumps({"response": "\\boxed{1}", "target": "2/2"}))
    arguments = ["score", "--task", "math", "--responses", "r.jsonl", "--output", "o.json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
