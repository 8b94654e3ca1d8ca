"""The overlap stage's result in the report."""

import pytest

from distill.evaluation.data_overlap import OVERLAP_FILE, data_overlap
from distill.report.collect import collect
from distill.report.contamination import overlap_parts
from distill.report.markdown import Report, compose
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json
from lm_eval_tasks.overlap import Settings


def test_the_runs_overlap_is_a_section(run_dir):
    write_json(run_dir / OVERLAP_FILE, data_overlap(["gsm8k"], "sample", Settings()))
    page = compose(Report("Results", collect([run_dir]), [run_dir]))
    section = page.split("## Overlap of training and evaluation")[1].split("\n## ")[0]
    assert "| gsm8k | 320 training rows | 64 evaluated rows |" in section
    assert section.rstrip().endswith(f"the pairs are in `{OVERLAP_FILE}`.")


def test_a_run_without_the_stage_has_no_section(run_dir):
    assert overlap_parts([run_dir]) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "other"}', '{"schema": "icl-distill/overlap"}'])
def test_another_file_of_that_name_is_one_clear_error(tmp_path, text):
    (tmp_path / OVERLAP_FILE).write_text(text)
    with pytest.raises(UserError, match="is not a file of 'icl-distill data overlap'"):
        overlap_parts([tmp_path])
