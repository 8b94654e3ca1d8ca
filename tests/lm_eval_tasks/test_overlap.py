import random
import string

import pytest

from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import without_overlap, without_repeats
from lm_eval_tasks.sources.overlap import Passage, Settings, find_duplicates, find_overlap, words_of

QUESTION = (
    "A tram leaves the old harbour at seven with forty people, and at every stop three people get off while "
    "five get on. How many people are on the tram after the sixth stop?"
)


def compare(training, evaluated, **settings):
    return find_overlap(
        [Passage(f"t{i}", text) for i, text in enumerate(training)],
        [Passage(f"e{i}", text) for i, text in enumerate(evaluated)],
        Settings(**settings),
    )


def random_text(seed, words):
    rng = random.Random(seed)
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(words))


@pytest.mark.parametrize(
    "copy",
    [
        QUESTION,
        f"  {QUESTION.upper()}\n",
        QUESTION.replace(" ", "\N{NO-BREAK SPACE}\t"),
    ],
    ids=["same", "case", "white space"],
)
def test_an_exact_copy_is_found_whatever_its_case_and_white_space(copy):
    found = compare([random_text(1, 40), copy], [random_text(2, 40), QUESTION])
    assert found.evaluated == {"exact": 1, "near": 0, "partial": 0}
    (pair,) = found.pairs
    assert (pair.evaluated_id, pair.training_id, pair.kind, pair.coverage) == ("e1", "t1", "exact", 1.0)
    assert pair.shared == " ".join(words_of(QUESTION))


def test_composed_and_decomposed_letters_are_the_same_text():
    cafe = "Caf\N{LATIN SMALL LETTER E WITH ACUTE} Z\N{LATIN SMALL LETTER U WITH DIAERESIS}rich: open?"
    apart = "cafe\N{COMBINING ACUTE ACCENT} zu\N{COMBINING DIAERESIS}rich: OPEN?"
    assert compare([apart], [cafe]).evaluated["exact"] == 1


def test_another_sign_is_no_exact_copy():
    found = compare(["What is 3 - 4?"], ["What is 3 + 4?"])
    assert found.evaluated == {"exact": 0, "near": 1, "partial": 0}


def test_a_near_copy_has_one_number_changed():
    found = compare([QUESTION.replace("sixth", "ninth")], [QUESTION])
    assert found.evaluated == {"exact": 0, "near": 1, "partial": 0}
    (pair,) = found.pairs
    words = words_of(QUESTION)
    # All but the changed word and the one after it, which no 13 shared words cover.
    assert pair.coverage == pytest.approx((len(words) - 2) / len(words), abs=1e-4)
    assert pair.shared == " ".join(words[:-2])


def test_a_partial_copy_shares_thirteen_words_and_not_twelve():
    words = words_of(QUESTION)
    long = f"{random_text(3, 20)} {' '.join(words[:13])} {random_text(4, 20)}"
    short = f"{random_text(3, 20)} {' '.join(words[:12])} {random_text(4, 20)}"
    found = compare([short, long], [QUESTION])
    assert found.evaluated == {"exact": 0, "near": 0, "partial": 1}
    (pair,) = found.pairs
    assert (pair.training_id, pair.kind) == ("t1", "partial")
    assert pair.shared == " ".join(words[:13]) and pair.coverage == pytest.approx(13 / len(words), abs=1e-4)
    assert len(compare([short, long], [QUESTION], ngram=12).pairs) == 2


def test_pieces_from_several_rows_add_up_to_a_near_copy():
    words = words_of(QUESTION)
    half = len(words) // 2
    pieces = [" ".join([*words[:half], "x"]), " ".join(["y", *words[half:]])]
    found = compare(pieces, [QUESTION])
    assert [pair.kind for pair in found.pairs] == ["partial", "partial"]
    assert found.evaluated == {"exact": 0, "near": 1, "partial": 0}


def test_a_short_text_counts_as_a_whole_down_to_eight_words():
    eight = "which of these two metals melts at first"
    assert compare([f"tell me {eight} please"], [eight]).evaluated["near"] == 1
    seven = "which of these metals melts at first"
    assert not compare([f"tell me {seven} please"], [seven]).pairs
    assert compare([f"*{seven}*"], [seven]).evaluated["near"] == 1
    assert compare([f"{seven}!"], [seven]).evaluated["exact"] == 1


def test_set_phrases_are_passed_over_and_counted():
    phrase = " ".join(random_text(5, 13).split())
    training = [f"{random_text(100 + i, 20)} {phrase}" for i in range(11)]
    evaluated = [f"{phrase} {random_text(6, 20)}"]
    assert compare(training[:10], evaluated).evaluated["partial"] == 1
    found = compare(training, evaluated)
    assert not found.pairs and found.set_phrases == 1


def test_a_copy_is_found_however_often_it_is_repeated():
    assert compare([QUESTION] * 11, [QUESTION]).evaluated["exact"] == 1


@pytest.mark.parametrize("empty", ["", "  \n", "?!"])
def test_texts_without_words_match_nothing_but_themselves(empty):
    assert not compare([empty, QUESTION], ["", " ", QUESTION.replace("tram", "bus")[:20]]).pairs
    assert not compare([], [empty]).pairs and not compare([empty], []).pairs


def test_it_finds_what_comparing_all_pairs_word_by_word_finds():
    rng = random.Random(7)
    vocabulary = ["a", "b"]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(0, 12))) for _ in range(60)]
    training, evaluated = texts[:30], texts[30:]
    found = compare(training, evaluated, ngram=5, max_rows=1000)

    def naive(learned, tested):
        ours, theirs = learned.split(), tested.split()
        spots = set()
        for i in range(len(theirs) - 4):
            if any(ours[j : j + 5] == theirs[i : i + 5] for j in range(len(ours) - 4)):
                spots |= set(range(i, i + 5))
        if ours == theirs and theirs:
            spots = set(range(len(theirs)))
        return len(spots) / max(1, len(theirs))

    expected = {
        (f"e{e}", f"t{t}"): round(naive(training[t], evaluated[e]), 4)
        for t in range(30)
        for e in range(30)
        if naive(training[t], evaluated[e])
    }
    assert len(expected) > 20
    assert {(p.evaluated_id, p.training_id): p.coverage for p in found.pairs} == expected


@pytest.mark.parametrize(
    ("setting", "value"), [("ngram", 0), ("threshold", 0.0), ("threshold", 80), ("max_rows", 0)]
)
def test_settings_out_of_range_are_named(setting, value):
    with pytest.raises(UserError, match=f"{setting}: {value}"):
        Settings(**{setting: value})


def test_repeats_are_named_and_left_out():
    texts = ["One plus one?", "Is it 1.5?", " ONE, plus\n one!", "Is it 15?"]
    assert find_duplicates([Passage(str(i), text) for i, text in enumerate(texts)]) == [("0", "2")]
    rows = [Episode("x", str(i), text, text, "answer") for i, text in enumerate(texts)]
    kept, dropped = without_repeats(rows)
    assert [row.id for row in kept] == ["0", "1", "3"] and dropped == 1
    assert without_overlap(rows, [rows[2]]) == ([rows[1], rows[3]], 2)


def test_the_same_question_with_other_choices_is_no_repeat():
    rows = [
        Episode("x", str(i), f"Where?\nA. {choice}\nB. b", "Where?", "A") for i, choice in enumerate("af")
    ]
    assert without_repeats(rows) == (rows, 0)
