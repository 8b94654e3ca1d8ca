"""Cached targets on disk and in a batch: exact to their precision, and never another row's."""

import math

import numpy as np
import pytest
import torch

from distill.encoding.collator import IGNORED, DistillCollator, assert_aligned
from distill.model.output_head import Head
from distill.objectives import divergences as losses
from distill.objectives.divergences import TopK
from distill.teachers.cached.batch import CachedTeacher, target_batch
from distill.teachers.cached.fingerprint import difference
from distill.teachers.cached.shard import (
    RowTargets,
    index_dtype,
    read_index,
    read_row,
    row_digest,
    write_shard,
)
from distill.teachers.cached.store import TargetStore, shard_path, write_manifest
from distill.training.caching.hf_backend import top_targets
from distill.training.config import ICLDistillConfig
from lm_eval_tasks.errors import UserError

MANIFEST = {"complete": True, "fingerprint": {"top_k": 4}, "backend": "hf", "log_normalizer": True}


def make_row(id, answer):
    return {
        "id": id, "prompt_ids": [1, 2], "teacher_prompt_ids": [3, 4, int(id)], "completion_ids": answer,
        "demonstrations": 1, "length": 2 + len(answer),
    }  # fmt: skip


def make_targets(logits, k, normalizer=True):
    found = top_targets(torch.eye(len(logits)), Head(logits.T), k)
    log_probs, indices, tail, log_normalizer = (each.numpy() for each in found)
    indices = indices.astype(index_dtype(logits.shape[-1]))
    return RowTargets(log_probs, indices, tail, log_normalizer if normalizer else None)


@pytest.fixture
def logits():
    """As a language model's: 40 for the likeliest, and nearly all probability in few entries."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(64, 3000, generator=generator) * 4
    values[:, :20] += torch.linspace(30, 12, 20)
    return values


@pytest.fixture
def store(tmp_path, logits):
    """Three rows of 2, 3 and 1 answer tokens in two shards."""
    rows = [make_row("7", [5, 6]), make_row("8", [7, 8, 9]), make_row("9", [5])]
    found = [make_targets(part, 4) for part in logits[:6].split([2, 3, 1])]
    write_shard(shard_path(tmp_path, 0), rows[:2], found[:2])
    write_shard(shard_path(tmp_path, 1), rows[2:], found[2:])
    write_manifest(tmp_path, MANIFEST | {"shards": 2})
    return TargetStore(tmp_path), rows, found


def restored(logits, k, normalizer=True):
    return CachedTeacher().targets(target_batch([make_targets(logits, k, normalizer)]))


def student_of(logits):
    return logits + 0.3 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("normalizer", [True, False])
def test_the_loss_is_that_of_exact_targets_where_raw_fp16_logits_are_not(logits, normalizer):
    student, exact = student_of(logits), TopK.of(logits, 256)
    expected = losses.topk_kl(student, exact)
    cached = losses.topk_kl(student, restored(logits, 256, normalizer))
    coarse = losses.topk_kl(student, exact._replace(logits=exact.logits.half().float()))
    assert (cached.value - expected.value).abs().max() < 5e-4
    assert (coarse.value - expected.value).abs().max() > 5e-3
    assert (cached.value.mean() - expected.value.mean()).abs() < 1e-4
    torch.testing.assert_close(cached.grad, expected.grad, rtol=0, atol=5e-4)


def test_raw_logits_come_back_for_topk_mse(logits):
    student = student_of(logits)
    expected = losses.topk_mse(student, TopK.of(logits, 256))
    cached = losses.topk_mse(student, restored(logits, 256))
    torch.testing.assert_close(cached.value, expected.value, rtol=0, atol=1e-3)
    torch.testing.assert_close(cached.value.mean(), expected.value.mean(), rtol=1e-3, atol=0)
    shifted = losses.topk_mse(student, restored(logits, 256, normalizer=False))
    assert (shifted.value - expected.value).abs().min() > 100  # why they must not be left out


@pytest.mark.parametrize("k", [1, 4, 3000, 5000])
def test_probabilities_and_tail_add_up_whatever_k_is(logits, k):
    top = restored(logits, k)
    assert top.indices.shape == (64, min(k, 3000))
    mass = (top.logits - top.log_normalizer[:, None]).exp().sum(-1)
    tail = 1 - logits.softmax(-1).topk(min(k, 3000)).values.sum(-1)
    torch.testing.assert_close(1 - mass, tail, rtol=1e-4, atol=1e-5)  # float32 at logits of 40
    value = losses.topk_kl(logits, top).value
    assert value.abs().max() < (1e-3 if k < 3000 else 5e-5)
    assert torch.equal(top.indices[:, 0], logits.argmax(-1))


def test_indices_take_two_bytes_where_they_can():
    assert index_dtype(49_152) is np.uint16
    assert index_dtype(65_536) is np.uint16
    assert index_dtype(65_537) is np.int32
    logits = torch.zeros(1, 65_536)
    logits[0, 65_535] = 9.0
    assert restored(logits, 2).indices[0, 0] == 65_535


def test_a_shard_gives_back_what_was_written(store):
    stored, rows, found = store
    for row, expected in zip(rows, found, strict=True):
        for ours, theirs in zip(stored.read(row), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def test_a_batch_is_aligned_in_any_order(store):
    stored, rows, found = store
    for order in ([2, 0, 1], [1], [0, 2]):
        batch = DistillCollator(0, stored)([rows[i] for i in order])
        for name in ("indices", "log_probs", "tail_mass", "log_normalizer"):
            expected = np.concatenate([getattr(found[i], name) for i in order])
            assert batch[f"target_{name}"].tolist() == expected.tolist(), name
        assert not any(name.startswith("teacher_") for name in batch)
        assert_aligned(batch)
        batch["labels"][0] = IGNORED
        with pytest.raises(AssertionError, match="cached targets for"):
            assert_aligned(batch)


def test_a_row_that_is_not_there_is_named(store):
    stored, rows, _ = store
    with pytest.raises(UserError, match="has no row 10"):
        stored.check({"top_k": 4}, [*rows, make_row("10", [5])])
    for changed in ({"completion_ids": [5, 5]}, {"teacher_prompt_ids": [3, 4]}):
        with pytest.raises(UserError, match=r"row 7 .* another prompt or answer"):
            stored.check({"top_k": 4}, [rows[0] | changed])


def test_damage_is_noticed_and_the_file_named(store):
    stored, rows, _ = store
    path = shard_path(stored.folder, 0)
    whole = path.read_bytes()
    at = whole.index(stored.read(rows[1]).log_probs.tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    stored.read(rows[0])
    with pytest.raises(UserError, match=r"targets-00000.* checksum of row 8 .*Delete it and run"):
        stored.read(rows[1])
    for damage in (whole[:-3], whole[:20], b""):
        path.write_bytes(damage)
        with pytest.raises(UserError, match=r"targets-00000.* missing or damaged"):
            TargetStore(stored.folder)
    path.unlink()
    with pytest.raises(UserError, match=r"targets-00000.* missing or damaged"):
        TargetStore(stored.folder)


def test_an_unfinished_cache_and_an_empty_folder_are_refused(store, tmp_path):
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        TargetStore(tmp_path / "empty")
    write_manifest(tmp_path, MANIFEST | {"shards": 2, "complete": False})
    with pytest.raises(UserError, match="left unfinished"):
        TargetStore(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 1')
    with pytest.raises(UserError, match="cannot be read"):
        TargetStore(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 2, "fingerprint": {}}')
    with pytest.raises(UserError, match="format 2"):
        TargetStore(tmp_path)


def test_figures_that_are_not_finite_are_never_written(tmp_path, logits):
    logits[1, 0] = math.nan
    with pytest.raises(UserError, match=r"row 7: .* not finite"):
        write_shard(tmp_path / "shard.safetensors", [make_row("7", [5, 6])], [make_targets(logits[:2], 4)])
    assert not list(tmp_path.iterdir())


def test_a_shard_is_the_same_file_each_time(tmp_path, logits):
    for name in "ab":
        write_shard(tmp_path / name, [make_row("7", [5, 6])], [make_targets(logits[:2], 4)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    places = read_index(tmp_path / "a")
    assert read_row(places["7"], "7").log_probs.shape == (2, 4)


def test_a_digest_belongs_to_one_split_of_the_tokens():
    rows = [{"teacher_prompt_ids": [1, 2], "completion_ids": [3]}]
    rows += [{"teacher_prompt_ids": [1], "completion_ids": [2, 3]}]
    assert row_digest(rows[0]) != row_digest(rows[1])


def test_a_difference_names_part_and_values():
    cached = {"model": "a", "weights": "1", "top_k": 8, "data": {"benchmark": "gsm8k", "fingerprint": "x"}}
    assert difference(cached, dict(cached)) is None
    assert difference(cached, cached | {"top_k": 9}) == "top_k: 8 there, 9 here"
    other = cached | {"data": {"benchmark": "gsm8k", "fingerprint": "y"}}
    assert difference(cached, other) == "data (fingerprint): 'x' there, 'y' here"
    # The same weights may lie elsewhere; without them the name decides.
    assert difference(cached, cached | {"model": "b"}) is None
    assert difference(cached, cached | {"weights": "2"}) == "weights: '1' there, '2' here"
    assert difference(cached, cached | {"weights": None}) is None
    assert difference(cached, cached | {"model": "b", "weights": None}) == "model: 'a' there, 'b' here"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "jsd"}, "objective: 'jsd' .*choose topk_mse, or topk_kl"),
        ({"teacher": "ema"}, "teacher: 'ema' .*changes with every step"),
        ({"lmbda": 0.5}, "lmbda .*gold answers"),
    ],
)
def test_what_cached_targets_cannot_serve_is_refused(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        ICLDistillConfig(str(tmp_path), teacher_targets="x", use_cpu=True, bf16=False, **settings)
