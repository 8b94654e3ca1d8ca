import json
import sys

import pytest

report = pytest.importorskip("ifeval.report", reason="environments/ifeval is not installed")

NO_COMMAS = json.dumps({"func_name": "validate_no_commas"})
README = f"# ifeval\n\nabove\n{report.BEGIN}\nold\n{report.END}\nbelow\n"


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "README.md").write_text(README)
    run = tmp_path / "outputs/evals/ifeval--demo/0a1b2c3d"
    run.mkdir(parents=True)
    metadata = {"model": "a<b", "env_args": {"reasoning": True}, "date": "2026-11-23"}
    (run / "metadata.json").write_text(json.dumps(metadata))
    rows = [
        {"example_id": 0, "reward": 1.2, "answer": NO_COMMAS, "content": "<think>a</think>b"},
        {"example_id": 1, "reward": -0.2, "answer": NO_COMMAS, "content": "b"},
    ]
    lines = (
        json.dumps({**row, "completion": [{"role": "assistant", "content": row["content"]}]}) for row in rows
    )
    (run / "results.jsonl").write_text("\n".join(lines))
    return tmp_path


def run_main(monkeypatch, *argv):
    monkeypatch.setattr(sys, "argv", ["ifeval-report", *map(str, argv)])
    with pytest.raises(SystemExit) as exit_info:
        report.main()
    return exit_info.value.code


def test_report_lands_under_reports_and_in_the_readme(environment, monkeypatch, capsys):
    assert run_main(monkeypatch, "--environment", environment) == 0
    assert "2 rollouts, mean reward 0.5000, recomputed rewards equal: 2 of 2" in capsys.readouterr().out
    page = (environment / "reports/ifeval--demo--0a1b2c3d.md").read_text()
    assert "| mean_reward | 0.5 |" in page and "example 1: no </think>" in page
    readme = (environment / "README.md").read_text()
    before, after = README.split("old")
    assert readme.startswith(before) and readme.endswith(after)
    assert "a&lt;b" in readme and "0.5000" in readme and "old" not in readme


def test_a_reward_that_does_not_follow_from_its_completion_fails(environment, monkeypatch, capsys):
    path = next(environment.glob("outputs/evals/*/*/results.jsonl"))
    path.write_text(path.read_text().replace('"reward": 1.2', '"reward": 1.0'))
    assert run_main(monkeypatch, "--environment", environment) == 1
    assert "equal: 1 of 2" in capsys.readouterr().out


def test_a_run_that_has_just_ended_is_reported_without_a_command(environment):
    run = next(environment.glob("outputs/evals/*/*"))
    metadata = json.loads((run / "metadata.json").read_text())
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().split("\n")]
    page = report.report_outputs(metadata, rows, run)
    assert page == environment / "reports/ifeval--demo--0a1b2c3d.md"
    assert "| recomputed_rewards_equal | 2 |" in page.read_text()
    assert "0.5000" in (environment / "README.md").read_text()


def test_elsewhere_nothing_is_written(environment):
    (environment / "README.md").write_text("# a project of someone else's")
    run = next(environment.glob("outputs/evals/*/*"))
    before = sorted(environment.rglob("*"))
    row = {"example_id": 0, "reward": 0.0, "answer": NO_COMMAS, "completion": []}
    assert report.report_outputs({}, [row], run) is None
    assert sorted(environment.rglob("*")) == before


@pytest.fixture
def v1_run(tmp_path):
    """A folder as v1's `eval` leaves it: two rollouts, the second one cut."""
    run = tmp_path / "ifeval--demo--null--0a1b2c3d"
    (run / "configs/resolved").mkdir(parents=True)
    config = {
        "model": "demo",
        "env": {"taskset": {"split": "eval", "task": {"reasoning": True, "reward_mode": "all"}}},
        "sampling": {"max_tokens": 64, "top_p": None},
    }
    (run / "configs/resolved/eval.json").write_text(json.dumps(config))
    lines = []
    for index, (text, constraint, shaping) in enumerate([("<think>a</think>b", 1.0, 0.2), ("b", 0.0, -0.2)]):
        trace = {
            "task": {"data": {"idx": index, "ground_truth": NO_COMMAS}},
            "nodes": [{"message": {"role": role, "content": text}} for role in ("user", "assistant")],
            "rewards": {
                "constraint_reward": {"score": constraint, "weight": 1.0},
                "think_shaping": {"score": shaping, "weight": 1.0},
            },
            "calls": [{"finish_reason": ("stop", "length")[index]}],
            "errors": [],
            "timing": {"start": 0},
        }
        lines.append(json.dumps({"traces": [trace]}))
    (run / "traces.jsonl").write_text("\n".join(lines) + "\n")
    return run


def test_a_v1_run_is_judged_again(environment, v1_run, monkeypatch, capsys):
    assert run_main(monkeypatch, v1_run, "--environment", environment) == 0
    assert "2 rollouts, mean reward 0.5000, recomputed rewards equal: 2 of 2" in capsys.readouterr().out
    (summary,) = (json.loads(path.read_text()) for path in (environment / "reports").glob("*.json"))
    assert (summary["model"], summary["truncated"], summary["sampling_args"]) == (
        "demo",
        1,
        {"max_tokens": 64},
    )

    traces = v1_run / "traces.jsonl"
    traces.write_text(traces.read_text().replace('"score": -0.2', '"score": 0.2'))
    assert run_main(monkeypatch, v1_run, "--environment", environment) == 1
    failed = json.loads(traces.read_text().splitlines()[0])
    failed["traces"][0] |= {
        "nodes": [],
        "rewards": {},
        "calls": [{"error": {}}],
        "errors": [{"type": "ProviderError"}],
    }
    traces.write_text(json.dumps(failed))
    assert run_main(monkeypatch, v1_run, "--environment", environment) == 0
    assert "mean reward 0.0000, recomputed rewards equal: 1 of 1" in capsys.readouterr().out
    traces.write_text('{"traces": [{}]}')
    assert run_main(monkeypatch, v1_run, "--environment", environment) == 2
    assert str(v1_run) in capsys.readouterr().err


@pytest.mark.parametrize("what", ["missing", "broken", "empty"])
def test_unusable_runs_are_one_clear_error(environment, monkeypatch, capsys, what):
    path = next(environment.glob("outputs/evals/*/*/results.jsonl"))
    {"missing": path.unlink, "broken": lambda: path.write_text("{"), "empty": lambda: path.write_text("")}[
        what
    ]()
    assert run_main(monkeypatch, path.parent, "--environment", environment) == 2
    assert str(path.parent) in capsys.readouterr().err
    assert (environment / "README.md").read_text() == README


def test_a_readme_without_markers_is_left_alone(environment, monkeypatch, capsys):
    (environment / "README.md").write_text("nothing here")
    assert run_main(monkeypatch, "--environment", environment) == 2
    assert "vf:begin:reports" in capsys.readouterr().err
    assert (environment / "README.md").read_text() == "nothing here"


def test_the_listing_starts_as_the_seed_has_it(tmp_path):
    (tmp_path / "README.md").write_text(README)
    report.update_readme(tmp_path / "README.md", tmp_path / "reports")
    command = '<code>uv run vf-eval ifeval -a \'{"key": "value"}\'</code>'
    listing = f"<p>No reports found. Run {command} to generate one.</p>"
    assert f"\n{listing}\n" in (tmp_path / "README.md").read_text()
