#!/usr/bin/env bash
# vLLM on CPUs for real: agreement with transformers, prefix caching, a LoRA adapter. Needs an idle machine:
# vLLM binds its threads to the cores.
#
#   bash scripts/vllm/acceptance.sh          # after `make install`
#
# LIMIT=8 MAX_GEN_TOKS=32; OUT, VLLM_VENV, DEV_VENV and MODEL name folders.
set -euo pipefail
cd "$(dirname "$0")/../.."
LIMIT="${LIMIT:-8}" MAX_GEN_TOKS="${MAX_GEN_TOKS:-32}" OUT="${OUT:-$(mktemp -d)}"
mkdir -p "$OUT"
DATA="${ICL_DATA_DIR:-../shared/data}"
test -d "$DATA" || DATA=sample
VLLM_VENV="${VLLM_VENV:-.venv-vllm}"
BIN="$VLLM_VENV/bin"
# Of `make install`: builds the embedded model, and has what lm-eval's own IFEval scorer needs.
DEV_BIN="${DEV_VENV:-.venv}/bin"
step() { printf '\n--- %s (%s s)\n' "$1" "$SECONDS"; }

step "vLLM's environment"
bash scripts/vllm/setup.sh "$VLLM_VENV"
. scripts/vllm/env.sh
MODEL="${MODEL:-$("$DEV_BIN/icl-distill" demo-model)}"

lm_eval() { # TASKS BACKEND OUTPUT FURTHER_MODEL_ARGS FURTHER_OPTIONS
  ICL_DATA_DIR="$DATA" "$BIN/lm_eval" --tasks "$1" --model "$2" --model_args "pretrained=$MODEL,dtype=float32$4" \
    --apply_chat_template --output_path "$OUT/$3" --log_samples --metadata '{"pool": "sample"}' \
    --limit "$LIMIT" --gen_kwargs "max_gen_toks=$MAX_GEN_TOKS" "${@:5}" 2>&1 | tee "$OUT/$3.log" |
    grep -E "strict_acc|\|acc |\|truncated|truncated is|Error" || true
  test -n "$(find "$OUT/$3" -name 'results_*.json')" || { tail -30 "$OUT/$3.log"; return 1; }
}
VLLM_ARGS=",enforce_eager=True,max_model_len=4096,enable_prefix_caching=True"

step "vllm"
VLLM_LOGGING_LEVEL=INFO lm_eval ifeval_icl,csqa_icl_mc vllm vllm "$VLLM_ARGS" --batch_size auto
grep -q "enable_prefix_caching=True" "$OUT/vllm.log"

step "hf"
lm_eval ifeval_icl,csqa_icl_mc hf hf "" --batch_size 8 --device cpu

step "agreement, at least 90%"
"$BIN/python" scripts/vllm/compare.py "$MODEL" "$OUT/vllm" "$OUT/hf" --at_least 0.9
"$DEV_BIN/python" scripts/vllm/check_builtin.py "$OUT/vllm"

step "an adapter changes the answers"
"$BIN/python" scripts/vllm/make_adapter.py "$MODEL" "$OUT/adapter"
LIMIT=4 lm_eval ifeval_icl_0shot vllm lora "$VLLM_ARGS,lora_local_path=$OUT/adapter" --batch_size auto
"$BIN/python" scripts/vllm/compare.py "$MODEL" "$OUT/vllm" "$OUT/lora" --at_most 0.5

step "float32 where no dtype is named"
"$BIN/icl-distill" gap --model "$MODEL" --task gsm8k --data sample --num_fewshot 0 --n_samples 2 --max_new_tokens 8 \
  --backend vllm --model_args enforce_eager=True,max_model_len=2048 --output "$OUT/gap.json" 2>&1 | tee "$OUT/gap.log" |
  grep "dtype float32; --dtype"
grep -q '"dtype": "float32"' "$OUT/gap.json"

step "leaderboard"
"$BIN/icl-distill" leaderboard "$OUT/vllm" "$OUT/hf" "$OUT/lora" --output "$OUT/leaderboard.json"
step "done: $OUT"
