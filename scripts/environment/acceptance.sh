#!/usr/bin/env bash
# The verifiers environment against a real endpoint: vLLM on the CPU serves the embedded model on loopback.
#
#   bash scripts/environment/acceptance.sh
#
# Runs the tests of the environment on verifiers 0.3.1 and 0.4, v1's `validate` on the sample, the quickstart command
# word for word, eight examples in both modes, and v1's `eval`. Fails where a reward recomputed from a logged
# completion differs. Environments: ENVIRONMENT_VENV (default .venv-environment, and the same with -0.4) and VLLM_VENV
# (default .venv-vllm), made if absent.
# MODEL: a folder; by default the embedded model, built by the .venv of `make install`.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT="$PWD"
ENVIRONMENT_VENV="$(realpath -m "${ENVIRONMENT_VENV:-.venv-environment}")"
VLLM_VENV="$(realpath -m "${VLLM_VENV:-.venv-vllm}")"
PORT="${PORT:-8417}"
WORK="$(mktemp -d)"
SERVER=""
cleanup() {
  if [ -n "$SERVER" ]; then
    kill -- "-$SERVER" 2>/dev/null || true
    for _ in $(seq 20); do kill -0 -- "-$SERVER" 2>/dev/null || break; sleep 0.5; done
    kill -KILL -- "-$SERVER" 2>/dev/null || true
  fi
  rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# The figures of vf-eval's summary, without the example conversations above them.
figures() { tee "$WORK/vf-eval.log" | grep -E '^(Examples|Rollouts)|avg - ' || { cat "$WORK/vf-eval.log"; return 1; }; }
step() { printf '\n--- %s (%s s)\n' "$1" "$SECONDS"; }

step "environment of the server"
test -x "$VLLM_VENV/bin/vllm" || bash scripts/vllm/setup.sh "$VLLM_VENV"
MODEL="${MODEL:-$(.venv/bin/icl-distill demo-model)}"

step "the server starts in the background"
# A process group of its own, so that its workers end with it; it also ends where this script is killed outright.
# 64 new tokens where a request names no limit.
source scripts/vllm/env.sh
set -m
setpriv --pdeathsig TERM "$VLLM_VENV/bin/vllm" serve "$MODEL" --served-model-name demo --host 127.0.0.1 --port "$PORT" \
  --dtype float32 --enforce-eager --max-model-len 1024 --max-num-seqs 16 \
  --override-generation-config '{"max_new_tokens": 64}' >"$WORK/server.log" 2>&1 &
SERVER=$!
set +m

step "environment of verifiers, while the server starts"
bash scripts/environment/setup.sh "$ENVIRONMENT_VENV"

step "tests on verifiers 0.4"
VERIFIERS=0.4.0 bash scripts/environment/setup.sh "$ENVIRONMENT_VENV-0.4"
# The root conftest needs torch, which is not here.
"$ENVIRONMENT_VENV-0.4/bin/pytest" --confcutdir tests/environments tests/environments

step "tests, and v1 validate on all sample rows"
export PATH="$ENVIRONMENT_VENV/bin:$PATH" VIRTUAL_ENV="$ENVIRONMENT_VENV" ICL_DATA_DIR=sample
export UV_NO_SYNC=1 UV_PROJECT_ENVIRONMENT="$ENVIRONMENT_VENV" LOCAL_KEY=none
pytest --confcutdir tests/environments tests/environments
for split in eval train; do
  uv run validate ifeval --runtime.type subprocess --taskset.split "$split" --only-gold --no-rich \
    -o "$WORK/validate-$split" | tail -14 | tee "$WORK/validate.log"
  grep -q '"valid_rate": 1.0' "$WORK/validate.log"
done

step "waiting for the server"
for _ in $(seq 300); do
  curl --silent --fail --max-time 2 "http://127.0.0.1:$PORT/health" && break
  kill -0 "$SERVER" || { tail -50 "$WORK/server.log"; exit 1; }
  sleep 1
done
curl --silent --fail --max-time 2 "http://127.0.0.1:$PORT/health"

# vf-eval looks its default model up in ./configs/endpoints.toml: here that name leads to the local server, so
# that the command needs no further word. Its `environments` is the checkout's, without what is written there.
mkdir -p "$WORK/run/configs" "$WORK/run/environments/ifeval"
cp environments/ifeval/README.md "$WORK/run/environments/ifeval/"
cat >"$WORK/run/configs/endpoints.toml" <<TOML
[[endpoint]]
endpoint_id = "openai/gpt-4.1-mini"
model = "demo"
url = "http://127.0.0.1:$PORT/v1"
key = "LOCAL_KEY"
TOML
cd "$WORK/run"

step "the quickstart command, word for word"
uv run vf-eval ifeval \
  -a '{"num_train_examples":-1, "num_eval_examples":-1, "reasoning": true}' </dev/null 2>&1 | figures

for reasoning in false true; do
  step "8 examples, reasoning $reasoning; rewards recomputed from the logged completions"
  uv run vf-eval ifeval \
    -a "{\"num_train_examples\":-1, \"num_eval_examples\":-1, \"reasoning\": $reasoning}" \
    -n 8 -r 1 -s --disable-tui --abbreviated-summary </dev/null 2>&1 | figures
  ifeval-report
done

step "v1's eval, 8 examples; rewards recomputed from the traces"
uv run eval ifeval --env.taskset.task.reasoning true --env.agent.harness.id null \
  --env.agent.runtime.type subprocess --client.base-url "http://127.0.0.1:$PORT/v1" --client.api-key-var LOCAL_KEY \
  -m demo -n 8 --no-push --no-rich -o v1 >"$WORK/eval.log" 2>&1 || { tail -50 "$WORK/eval.log"; exit 1; }
ifeval-report v1/*
# The quickstart's report came without a command.
test "$(ls environments/ifeval/reports/*.md | wc -l)" = 4
sed -n '/vf:begin:reports/,/vf:end:reports/p' environments/ifeval/README.md
cd "$ROOT"
step "done"
