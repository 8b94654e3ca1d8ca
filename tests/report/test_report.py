"""The report against the seeds' own tables."""

import json

import pytest

from distill.cli import main
from distill.report.collect import collect
from distill.report.markdown import Report, compose
from distill.statistics.significance import minimum_detectable_effect

from .conftest import answer_rows, ifeval_gap, ifeval_sweep, make_entry, write


def report(*paths, output):
    code = main(["report", *map(str, paths), "--output", str(output)])
    assert code == 0
    return (output / "report.md").read_text()


def text_of(*paths):
    """The Markdown page, without its figures: they take most of the time."""
    return compose(Report("Results", collect(paths)))


def section(page, heading):
    start = page.index(heading)
    end = page.find("\n## ", start + 1)
    return page[start : end if end > 0 else None]


def test_section_1_is_the_seeds_table_with_counts_and_intervals(run_dir):
    text = section(text_of(run_dir), "## Section 1")
    assert text.startswith("## Section 1 — ICL gap (Qwen/Qwen3-1.7B)")
    ifeval = text[text.index("### IFEval") :]
    assert "| Condition | Prompt Acc. | 95% interval | Instruction Acc. | 95% interval |" in ifeval
    assert "| 0-shot | 7.21% (39/541) | [5.3, 9.7] | 13.79% (115/834) |" in ifeval
    assert "| 4-shot | 8.50% (46/541) |" in ifeval and "15.83% (132/834)" in ifeval
    # 25 prompts won and 18 lost are no gap yet; of the instructions, more rows differ one way.
    assert "| ICL gap | +1.29% | [\N{MINUS SIGN}1.1, 3.7] | **+2.04%** | [0.4, 3.8] |" in ifeval


def test_section_3_is_the_seeds_tables(run_dir):
    text = section(text_of(run_dir), "## Section 3")
    text = text[text.index("### IFEval") :]
    prompt, instruction = text.split("#### Instruction-level accuracy")
    assert "#### Prompt-level strict accuracy (primary metric)" in prompt
    assert "| Step | Baseline | Distillation (online_v1) |" in prompt
    assert "| 200 | 40.67% (220/541) [36.6, 44.9] | 37.89% (205/541) [33.9, 42.1] |" in prompt
    assert "| 1000 | 42.14% (228/541)" in prompt and "38.45% (208/541)" in prompt
    assert "| 400 | 51.08% (426/834)" in instruction and "47.48% (396/834)" in instruction
    assert [line.split(" | ")[0] for line in prompt.splitlines() if line[2:3].isdigit()] == [
        "| 200",
        "| 400",
        "| 1000",
    ]


def test_section_4_is_the_seeds_summary(run_dir):
    text = section(text_of(run_dir), "## Section 4")
    text = text.split("### Paired comparisons")[0]
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if " | " in line}
    assert lines["Dataset"].startswith(
        "| Dataset | Step | 0-shot | k-shot | SFT baseline | Distillation | Gain (Distill\N{MINUS SIGN}SFT)"
    )
    ifeval, gsm8k = lines["IFEval"], lines["GSM8K"]
    for part in (
        "1000",
        "7.21% (39/541)",
        "4-shot: 8.50% (46/541)",
        "42.14% (228/541)",
        "38.45% (208/541)",
        "**\N{MINUS SIGN}3.70%** [\N{MINUS SIGN}7.0, \N{MINUS SIGN}0.5]",
    ):
        assert part in ifeval
    for part in (
        "26.08% (344/1319)",
        "8-shot: 47.08%",
        "63.00% (831/1319)",
        "71.04% (937/1319)",
        "**+8.04%** [6.2, 10.0]",
    ):
        assert part in gsm8k


def test_section_4_compares_pairs_row_by_row(run_dir):
    text = section(text_of(run_dir), "## Section 4")
    # 138 rows won and 32 lost are the 106 between 937 and 831.
    line = next(line for line in text.splitlines() if "GSM8K | online_v1 step 1000 against baseline" in line)
    assert "| 1319 | +8.04% | [6.2, 10.0] | 138 | 32 | < 0.001 | < 0.001 |" in line
    # Eight lines, so each is tested at 0.05 / 8 at first.
    assert line.endswith(f" | {100 * minimum_detectable_effect(1319, 170 / 1319, alpha=0.05 / 8):.2f}% |")
    pairs = [line.split(" | ")[1] for line in text.splitlines() if " against " in line and "IFEval" in line]
    assert pairs == [
        "base 4-shot against base 0-shot",
        "baseline step 1000 against base 0-shot",
        "online_v1 step 1000 against base 0-shot",
        "online_v1 step 1000 against baseline step 1000",
    ]
    closed = text.split("### ICL gap closed")[1]
    # (937 - 344) / (621 - 344); IFEval's gap of 7 of 541 rows may be chance.
    assert "| GSM8K | online_v1 step 1000 | 8-shot | 214% |" in closed
    assert "| IFEval | online_v1 step 1000 | 4-shot | not reported: the gap may be chance | — |" in closed


def test_an_uncertain_gap_is_not_divided_by(tmp_path):
    zero, few = answer_rows(50, 100), answer_rows(52, 100)
    few.reverse()  # right on other rows: 48 of each kind are discordant
    students = answer_rows(60, 100)
    write(
        tmp_path / "gap.json",
        "gap",
        [(make_entry("gsm8k", r, k=k), _numbered(r)) for k, r in ((0, zero), (8, few))],
    )
    measured = [(make_entry("gsm8k", students, condition="baseline", step=1), students)]
    write(tmp_path / "results.json", "checkpoints", measured)
    assert "| not reported: the gap may be chance | — |" in text_of(tmp_path)


def _numbered(rows):
    for number, row in enumerate(rows):
        row.update(id=str(number), question=f"q{number}")
    return rows


def test_a_lost_log_costs_the_pairs_and_not_the_report(run_dir, tmp_path):
    log = run_dir / "gsm8k" / "samples" / "x" / "online_v1-1000-gsm8k.jsonl"
    text = log.read_text()
    log.unlink()
    page = text_of(run_dir)
    assert f"{log} is gone: online_v1 step 1000 has no paired comparison" in page
    assert "71.04% (937/1319)" in page and "GSM8K | online_v1 step 1000 against" not in page
    log.write_text(text[: len(text) // 2])
    assert main(["report", str(run_dir), "--output", str(tmp_path / "b")]) == 2


def test_training_and_divergence_come_from_the_runs_own_folders(run_dir):
    page = text_of(run_dir)
    assert "| GSM8K | Baseline | 2.5000 (step 10) | 1.2500 (step 1000) |" in page
    text = section(page, "## Training")
    assert "### Divergence from the few-shot teacher, GSM8K" in text
    assert "| Step | Baseline | Distillation (online_v1) |" in text
    assert "| 0 (base model) | 0.5000 | 0.5000 |" in text and "| 1000 | 0.1250 | 0.1500 |" in text


def test_a_moved_run_reports_the_same(run_dir, tmp_path):
    first = report(run_dir, output=tmp_path / "a")
    moved = run_dir.rename(tmp_path / "moved")
    assert report(moved, output=moved / "report") == first
    assert report(moved, output=moved / "report") == first  # its own output is no input


def test_the_figure_is_an_image_of_every_benchmark(run_dir, tmp_path):
    import matplotlib.image

    page = report(run_dir, output=tmp_path / "out")
    assert "(accuracy.png)" in page
    pixels = matplotlib.image.imread(tmp_path / "out" / "accuracy.png")
    assert pixels.shape[1] > pixels.shape[0] > 400  # two panels side by side
    assert len({tuple(colour) for colour in pixels[::7, ::7, :3].reshape(-1, 3).round(2)}) > 4


def test_without_checkpoints_there_is_no_summary(tmp_path):
    write(tmp_path / "gap.json", "gap", ifeval_gap())
    page = text_of(tmp_path / "gap.json")
    assert "Section 1" in page and "Section 3" not in page and "Section 4" not in page
    assert "(accuracy.png)" not in page and "(gains.png)" in page


def test_clean_runs_have_no_warnings(run_dir):
    assert "Warnings" not in text_of(run_dir)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request__backend": "hf"}, "the backend differs"),
        ({"model__dtype": "float32"}, "dtype differs"),
        ({"data__fingerprint": "other"}, "the data fingerprint differs"),
        ({"prompts__fingerprint": "other"}, "the 0-shot prompt differs"),
        ({"generation__max_gen_toks": 64}, "max_new_tokens differs"),
        ({"request__enable_thinking": True}, "enable_thinking differs"),
        ({"versions__lm_eval": "0.4.12"}, "lm_eval's version differs"),
        ({"model__base_fingerprint": "other"}, "the base model differs"),
    ],
)
def test_what_must_be_equal_and_is_not_is_named(tmp_path, change, message):
    (zero, rows), few = ifeval_gap()
    sweep = ifeval_sweep()
    changed, own_rows = sweep[-1]
    for path, value in change.items():
        part, _, name = path.partition("__")
        changed[part][name] = value
    write(tmp_path / "gap.json", "gap", [(zero, rows), few])
    write(tmp_path / "results.json", "checkpoints", sweep)
    warnings = section(text_of(tmp_path), "## Warnings")
    assert f"IFEval (Qwen/Qwen3-1.7B): {message}" in warnings
    assert "for online_v1 step 1000" in warnings
    del changed, own_rows


def test_different_truncation_flags_the_gain(tmp_path):
    kinds = (
        ("baseline", answer_rows(60, 100, truncated=10)),
        ("online_v1", answer_rows(70, 100, truncated=4)),
    )
    measured = [(make_entry("gsm8k", rows, condition=name, step=5), rows) for name, rows in kinds]
    write(tmp_path / "results.json", "checkpoints", measured)
    page = text_of(tmp_path)
    assert "**+10.00%** (!)" in page and "truncated rates differ by more than 5 points" in page
    assert "GSM8K, baseline step 5: 10 of 100 responses were cut at 512 tokens (66.67% on the others)" in page
    assert "online_v1 step 5: 4 of 100" not in page


def test_two_files_that_disagree_show_the_later_and_say_so(tmp_path):
    early, late = answer_rows(1, 10), answer_rows(9, 10)
    write(tmp_path / "b" / "gap.json", "gap", [(make_entry("gsm8k", early), early)])
    newer = make_entry("gsm8k", late, date="2026-02-01T00:00:00+00:00")
    write(tmp_path / "a" / "gap.json", "gap", [(newer, late)])
    page = text_of(tmp_path)
    assert "90.00% (9/10)" in page and "10.00% (1/10)" not in page
    assert "base 0-shot on gsm8k is in" in page


def test_steps_that_conditions_do_not_share_are_shown_as_absent(tmp_path):
    rows = answer_rows(5, 10)
    places = (("baseline", 1), ("baseline", 2), ("online_v1", 1))
    write(
        tmp_path / "results.json",
        "checkpoints",
        [(make_entry("gsm8k", rows, condition=name, step=step), rows) for name, step in places],
    )
    page = text_of(tmp_path)
    assert "| 2 | 50.00% (5/10) [23.7, 76.3] | — |" in page
    assert "| GSM8K | 1 |" in section(page, "## Section 4")  # the last step both have


def test_bad_input_is_named_and_nothing_is_written(run_dir, tmp_path, capsys):
    out = tmp_path / "out"
    bad = run_dir / "ifeval" / "results.json"
    bad.write_text(bad.read_text()[:-50])
    assert main(["report", str(run_dir), "--output", str(out)]) == 2
    assert f"{bad} is not readable as JSON" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none"), "--output", str(out)]) == 2
    assert "none does not exist" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["report", str(empty), "--output", str(out)]) == 2
    assert f"no results in {empty}" in capsys.readouterr().err
    assert not out.exists() or not list(out.iterdir())


def test_the_report_needs_no_torch(run_dir, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from distill.cli import main\n"
        f"assert main(['report', {str(run_dir)!r}, '--output', {str(tmp_path / 'out')!r}]) == 0\n"
        "assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_in_the_json_stay_numbers(run_dir):
    content = json.loads((run_dir / "ifeval" / "gap.json").read_text())
    metric = content["results"][0]["metrics"]["prompt_level_strict_acc"]
    assert (metric["correct"], metric["total"]) == (39, 541)
