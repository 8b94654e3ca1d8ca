"""Several runs that differ in their seed: means over seeds, and what keeps runs from being pooled."""

import json

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from distill.cli import main
from distill.report.collect import collect
from distill.report.html.verdict import cards
from distill.report.markdown import Report
from distill.statistics.seeds import over_seeds

from .conftest import answer_rows, make_entry, write
from .test_report import section, text_of

PROVENANCE = {
    "model": "m", "revision": "main", "world_size": 1, "trainer": "SFTTrainer",
    "data": {"source": "hub", "fingerprint": "x", "train": {"rows": 9}, "demonstrations_left_out": 4},
    "settings": {"learning_rate": 0.1, "data_seed": None},
}  # fmt: skip
# Of 100 rows: base 0-shot 40, 8-shot 60.
RIGHT = {"baseline": {42: 50, 43: 52, 44: 51}, "online_v1": {42: 60, 43: 62, 44: 67}}


def run_folder(root, seed, *, provenance=PROVENANCE, right=RIGHT, base=(40, 60), **changes):
    """A run as `icl-distill run` leaves it."""
    folder = root / f"seed-{seed}" / "gsm8k"
    bases = [(make_entry("gsm8k", r, k=k, request__seed=seed), r)
             for k, r in zip((0, 8), (answer_rows(n, 100) for n in base), strict=True)]  # fmt: skip
    write(folder / "gap.json", "gap", bases)
    measured = []
    for condition, by_seed in right.items():
        rows = answer_rows(by_seed[seed], 100)
        (folder / condition).mkdir()
        if provenance:
            own = provenance | {"seed": seed}
            (folder / condition / "provenance.json").write_text(json.dumps(own))
        known = {"request__seed": seed} | changes
        entry = make_entry("gsm8k", rows, condition=condition, step=9, **known)
        measured.append((entry, rows))
    write(folder / "results.json", "checkpoints", measured)
    return folder.parent


def line_of(text, *cells):
    return next(line for line in text.splitlines() if line.startswith("| " + " | ".join(cells) + " |"))


def test_the_interval_worked_by_hand_and_by_scipy():
    # Squared distances 0.0009, 0.0001, 0.0016; t(0.975, 2) = 4.3027.
    found = over_seeds([0.60, 0.62, 0.67])
    assert found.mean == pytest.approx(0.63)
    assert found.sd == pytest.approx(0.0013**0.5)
    half = 4.302652729911275 * 0.0013**0.5 / 3**0.5
    assert found.interval == pytest.approx((0.63 - half, 0.63 + half))
    assert half == pytest.approx(0.0896, abs=5e-5)
    reference = ttest_1samp([0.60, 0.62, 0.67], 0.5).confidence_interval(0.95)
    assert found.interval == pytest.approx((reference.low, reference.high))


def test_one_seed_has_no_interval_and_equal_seeds_have_none_to_speak_of():
    assert over_seeds([0.5]) is over_seeds([]) is None
    assert over_seeds([0.5, 0.5]).interval == (0.5, 0.5)


def test_the_interval_covers_the_mean():
    values = np.random.default_rng(2).normal(0.4, 0.05, (4000, 3))
    intervals = [over_seeds(list(row)).interval for row in values]
    assert 0.94 < np.mean([low <= 0.4 <= high for low, high in intervals]) < 0.96


def test_scores_and_gains_over_three_seeds(tmp_path):
    for seed in (42, 43, 44):
        run_folder(tmp_path, seed)
    text = section(text_of(tmp_path), "## Over seeds")
    assert "Runs with seeds 42, 43, 44. **All other sections show one seed of each result: 42.**" in text
    assert line_of(text, "GSM8K", "baseline", "9", "3 (42, 43, 44)") == (
        "| GSM8K | baseline | 9 | 3 (42, 43, 44) | 51.00% | 1.00% | [48.5, 53.5] |"
    )
    assert "| 63.00% | 3.61% | [54.0, 72.0] |" in line_of(text, "GSM8K", "online_v1", "9")
    minus = "\N{MINUS SIGN}"
    assert "| +23.00% | 3.61% | [14.0, 32.0] |" in line_of(text, "GSM8K", f"online_v1 {minus} base 0-shot")
    # Within the seeds 10, 10 and 16 points.
    half = t.ppf(0.975, 2) * 12**0.5 / 3**0.5
    expected = f"| +12.00% | 3.46% | [{12 - half:.1f}, {12 + half:.1f}] |"
    assert expected in line_of(text, "GSM8K", f"online_v1 {minus} baseline")
    # 20, 22 and 27 of a gap of 20.
    assert "| 115% |" in line_of(text, "GSM8K", "ICL gap closed by online_v1")


def test_the_other_sections_show_the_first_seed_alone(tmp_path):
    for seed in (42, 43, 44):
        run_folder(tmp_path, seed)
    page = text_of(tmp_path / "seed-43", tmp_path / "seed-42")
    assert "| 9 | 52.00% (52/100)" in section(page, "## Section 3")
    assert "50.00% (50/100)" not in section(page, "## Section 3")
    assert "of each result: 43.**" in page and "## Warnings" not in page


def card_of(tmp_path, **changes):
    for seed in (42, 43, 44):
        run_folder(tmp_path, seed, **changes)
    (card,) = cards(Report("t", collect([tmp_path])))
    return card


def test_the_top_card_shows_the_means_where_there_are_several_seeds(tmp_path):
    card = card_of(tmp_path)
    found = {one.subject: one for _, one in card.bars}
    assert list(found) == [
        "Bare model",
        "With the prompt (8 examples)",
        "Baked (online_v1), 3 seeds",
        "Fine-tuned, 3 seeds",
    ]
    online = found["Baked (online_v1), 3 seeds"]
    expected = over_seeds([0.60, 0.62, 0.67])
    assert online.score == pytest.approx(expected.mean)
    assert (online.low, online.high) == pytest.approx(expected.interval)
    assert "scores 63.0% on average over 3 seeds" in card.sentence
    (finding,) = [one for one in card.findings if one.words.endswith("Fine-tuned")]
    assert finding.figures.startswith(
        "+12.0 points [3.4, 20.6] over 3 seeds; the first alone: +10.0 points ["
    )


@pytest.mark.parametrize(
    ("right", "base", "kind"),
    [
        ({42: 80, 43: 81, 44: 82}, 40, "better"),
        ({42: 80, 43: 81, 44: 20}, 40, "unclear"),  # the first seed alone would claim a gain
        ({42: 41, 43: 42, 44: 41}, 40, "unclear"),  # steady over seeds, and no more than a row or two
    ],
)
def test_a_claim_needs_the_rows_and_the_seeds(tmp_path, right, base, kind):
    card = card_of(tmp_path, right={"online_v1": right}, base=(base, 95))
    finding = next(one for one in card.findings if one.words.startswith("Baked (online_v1)"))
    assert finding.kind == kind


def test_a_single_seed_has_no_section(tmp_path):
    run_folder(tmp_path, 42)
    assert "Over seeds" not in text_of(tmp_path)


def test_a_gap_that_may_be_none_is_not_divided_by(tmp_path):
    for seed in (42, 43):
        run_folder(tmp_path, seed, base=(40, 40))
    text = section(text_of(tmp_path), "## Over seeds")
    assert "base 0-shot" in text and "ICL gap closed" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"provenance": PROVENANCE | {"settings": {"learning_rate": 0.2}}}, "learning_rate differs"),
        ({"provenance": PROVENANCE | {"world_size": 2}}, "world_size differs"),
        ({"provenance": PROVENANCE | {"data": {"fingerprint": "y"}}}, "the data's fingerprint differs"),
        ({"request__backend": "hf"}, "the backend differs"),
        ({"data__fingerprint": "z"}, "the data fingerprint differs"),
        ({"model__base_fingerprint": "z"}, "the base model differs"),
        ({"prompts__fingerprint": "z"}, "the 0-shot prompt differs"),
    ],
)
def test_what_differs_in_more_than_the_seed_is_not_pooled(tmp_path, change, message):
    run_folder(tmp_path, 42)
    run_folder(tmp_path, 43, **change)
    page = text_of(tmp_path)
    warnings = section(page, "## Warnings")
    assert f"online_v1 is not pooled over seeds: {message}" in warnings
    assert "## Over seeds" not in page


def test_only_the_condition_that_differs_is_left_out(tmp_path):
    run_folder(tmp_path, 42)
    other = run_folder(tmp_path, 43) / "gsm8k" / "online_v1" / "provenance.json"
    other.write_text(json.dumps(PROVENANCE | {"seed": 43, "trainer": "other"}))
    text = section(text_of(tmp_path), "## Over seeds")
    assert "| GSM8K | baseline |" in text and "online_v1" not in text


def test_without_provenance_the_evaluations_seed_counts_and_a_warning_says_so(tmp_path):
    for seed in (42, 43):
        run_folder(tmp_path, seed, provenance=None)
    page = text_of(tmp_path)
    assert "without provenance.json is among the seeds" in section(page, "## Warnings")
    assert "2 (42, 43)" in section(page, "## Over seeds")


def test_trainings_seeds_beside_one_base_model(tmp_path):
    """Trained with several seeds, evaluated with one: the seed is the training's, the base is shared."""
    for seed in (42, 43):
        folder = run_folder(tmp_path, seed, request__seed=42)
        if seed == 43:
            (folder / "gsm8k" / "gap.json").unlink()
    text = section(text_of(tmp_path), "## Over seeds")
    assert "| +21.00% |" in line_of(text, "GSM8K", "online_v1 \N{MINUS SIGN} base 0-shot")


def test_one_seed_under_two_paths_counts_once_and_is_named(tmp_path):
    for copy in ("a", "b"):
        for seed in (42, 43):
            run_folder(tmp_path / copy, seed, model__name=f"/{copy}/model")
    page = text_of(tmp_path)
    assert "only the first counts" in section(page, "## Warnings")
    assert "2 (42, 43)" in section(page, "## Over seeds")


def test_both_pages_have_the_section(tmp_path):
    runs = [str(run_folder(tmp_path, seed)) for seed in (42, 43)]
    assert main(["report", *runs, "--output", str(tmp_path / "o")]) == 0
    assert "Over seeds" in (tmp_path / "o" / "index.html").read_text()
    assert "## Over seeds" in (tmp_path / "o" / "report.md").read_text()
