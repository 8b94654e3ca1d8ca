import pytest

from lm_eval_tasks.scoring.thinking import Thinking, opened_by, split_thinking
from lm_eval_tasks.scoring.thinking_tags import CHANNELS

(ANALYSIS, FINAL), _ = CHANNELS


@pytest.mark.parametrize(
    ("text", "answer", "thought", "unclosed"),
    [
        ("plain", "plain", None, False),
        (" plain\n", " plain\n", None, False),
        ("<think>a</think>\n\nb ", "b ", "a", False),
        ("<think>\n\n</think>\n\nb", "b", "", False),
        ("<think>a", "", "a", True),
        ("x <think>a", "", "x a", True),
        ("<think>a</think>b<think>c</think>d", "d", "abc", False),
        ("<think>a</think>b<think>c", "", "abc", True),
        ("a</think>b", "b", "a", False),
        ("<think>a</think>b</think>c", "c", "ab", False),
        ("<think>a<think>b</think>c", "c", "ab", False),
        ("", "", None, False),
        ("<thinking>a</thinking>b", "b", "a", False),
        ("[THINK]a[/THINK]b", "b", "a", False),
        ("[THINK]a", "", "a", True),
        ("a</thinking>b", "b", "a", False),
        ("<think>a</thinking>b", "", "ab", True),
        ("<think>a</thinking>b</think>c", "c", "ab", False),
        ("\n <think>a</think>\n<think>b</think>c", "c", "a\nb", False),
        ("Text.\n<think>a", "", "Text.\na", True),
        (f"{ANALYSIS}a<|end|><|start|>assistant{FINAL}b<|return|>", "b", "a<|end|><|start|>assistant", False),
        (f"{ANALYSIS}a", "", "a", True),
        (f"{FINAL}b", "b", "", False),
        ("analysisaassistantfinal b", "b", "a", False),
        ("analysis of it", "analysis of it", None, False),
        ("</think>", "", "", False),
    ],
)
def test_splits(text, answer, thought, unclosed):
    assert split_thinking(text) == Thinking(answer, thought, unclosed)


MENTIONS = [
    "The <think> tag opens it.",
    "The `<think>` tag opens it.",
    "`<think>` opens it.",
    "It writes <think>, and then </think>.",
    "The tags <think> and </think> stand around it.",
    'Between "<think>" and "</think>" it thinks.',
    "It ends with `</think>` there.",
    "I will not <think>",
    "See [THINK] there, or <thinking>.",
    "```\n<think>\nwell\n</think>\n```",
]


@pytest.mark.parametrize("text", MENTIONS)
@pytest.mark.parametrize("begin", ["", "<think>a</think>", "a\n</think>\n\n"])
def test_a_mention_is_prose(text, begin):
    thinking = split_thinking(f"{begin}{text} Answer: B")
    assert (thinking.answer, thinking.unclosed) == (f"{text} Answer: B", False)


def test_a_thought_that_mentions_its_end_goes_on():
    assert split_thinking("<think>I must write `</think>` now").unclosed
    assert split_thinking("<think>I must write `</think>` now</think>b").answer == "b"


def test_given_tags_alone_are_looked_for():
    tags = (("<a>", "</a>"),)
    assert split_thinking("<a>x</a>y", tags=tags) == Thinking("y", "x", False)
    assert split_thinking("<think>x</think>y", tags=tags).answer == "<think>x</think>y"
    assert split_thinking("<a>x</a>y").answer == "<a>x</a>y"
    assert split_thinking("analysis is on", tags=CHANNELS) == Thinking("", "is on", True)


@pytest.mark.parametrize(
    ("prompt", "tag"), [("a<think>\n", "<think>"), ("[THINK]", "[THINK]"), ("<think> a", None)]
)
def test_what_a_prompt_ends_with(prompt, tag):
    assert opened_by(prompt) == tag


@pytest.mark.parametrize(
    ("text", "answer", "unclosed"),
    [
        ("a</think>b", "b", False),
        ("still going", "", True),
        ("<think>a</think>b", "b", False),
        ("", "", True),
    ],
)
def test_opened_in_the_prompt(text, answer, unclosed):
    thinking = split_thinking(text, opened_in_prompt=True)
    assert (thinking.answer, thinking.unclosed) == (answer, unclosed)
