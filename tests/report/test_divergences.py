"""The held-out divergence of a run: what it changed by, with its uncertainty."""

import json

import numpy as np
import pytest

from distill.evaluation.divergence import Divergence, read_divergence
from distill.report.divergence_tables import change
from lm_eval_tasks.errors import UserError

from .conftest import HELD_OUT, write_divergence
from .test_report import section, text_of

MINUS = "\N{MINUS SIGN}"


def test_changes_have_intervals_over_the_held_out_rows(run_dir):
    text = section(text_of(run_dir), "## Training").split("| Comparison |")[1]
    lines = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in text.splitlines()}
    rows, value, bounds = lines["baseline step 1000 against the base model"]
    assert (rows, value) == ("20", f"**{MINUS}0.3750**")
    low, high = (float(end.replace(MINUS, "-")) for end in bounds.strip(" []|").split(", "))
    assert -0.46 < low < -0.375 < high < -0.29
    assert lines["online_v1 against baseline, step 1000"][1] == "**+0.0250**"
    assert "online_v1 step 1000 against the base model" in lines


def test_a_change_that_may_be_none_is_not_bold(run_dir):
    twisted = [one + (0.4 if number % 2 else -0.4) for number, one in enumerate(HELD_OUT)]
    write_divergence(run_dir / "gsm8k" / "baseline", {0: HELD_OUT, 1000: twisted})
    assert "| baseline step 1000 against the base model | 20 | +0.0000 | [" in text_of(run_dir)


def test_the_interval_is_the_paired_bootstraps(tmp_path):
    rng = np.random.default_rng(4)
    tokens, first = np.arange(1, 21), np.array(HELD_OUT)
    second = first * rng.uniform(0.4, 0.9, 20)
    write_divergence(tmp_path, {0: first.tolist(), 8: second.tolist()})
    found = read_divergence(tmp_path)
    known = change(found, 0, found, 8)
    drawn = rng.integers(0, 20, (10_000, 20))
    reference = (second - first)[drawn].sum(1) / tokens[drawn].sum(1)
    assert known.interval == pytest.approx(np.percentile(reference, [2.5, 97.5]), abs=0.004)
    assert known.value == pytest.approx((second - first).sum() / tokens.sum()) and known.rows == 20


def test_files_of_earlier_versions_and_other_rows_have_no_interval(run_dir):
    folder = run_dir / "gsm8k" / "baseline"
    steps = {"0": {"kl_teacher": 0.5}, "1000": {"kl_teacher": 0.125}}
    (folder / "divergence.json").write_text(json.dumps({"metric": "kl_teacher", "steps": steps}))
    old = read_divergence(folder)
    assert old == Divergence({0: 0.5, 1000: 0.125})
    assert change(old, 0, old, 1000).interval is None and change(old, 0, old, 1000).value == -0.375
    text = section(text_of(run_dir), "## Training")
    assert "| 1000 | 0.1250 | 0.1500 |" in text
    assert "baseline step 1000 against" not in text and "online_v1 step 1000 against" in text
    assert "online_v1 against baseline" not in text
    other = read_divergence(run_dir / "gsm8k" / "online_v1")
    renamed = Divergence(other.means, [("x", 1), *other.rows[1:]], other.sums)
    assert change(other, 0, renamed, 1000).interval is None


def test_a_step_with_too_few_rows_is_named(tmp_path):
    write_divergence(tmp_path, {0: HELD_OUT, 5: HELD_OUT[1:]})
    with pytest.raises(UserError, match=r"divergence.json: step 5 has 19 figures .* rows names 20"):
        read_divergence(tmp_path)
