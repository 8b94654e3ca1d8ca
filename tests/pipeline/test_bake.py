"""`icl-distill bake` on a tiny model: what it writes, what it refuses, how it goes on."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from lm_eval.__main__ import cli_evaluate

from distill.cli import main
from distill.commands.bake import training_keys
from distill.pipeline.bake import bake, defaults
from distill.pipeline.bake.folder import training_files
from distill.pipeline.bake.plan import make_plan
from distill.pipeline.bake.request import BakeRequest
from distill.pipeline.config import load_run_config
from tests.patience import PATIENCE

SCORE_KEYS = {"correct", "n", "score", "interval"}
KEYS = {
    "model", "task", "base", "prompted", "sft", "baked", "baked_prompted", "gap_closed", "divergence",
    "prompt_tokens", "seconds", "adapter", "metric", "members", "lm_eval_command",
}  # fmt: skip
SHORT = ["--max_steps", "2", "--save_steps", "1", "--batch_size", "16", "--max_new_tokens", "4"]
WORDS = ["color", "thing", "item", "toy", "house", "tree"]


def write(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_rows(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def asked(begin, n, **more):
    return [{"prompt": f"{begin} {WORDS[i % 6]} {WORDS[i // 6]}?", **more} for i in range(n)]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Rows to evaluate (by a column), to learn from, to show."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        row | {"kind": ("seen", "unseen")[i % 2]} for i, row in enumerate(asked("say", 12, completion="red"))
    ]
    write(folder / "eval.jsonl", rows)
    write(folder / "test.jsonl", asked("say", 12, completion="red"))
    write(folder / "inputs.jsonl", asked("name", 16))
    write(folder / "labelled.jsonl", asked("name", 16, completion="red"))
    write(folder / "demos.jsonl", asked("give", 2, completion="red"))
    return folder


def words_of(files, model_, output, **changes):
    """A command line; a change to None takes an option away."""
    options = {
        "model": model_, "eval": files / "eval.jsonl", "inputs": files / "inputs.jsonl",
        "demonstrations": files / "demos.jsonl", "output": output, "retention": "none",
    } | changes  # fmt: skip
    words = ["bake"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return [*words, *SHORT]


@pytest.fixture(scope="module")
def baked(files, teachable, stages, tmp_path_factory):
    """A folder baked from demonstrations and unlabelled inputs, its command line, and its `bake.json`."""
    output = tmp_path_factory.mktemp("baked") / "out"
    words = words_of(files, teachable, output, by="kind", learning_rate="5e-3", retention="csqa_icl_mc")
    assert main(words) == 0
    return output, words, json.loads((output / "bake.json").read_text())


def command_words(outcome, old: Path, new: Path):
    """The stored command after its folder has moved, with a place of its own for the results."""
    return shlex.split(outcome["lm_eval_command"].replace(str(old), str(new)))


def lm_eval_score(words, metric, cwd: Path):
    """What lm-eval's own command finds, run from another directory."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return written_score(words, metric)


def written_score(words, metric):
    folder = Path(words[words.index("--output_path") + 1])
    (results,) = json.loads(next(folder.rglob("results_*.json")).read_text())["results"].values()
    return results[f"{metric},none"]


def test_a_bake_says_what_it_has_shown(baked):
    _, _, outcome = baked
    assert outcome.keys() >= KEYS
    for name in ("base", "prompted", "sft", "baked", "baked_prompted"):
        assert outcome[name].keys() >= SCORE_KEYS and outcome[name]["n"] == 12
    assert (outcome["base"]["score"], outcome["prompted"]["score"]) == (0.0, 1.0)
    assert outcome["baked"]["correct"] > 0 and outcome["metric"] == "exact_match"
    assert outcome["gap_closed"]["value"] == pytest.approx(outcome["baked"]["score"])
    assert outcome["divergence"]["after"] < outcome["divergence"]["before"]
    assert outcome["divergence"].keys() == {"before", "after", "change_interval"}
    assert outcome["prompt_tokens"]["baked"] < outcome["prompt_tokens"]["prompted"]
    assert outcome["members"] is None
    stages = {"gap-eval", "answers-eval", "train-eval", "eval-eval", "retention-eval", "report", "all"}
    assert outcome["seconds"].keys() == stages
    assert (Path(outcome["adapter"]) / "adapter_config.json").is_file()
    assert Path(outcome["report"]).is_file()
    assert f"eval={outcome['adapter']}" in outcome["serve_command"]


def test_a_gain_stands_beside_its_price(baked):
    output, _, outcome = baked
    found = outcome["retention"]
    assert found.keys() == {"baked", "sft"}
    (task,) = found["baked"]["tasks"]
    assert (task["task"], task["rows"]) == ("csqa_icl_mc", 24)
    assert found["baked"]["verdict"] != "forgot nothing"  # 24 rows cannot show it
    tries = [
        one["condition"]
        for one in json.loads((output / "eval" / "retention" / "drift.json").read_text())["students"]
    ]
    assert tries == [outcome["sft"]["condition"], "baked"]
    assert outcome["drift"]["baked"]["prompts"] == 64 and outcome["drift"]["baked"]["kl"] > 0
    economy = outcome["economy"]
    assert economy["prompt_tokens_before"] == outcome["prompt_tokens"]["prompted"]
    assert (
        economy["training_seconds"] > 0 and economy["answers_seconds"] == outcome["seconds"]["answers-eval"]
    )
    report, card = (
        (output / "report" / "report.md").read_text(),
        Path(outcome["adapter"], "README.md").read_text(),
    )
    page = Path(outcome["report"]).read_text()
    for text in (report, card, page):
        assert "Retention, drift and economy" in text and "nats per token" in text
    assert '"tokens_shaded":' in page and "Where the prompt helps" in report
    assert "CSQA by log-likelihood" in report


def test_scores_are_told_apart_by_a_column(baked):
    values = baked[2]["by"]["values"]
    assert values.keys() == {"seen", "unseen"}
    assert sum(part["baked"]["correct"] for part in values.values()) == baked[2]["baked"]["correct"]
    assert all(part["prompted"] == {"correct": 6, "n": 6, "score": 1.0} for part in values.values())


def test_the_teacher_answered_and_plain_fine_tuning_learnt_the_demonstrations(baked):
    output = baked[0]
    answers = read_rows(output / "eval" / "answers.jsonl")
    assert len(answers) == 16 and {row["completion"] for row in answers} == {"red"}
    config = load_run_config(output / "run.yaml")
    tries = [one for name, one in config.conditions.items() if name.startswith("sft")]
    assert len(tries) == 3 and all(one.training["learn_from"] == "demonstrations" for one in tries)
    settings = yaml.safe_load((output / "eval" / "trained" / "sft_0.001" / "run_config.yaml").read_text())
    assert "answers.jsonl" not in json.dumps(settings)


def test_the_same_command_finds_everything_done(baked, stages, capsys):
    output, words, outcome = baked
    begun = len(stages.started)
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert len(stages.started) == begun
    assert printed.count(": up to date") == 7  # the gap is looked at twice
    assert json.loads((output / "bake.json").read_text()) == outcome
    last = printed.strip().splitlines()[-5:]
    assert last[0].startswith("Scores (exact_match): bare 0 of 12") and last[1].startswith("Gap closed: ")
    assert last[2].startswith("Prompt tokens per request:") and "; drift " in last[2]
    assert last[3].startswith("Adapter: ")
    assert last[4].startswith("Serve: vllm serve")


def test_a_folder_of_another_job_is_left_alone(baked, files, teachable, stages, tmp_path, capsys):
    def written():
        return {p: p.stat().st_mtime_ns for p in baked[0].rglob("*") if p.is_file() and p.name != "lock"}

    before = written()
    rows = write(tmp_path / "others.jsonl", asked("say", 4, completion="green"))
    assert main(words_of(files, teachable, baked[0], eval=rows)) == 2
    assert "holds another job, 'eval', and this one is 'others'" in capsys.readouterr().err
    assert written() == before


def test_an_outcome_never_stands_beside_other_options(baked, files, teachable, stages, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(baked[0], output)
    words = [*words_of(files, teachable, output, by="kind", learning_rate="5e-3"), "--seed", "7"]
    stages.interrupt = "report"
    try:
        assert main(words) == 130
    finally:
        stages.interrupt = None
    assert not (output / "bake.json").exists()


def test_its_run_file_goes_on_from_any_directory(baked, stages, monkeypatch):
    output = baked[0]
    begun = len(stages.started)
    monkeypatch.chdir(output.parent)
    assert main(["run", "out/run.yaml"]) == 0
    assert len(stages.started) == begun


def test_lm_eval_measures_the_baked_score_after_a_move(baked, tmp_path):
    output, _, outcome = baked
    moved, elsewhere = tmp_path / "moved", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(output, moved)
    words = command_words(outcome, output, moved)
    assert str(output) not in " ".join(words) and "enable_thinking=False" in " ".join(words)
    assert lm_eval_score(words, "exact_match", elsewhere) == outcome["baked"]["score"]


def test_a_system_instruction_and_labelled_inputs(files, teachable, stages, tmp_path):
    output = tmp_path / "out"
    outcome = bake(
        model=teachable, output=output, evaluation=files / "eval.jsonl", inputs=files / "labelled.jsonl",
        system_instruction="Always red.", max_new_tokens=4, batch_size=16, metric="contains",
        retention=["none"], training={"max_steps": 2, "save_steps": 1, "learning_rate": 5e-3},
    )  # fmt: skip
    assert (outcome["base"]["score"], outcome["prompted"]["score"]) == (0.0, 1.0)
    assert outcome["sft"] is not None and outcome["baked"]["correct"] > 0 and outcome["metric"] == "contains"
    # The labels at hand are learnt from, so that nobody had to answer.
    assert not (output / "eval" / "answers.jsonl").exists()
    assert (output / "context" / "system.txt").read_text() == "Always red."


TASK = """
task: colors
dataset_path: json
dataset_kwargs: {data_files: {train: TRAIN, test: TEST}}
training_split: train
test_split: test
fewshot_split: train
num_fewshot: 2
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: "{{completion}}"
generation_kwargs: {until: ["\n"], max_gen_toks: 4}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture(scope="session")
def yaml_task(files):
    train, test = files / "labelled.jsonl", files / "test.jsonl"
    (files / "colors.yaml").write_text(TASK.replace("TRAIN", str(train)).replace("TEST", str(test)))
    return files / "colors.yaml"


@pytest.fixture(scope="module")
def baked_yaml(yaml_task, files, teachable, stages, tmp_path_factory):
    """A bake of lm-eval's own task, named from its folder, learning from no more than nine rows."""
    output = tmp_path_factory.mktemp("yaml") / "out"
    words = words_of(
        files, teachable, output, eval=None, inputs=None, demonstrations=None, task="colors.yaml", limit=9,
        baseline="none", learning_rate="5e-3",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files)
        assert main(words) == 0
    return output, words, json.loads((output / "bake.json").read_text())


def test_a_task_of_lm_eval_with_its_own_shots(baked_yaml, yaml_task):
    output, _, outcome = baked_yaml
    assert (outcome["base"]["score"], outcome["prompted"]["score"]) == (0.0, 1.0)
    assert outcome["sft"] is None and outcome["baked"]["correct"] > 0
    run = load_run_config(output / "run.yaml").benchmarks["colors"]
    assert (run.task, run.num_fewshot) == (str(yaml_task), (0, 2))
    training = yaml.safe_load((output / "training.yaml").read_text())
    assert training["max_train_rows"] + training["eval_rows"] == 9


@pytest.mark.slow
def test_lm_eval_measures_the_baked_score_of_its_own_task(baked_yaml, tmp_path, monkeypatch):
    """The task shows demonstrations by itself, which the baked model shall not read."""
    _, _, outcome = baked_yaml
    words = shlex.split(outcome["lm_eval_command"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words)
    cli_evaluate()
    assert written_score(words, "exact_match") == outcome["baked"]["score"]


@pytest.mark.slow
def test_documents_and_rows_of_which_some_are_labelled(files, teachable, stages, tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "manual.txt").write_text("Always red." if place == "one" else "tell house give?")
    mixed = [*asked("name", 6, completion="gold"), *asked("tell", 6)]
    inputs = write(tmp_path / "mixed.jsonl", mixed)
    output = tmp_path / "out"
    words = words_of(
        files, teachable, output, demonstrations=None, inputs=inputs, learning_rate="5e-3", merge=[],
        document=[tmp_path / "one" / "manual.txt", tmp_path / "two" / "manual.txt"],
    )  # fmt: skip
    assert main(words) == 0
    outcome = json.loads((output / "bake.json").read_text())
    assert outcome["prompted"]["score"] == 1.0
    texts = sorted(path.read_text() for path in (output / "context").rglob("manual.txt"))
    assert texts == ["Always red.\n", "tell house give?\n"]
    answers = {row["id"]: row["completion"] for row in read_rows(output / "eval" / "answers.jsonl")}
    assert [answers[str(n)] for n in range(12)] == ["gold"] * 6 + ["red"] * 6
    assert (Path(outcome["merged"]) / "config.json").is_file()


def test_a_prompt_that_does_not_help_ends_before_training(files, teachable, stages, tmp_path, capsys):
    rows = write(tmp_path / "green.jsonl", asked("say", 4, completion="green"))
    begun = len(stages.started)
    assert main(words_of(files, teachable, tmp_path / "out", eval=rows)) == 3
    message = capsys.readouterr().err
    assert "no better than the bare one: bare 0.0%, with the prompt 0.0% of 4 (paired p = 1)" in message
    assert "--force" in message
    assert stages.started[begun:] == ["gap"] and not (tmp_path / "out" / "bake.json").exists()


def test_the_student_writes_to_inputs_without_labels(files, teachable, stages, tmp_path):
    output = tmp_path / "out"
    words = words_of(files, teachable, output, method="on_policy", baseline="none", learning_rate="5e-3")
    assert main(words) == 0
    outcome = json.loads((output / "bake.json").read_text())
    assert (
        outcome["baked"]["correct"] > 0 and outcome["divergence"]["after"] < outcome["divergence"]["before"]
    )
    assert yaml.safe_load((output / "distill.yaml").read_text())["lmbda"] == 1.0


def test_a_prompt_of_the_rows_to_learn_from_alone(files, teachable, stages, tmp_path, capsys):
    """Then nothing is measured with a prompt, which is said and no error."""
    rows = asked("name", 16)
    for row in rows:
        asked_for = {"role": "user", "content": row["prompt"]}
        row["teacher_prompt"] = [{"role": "system", "content": "Always red."}, asked_for]
    output, inputs = tmp_path / "out", write(tmp_path / "inputs.jsonl", rows)
    words = words_of(
        files, teachable, output, inputs=inputs, demonstrations=None, baseline="none", learning_rate="5e-3"
    )
    assert main(words) == 0
    outcome, printed = json.loads((output / "bake.json").read_text()), capsys.readouterr().out
    assert outcome["prompted"] is outcome["baked_prompted"] is outcome["gap_closed"] is None
    assert outcome["baked"]["correct"] > 0
    assert "WARNING: no evaluated row has a teacher_prompt" in printed
    assert "Gap closed: not said; no evaluated row has a prompt" in printed


def test_dry_run_writes_nothing(files, teachable, tmp_path, capsys):
    words = words_of(files, teachable, tmp_path / "out", dry_run=[])
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "learns from 16 rows, 0 of them with an answer; the prompted model writes the answers" in printed
    assert "2 demonstrations" in printed and "evaluates 12 rows" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("given", "dtype"), [({}, "bfloat16"), ({"use_peft": False}, "float32")])
def test_weights_that_are_trained_are_float32(given, dtype):
    settings = defaults.training(64, hidden_size=576, cuda=True, dtype="bfloat16", given=given)
    assert settings["dtype"] == dtype and settings["bf16"]


def test_only_what_training_reads_is_answered(files, teachable, tmp_path, capsys):
    words = words_of(files, teachable, tmp_path / "out", dry_run=[])
    assert main([*words, "--max_steps", "1"]) == 0
    printed = capsys.readouterr().out
    assert (
        "10 of 16 inputs are used: --max_steps 1 reads no more" in printed
        and "learns from 10 rows" in printed
    )


BAD_TASK = TASK.replace("{{prompt}}", "{{ prompt | nosuchfilter }}")
BAD = {
    "missing file": ({"eval": "nowhere.jsonl"}, None, ["nowhere.jsonl"]),
    "empty file": ({"inputs": "rows.jsonl"}, [], ["rows.jsonl", "no row"]),
    "no prompt": ({"inputs": "rows.jsonl"}, [{"question": "x"}], ["rows.jsonl line 1", "'prompt'"]),
    "no JSON": ({"inputs": "rows.jsonl"}, "{", ["rows.jsonl line 1"]),
    "demonstration without completion": (
        {"demonstrations": "rows.jsonl"}, [{"prompt": "x"}], ["rows.jsonl line 1", "without a completion"]
    ),
    "evaluated demonstration": (
        {"demonstrations": "rows.jsonl"}, asked("say", 1, completion="red"),
        ["rows.jsonl line 1", "demonstration", "eval.jsonl line 1"],
    ),
    "evaluated input": ({"inputs": "rows.jsonl"}, asked("say", 1), ["rows.jsonl line 1", "eval.jsonl"]),
    "no training split": (
        {"task": "t.yaml", "eval": None, "inputs": None, "demonstrations": None},
        TASK.replace("training_split: train\n", "").replace("fewshot_split: train", "fewshot_split: test"),
        ["colors", "no training split", "--inputs"],
    ),
    "failing template": (
        {"task": "t.yaml", "eval": None, "inputs": None, "demonstrations": None}, BAD_TASK,
        ["t.yaml", "nosuchfilter"],
    ),
    "template that fails on a row": (
        {"task": "t.yaml", "eval": None, "inputs": None, "demonstrations": None},
        TASK.replace("{{prompt}}", "{{ prompt.a.b }}"),
        ["t.yaml", "has no attribute 'a'"],
    ),
    "long prompt": ({"document": "long.txt"}, "house " * 9000, ["tokens", "8192", "27 more rows"]),
    "unknown metric": ({"metric": "exact_mach"}, None, ["exact_mach", "exact_match"]),
    "metric of no module": ({"metric": "nowhere_at_all:judge"}, None, ["nowhere_at_all"]),
    "metric that raises": ({"metric": "operator:truediv"}, None, ["eval.jsonl", "row '0'", "truediv"]),
    "no labels": ({"eval": "rows.jsonl"}, asked("tell", 2), ["rows.jsonl line 1", "exact_match"]),
    "correct without labels": ({"keep": "correct"}, None, ["--keep correct", "gold answer"]),
    "no context": ({"demonstrations": None}, None, ["nothing to bake", "--demonstrations"]),
    "no such column": ({"privileged": "hint"}, None, ["hint"]),
    "by nothing": ({"by": "color"}, None, ["--by color"]),
    "unknown option": ({"lerning_rate": "1"}, None, ["--lerning_rate"]),
    "no number": ({"lora_r": "many"}, None, ["lora_r", "many"]),
    "no YAML": ({"run_name": "["}, None, ["--run_name"]),
    "the bake's own": ({"output_dir": "x"}, None, ["--output_dir"]),
    "two tasks": ({"task": "gsm8k"}, None, ["--task", "--eval"]),
    "no rows to learn from": ({"inputs": None}, None, ["--inputs"]),
    "too many shots": ({"num_fewshot": "3"}, None, ["3"]),
    "unknown model": ({"model": "nowhere"}, None, ["nowhere"]),
    "zero": ({"limit": "0"}, None, ["--limit"]),
    "negative seed": ({"seed": "-1"}, None, ["--seed", "-1"]),
    "zero epochs": ({"num_train_epochs": "0"}, None, ["--num_train_epochs", "above 0"]),
    "negative rate": ({"learning_rate": "-1"}, None, ["--learning_rate", "-1"]),
    "rank 0": ({"lora_r": "0"}, None, ["--lora_r"]),
    "no such module": (
        {"lora_target_modules": "[q_proj, nope]"}, None, ["--lora_target_modules", "'nope'", "v_proj"],
    ),
    "a single name": ({"lora_target_modules": "q_proj"}, None, ["--lora_target_modules q_proj", "a pattern"]),
    "no micro-batch": ({"gradient_accumulation_steps": "0"}, None, ["--gradient_accumulation_steps"]),
    "all held out": ({"eval_rows": "16"}, None, ["--eval_rows", "16 rows"]),
    "early stop below 0": ({"early_stop": "-1"}, None, ["early_stop", "-1"]),
    "quantised without a GPU": ({"load_in_4bit": "true"}, None, ["--load_in_4bit", "GPU"]),
    "dtype": ({"dtype": "float8"}, None, ["dtype", "float8"]),
    "rows that end in .json": ({"eval": "rows.json"}, asked("say", 1), ["rows.json", ".jsonl"]),
    "all shown": (
        {"task": "t.yaml", "eval": None, "inputs": None, "demonstrations": None, "num_fewshot": "16"}, TASK,
        ["all 16 are among the demonstrations", "--num_fewshot"],
    ),
    "no YAML at all": (
        {"task": "t.yaml", "eval": None, "inputs": None, "demonstrations": None}, "a: [\n", ["t.yaml", "Mend"]
    ),
    "no demonstrations": (
        {"demonstrations": "zero", "task": "gsm8k", "data": "sample", "eval": None, "inputs": None}, None,
        ["--demonstrations zero"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_nothing_written(
    case, files, teachable, stages, tmp_path, monkeypatch, capsys
):
    changes, content, expected = BAD[case]
    monkeypatch.chdir(tmp_path)
    if content is not None:
        name = next(value for value in changes.values() if value and value.partition(".")[2])
        text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
        text = text.replace("TRAIN", str(files / "labelled.jsonl")).replace("TEST", str(files / "test.jsonl"))
        Path(name).write_text(text)
    begun = len(stages.started)
    assert main(words_of(files, teachable, tmp_path / "out", **changes)) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("icl-distill bake: ") and "Traceback" not in message
    assert all(word in message for word in expected), message
    assert not (tmp_path / "out").exists() and len(stages.started) == begun


NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
UNFIT_MODELS = {
    "refuses": (NO_SYSTEM, {}, ["chat template refuses", "no system role", "--system_instruction"]),
    "cannot be read": ("{{ messages[0", {}, ["chat template"]),
    "never ends": (None, {"eos_token": None}, ["eos_token", "tokenizer_config.json"]),
}


@pytest.mark.parametrize("case", UNFIT_MODELS)
def test_an_unfit_template_or_tokenizer_is_named(case, files, teachable, stages, tmp_path, capsys):
    template, changes, expected = UNFIT_MODELS[case]
    model, config = tmp_path / "model", tmp_path / "model" / "tokenizer_config.json"
    shutil.copytree(teachable, model)
    if template is not None:
        (model / "chat_template.jinja").write_text(template)
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    words = words_of(files, model, tmp_path / "out", demonstrations=None, system_instruction="Always red.")
    assert main(words) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert all(word in message for word in expected), message
    assert not (tmp_path / "out").exists()


def test_an_option_given_again_has_its_last_value():
    words = [
        "--save_steps",
        "5",
        "--max_steps",
        "2",
        "--save_steps",
        "1",
        "--lora-target-modules",
        "q_proj",
        "v_proj",
    ]
    found = training_keys(words)
    assert found == {"save_steps": 1, "max_steps": 2, "lora_target_modules": ["q_proj", "v_proj"]}


def test_a_given_early_stop_is_the_bakes(files, teachable):
    request = BakeRequest(
        model=str(teachable), output=Path("out"), evaluation=str(files / "eval.jsonl"),
        inputs=str(files / "labelled.jsonl"), system_instruction="Always red.", training={"early_stop": 7},
    )  # fmt: skip
    common, baked = training_files(make_plan(request))
    assert baked["early_stop"] == 7 and "early_stop" not in common


@pytest.mark.slow
def test_a_bake_killed_during_training_goes_on(files, teachable, stages, tmp_path, capsys):
    output = tmp_path / "out"
    words = [*words_of(files, teachable, output), "--learning_rate", "5e-3"]
    stages.interrupt = "train"
    try:
        assert main(words) == 130
    finally:
        stages.interrupt = None
    assert "interrupted" in capsys.readouterr().err
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([sys.executable, "-m", "distill.cli", *words], env=environment)
    done = output / "eval" / "trained" / "sft_0.0005" / "finished.json"
    deadline = time.monotonic() + PATIENCE
    while not done.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 130 and done.exists()
    first = done.stat().st_mtime_ns
    assert not (output / "bake.json").exists()
    begun = len(stages.started)
    assert main(words) == 0
    assert stages.started[begun:] == ["train", "eval", "report"]
    assert done.stat().st_mtime_ns == first  # what had finished was not trained again
    assert json.loads((output / "bake.json").read_text())["baked"]["n"] == 12
