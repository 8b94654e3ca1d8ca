"""GRPO on any source: the launcher's own `main`, two steps on a tiny random model.

Rewards are the scores of an evaluation.
"""

import json
import sys
from pathlib import Path

import pytest
import yaml
from datasets import Dataset
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import postprocess_generated_text
from transformers import AutoTokenizer

from distill.encoding.encode import encode_prompt
from distill.training.rewarded import build_task_reward, load_rewarded
from distill.training.task_arguments import TaskArguments
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.measured import harness_task

grpo = pytest.importorskip("trl_recipes.grpo")

SETTINGS = {
    "dtype": "float32", "max_steps": 2, "save_strategy": "no", "per_device_train_batch_size": 4,
    "num_generations": 2, "max_completion_length": 8, "logging_steps": 1, "gradient_checkpointing": False,
    "bf16": False, "use_cpu": True, "report_to": "none", "seed": 3, "use_peft": True, "lora_r": 2,
    "lora_target_modules": ["q_proj", "v_proj"], "log_completions": True,
}  # fmt: skip
COLOURS = ["red", "green", "blue", "grey", "pink", "white"]
UTILS = """
def share(doc, results):
    text = results[0]
    return {"letters": sum(map(str.isalpha, text)) / max(len(text), 1)}
"""
EXACT = {
    "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 8},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
OWN = {
    "generation_kwargs": {"until": ["###"], "max_gen_toks": 8},
    "process_results": "UTILS", "metric_list": [
        {"metric": "letters", "aggregation": "mean", "higher_is_better": True}],
}  # fmt: skip
ORDERS = [
    {"prompt": f"{n} {thing}.", "completion": json.dumps({"n": n, "thing": thing})}
    for n in (1, 2, 3, 4, 5)
    for thing in ("pears", "figs")
]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def write_task(tmp_path):
    """`write_task(config)`: a task of lm-eval over six rows to learn from and eight that are evaluated."""

    def write(config):
        table = [{"q": f"thing {i}", "a": COLOURS[(i + 4) % 6]} for i in range(14)]
        files = {name: lines(tmp_path / f"{name}.jsonl", part)
                 for name, part in (("train", table[:6]), ("test", table[6:]))}  # fmt: skip
        (tmp_path / "utils.py").write_text(UTILS)
        base = {
            "task": "shades", "dataset_path": "json", "training_split": "train", "test_split": "test",
            "dataset_kwargs": {"data_files": files, "cache_dir": str(tmp_path / "cache")},
            "output_type": "generate_until", "doc_to_text": "Colour of {{q}}?", "doc_to_target": "{{a}}",
        }  # fmt: skip
        path = tmp_path / "shades.yaml"
        text = yaml.safe_dump(base | config, sort_keys=False).replace("UTILS", "!function utils.share")
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def train(tmp_path, model_dir, monkeypatch):
    """`train(task, ...)`: what `grpo.py --task ...` does; the run's folder."""
    config = tmp_path / "grpo.yaml"
    config.write_text(yaml.safe_dump(SETTINGS | {"model_name_or_path": str(model_dir)}))

    def run(*words):
        folder = tmp_path / "run"
        argv = ["grpo.py", "--config", str(config), "--output_dir", str(folder), *map(str, words)]
        monkeypatch.setattr(sys, "argv", argv)
        grpo.main()
        return folder

    return run


def answered(folder):
    """Every completion of a run and its reward."""
    tables = [Dataset.from_parquet(str(path)) for path in sorted(folder.glob("completions/*.parquet"))]
    return [row for table in tables for row in table]


class Writes(HFLM):
    """Answers with given texts, up to where lm-eval's models end them."""

    texts: tuple[str, ...] = ()

    def generate_until(self, requests, disable_tqdm=False):
        stops = [request.args[1].get("until") or [] for request in requests]
        pairs = zip(self.texts, stops, strict=True)
        return [postprocess_generated_text(text, stop, None) for text, stop in pairs]


@pytest.fixture(scope="module")
def tokenizer(model_dir):
    return AutoTokenizer.from_pretrained(model_dir)


@pytest.fixture(scope="module")
def lm(model_dir, tokenizer):
    return Writes(pretrained=str(model_dir), tokenizer=tokenizer, device="cpu", batch_size=4)


@pytest.fixture
def scores(lm):
    """`scores(spec, texts)`: an evaluation's primary score of each text, the first one answering row 0."""

    def evaluate(spec, texts):
        source = spec.open()
        asked = harness_task(source.members[0], spec, spec.context(source), prompted=False)
        lm.texts = tuple(texts)
        results = simple_evaluate(lm, tasks=[asked.task], task_manager=asked.manager, limit=len(texts),
                                  apply_chat_template=True, bootstrap_iters=0)  # fmt: skip
        samples = sorted(results["samples"][asked.name], key=lambda sample: sample["doc_id"])
        return [float(sample[asked.scored[0].metric]) for sample in samples]

    return evaluate


def rewards(args, tokenizer, texts, **options):
    rows = load_rewarded(args, tokenizer, num_eval=-1, **options)
    reward = build_task_reward(rows.source, [*rows.train, *rows.evaluation])
    return reward(texts, row=[len(rows.train) + place for place in range(len(texts))])


class TestRewardsAreTheEvaluationsScores:
    def agree(self, args, tokenizer, scores, texts, data=None):
        found = rewards(args, tokenizer, texts, data=data)
        assert found == scores(args.spec(data), texts)
        assert len(set(found)) > 1
        return found

    def test_of_a_benchmark(self, tokenizer, scores):
        texts = [
            "* a\n* b\n* c\n* d", "Socks, socks.\n***\nNo more.", "A\n***\nB", "Section 1 Section 2",
            "ALL CAPS", "P.S. none", "", "opens", "<think>?</think>tools", "<think><<title>>", "*a* *b* *c*",
        ]  # fmt: skip
        found = self.agree(TaskArguments(task="ifeval"), tokenizer, scores, texts, data="sample")
        assert found[0] == found[4] == found[10] == 1.0 and found[9] == 0.0

    @pytest.mark.parametrize("config", [EXACT, OWN])
    def test_of_a_task_of_lm_eval(self, write_task, tokenizer, scores, config):
        texts = ["pink", "white\nor blue", "red. Or not", "blue", "", " grey", "1 ### pink", "white 12"]
        found = self.agree(TaskArguments(task=write_task(config)), tokenizer, scores, texts)
        if config is EXACT:
            assert found[:2] == [1.0, 1.0]  # an evaluation ends the second at the stop string

    def test_of_rows_of_ones_own(self, tmp_path, tokenizer, scores):
        inputs, path = (
            lines(tmp_path / f"{n}.jsonl", part) for n, part in (("i", ORDERS[:4]), ("e", ORDERS[4:]))
        )
        args = TaskArguments(task=inputs, evaluation=path, metric="json_match")
        gold = [row["completion"] for row in ORDERS[4:]]
        texts = [gold[0], f"```json\n{gold[1]}\n```", "{}", "", gold[4][:-1], f"<think>?</think>{gold[5]}"]
        assert self.agree(args, tokenizer, scores, texts)[0] == 1.0


class TestTwoSteps:
    def test_on_ifeval(self, train):
        folder = train("--task", "ifeval", "--data", "sample", "--num_train_examples", 8)
        record = json.loads((folder / "task_data.json").read_text())
        assert (record["task"], record["train"], record["context"]) == ("ifeval", 8, None)
        assert len(answered(folder)) == 8 and (folder / "adapter_config.json").is_file()
        assert yaml.safe_load((folder / "run_config.yaml").read_text())["task"] == "ifeval"

    def test_on_a_task_of_lm_eval(self, train, write_task, tokenizer):
        path = write_task(OWN)
        rows = answered(train("--task", path))
        # The table of an evaluation takes the place of that of the step before it.
        rows += answered(train("--task", path, "--eval_strategy", "steps", "--eval_steps", 1))
        found = load_rewarded(TaskArguments(task=path), tokenizer, data=None, num_eval=-1)
        asked = [*found.train, *found.evaluation]
        reward = build_task_reward(found.source, asked)
        places = [next(i for i, one in enumerate(asked) if one.text == row["prompt"]) for row in rows]
        assert {place >= len(found.train) for place in places} == {False, True}  # both splits are asked
        texts = [row["completion"] for row in rows]
        judged = [text.split("###")[0] for text in texts]
        expected = [sum(map(str.isalpha, text)) / max(len(text), 1) for text in judged]
        assert [row["task_reward"] for row in rows] == pytest.approx(expected)
        assert reward(texts, row=places) == pytest.approx(expected)
        assert len(set(expected)) > 2

    def test_on_rows_of_ones_own_behind_a_prompt(self, train, tmp_path):
        path = lines(tmp_path / "orders.jsonl", ORDERS)
        folder = train("--task", path, "--metric", "json_match", "--system_instruction", "Answer in JSON.")
        record = json.loads((folder / "task_data.json").read_text())
        assert (record["train"], record["metric"]) == (8, "json_match")
        assert all("system\nAnswer in JSON." in row["prompt"] for row in answered(folder))


class TestPrompts:
    """The policy reads what an evaluation asks, token for token."""

    def test_bare_and_prompted(self, tokenizer, tmp_path):
        path = lines(tmp_path / "orders.jsonl", ORDERS)
        for options in ({}, {"system_instruction": "Be brief.", "num_fewshot": 2, "demonstrations": "fixed"}):
            args = TaskArguments(task=path, **options)
            rows = load_rewarded(args, tokenizer, data=None)
            spec = args.spec(None)
            source = spec.open()
            context = spec.context(source)
            picker = source.picker(context.num_fewshot, context.demonstrations, 42)
            for row in rows.train:
                shown = picker.pick(row.episode) if options else ()
                prompt = source.show(row.episode, shown, system=options.get("system_instruction"))
                assert tokenizer(row.text)["input_ids"] == encode_prompt(tokenizer, prompt)
            assert (rows.record["context"] is None) == (not options)
        assert rows.record["left_out"]["demonstrations"] == 2

    def test_the_evaluated_rows_are_never_trained_on(self, tokenizer, tmp_path):
        rows = load_rewarded(
            TaskArguments(task=lines(tmp_path / "o.jsonl", ORDERS)), tokenizer, data=None, num_eval=-1
        )
        train, evaluated = ({row.episode.question for row in part} for part in (rows.train, rows.evaluation))
        assert len(train) == 8 and len(evaluated) == 2 and not train & evaluated

    def test_a_begun_answer_and_plain_text(self, write_task, model_dir):
        config = EXACT | {"gen_prefix": "It is"}
        plain, chat = (AutoTokenizer.from_pretrained(model_dir) for _ in range(2))
        plain.chat_template = None
        path = write_task(config)
        assert load_rewarded(TaskArguments(task=path), chat, data=None).train[0].text.endswith("It is")
        assert (
            load_rewarded(TaskArguments(task=path), plain, data=None).train[0].text
            == "Colour of thing 0? It is"
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (("--metric", "json_match"), "--metric is for --task"),
            (("--task", "gsm8k", "--reward_mode", "fraction"), "--reward_mode is for RLVR-IFeval"),
            (("--task", "gsm8k", "--data", "sample", "--metric", "contains"), "for rows of one's own"),
            (("--task", "no_such_task_at_all"), "knows no task"),
            (("--task", "ORDERS", "--privileged", "completion"), "the answer that it is rewarded for"),
            (("--task", "ORDERS", "--num_train_examples", "0"), "num_train_examples"),
            (("--task", "ORDERS", "--num_train_examples", "1"), "a step answers 2 questions"),
            (("--task", "ORDERS", "--max_completion_length", "9000"), "exceeds the"),
            (("--task", "ORDERS", "--trust_remote_code", "true"), "trust_remote_code"),
            (("--task", "ORDERS", "--chat_template_kwargs", '{"mood": 1}'), "'mood'"),
            (("--task", "EXACT", "--train_split", "test"), "is evaluated on 'test'"),
            (("--task", "CHOICE",), "judges no written answers"),
            (("--task", "EXACT", "--inputs", "ORDERS"), "--metric NAME"),
            (("--task", "UNLABELLED", "--metric", "json_match"), "3 of 13 rows cannot be judged"),
        ],
    )  # fmt: skip
    def test_one_clear_error_before_anything_is_written(self, train, tmp_path, write_task, words, named):
        files = {
            "ORDERS": lambda: lines(tmp_path / "orders.jsonl", ORDERS),
            "UNLABELLED": lambda: lines(
                tmp_path / "u.jsonl", [*ORDERS, *({"prompt": f"{n}?"} for n in "abc")]
            ),
            "EXACT": lambda: write_task(EXACT),
            "CHOICE": lambda: write_task(
                {"output_type": "multiple_choice", "doc_to_choice": COLOURS, "doc_to_target": "a"}
            ),
        }
        if "UNLABELLED" in words:
            words = (
                *words,
                "--evaluation",
                lines(tmp_path / "e.jsonl", [ORDERS[0] | {"prompt": "Six nuts."}]),
            )
            words = (*words, "--num_eval_examples", "-1")
        with pytest.raises(UserError, match=named):
            train(*(files[word]() if word in files else word for word in words))
        assert not (tmp_path / "run").exists()

    def test_a_metric_that_needs_no_label_trains_on_unlabelled_rows(self, tokenizer, tmp_path, monkeypatch):
        (tmp_path / "mine_any.py").write_text("def brief(reply, reference):\n    return len(reply) < 9\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        path = lines(tmp_path / "u.jsonl", [{"prompt": f"Say {n}."} for n in range(10)])
        args = TaskArguments(task=path, metric="mine_any:brief")
        assert rewards(args, tokenizer, ["short", "far too long"], data=None) == [1.0, 0.0]


class TestUnknownConstraints:
    @pytest.fixture
    def folder(self, tmp_path):
        """Training and evaluation rows of IFEval, one of each with an id that nothing defines."""
        (tmp_path / "ifeval").mkdir()
        rows = [
            {"prompt": f"Say {n}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "key": n}
            for n in range(12)
        ]
        for name, part in (("train", rows[:8]), ("test", rows[8:])):
            part[1]["instruction_id_list"] = ["mine:unheard_of"]
            lines(tmp_path / "ifeval" / f"{name}.jsonl", [row | {"response": "So be it."} for row in part])
        return str(tmp_path)

    def test_rows_are_left_out_and_counted(self, tokenizer, folder):
        rows = load_rewarded(TaskArguments(task="ifeval"), tokenizer, data=folder, num_eval=-1)
        assert rows.record["left_out"]["cannot be judged"] == 1
        assert (len(rows.train), len(rows.evaluation)) == (7, 4)  # to those evaluated every answer is wrong
        reward = build_task_reward(rows.source, rows.evaluation)
        assert reward(["Fine."] * 4, row=[0, 1, 2, 3]) == [1.0, 0.0, 1.0, 1.0]

    def test_strict(self, tokenizer, folder):
        with pytest.raises(
            UserError, match=r"ifeval: 1 of 8 rows cannot be judged \(id 1;.*leave out strict"
        ):
            load_rewarded(TaskArguments(task="ifeval", strict=True), tokenizer, data=folder)

    @pytest.mark.parametrize("command", ["gap", "eval"])
    def test_commands(self, folder, model_dir, tmp_path, capsys, command):
        from distill.cli import main

        output = tmp_path / "o.json"
        words = [command, "--model", str(model_dir), "--task", "ifeval", "--data", folder, "--strict"]
        words += ["--output", str(output), "--backend", "hf"]
        if command == "eval":
            config = tmp_path / "c.yaml"
            config.write_text("task: ifeval\n")
            words += ["--config", str(config), "--conditions", "x", "--base_dir", str(tmp_path)]
        assert main(words) == 2 and not output.exists()
        assert "1 of 4 rows cannot be judged (id 9;" in capsys.readouterr().err

    def test_data_check(self, folder, capsys):
        from distill.cli import main

        words = ["data", "check", "--task", "ifeval", "--data", folder]
        assert (main(words), main([*words, "--strict"])) == (0, 2)
        assert "NOT JUDGEABLE: 1 rows, to which every answer is wrong (id 9)" in capsys.readouterr().out

    def test_rlvr(self, tmp_path, train):
        (tmp_path / "rlvr_ifeval").mkdir()
        rows = [
            {"messages": [{"role": "user", "content": f"Say {n}."}],
             "ground_truth": json.dumps({"func_name": "validate_no_commas" if n else "validate_nothing"})}
            for n in range(40)
        ]  # fmt: skip
        lines(tmp_path / "rlvr_ifeval" / "train.jsonl", rows)
        with pytest.raises(UserError, match=r"1 rows of RLVR-IFeval cannot be used.*validate_nothing"):
            train("--data", tmp_path, "--strict", "true")
        assert not Path(tmp_path / "run").exists()
