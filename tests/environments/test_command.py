"""The command of the environment's document, in its own words, against a small server on loopback."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("verifiers", reason="verifiers lives in an environment of its own")
pytest.importorskip("ifeval")

BIN = Path(sys.executable).parent
RESPONSE = "<think>one, two</think>no comma here"
QUICKSTART = """uv run vf-eval ifeval \\
  -a '{"num_train_examples":-1, "num_eval_examples":-1, "reasoning": true}'"""
README = f"# ifeval\n{'<!-- vf:begin:reports -->'}\nnone\n{'<!-- vf:end:reports -->'}\n"


class Model(BaseHTTPRequestHandler):
    """Answers every chat with the same text."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        choice = {"index": 0, "finish_reason": "stop"}
        message = {"role": "assistant", "content": RESPONSE}
        body = {
            "id": "1", "created": 0, "model": asked["model"],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        if asked.get("stream"):
            body |= {"object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
            kind, text = "text/event-stream", f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n"
        else:
            body |= {"object": "chat.completion", "choices": [{**choice, "message": message}]}
            kind, text = "application/json", json.dumps(body)
        payload = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as found:
        found.asked = []
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def run(command, folder):
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent), "LOCAL_KEY": "none",
        "UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": str(BIN.parent), "ICL_DATA_DIR": "sample",
    }  # fmt: skip
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


@pytest.mark.skipif(find_spec("verifiers.legacy") is None, reason="0.4's vf-eval has no -a")
@pytest.mark.parametrize("place", [".", "environments/ifeval"])
def test_the_quickstart_runs_in_its_own_words_and_leaves_a_report(server, tmp_path, place):
    project = tmp_path / "environments" / "ifeval"
    project.mkdir(parents=True)
    (project / "README.md").write_text(README)
    folder = tmp_path / place
    (folder / "configs").mkdir()
    endpoint = {
        "endpoint_id": "openai/gpt-4.1-mini",
        "model": "demo",
        "url": address(server),
        "key": "LOCAL_KEY",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in endpoint.items()]
    (folder / "configs" / "endpoints.toml").write_text("\n".join(["[[endpoint]]", *lines, ""]))
    run(QUICKSTART, folder)
    (page,) = (project / "reports").glob("*.md")
    summary = json.loads(page.with_suffix(".json").read_text())
    assert summary["env_args"] == {"num_train_examples": -1, "num_eval_examples": -1, "reasoning": True}
    assert summary["rollouts"] == summary["recomputed_rewards_equal"] == len(server.asked) > 0
    assert page.name in (project / "README.md").read_text()
    system, user = server.asked[0]["messages"]
    assert "<think>" in system["content"] and user["role"] == "user"


def test_the_taskset_runs_by_the_command_of_each_version(server, tmp_path):
    command = "eval" if version("verifiers").startswith("0.3") else "vf-eval"
    words = (
        "--env.taskset.num-train-examples -1 --env.taskset.num-eval-examples -1 "
        "--env.taskset.task.reasoning true --env.agent.harness.id null --env.agent.runtime.type subprocess "
        "--no-push -n 2 --no-rich -m demo "
        f"--client.base-url {address(server)} --client.api-key-var LOCAL_KEY -o runs"
    )
    run(f"uv run {command} ifeval {words}", tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("runs/*/traces.jsonl"))
    (tmp_path / "README.md").write_text(README)
    printed = run(f"ifeval-report {folder} --environment .", tmp_path)
    assert "2 rollouts" in printed and "recomputed rewards equal: 2 of 2" in printed
