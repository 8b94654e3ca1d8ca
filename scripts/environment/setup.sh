#!/usr/bin/env bash
# An environment with verifiers, this checkout's base install and environments/ifeval; no torch:
#
#   bash scripts/environment/setup.sh [FOLDER]     # default .venv-environment; does nothing when up to date
#
# It is apart from .venv because verifiers wants mcp<2. VERIFIERS=0.4.0 makes one with the version that has no
# `load_environment` and whose `vf-eval` has no `-a`.
set -euo pipefail
cd "$(dirname "$0")/../.."
VENV="${1:-.venv-environment}"
PYTHON="${PYTHON:-python3}"
VERIFIERS="${VERIFIERS:-0.3.1}"
STAMP="$VENV/.installed"

if [ -e "$STAMP" ] && [ -z "$(find pyproject.toml environments/ifeval/{pyproject.toml,hatch_build.py} -newer "$STAMP")" ]; then
  echo "$VENV is up to date"
  exit 0
fi
test -x "$VENV/bin/python" || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip -qq --disable-pip-version-check "$@"; }
pip install --upgrade "pip>=24"
pip install "verifiers==$VERIFIERS" "pytest>=8.3,<10" "uv>=0.9,<0.14" -e environments/ifeval
# The step before brought a copy of this checkout; editable, an edit counts at once.
pip install --no-deps -e .
if pip show torch >/dev/null 2>&1; then
  echo "environments/ifeval must not bring torch" >&2
  exit 1
fi
touch "$STAMP"
