import pytest
import yaml
from trl import ModelConfig, SFTConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.config_files import parse_run
from lm_eval_tasks.errors import UserError

KINDS = (DataArguments, ModelConfig, ICLDistillConfig)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def base(write, tmp_path):
    return write(
        "base.yaml",
        f"task: gsm8k\noutput_dir: {tmp_path}\nlearning_rate: 2e-4\nmax_steps: 100\nbf16: false\n"
        "use_cpu: true\nlora_target_modules: [q_proj, v_proj]\n",
    )


def test_the_overlay_wins_and_the_command_line_over_both(base, write):
    overlay = write("overlay.yaml", "max_steps: 50\nseed: 7\ntop_k: 5\n")
    (data, model, args), settings = parse_run(
        KINDS, ["--config", overlay, "--base_config", base, "--max_steps", "5", "--no_shared_prefix"]
    )
    assert (args.max_steps, args.seed, args.top_k, args.shared_prefix) == (5, 7, 5, False)
    assert args.learning_rate == 2e-4  # YAML reads this form as text
    assert model.lora_target_modules == ["q_proj", "v_proj"]
    assert data.num_fewshot is None  # the task's own
    assert settings["max_steps"] == 5
    assert settings["seed"] == 7
    assert settings["shared_prefix"] is False
    assert "top_p" not in settings


def test_the_former_name_of_the_task_is_read(write, tmp_path):
    old = write("old.yaml", f"benchmark: csqa\noutput_dir: {tmp_path}\nuse_cpu: true\nbf16: false\n")
    (data, _, _), settings = parse_run(KINDS, ["--config", old])
    assert data.task == "csqa" and settings["benchmark"] == "csqa"
    with pytest.raises(UserError, match="task: None cannot be used; name what is learnt"):
        parse_run(KINDS, ["--config", write("none.yaml", "use_cpu: true\nbf16: false\n")])


def test_settings_can_be_written_as_yaml(base):
    _, settings = parse_run(KINDS, ["--config", base, "--lr_scheduler_type", "constant"])
    assert yaml.safe_load(yaml.safe_dump(settings))["lr_scheduler_type"] == "constant"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max_step: 5", r"bad.yaml: unknown key 'max_step'; did you mean 'max_steps'"),
        ("max_steps: five", r"bad.yaml: key 'max_steps' has the value 'five', which is no int"),
        ("max_steps: [1, 2]", r"bad.yaml: key 'max_steps' takes one value"),
        ("lr_scheduler_type: [", r"bad.yaml is not readable as YAML"),
        ("save_strategy: sometimes", r"bad.yaml: key 'save_strategy' is 'sometimes'; choose from"),
        ("objective: kl", r"objective: 'kl' cannot be used; choose from topk_mse, jsd"),
        ("beta: 2", r"beta: 2.0 cannot be used"),
        ("packing: true", r"packing: True cannot be used"),
        ("benchmark: csqa", r"benchmark: 'csqa' cannot be used; task is 'gsm8k'"),
        ("learn_from: all", r"learn_from: 'all' cannot be used; choose from train, demonstrations"),
        ("{early_stop: 2, eval_rows: 0}", r"early_stop: 2 cannot be used.*eval_rows is 0"),
        ("demonstrations: random", r"demonstrations: 'random' cannot be used; choose from fixed"),
        ("num_fewshot: -1", r"num_fewshot: -1"),
        ("- a list", r"bad.yaml must hold 'key: value' lines, not list"),
    ],
)
def test_bad_settings_name_file_key_and_remedy(base, write, line, message):
    with pytest.raises(UserError, match=message):
        parse_run(KINDS, ["--base_config", base, "--config", write("bad.yaml", line)])


def test_bad_options_are_refused(base):
    with pytest.raises(UserError, match=r"unknown option --max_step; did you mean 'max_steps'"):
        parse_run(KINDS, ["--config", base, "--max_step", "5"])
    with pytest.raises(UserError, match=r"--max_steps.*invalid int value: 'x'"):
        parse_run(KINDS, ["--config", base, "--max_steps", "x"])
    with pytest.raises(UserError, match=r"cannot read the config file nowhere\.yaml"):
        parse_run(KINDS, ["--config", "nowhere.yaml"])


def test_distillation_keys_are_unknown_to_sft(base, write):
    with pytest.raises(UserError, match="unknown key 'objective'"):
        parse_run((DataArguments, ModelConfig, SFTConfig), ["--config", write("d.yaml", "objective: jsd")])


@pytest.mark.parametrize("words", [["--resume_from_checkpoint"], ["--resume_from_checkpoint", "--seed", "3"]])
def test_a_bare_resume_means_the_last_checkpoint(base, words):
    (_, _, args), _ = parse_run(KINDS, ["--config", base, *words])
    assert args.resume_from_checkpoint == "auto"
