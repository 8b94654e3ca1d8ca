"""Episodes of lm-eval tasks against lm-eval's own prompts, token for token."""

import pytest
from lm_eval.api.samplers import ContextSampler
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM

from lm_eval_tasks.episodes import Episode, same_question
from lm_eval_tasks.errors import UserError

from .conftest import CHOOSE, GENERATE, LISTED, SHAPES, render, rows


class Given(ContextSampler):
    """Returns what it was given."""

    def sample(self, n, eval_doc=None, df=None, **kwargs):
        return self.df[:n]


def asked_by_lm_eval(task, doc, k, template, system=None, right=None):
    """lm-eval's own prompt; of one per choice, the right one."""
    context = task.fewshot_context(
        doc,
        num_fewshot=k,
        system_instruction=system,
        apply_chat_template=template is not None,
        fewshot_as_multiturn=True,
        chat_template=template,
        gen_prefix=task.doc_to_prefix(doc),
    )
    return context[int(doc["choice"])] if task.multiple_input else context


def doc_of(task, episode):
    """A row of a freshly loaded task, by the end of the episode's id."""
    _, split, index = episode.id.split("/")
    docs = task.fewshot_docs() if split in ("dev", "samples", "fewshot-dev") else task.training_docs()
    return docs[int(index)]


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
@pytest.mark.parametrize("shape", SHAPES)
def test_prompts_are_lm_evals_own(shape, chat, write_task, open_task, plain_manager, template, ids):
    template = template if chat else None
    source = open_task(shape, SHAPES[shape], chat=chat)
    fresh = plain_manager.load([str(write_task(shape, SHAPES[shape]))])["tasks"][shape]
    unmodified = fresh.sampler
    episodes = source.evaluation()
    assert len(episodes) == len(fresh.eval_docs) > 0
    for episode, doc in zip(episodes, fresh.eval_docs, strict=True):
        assert ids(episode.prompt) == ids(asked_by_lm_eval(fresh, doc, 0, template))
        for system in (None, "Be brief."):
            shown = source.demonstrations(episode, 2)
            docs = [doc_of(fresh, demonstration) for demonstration in shown]
            ours = source.show(episode, shown, system=system)
            fresh.sampler = unmodified if shape in LISTED else Given(docs)
            assert ids(ours) == ids(asked_by_lm_eval(fresh, doc, 2, template, system))
            if shape not in ("samples", "sample_rows"):
                assert len({same_question(row.question) for row in shown}) == 2


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in ("fewshot_config", *LISTED)])
def test_a_completion_is_what_a_demonstration_shows(shape, write_task, open_task, plain_manager, template):
    """The text of a row as a demonstration: its prompt, its completion, the delimiter."""
    fresh = plain_manager.load([str(write_task(shape, SHAPES[shape]))])["tasks"][shape]
    source = open_task(shape, SHAPES[shape], chat=False)
    row, asked = source.train()[0], fresh.eval_docs[0]
    fresh.sampler = Given([fresh.training_docs()[0]])
    about = "About thing 40.\n" if shape == "description" else ""
    own_about = "About thing 0.\n" if shape == "description" else ""
    context = asked_by_lm_eval(fresh, asked, 1, None)
    told = own_about + context.removeprefix(about)
    assert told.startswith(row.prompt + row.completion + fresh.config.fewshot_delimiter)
    chat = open_task(shape, SHAPES[shape], chat=True).train()[0]
    messages = fresh.fewshot_context(
        asked, num_fewshot=1, apply_chat_template=True, fewshot_as_multiturn=True,
        chat_template=lambda messages, add_generation_prompt: messages, gen_prefix=fresh.doc_to_prefix(asked),
    )  # fmt: skip
    messages = messages[0] if fresh.multiple_input else messages
    answer = next(message["content"] for message in messages if message["role"] == "assistant")
    prefix = chat.prompt[-1]["content"] if chat.prompt[-1]["role"] == "assistant" else ""
    assert prefix + chat.completion == answer


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
@pytest.mark.parametrize("shape", ["choice_field", "choice_gen_prefix", "choice_dict", "multiple_input"])
def test_a_choice_is_the_continuation_that_is_scored(shape, chat, open_task):
    source = open_task(shape, SHAPES[shape], chat=chat)
    assert source.evaluation()
    for episode, doc in zip(source.evaluation(), source.task.eval_docs, strict=True):
        requests = source.task.construct_requests(
            doc, ["ctx"] * 3, apply_chat_template=chat, metadata=(shape, 0, 1)
        )
        gold = int(doc["choice"]) if shape == "multiple_input" else doc["label"]
        assert episode.completion == requests[gold].arguments[1]


def test_targets_and_their_alternatives(open_task):
    first = open_task("list_target", SHAPES["list_target"]).evaluation()[0]
    assert first.reference["targets"] == ["one 40", "uno 40"]
    assert first.completion == first.reference["target"] == "one 40"
    indexed = open_task("index_of_choices", SHAPES["index_of_choices"]).evaluation()
    assert [row.reference["target"] for row in indexed] == ["two", "three", "one"]
    assert indexed[0].reference["choices"] == ["one", "two", "three"]


def test_a_hidden_label_is_no_answer(open_task):
    hidden = [row | {"label": -1} for row in rows(40, 2)]
    source = open_task("hidden", CHOOSE, splits={"test": hidden})
    assert [row.completion for row in source.evaluation()] == [None, None]
    unlabelled = open_task("unlabelled", CHOOSE, splits={"train": [*hidden, *rows(0, 2)]})
    assert [row.id for row in unlabelled.pool()] == ["unlabelled/train/2", "unlabelled/train/3"]


@pytest.fixture
def lm(make_model, make_tokenizer):
    def make(chat):
        tokenizer = make_tokenizer("chatml" if chat else None)
        return HFLM(pretrained=make_model("llama"), tokenizer=tokenizer, device="cpu", batch_size=2)

    return make


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
@pytest.mark.parametrize(
    ("shape", "mode", "k"),
    [
        ("template", "fixed", 3), ("template", "per_example", 2), ("choice_field", "shuffled", 3),
        ("choice_gen_prefix", "listed", 2), ("first_n", "fixed", 2), ("gen_prefix", "zero", 0),
        ("process_docs", "fixed", 0), ("multiple_input", "per_example", 2),
    ],
)  # fmt: skip
def test_an_evaluation_asks_exactly_the_episodes(shape, mode, k, chat, lm, open_task, make_tokenizer):
    # `num_fewshot: 0` in a YAML would outlast the argument, were it not for `harness_task`.
    source = open_task(shape, {**SHAPES[shape], "num_fewshot": 0}, chat=chat, demonstrations=mode)
    results = simple_evaluate(
        lm(chat), tasks=source.tasks(k), num_fewshot=k, apply_chat_template=chat, fewshot_as_multiturn=True,
        system_instruction="Be brief.", task_manager=source.manager, bootstrap_iters=0,
        fewshot_random_seed=99,
    )  # fmt: skip
    samples = results["samples"][shape]
    assert [sample["doc_id"] for sample in samples] == list(range(len(samples)))
    tokenizer = make_tokenizer("chatml")
    prompts = []
    for sample, episode in zip(samples, source.evaluation(), strict=True):
        prompt = source.show(episode, source.demonstrations(episode, k), system="Be brief.")
        prompts.append(prompt if isinstance(prompt, str) else render(tokenizer, list(prompt)))
        right = int(sample["doc"]["choice"]) if shape == "multiple_input" else 0
        assert sample["arguments"][right][0] == prompts[-1]
        if k:
            assert source.demonstrations(episode, k)[0].reference["target"] in prompts[-1]
        assert episode.id.endswith(f"/{sample['doc_id']}")
    if mode == "per_example":
        assert len({tuple(row.id for row in source.demonstrations(e, k)) for e in source.evaluation()}) > 1
    assert results["n-shot"][shape] == k
    logged = results["configs"][shape]
    assert logged["metadata"]["demonstrations"] == ("listed" if shape == "first_n" else mode)
    # Nothing of ours stands in the task that prompts are made with, so nothing is handed on to the next.
    assert source.task.fewshot_cfg.doc_to_target == SHAPES[shape]["doc_to_target"]
    assert callable(logged["fewshot_config"]["doc_to_target"]) == (mode == "shuffled")


def test_shuffled_demonstrations_show_their_neighbours_answers(open_task):
    source = open_task("choice_field", CHOOSE, chat=False, demonstrations="shuffled")
    fixed = open_task("choice_field", CHOOSE, chat=False)
    episode = source.evaluation()[0]
    moved, own = source.demonstrations(episode, 3), fixed.demonstrations(episode, 3)
    assert [row.id for row in moved] == [row.id for row in own]
    answers = [row.reference["target"] for row in own]
    assert [row.reference["target"] for row in moved] == [*answers[1:], answers[0]]
    text = source.show(episode, moved)
    for row, answer in zip(own, [*answers[1:], answers[0]], strict=True):
        assert f"Q: {row.question.splitlines()[0].removeprefix('Q: ')}\nA: {answer}\n\n" in text


def test_demonstrations_are_drawn_once_and_seeded(open_task):
    first, again = (open_task("template", GENERATE) for _ in range(2))
    other = open_task("template", GENERATE, seed=7)
    episode = first.evaluation()[0]
    shown = [row.id for row in first.demonstrations(episode, 4)]
    assert shown == [row.id for row in again.demonstrations(again.evaluation()[2], 4)]
    assert shown[:2] == [row.id for row in first.demonstrations(episode, 2)]
    assert shown != [row.id for row in other.demonstrations(episode, 4)]


def test_no_training_row_is_its_own_demonstration(open_task):
    twins = [*rows(0, 6), rows(0, 1)[0] | {"q": "  THING 0 "}]  # asks what the first row asks
    fixed = open_task("twins", GENERATE, splits={"train": twins})
    shown = {same_question(row.question) for row in fixed.demonstrations(fixed.evaluation()[0], 3)}
    taught = fixed.taught(3)
    assert shown.isdisjoint(same_question(row.question) for row in taught)
    asked = sum(same_question(row.question) in shown for row in fixed.train())
    assert fixed.left_out["demonstrations"] == asked >= 3
    assert len({row.taught[:-1] for row in map(_hashable, taught)}) == 1  # one prefix for all
    with pytest.raises(UserError, match="its own demonstration"):
        fixed.demonstrations(next(row for row in fixed.train() if same_question(row.question) in shown), 3)
    varied = open_task("twins", GENERATE, splits={"train": twins}, demonstrations="per_example")
    for row in varied.train():
        shown = {same_question(demo.question) for demo in varied.demonstrations(row, 5)}
        assert len(shown) == 5
        assert same_question(row.question) not in shown


def _hashable(episode):
    """With messages as texts, so that prompts can be compared in sets."""
    return episode.seen_with(tuple(str(message) for message in episode.taught))


def test_no_evaluated_row_is_learnt_from_or_shown(open_task, caplog):
    leaked = rows(40, 2)
    leaked[1]["q"] = leaked[1]["q"].upper()
    source = open_task("leaky", GENERATE, splits={"train": [*leaked, *rows(0, 3)]})
    assert [row.id for row in source.train()] == ["leaky/train/2", "leaky/train/3", "leaky/train/4"]
    assert source.left_out["evaluated"] == 2
    assert "2 of 5 training rows" in caplog.text
    assert len(source.pool()) == 3
    episode = source.evaluation()[0]
    assert {row.id.rpartition("/")[2] for row in source.demonstrations(episode, 3)} == {"2", "3", "4"}
    with pytest.raises(UserError, match=r"num_fewshot 4 .* has 3"):
        source.demonstrations(episode, 4)
    everything = open_task("all_leaky", GENERATE, splits={"train": rows(40, 2)})
    with pytest.raises(UserError, match="--inputs"):
        everything.train()


def test_listed_demonstrations_are_never_evaluated_rows(open_task):
    config = {**GENERATE, "fewshot_config": {"sampler": "first_n", "split": "dev"}}
    source = open_task("listed", config, splits={"dev": [*rows(40, 2), *rows(20, 3)]})
    shown = source.demonstrations(source.evaluation()[0], 2)
    assert [row.id for row in shown] == ["listed/dev/2", "listed/dev/3"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"training_split": None, "validation_split": "dev"},
            "no training split.*--inputs.*--train_split dev",
        ),
        ({"training_split": "test"}, "evaluates its training split.*--inputs"),
        ({"training_split": None}, "no training split.*--inputs"),
    ],
)
def test_no_training_rows(config, told, open_task):
    source = open_task("untrained", {**GENERATE, **config})
    with pytest.raises(UserError, match=told):
        source.train()
    assert source.evaluation()


def test_another_split_is_learnt_from(open_task):
    config = {**GENERATE, "training_split": None, "process_docs": "!function utils.shout"}
    source = open_task("other", config, train_split="dev")
    assert [row.prompt[-1]["content"] for row in source.train()] == [
        f"Q: thing {i}!\nA:" for i in range(20, 26) if i % 3 != 2
    ]
    assert len(source.demonstrations(source.evaluation()[0], 2)) == 2
    with pytest.raises(UserError, match="evaluated on 'test'"):
        open_task("other", config, train_split="test")
    with pytest.raises(UserError, match="no split 'nope'; it has"):
        open_task("other", config, train_split="nope")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"output_type": "loglikelihood_rolling"}, "loglikelihood_rolling"),
        ({"doc_to_image": "q"}, "images"),
        ({"unsafe_code": True}, "unsafe_code"),
        ({"class": "!function utils.Nothing"}, "Python class"),
        ({"dataset_kwargs": {"data_files": "/nowhere.json"}}, "cannot load it"),
        ({"process_docs": "!function utils.missing"}, "cannot load it.*missing"),
        ({"doc_to_text": "{{nowhere}}"}, "nowhere"),
    ],
)
def test_refusals_name_the_task(config, told, open_task):
    with pytest.raises(UserError, match=f"refused.*{told}|{told}"):
        open_task("refused", {**GENERATE, **config})


def test_unknown_names_and_paths(tmp_path):
    from lm_eval_tasks.sources.lm_eval_task import open_lm_eval_task

    with pytest.raises(UserError, match="does not exist"):
        open_lm_eval_task(str(tmp_path / "none.yaml"), chat=True)
    (tmp_path / "empty.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match="neither a `task`"):
        open_lm_eval_task(str(tmp_path / "empty.yaml"), chat=True)


def test_a_row_that_cannot_be_asked_is_named(open_task):
    broken = [*rows(0, 2), rows(2, 1)[0] | {"q": None}]
    source = open_task("broken", {**GENERATE, "doc_to_text": "{{q.split()[1]}}"}, splits={"train": broken})
    with pytest.raises(UserError, match="row"):
        source.train()


def test_metrics_and_filters(open_task):
    assert [(m.name, m.binary) for m in open_task("judged", SHAPES["judged"]).metrics] == [("mine", None)]
    config = {**CHOOSE, "metric_list": [
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
        {"metric": "mcc", "aggregation": "matthews_corrcoef", "higher_is_better": True}]}  # fmt: skip
    assert [(m.name, m.binary) for m in open_task("two", config).metrics] == [
        ("acc_norm", True),
        ("mcc", False),
    ]
    config = {**GENERATE, "filter_list": [
        {"name": "strict", "filter": [{"function": "take_first"}]},
        {"name": "loose", "filter": [{"function": "take_first"}]}]}  # fmt: skip
    assert open_task("filtered", config).filters == ("strict", "loose")


def test_default_shots(open_task):
    assert open_task("shots", {**GENERATE, "num_fewshot": 3}).num_fewshot == 3
    assert open_task("shots", GENERATE).num_fewshot == 0
    assert open_task("shots", {**GENERATE, "num_fewshot": 3}, num_fewshot=5).num_fewshot == 5


def test_groups_pool_what_they_learn_and_evaluate_apart(write_task, lm):
    from lm_eval_tasks.sources.lm_eval_task import open_lm_eval_task

    # What is asked in one member's test is learnt from in no other.
    write_task("left", GENERATE, train=[*rows(0, 3), *rows(40, 1)], test=rows(50, 2))
    write_task("right", {**GENERATE, "num_fewshot": 2}, train=rows(10, 3), test=rows(40, 2))
    folder = write_task("bare", {**GENERATE, "training_split": None, "validation_split": "dev"}).parent
    (folder / "inner.yaml").write_text("group: inner\ntask: [right, bare]\n")
    (folder / "outer.yaml").write_text("group: outer\ntask:\n- left\n- group: inner\n")
    source = open_lm_eval_task(str(folder / "outer.yaml"), chat=True)
    assert [member.task_name for member in source.members] == ["left", "right", "bare"]
    assert source.name == "lm_eval:outer"
    assert source.num_fewshot == 2
    learnt = [row.id for row in source.train()]
    assert learnt == [f"left/train/{i}" for i in range(3)] + [f"right/train/{i}" for i in range(3)]
    assert source.left_out["evaluated"] == 1
    taught = source.taught(1)
    assert len(taught) == 4
    assert all(isinstance(row, Episode) and len(row.taught) == 3 for row in taught)
    results = simple_evaluate(
        lm(True), tasks=source.tasks(1), num_fewshot=1, apply_chat_template=True, task_manager=source.manager,
        bootstrap_iters=0,
    )  # fmt: skip
    assert {name: len(rows) for name, rows in results["samples"].items()} == {
        "left": 2,
        "right": 2,
        "bare": 3,
    }
    with pytest.raises(UserError, match="no row of it"):
        source.show(Episode(source="other", id="x", prompt="y", question="y"))


def test_a_sampler_of_the_yamls_own_draws_once(write_task, open_task):
    write_task("own", GENERATE)
    config = {**GENERATE, "fewshot_config": {"split": "dev", "sampler": "!function samplers.Last"}}
    folder = write_task("own", config).parent
    (folder / "samplers.py").write_text(
        "from lm_eval.api.samplers import ContextSampler\n\n\nclass Last(ContextSampler):\n"
        "    def sample(self, n, eval_doc=None, df=None, **kwargs):\n        return self.df[-n:]\n"
    )
    source = open_task("own", config)
    shown = [[row.id for row in source.demonstrations(one, 2)] for one in source.evaluation()]
    assert shown and shown == [["own/dev/4", "own/dev/5"]] * len(shown)
