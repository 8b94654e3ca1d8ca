"""The shared-prefix teacher against plain uncached forward passes."""

import dataclasses

import pytest
import torch
from peft import LoraConfig, get_peft_model

from distill.encoding.collator import DistillCollator, predicting
from distill.encoding.prefixes import common_prefix, prefixes_of
from distill.model import packed_attention as lines
from distill.model.output_head import check_head
from distill.teachers.base import Teacher
from distill.teachers.models import model_teacher, self_teacher
from distill.training.data import load_training_data

TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def data(make_tokenizer):
    from distill.training.config import DataArguments

    args = DataArguments(task="gsm8k", data="sample", num_fewshot=4, eval_rows=4, max_train_rows=6)
    return load_training_data(args, make_tokenizer("qwen3"), max_length=None, seed=0)


@pytest.fixture(scope="module")
def batch(data, make_tokenizer):
    return DistillCollator.of(make_tokenizer("qwen3"))(data.train)


def logits_of(teacher, batch):
    targets = teacher.targets(batch)
    return targets.head.logits(targets.hidden)


def uncached(model, batch):
    with torch.no_grad():
        logits = model(
            input_ids=batch["teacher_input_ids"],
            attention_mask=batch["teacher_attention_mask"],
            use_cache=False,
        ).logits
    return logits[predicting(batch["teacher_labels"])]


@pytest.fixture(params=["llama", "qwen3", "llama-eager", "qwen3-sliding"])
def model(request, make_model):
    kind, _, variant = request.param.partition("-")
    if variant == "sliding":
        return make_model(
            kind, use_sliding_window=True, sliding_window=64, max_window_layers=1,
            layer_types=["full_attention", "sliding_attention"],
        )  # fmt: skip
    model = make_model(kind)
    if variant == "eager":
        model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize("line_tokens", [1, 10_000])
def test_shared_prefix_equals_the_uncached_forward(model, data, batch, line_tokens, monkeypatch):
    monkeypatch.setattr(lines.lay_out, "__kwdefaults__", {"line_tokens": line_tokens})
    assert len(prefixes_of(data.train)[0]) > 300
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    expected = uncached(model, batch)
    for _ in range(2):  # the second time the cache must be as it was
        found = logits_of(teacher, batch)
        assert (found - expected).abs().max() < TOLERANCE
        assert torch.equal(found.argmax(-1), expected.argmax(-1))


def test_without_sharing_it_equals_too(make_model, data, batch):
    model = make_model()
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train), shared_prefix=False)
    assert (logits_of(teacher, batch) - uncached(model, batch)).abs().max() < TOLERANCE


def test_dropping_the_position_offset_is_noticed(make_model, data, batch, monkeypatch, caplog):
    def shifted(*args, **kwargs):
        for line in original(*args, **kwargs):
            yield dataclasses.replace(line, position_ids=line.position_ids - line.shared[0])

    original = lines.lay_out
    monkeypatch.setattr("distill.teachers.base.lay_out", shifted)
    model = make_model()
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    assert not teacher.shares_prefix
    assert "the plain way is taken" in caplog.text
    assert (logits_of(teacher, batch) - uncached(model, batch)).abs().max() < TOLERANCE


def test_rows_that_share_less_of_the_prefix_are_right_too(make_model, make_tokenizer):
    from distill.training.config import DataArguments

    tokenizer = make_tokenizer("chatml")
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=4, eval_rows=4, max_train_rows=12)
    args.teacher_max_length = None
    rows = load_training_data(args, tokenizer, max_length=None, seed=0).train
    lengths = [len(row["teacher_prompt_ids"] + row["completion_ids"]) for row in rows]
    args.teacher_max_length = sorted(lengths)[6]
    data = load_training_data(args, tokenizer, max_length=None, seed=0)
    counts = data.record["train"]
    assert 0 < counts["rows_with_fewer_demonstrations"] < counts["rows"]
    batch = DistillCollator.of(tokenizer)(data.train)
    model = make_model()
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    assert (logits_of(teacher, batch) - uncached(model, batch)).abs().max() < TOLERANCE


@pytest.mark.parametrize("mode", ["per_example", "zero"])
def test_prompts_without_common_demonstrations(make_model, make_tokenizer, mode):
    from distill.training.config import DataArguments

    args = DataArguments(
        task="csqa", data="sample", num_fewshot=3, demonstrations=mode, eval_rows=0, max_train_rows=4
    )
    data = load_training_data(args, make_tokenizer("llama3"), max_length=None, seed=0)
    batch = DistillCollator.of(make_tokenizer("llama3"))(data.train)
    model = make_model()
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    assert (logits_of(teacher, batch) - uncached(model, batch)).abs().max() < TOLERANCE


def test_the_adapter_is_off_for_the_teacher_only(make_model, data, batch):
    model = make_model()
    expected = uncached(model, batch)
    peft = get_peft_model(
        model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    peft.train()
    teacher = self_teacher(peft, check_head(peft), prefixes=prefixes_of(data.train))
    assert teacher.model is peft
    assert (logits_of(teacher, batch) - expected).abs().max() < TOLERANCE
    assert peft.training
    trained = {name for name, weights in peft.named_parameters() if weights.requires_grad}
    assert trained == {name for name, _ in peft.named_parameters() if "lora" in name} != set()
    assert (uncached(peft.eval(), batch) - expected).abs().max() > 0.01


def test_full_fine_tuning_gets_a_frozen_copy(make_model, data, batch):
    model = make_model()
    teacher = self_teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    before = logits_of(teacher, batch)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    assert torch.equal(logits_of(teacher, batch), before)
    assert not any(p.requires_grad for p in teacher.model.parameters())


def test_common_prefix():
    assert common_prefix([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == [1, 2]
    assert common_prefix([[1], [2]]) == []


def test_each_row_finds_the_fixed_set_it_begins_with(make_model, make_tokenizer):
    from distill.training.config import DataArguments

    args = DataArguments(
        task="gsm8k", data="sample", num_fewshot=2, demonstration_sets=3, eval_rows=0, max_train_rows=8
    )
    data = load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0)
    assert len({tuple(prefix) for prefix in prefixes_of(data.train)}) == 3
    assert min(map(len, prefixes_of(data.train))) > 100
    batch = DistillCollator.of(make_tokenizer("chatml"))(data.train)
    model = make_model()
    teacher = Teacher(model, check_head(model), prefixes=prefixes_of(data.train))
    assert (logits_of(teacher, batch) - uncached(model, batch)).abs().max() < TOLERANCE


def test_irrelevant_demonstrations_come_from_another_benchmark(make_tokenizer):
    from distill.training.config import DataArguments

    def load(**changes):
        args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=3, **changes)
        return load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0)

    plain, control = load(), load(demonstrations_from="csqa")
    assert [row["prompt_ids"] for row in control.train] == [row["prompt_ids"] for row in plain.train]
    assert control.held_out == plain.held_out
    text = make_tokenizer("chatml").decode(control.train[0]["teacher_prompt_ids"])
    assert "in the form: Answer: <letter>" in text
    assert text.endswith(make_tokenizer("chatml").decode(control.train[0]["prompt_ids"]))


def test_another_model_teaches_if_it_has_the_vocabulary(make_model, make_tokenizer, data, batch, tmp_path):
    from lm_eval_tasks.errors import UserError

    other, student, tokenizer = make_model(seed=5), make_model(), make_tokenizer("qwen3")
    other.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    teacher = model_teacher(str(tmp_path), student, tokenizer, prefixes=prefixes_of(data.train))
    assert (logits_of(teacher, batch) - uncached(other, batch)).abs().max() < TOLERANCE
    # A vocabulary padded further, as Qwen2.5's is in its larger models, is cut to the student's.
    other.resize_token_embeddings(640)
    other.save_pretrained(tmp_path)
    teacher = model_teacher(
        str(tmp_path), student, tokenizer, prefixes=[], init_kwargs={"attn_implementation": "eager"}
    )
    assert teacher.model.config._attn_implementation == "eager"
    assert (logits_of(teacher, batch) - uncached(other, batch)[:, :600]).abs().max() < TOLERANCE
    with pytest.raises(UserError, match="cannot load"):
        model_teacher(str(tmp_path), student, tokenizer, prefixes=[], init_kwargs={"nonsense": 1})
    tokenizer.add_tokens(["<another>"])
    with pytest.raises(UserError, match=r"another vocabulary \(600 tokens.*601 tokens"):
        model_teacher(str(tmp_path), student, tokenizer, prefixes=[])
    with pytest.raises(UserError, match="cannot load '/nowhere'"):
        model_teacher("/nowhere", student, tokenizer, prefixes=[])
