"""Stages side by side, and what happens to their processes."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from distill.cli import main
from distill.pipeline.config import load_run_config
from distill.pipeline.processes import KEPT_MEMORY, MARK, alone, end_all, living
from distill.pipeline.records import stage_prints
from distill.pipeline.runner import run_stages, waves
from distill.pipeline.stage import Stage
from distill.pipeline.stages import build_stages
from lm_eval_tasks.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
SECONDS = 300


def stage(tmp_path, name, script, *, devices=(), after=()):
    """A stage that runs `script` and then writes its output."""
    output = tmp_path / f"{name}.txt"
    command = (sys.executable, "-c", f"{script}\nopen({str(output)!r}, 'a').write('done\\n')")
    return Stage(name, command, output, output, after=after, devices=devices)


def waits_for(path):
    return f"""
import pathlib, time
end = time.monotonic() + {SECONDS}
while not pathlib.Path({str(path)!r}).exists():
    assert time.monotonic() < end
    time.sleep(0.02)
"""


def test_stages_keep_freed_memory_unless_the_user_says_otherwise(tmp_path, monkeypatch):
    first, second = KEPT_MEMORY
    monkeypatch.delenv(first, raising=False)
    monkeypatch.setenv(second, "7")
    told = tmp_path / "told.txt"
    shows = f"import os\nopen({str(told)!r}, 'w').write(os.environ[{first!r}] + ' ' + os.environ[{second!r}])"
    run_stages([stage(tmp_path, "one", shows)], tmp_path)
    assert told.read_text() == f"{KEPT_MEMORY[first]} 7"


def test_stages_on_disjoint_devices_make_a_wave():
    def named(name, *devices, after=()):
        return Stage(name, (), Path(name), Path(name), devices=devices, after=after)

    stages = [
        named("gap"), named("a", 0, 1), named("b", 2, 3), named("c", 1), named("d", 0), named("all"),
        named("e", 0), named("f", 1, after=("e",)),
    ]  # fmt: skip
    assert [[stage.name for stage in wave] for wave in waves(stages)] == [
        ["gap"], ["a", "b"], ["c", "d"], ["all"], ["e"], ["f"],
    ]  # fmt: skip


def test_a_wave_runs_at_the_same_time_each_into_its_log(tmp_path, capfd):
    flags = [tmp_path / "first", tmp_path / "second"]
    both = [
        stage(
            tmp_path,
            f"stage{number}",
            f"print('h' + 'ello')\nopen({str(flags[number])!r}, 'w')\n{waits_for(flags[1 - number])}",
            devices=(number,),
        )
        for number in (0, 1)
    ]
    run_stages(both, tmp_path)
    printed = capfd.readouterr().out
    assert "hello" not in printed and "[1/2] stage0: done" in printed and "[2/2] stage1: done" in printed
    assert (tmp_path / "logs" / "stage1.log").read_text() == "hello\n"


def test_a_failing_member_lets_the_other_finish_and_only_it_runs_again(tmp_path, capfd):
    fails = stage(tmp_path, "fails", "print('out of memory'); raise SystemExit(3)", devices=(0,))
    slow = stage(tmp_path, "slow", "import time; time.sleep(1)", devices=(1,))
    later = stage(tmp_path, "later", "")
    with pytest.raises(UserError) as caught:
        run_stages([fails, slow, later], tmp_path)
    message = str(caught.value)
    assert "fails ended with exit code 3" in message and "out of memory" in message
    assert "give the same command again" in message
    assert slow.output.read_text() == "done\n" and not later.output.exists()
    assert json.loads((tmp_path / ".stages" / "slow.json").read_text())["finished"] is True
    mended = dataclasses.replace(fails, command=stage(tmp_path, "fails", "").command)
    run_stages([mended, slow, later], tmp_path)
    assert "[2/3] slow: up to date" in capfd.readouterr().out
    assert slow.output.read_text() == fails.output.read_text() == later.output.read_text() == "done\n"


def test_where_a_stage_runs_does_not_make_it_out_of_date(tmp_path):
    here = stage(tmp_path, "a", "", devices=(0, 1))
    there = dataclasses.replace(
        here, devices=(2, 3), placement=("--main_process_port", "1"), env={"CUDA_VISIBLE_DEVICES": "2,3"}
    )
    assert stage_prints(here, {}) == stage_prints(there, {})
    assert there.argv[:5] == (*here.command[:3], "--main_process_port", "1")


def write_run(tmp_path):
    text = (CONFIGS / "demo_two.yaml").read_text()
    text = text.replace("  baseline:\n", "  baseline: {devices: [0, 1]}\n")
    text = text.replace("config: demo_online_v1.yaml", "config: demo_online_v1.yaml\n    devices: [2, 3]")
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return load_run_config(path)


def test_conditions_are_bound_to_their_devices_with_a_port_each(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    stages = {one.name: one for one in build_stages(write_run(tmp_path), CONFIGS, tmp_path)}
    sft, online = stages["train-gsm8k-baseline"], stages["train-gsm8k-online_v1"]
    assert (sft.env, online.env) == ({"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"})
    assert sft.argv[3:5] == ("--main_process_port", "29500")
    assert online.argv[3:5] == ("--main_process_port", "29501")
    assert "--num_processes 2 -m trl_recipes.sft" in " ".join(sft.argv)
    together = [[one.name for one in wave] for wave in waves(list(stages.values()))]
    assert ["train-gsm8k-baseline", "train-gsm8k-online_v1"] in together


def test_a_hidden_device_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(UserError, match=r"online_v1\.devices: 3 is not in CUDA_VISIBLE_DEVICES=0,1,2"):
        build_stages(write_run(tmp_path), CONFIGS, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_ends_every_process_it_started(tmp_path, number):
    grandchild = "import time; time.sleep(600)"
    # In a session of its own, as torchrun's workers are.
    script = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {grandchild!r}], start_new_session=True)
open({str(tmp_path / "started")!r}, "w")
child.wait()
"""
    # A shell may have started the tests in the background, where the interrupt is ignored and stays so.
    runner = f"""
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_parallel import stage
from distill.pipeline.runner import run_stages
folder = Path({str(tmp_path)!r})
run_stages([stage(folder, name, {script!r}, devices=(name,)) for name in ("a", "b")], folder)
"""
    process = subprocess.Popen([sys.executable, "-c", runner], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + SECONDS
    while len(living(tmp_path)) < 4:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert "KeyboardInterrupt" in process.communicate(timeout=SECONDS)[1]
    assert living(tmp_path) == []


ENTERS = """
import sys, time
from pathlib import Path
from distill.pipeline.processes import alone
from lm_eval_tasks.errors import UserError

folder, name = Path(sys.argv[1]), sys.argv[2]
(folder.parent / f"{name}.ready").touch()
while not (folder.parent / "go").exists():
    time.sleep(0.001)
try:
    with alone(folder):
        (folder.parent / f"{name}.in").touch()
        end = time.monotonic() + 60
        while not (folder.parent / "leave").exists() and time.monotonic() < end:
            time.sleep(0.01)
except UserError as error:
    (folder.parent / "leave").touch()
    sys.exit(str(error))
"""


def test_of_two_runs_that_begin_at_once_one_is_refused(tmp_path):
    """Neither has started a process yet that the other could see."""
    command = [sys.executable, "-c", ENTERS, str(tmp_path / "run")]
    names = ("one", "other")
    both = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in names]
    end = time.monotonic() + SECONDS
    while not all((tmp_path / f"{name}.ready").exists() for name in names):
        assert time.monotonic() < end and all(one.poll() is None for one in both)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    messages = [one.communicate(timeout=SECONDS)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 1] and len(list(tmp_path.glob("*.in"))) == 1
    assert "another `icl-distill run` into this folder is still at work" in "".join(messages)


def test_a_folder_that_another_run_writes_into_is_refused(tmp_path, capsys):
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=os.environ | {MARK: str(tmp_path.resolve())},
    )
    try:
        with pytest.raises(UserError, match=f"still at work.*kill {left.pid}"), alone(tmp_path):
            raise AssertionError("two runs at once")
        assert main(["run", str(CONFIGS / "demo_two.yaml"), "--output_dir", str(tmp_path)]) == 2
        assert "still at work" in capsys.readouterr().err and not (tmp_path / "run.yaml").exists()
        with alone(tmp_path / "elsewhere"):
            pass
    finally:
        end_all(tmp_path)
    assert not psutil.pid_exists(left.pid)
