#!/usr/bin/env bash
# Real runs on the embedded model: a shortened demo, two training processes, the gap on real benchmark rows.
# Run after `make install`; needs about fifteen minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN="$PWD/.venv/bin"
WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
step() { printf '\n--- %s (%s s)\n' "$1" "$SECONDS"; }

step "a shortened make demo, twice: the second run finds everything up to date"
BAKE_ARGS="--output $WORK/demo/orders --n_samples 24 --limit 40 --max_steps 4 --save_steps 2 --baseline none"
DEMO_ARGS="--output_dir $WORK/demo/ifeval --n_samples 2 --max_steps 3"
make demo BAKE_ARGS="$BAKE_ARGS" DEMO_ARGS="$DEMO_ARGS"
"$BIN/python" scripts/verify_demo.py "$WORK/demo" --short
make demo BAKE_ARGS="$BAKE_ARGS" DEMO_ARGS="$DEMO_ARGS" | tee "$WORK/second.log"
grep -q "up to date" "$WORK/second.log"
if grep -E "^\[[0-9]+/[0-9]+\].*: done in" "$WORK/second.log"; then echo "a stage ran again"; exit 1; fi

step "the command stored in bake.json gives the baked score, from another directory and after a move"
mv "$WORK/demo/orders" "$WORK/moved"
"$BIN/python" scripts/verify_bake.py "$WORK/moved" --moved_from "$WORK/demo/orders"

step "a run file killed in training and in the sweep ends with an uninterrupted run's tables"
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$BIN/python" scripts/kill_resume.py configs/paper/gsm8k_qwen8b.yaml --scale tiny --work "$WORK/kill_resume" \
  >"$WORK/kill_resume.log" 2>&1 || { tail -50 "$WORK/kill_resume.log"; exit 1; }
grep -E "^(ok|killed)" "$WORK/kill_resume.log"
grep -q "killed in train-gsm8k-.*checkpoint-1/trainer_state.json" "$WORK/kill_resume.log"
grep -q "killed in eval-gsm8k" "$WORK/kill_resume.log"

step "two processes over gloo"
ACCELERATE_USE_CPU=true OMP_NUM_THREADS=1 "$BIN/torchrun" --nproc_per_node 2 trl_recipes/distill.py \
  --base_config configs/demo_ifeval.yaml --config configs/demo_online_v1.yaml \
  --output_dir "$WORK/two" --max_steps 5 2>&1 | tee "$WORK/two.log"
grep -q "world size 2" "$WORK/two.log"

if [ -d ../shared/data ]; then
  step "the gap on 16 real IFEval prompts and 16 real GSM8K questions"
  ICL_DATA_DIR=../shared/data "$BIN/icl-distill" gap --model demo --task ifeval gsm8k --pool sample --num_fewshot 0 4 \
    --n_samples 16 --max_new_tokens 64 --backend hf --dtype float32 --batch_size 8 --output "$WORK/gap.json"
  "$BIN/python" -c "import json, sys; json.load(open(sys.argv[1]))" "$WORK/gap.json"
fi

step "no torch in the base install, tasks found by lm-eval; the doctor finds nothing broken"
"$BIN/python" -c "import lm_eval_tasks, sys; assert 'torch' not in sys.modules"
test "$("$BIN/lm_eval" ls tasks 2>/dev/null | grep -c icl)" -ge 13
"$BIN/icl-distill" doctor
