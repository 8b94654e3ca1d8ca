import pytest

from lm_eval_tasks.scoring.thinking import Thinking, split_thinking


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
        ("</think>", "", "", False),
    ],
)
def test_splits(text, answer, thought, unclosed):
    assert split_thinking(text) == Thinking(answer, thought, unclosed)


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
