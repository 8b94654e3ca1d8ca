import pytest

from lm_eval_tasks.scoring.diagnostics import Diagnostics, flag, is_looping
from lm_eval_tasks.scoring.thinking import split_thinking


def flags(text, **kwargs):
    return flag(text, split_thinking(text), **kwargs)


@pytest.mark.parametrize(
    "text",
    [
        "Start. " + "I am a loop. " * 30,
        "x" * 500,
        "ha " * 200 + "h",
        "A long first part that differs.\n" + ("line one of the block\nline two of the block\n" * 9)[:-7],
        "y" + "A sentence of some length that comes again and again, to no end at all. " * 5,
    ],
)
def test_loops(text):
    assert is_looping(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ha ha ha ha",
        "The quick brown fox jumps over the lazy dog. " * 2,
        "".join(f"{i}. item number {i}\n" for i in range(60)),
        "I am a loop. " * 30 + "But then I found my way out of it and wrote a proper ending.",
    ],
)
def test_no_loops(text):
    assert not is_looping(text)


def test_flags():
    assert flags("<think>a").unclosed_think and flags("<think>a").response_empty
    assert flags(" ").response_empty and not flags("a").response_empty
    assert flags("a").truncated is None and flags("a", truncated=True).truncated


def test_score_on_completed_leaves_truncated_responses_out():
    diagnostics = Diagnostics()
    for truncated, score in ((True, 0.0), (False, 1.0), (False, 0.0), (None, 1.0)):
        diagnostics.add(
            flags("a", truncated=truncated), score=score, response_tokens=10 if truncated else None
        )
    summary = diagnostics.summary()
    assert summary["truncated"] == pytest.approx(1 / 3)
    assert summary["score_on_completed"] == 0.5
    assert (summary["mean_response_tokens"], summary["response_tokens_known"]) == (10, 1)


@pytest.mark.parametrize(("truncated", "warns"), [(0, False), (5, False), (6, True), (37, True)])
def test_a_warning_past_five_percent(truncated, warns):
    diagnostics = Diagnostics()
    for index in range(100):
        diagnostics.add(flags("a", truncated=index < truncated), score=1)
    warning = diagnostics.warning()
    assert bool(warning) is warns
    if warns:
        assert f"{truncated}.0%" in warning
