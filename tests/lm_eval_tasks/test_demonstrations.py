import pytest

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker, without_overlap
from lm_eval_tasks.sources import open_source


@pytest.fixture(scope="module")
def pool():
    return open_source("gsm8k", data="sample").train()


def questions(examples):
    return [example.question for example in examples]


def test_fixed_is_the_same_for_every_question_and_nested_in_k(pool):
    asked = open_source("gsm8k", data="sample").evaluation()
    four, eight = DemonstrationPicker(pool, 4), DemonstrationPicker(pool, 8)
    assert four.pick(asked[0]) == four.pick(asked[1]) == eight.pick(asked[5])[:4]


def test_the_seed_changes_the_choice(pool):
    assert DemonstrationPicker(pool, 4, seed=1).fixed != DemonstrationPicker(pool, 4, seed=2).fixed


def test_per_example_differs_by_question_repeats_itself_and_never_shows_the_question(pool):
    small = pool[:6]
    picker = DemonstrationPicker(small, 5, mode="per_example")
    for example in small:
        shown = picker.pick(example)
        assert len(shown) == 5 and example.question not in questions(shown)
        assert shown == DemonstrationPicker(small, 5, mode="per_example").pick(example)
    assert len({tuple(questions(picker.pick(example))) for example in small}) > 1


def test_shuffled_keeps_the_questions_and_moves_every_answer(pool):
    true = DemonstrationPicker(pool, 4).fixed
    false = DemonstrationPicker(pool, 4, mode="shuffled").fixed
    assert questions(true) == questions(false)
    assert sorted(e.completion for e in true) == sorted(e.completion for e in false)
    assert all(a.completion != b.completion for a, b in zip(true, false, strict=True))


def test_zero_shows_nothing(pool):
    assert DemonstrationPicker(pool, 8, mode="zero").pick(pool[0]) == []


@pytest.mark.parametrize("mode", ["fixed", "per_example"])
def test_csqa_covers_the_five_letters(mode):
    rows, asked = open_source("csqa", data="sample").train(), open_source("csqa", data="sample").evaluation()
    for seed in range(5):
        shown = DemonstrationPicker(rows, 5, mode=mode, seed=seed).pick(asked[seed])
        assert sorted(e.reference["target"] for e in shown) == list("ABCDE")


def test_a_fixed_demonstration_is_not_asked_of_itself(pool):
    picker = DemonstrationPicker(pool, 4)
    with pytest.raises(UserError, match="its own demonstrations"):
        picker.pick(picker.fixed[2])


def test_evaluated_rows_leave_the_pool(pool):
    kept, dropped = without_overlap(pool, pool[10:13])
    assert dropped == 3 and not set(questions(pool[10:13])) & set(questions(kept))


@pytest.mark.parametrize(
    ("k", "mode", "words"), [(4, "fixed", "at least 5"), (-1, "fixed", "-1"), (1, "best", "'best'")]
)
def test_bad_settings_are_named(pool, k, mode, words):
    with pytest.raises(UserError, match=words):
        DemonstrationPicker(pool[:4], k, mode=mode)


def test_listed_shows_the_first_k_as_they_stand_and_needs_no_more(pool):
    chosen = pool[:3]
    assert DemonstrationPicker(chosen, 3, mode="listed", seed=9).pick(pool[5]) == chosen
    assert DemonstrationPicker(chosen, 2, mode="listed").pick(pool[5]) == chosen[:2]
    with pytest.raises(UserError, match="at least 4 rows"):
        DemonstrationPicker(chosen, 4, mode="listed")
    with pytest.raises(UserError, match="its own demonstrations"):
        DemonstrationPicker(chosen, 3, mode="listed").pick(pool[1])
