import json

import pytest

from distill.cli import main
from lm_eval_tasks.benchmarks.ifeval.rows import parse_ifeval
from lm_eval_tasks.reading import sample_file
from lm_eval_tasks.sources.benchmark import BenchmarkSource

PROMPTS = [
    {
        "key": 7,
        "prompt": "No commas, please.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    },
    {
        "prompt": "Small letters without commas.",
        "instruction_id_list": ["punctuation:no_comma", "change_case:english_lowercase"],
        "kwargs": '[{}, {"unused": null}]',
    },
]


@pytest.fixture
def run(tmp_path, capsys):
    def run(responses, prompts=PROMPTS):
        files = {}
        for name, rows in (("prompts", prompts), ("responses", responses)):
            files[name] = tmp_path / f"{name}.jsonl"
            lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
            files[name].write_text("\n".join(lines), encoding="utf-8")
        output = tmp_path / "data/ifeval/train.jsonl"
        code = main(
            ["data", "make-ifeval", "--prompts", str(files["prompts"]),
             "--responses", str(files["responses"]), "--output", str(output)]
        )  # fmt: skip
        rows = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else None
        return code, rows, capsys.readouterr()

    return run


def test_only_compliant_answers_are_kept_and_rates_are_by_instruction(run, tmp_path):
    small = "Small letters without commas."
    code, rows, said = run(
        [
            {"key": 7, "response": "Quite right."},
            {"key": 7, "response": "Quite right."},
            {"prompt": "No commas, please.", "response": "Yes, sir."},
            {
                "prompt": small,
                "response": "<think>Well, well</think>\nthe quick brown fox jumps over the dog.",
            },
            {"prompt": small, "response": "The quick brown fox jumps over the dog."},
            {"prompt": small, "response": "<think>never ends"},
            {"prompt": small, "response": None},
            {"prompt": "unknown", "response": "a"},
        ]
    )
    assert code == 0
    assert [(row["key"], row["response"]) for row in rows] == [
        (7, "Quite right."), (1, "the quick brown fox jumps over the dog."),
    ]  # fmt: skip
    assert all(row["prompt_level_strict_acc"] and all(row["inst_level_strict_acc"]) for row in rows)
    table = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()}
    # The two without an answer count as judged and follow nothing.
    assert table["punctuation:no_comma"] == ["4", "7", "57.1%"]
    assert table["change_case:english_lowercase"] == ["1", "4", "25.0%"]
    assert "kept 2 of 7 responses; 1 duplicates; 2 without an answer; 1 to unknown prompts" in said.out
    # What is written trains.
    examples = BenchmarkSource("ifeval", str(tmp_path / "data")).all_train
    assert [example.completion for example in examples] == [row["response"] for row in rows]


def test_the_sample_survives_a_round_trip(run):
    lines = sample_file("ifeval", "train.jsonl").read_text("utf-8").splitlines()
    sample = [json.loads(line) for line in lines]
    responses = [{"key": row["key"], "response": row["response"]} for row in sample]
    code, rows, _ = run(responses, prompts=[{k: row[k] for k in row if k != "response"} for row in sample])
    assert (code, len(rows)) == (0, len(sample))
    for row, before in zip(rows, sample, strict=True):
        assert parse_ifeval(row, "0", "here") == parse_ifeval(before, "0", "here")
        assert set(row) == set(before)


@pytest.mark.parametrize(
    ("responses", "prompts", "named"),
    [
        ([{"response": "a"}], PROMPTS, "responses.jsonl line 1: needs a field 'prompt' or 'key'"),
        (["{"], PROMPTS, "responses.jsonl line 1 is not JSON"),
        (["[]"], PROMPTS, "must be a JSON object"),
        ([{"key": 7, "response": 3}], PROMPTS, "field 'response' must be text or null, not 3"),
        ([{"key": 7, "response": "a, b"}], PROMPTS, "no response keeps all its constraints"),
        ([{"key": 7, "response": ""}], PROMPTS, "no response keeps all its constraints"),
        ([], [], "holds no prompt"),
        ([], [PROMPTS[0], PROMPTS[0]], "prompts.jsonl line 2: the prompt"),
        ([], [PROMPTS[0] | {"instruction_id_list": ["no:such"]}], "no:such"),
        ([], [PROMPTS[0] | {"kwargs": []}], "field 'kwargs' has 0 entries"),
    ],
)
def test_bad_input_is_one_clear_error_and_writes_nothing(run, responses, prompts, named):
    code, rows, said = run(responses, prompts)
    assert (code, rows) == (2, None)
    assert named in said.err


def test_missing_file(tmp_path, capsys):
    words = ["--prompts", str(tmp_path / "no"), "--responses", str(tmp_path / "no"), "--output", "x"]
    assert main(["data", "make-ifeval", *words]) == 2
    assert str(tmp_path / "no") in capsys.readouterr().err
