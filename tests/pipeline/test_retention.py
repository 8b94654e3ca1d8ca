"""The stage of a run that measures what its students cost."""

from pathlib import Path

import pytest

from distill.pipeline.config import RETENTION_TASKS, load_run_config, run_config, save_run_config
from distill.pipeline.limits import with_limits
from distill.pipeline.records import facts
from distill.pipeline.retention import check_retention
from distill.pipeline.stages import build_stages
from distill.pipeline.tiny import scale_tiny
from lm_eval_tasks.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


def run_of(**retention):
    keys = {
        "model_name_or_path": "demo", "data": "sample", "backend": "hf", "retention": retention,
        "benchmarks": {
            "ifeval": {"config": "demo_ifeval.yaml", "num_fewshot": [0, 2], "checkpoint_steps": [3, 6]}
        },
        "conditions": {"baseline": None, "online_v1": {"config": "demo_online_v1.yaml"}},
    }  # fmt: skip
    return run_config(keys, "")


def stage_of(config, output):
    stages = {stage.name: stage for stage in build_stages(config, CONFIGS, output)}
    return stages["retention-ifeval"], stages


def option(stage, name):
    words = stage.command[stage.command.index(f"--{name}") + 1 :]
    ends = [place for place, word in enumerate(words) if word.startswith("--")]
    return list(words[: ends[0] if ends else None])


def test_the_job_itself_is_not_asked_again_and_the_final_students_are(tmp_path):
    stage, stages = stage_of(run_of(), tmp_path)
    assert option(stage, "task") == ["csqa_icl_mc"] and RETENTION_TASKS == ("csqa_icl_mc", "ifeval")
    assert option(stage, "checkpoint_step") == ["6"] and option(stage, "conditions") == [
        "baseline",
        "online_v1",
    ]
    assert option(stage, "data") == ["sample"] and stage.optional
    assert stage.output == tmp_path / "ifeval" / "retention"
    assert [path.name for path in stage.inputs] == ["train.jsonl", "validation.jsonl"]
    assert stage.name in stages["report"].after


def test_only_what_decides_the_result_makes_it_out_of_date(tmp_path):
    def prints(config):
        stage, stages = stage_of(config, tmp_path)
        return facts(stage, dict.fromkeys(stages, "same"))

    first = prints(run_of())
    assert prints(run_of()) == first
    for changed in (run_of(n_samples=7), run_of(tasks=["gsm8k"]), run_of(max_new_tokens=None)):
        assert prints(changed)["fingerprint"] != first["fingerprint"]
    assert first["parts"].keys() == {"retention baseline", "retention online_v1"}


def test_the_best_of_several_tries_waits_for_the_evaluation(tmp_path):
    stage, _ = stage_of(run_of(best_of=["baseline"]), tmp_path)
    assert option(stage, "best_of") == ["baseline"] and stage.after == ("gap-ifeval", "eval-ifeval")
    assert stage_of(run_of(), tmp_path)[0].after == ("gap-ifeval",)
    with pytest.raises(UserError, match=r"retention.best_of: 'sft' is no condition of this run"):
        run_of(best_of=["sft"])


def test_a_shortened_run_asks_less(tmp_path):
    assert with_limits(run_of(), n_samples=9, max_steps=None).retention.n_samples == 9
    tiny = scale_tiny(run_of(n_samples=500, data="hub"), tmp_path).retention
    assert (tiny.data, tiny.n_samples, tiny.max_new_tokens) == ("sample", 4, 8)


def test_a_run_that_does_not_ask_is_as_before_and_one_that_does_is_written_down(tmp_path):
    plain = load_run_config(CONFIGS / "demo.yaml")
    assert plain.retention is None
    assert not any("retention" in stage.name for stage in build_stages(plain, CONFIGS, tmp_path))
    for config in (plain, run_of(tasks=["csqa_icl_mc"], n_samples=11)):
        assert load_run_config(save_run_config(config, tmp_path)).retention == config.retention


def test_tasks_are_looked_at_before_anything_runs():
    check_retention(run_of().retention)
    with pytest.raises(UserError, match="nonesuch"):
        check_retention(run_of(tasks=["nonesuch_task"]).retention)
    with pytest.raises(UserError, match=r"retention.n_samples"):
        run_of(n_samples=0)
