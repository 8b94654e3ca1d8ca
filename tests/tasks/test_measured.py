"""A source's view as a task of lm-eval: prompts, scores, and which numbers are reported."""

import json

import pytest
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.measured import ROWS_TOKENS, Scored, harness_task, judged
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.task_folder import write_task_folder

ROWS = [
    {"prompt": "Two pears for Anna, please.", "completion": "2 pears", "privileged_context": "Anna owes 3."},
    {"prompt": "Nine figs.", "completion": "9 figs", "system": "Be kind.", "teacher_prompt": "Note: 9 figs."},
    {"prompt": "A lime.", "completion": "1 lime"},
]
PLAIN = [{"prompt": row["prompt"], "completion": row["completion"]} for row in ROWS]
SHOWN = [{"prompt": f"{n} plums.", "completion": f"{n} plums"} for n in ("One", "Four", "Six")]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def rows_spec(tmp_path):
    """`rows_spec(rows, ...)`: rows of one's own, judged alone."""

    def make(rows=ROWS, **options):
        path = lines(tmp_path / "orders.jsonl", rows)
        shown = lines(tmp_path / "d.jsonl", SHOWN)
        return TaskSpec(path, evaluation=path, demonstrations=shown, **options)

    return make


@pytest.fixture(scope="module")
def lm(make_lm):
    return make_lm("chatml")


@pytest.fixture
def run(lm):
    """`run(spec, prompted=)`: the task, and what the harness says of it, as the evaluation asks it."""

    def measure(spec, *, prompted, member=None, **more):
        source = spec.open()
        context = spec.context(source)
        asked = harness_task(member or source.members[0], spec, context, prompted=prompted)
        results = simple_evaluate(
            lm,
            tasks=[asked.task],
            num_fewshot=(context.num_fewshot if prompted else 0) or None,
            task_manager=asked.manager,
            system_instruction=context.system() if prompted else None,
            apply_chat_template=True,
            bootstrap_iters=0,
            **more,
        )
        samples = sorted(results["samples"][asked.name], key=lambda sample: sample["doc_id"])
        return asked, results, samples

    return measure


def prompts(samples):
    return [sample["arguments"][0][0] for sample in samples]


class TestRows:
    @pytest.mark.parametrize(
        ("rows", "options"),
        [
            (PLAIN, {}),
            (PLAIN, {"system_instruction": "Be brief.", "num_fewshot": 1}),
            (ROWS, {"num_fewshot": 2}),
            (ROWS, {"privileged": "completion", "privileged_template": "{question} ({privileged})"}),
        ],
    )
    @pytest.mark.parametrize("prompted", [True, False])
    def test_as_the_written_folder(self, rows_spec, run, lm, tmp_path, rows, options, prompted):
        spec = rows_spec(rows, **options)
        source = spec.open()
        context = spec.context(source)
        written = write_task_folder(
            tmp_path / "task", source, name="orders", max_new_tokens=5,
            privileged=context.privileged, privileged_template=context.privileged_template,
        )  # fmt: skip
        beside = prompted and (rows is ROWS or context.privileged)
        by_folder = simple_evaluate(
            lm,
            tasks=[str(written.yaml)],
            num_fewshot=(context.num_fewshot if prompted else 0) or None,
            task_manager=TaskManager(
                include_defaults=False, metadata={"view": "teacher" if beside else "student"}
            ),
            system_instruction=context.system() if prompted else None,
            apply_chat_template=True,
            bootstrap_iters=0,
        )
        asked, results, samples = run(spec, prompted=prompted, gen_kwargs={"max_gen_toks": 5})
        expected = sorted(by_folder["samples"]["orders"], key=lambda sample: sample["doc_id"])
        assert prompts(samples) == prompts(expected)
        assert [s["resps"] for s in samples] == [s["resps"] for s in expected]
        numbers = [
            {key: value for key, value in found["results"]["orders"].items() if key != "name"}
            for found in (results, by_folder)
        ]
        assert numbers[0] == numbers[1]
        assert (asked.name, asked.scored) == ("orders", (Scored("exact_match", "exact_match"),))

    def test_documents_stand_once(self, rows_spec, run, tmp_path):
        (tmp_path / "manual.md").write_text("All about pears.")
        spec = rows_spec(document=(str(tmp_path / "manual.md"),), num_fewshot=0)
        _, _, samples = run(spec, prompted=True)
        first, second, third = prompts(samples)
        assert first.count("All about pears.") == third.count("All about pears.") == 1
        assert "Anna owes 3." in first
        assert "Note: 9 figs." in second and "pears" not in second, "a row's own conversation is all"

    def test_prompted_is_what_the_teacher_reads(self, rows_spec, run, lm, tmp_path):
        (tmp_path / "m.md").write_text("All about pears.")
        spec = rows_spec(
            document=(str(tmp_path / "m.md"),), system_instruction="Be brief.", privileged="completion"
        )
        source, _, samples = spec.open(), *run(spec, prompted=True)[1:]
        context = spec.context(source)
        taught = context.apply(source, source.evaluation(), source.picker(3).pick)
        render = lm.tokenizer.apply_chat_template
        assert prompts(samples) == [
            render([*row.taught], tokenize=False, add_generation_prompt=True) for row in taught
        ]

    def test_the_bare_view_shows_nothing(self, rows_spec, run):
        _, _, samples = run(rows_spec(system_instruction="Be brief."), prompted=False)
        text = "".join(prompts(samples))
        assert not any(hidden in text for hidden in ("plums", "Be brief.", "Anna owes", "Note:"))

    def test_limits_and_what_is_kept(self, rows_spec, lm):
        spec = rows_spec([row | {"note": "x"} for row in PLAIN], metric="contains")
        source = spec.open()
        asked = harness_task(source, spec, spec.context(source), prompted=False)
        assert asked.task.config.generation_kwargs["max_gen_toks"] == ROWS_TOKENS
        assert asked.logged == ("reference",)
        assert asked.scored == (Scored("contains", "contains"),)
        assert json.loads(asked.task.eval_docs[0]["reference"]) == {"note": "x"}

    def test_a_metric_between_0_and_1(self, rows_spec, tmp_path, monkeypatch):
        (tmp_path / "share_of_mine.py").write_text("def share(reply, reference):\n    return 0.5\n")
        monkeypatch.syspath_prepend(tmp_path)
        spec = rows_spec(PLAIN, metric="share_of_mine:share")
        source = spec.open()
        asked = harness_task(source, spec, spec.context(source), prompted=False)
        assert asked.scored == (Scored("share", "share", unit="score"),)

    def test_cut_answers_are_warned_about_by_the_metric_at_hand(self, rows_spec, run, caplog):
        run(rows_spec(PLAIN, metric="contains"), prompted=False, gen_kwargs={"max_gen_toks": 2})
        assert "orders: truncated is 100.0% (3 of 3 answers)" in caplog.text
        assert "see score_on_completed" in caplog.text

    def test_by_a_benchmarks_scorer(self, rows_spec, run):
        rows = [{"prompt": "1 + 1?", "completion": "#### 2"}, {"prompt": "2 + 3?", "completion": "#### 5"}]
        asked, results, _ = run(
            rows_spec(rows, metric="gsm8k"), prompted=False, gen_kwargs={"max_gen_toks": 2}
        )
        assert asked.scored == (Scored("gsm8k", "gsm8k"),)
        assert results["results"]["orders"]["gsm8k,none"] == 0.0
        judge = rows_spec(rows, metric="gsm8k").open().judge
        source = rows_spec(rows, metric="gsm8k").open()
        assert [judge(row, "So #### 5").score for row in source.evaluation()] == [0.0, 1.0]


class TestBenchmarks:
    def test_views(self, run):
        spec = TaskSpec("gsm8k", data="sample", num_fewshot=2, demonstrations="per_example")
        asked, _, samples = run(spec, prompted=True, limit=2, gen_kwargs={"max_gen_toks": 2})
        source = spec.open()
        picker = source.picker(2, "per_example")
        shown = [[row.question for row in picker.pick(row)] for row in source.evaluation()[:2]]
        assert asked.name == "gsm8k_icl_fewshot"
        assert all(q in prompt for qs, prompt in zip(shown, prompts(samples), strict=True) for q in qs)
        bare, _, samples = run(spec, prompted=False, limit=2, gen_kwargs={"max_gen_toks": 2})
        assert bare.name == "gsm8k_icl_0shot"
        assert all(prompt.count("<|im_start|>user") == 1 for prompt in prompts(samples))
        assert [score.name for score in bare.scored] == ["strict_acc", "flexible_acc"]

    def test_an_instruction_without_demonstrations(self, run):
        spec = TaskSpec("csqa", data="sample", num_fewshot=0, system_instruction="Be brief.")
        asked, _, samples = run(spec, prompted=True, limit=1, gen_kwargs={"max_gen_toks": 2})
        assert asked.name == "csqa_icl_0shot"
        assert prompts(samples)[0].startswith("<|im_start|>system\nBe brief.<|im_end|>")

    def test_units_and_logged_fields(self):
        spec = TaskSpec("ifeval", data="sample")
        source = spec.open()
        asked = harness_task(source, spec, spec.context(source), prompted=False)
        assert [score.unit for score in asked.scored] == ["row", "row", "instruction", "instruction"]
        assert asked.logged == ("instruction_id_list",)

    def test_no_answer_beside_the_question(self):
        spec = TaskSpec("gsm8k", data="sample", privileged="completion")
        source = spec.open()
        with pytest.raises(UserError, match="privileged: gsm8k cannot be measured with the answer beside"):
            harness_task(source, spec, spec.context(source), prompted=True)
        assert harness_task(source, spec, spec.context(source), prompted=False).name == "gsm8k_icl_0shot"


LM_EVAL_TASK = """
task: shades{suffix}
dataset_path: json
dataset_kwargs:
  data_files: {{train: {folder}/s.jsonl, test: {folder}/e.jsonl}}
  cache_dir: {folder}/cache
training_split: train
test_split: test
"""
GENERATES = """
output_type: generate_until
doc_to_text: "How does {{q}} look?"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 2}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
filter_list:
  - {name: strict, filter: [{function: take_first}]}
  - {name: loose, filter: [{function: lowercase}, {function: take_first}]}
"""
CHOOSES = """
output_type: multiple_choice
doc_to_text: "How does {{q}} look?"
doc_to_target: a
doc_to_choice: [red, blue]
metric_list:
  - {metric: acc}
  - {metric: acc_norm}
"""


@pytest.fixture
def shades(tmp_path):
    """`shades(text, suffix)`: a task of lm-eval over two questions."""
    for name, things in (("s", ["blood", "the sky", "a rose", "a whale"]), ("e", ["wine", "ice"])):
        lines(
            tmp_path / f"{name}.jsonl", [{"q": q, "a": ["red", "blue"][i % 2]} for i, q in enumerate(things)]
        )

    def write(text, suffix=""):
        path = tmp_path / f"shades{suffix}.yaml"
        path.write_text(LM_EVAL_TASK.format(folder=tmp_path, suffix=suffix) + text)
        return str(path)

    return write


class TestJudged:
    """Replies to rows that are learnt from."""

    def learn(self, tmp_path, rows, **options):
        path = lines(tmp_path / "e.jsonl", PLAIN)
        return TaskSpec(path, inputs=lines(tmp_path / "i.jsonl", rows), **options).open()

    def test_rows_of_ones_own(self, tmp_path):
        source = self.learn(tmp_path, [{"prompt": "a", "completion": "A"}, {"prompt": "b"}])
        labelled, bare = source.train()
        assert [judged(source, labelled, reply) for reply in ("A", "B")] == [1.0, 0.0]
        with pytest.raises(UserError, match=r"e row '1' cannot be judged by 'exact_match': .*completion"):
            judged(source, bare, "A")

    def test_rows_of_a_benchmark(self):
        source = TaskSpec("gsm8k", data="sample").open()
        row = source.train()[0]
        assert (judged(source, row, row.completion), judged(source, row, "none")) == (1.0, 0.0)

    def test_rows_of_a_task_of_lm_eval(self, shades):
        source = TaskSpec(shades(GENERATES)).open()
        row = source.train()[0]
        assert (judged(source, row, "red"), judged(source, row, "blue")) == (1.0, 0.0)
        source = TaskSpec(shades(CHOOSES, "_choices")).open()
        with pytest.raises(UserError, match="judges no written answers"):
            judged(source, source.train()[0], "red")

    def test_inputs_of_another_task(self, shades, tmp_path):
        inputs = lines(tmp_path / "i.jsonl", [{"prompt": "How does a cherry look?", "completion": "red"}])
        source = TaskSpec(shades(GENERATES), inputs=inputs).open()
        with pytest.raises(UserError, match=r"its scorer judges rows of its own, not those of .*i.jsonl"):
            judged(source, source.train()[0], "red")


class TestTasksOfLmEval:
    @pytest.mark.parametrize("text", [GENERATES, CHOOSES])
    def test_prompts_are_the_teachers(self, shades, run, lm, text):
        spec = TaskSpec(shades(text), num_fewshot=2, system_instruction="Be brief.")
        asked, _, samples = run(spec, prompted=True)
        source = spec.open()
        context = spec.context(source)
        rows = context.apply(source, source.evaluation(), source.picker(2).pick)
        render = lm.tokenizer.apply_chat_template
        expected = [render([*row.taught], tokenize=False, add_generation_prompt=True) for row in rows]
        assert list(dict.fromkeys(prompts(samples))) == expected
        assert asked.name == "shades"
        _, _, samples = run(spec, prompted=False)
        bare = [render([*row.prompt], tokenize=False, add_generation_prompt=True) for row in rows]
        assert list(dict.fromkeys(prompts(samples))) == bare

    def test_each_metric_under_each_filter(self, shades):
        worse = "metric_list:\n  - {metric: brier_score, aggregation: mean, higher_is_better: false}"
        spec = TaskSpec(shades(GENERATES.replace("metric_list:", worse)))
        source = spec.open()
        asked = harness_task(source, spec, spec.context(source), prompted=False)
        assert [(score.name, score.filter, score.unit) for score in asked.scored] == [
            ("exact_match,strict", "strict", "row"), ("exact_match,loose", "loose", "row"),
            ("brier_score,strict", "strict", "score"), ("brier_score,loose", "loose", "score"),
        ]  # fmt: skip

    def test_choices(self, shades):
        spec = TaskSpec(shades(CHOOSES))
        source = spec.open()
        asked = harness_task(source, spec, spec.context(source), prompted=False)
        assert asked.scored == (Scored("acc", "acc", "none"), Scored("acc_norm", "acc_norm", "none"))
        assert asked.logged == ()

    def test_members_are_measured_apart(self, shades, run, tmp_path):
        for suffix in ("_one", "_two"):
            shades(CHOOSES, suffix)
        (tmp_path / "both.yaml").write_text("group: both\ntask: [shades_one, shades_two]\n")
        spec = TaskSpec(str(tmp_path / "both.yaml"), num_fewshot=1)
        source = spec.open()
        assert len(source.members) == 2
        for member in source.members:
            asked, results, samples = run(spec, prompted=True, member=member)
            assert (asked.name, len(samples)) == (member.task_name, 2)
            assert f"{asked.scored[0].name},none" in results["results"][asked.name]

    def test_learnt_from_other_inputs_it_is_measured_as_ever(self, shades, run, tmp_path):
        path = shades(CHOOSES)
        inputs = lines(tmp_path / "i.jsonl", [{"prompt": "How does a cherry look?"}])
        found = [
            prompts(run(spec, prompted=True)[2])
            for spec in (TaskSpec(path, num_fewshot=2), TaskSpec(path, num_fewshot=2, inputs=inputs))
        ]
        assert found[0] == found[1]

    def test_no_answer_beside_the_question(self, shades):
        spec = TaskSpec(shades(CHOOSES), privileged="completion")
        source = spec.open()
        with pytest.raises(UserError, match="only rows of one's own can"):
            harness_task(source, spec, spec.context(source), prompted=True)
