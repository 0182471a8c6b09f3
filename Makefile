# One command each; `make` alone lists them.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

PYTHON ?= python3
# Anything more that pip should be told: an index with CPU-only builds of torch, a cache, a proxy.
PIP_ARGS ?=

BIN   := .venv/bin
STAMP := .venv/.installed
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help
help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ------------------------------------------------------------ environment
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: '$(PYTHON)' not found; try: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: CausalCircuit needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V). Try: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv with $$($(PYTHON) -V)"; $(PYTHON) -m venv .venv; }
	@echo "installing torch (the largest download) ..."
	@$(PIP) install torch==2.13.0 -c constraints.txt $(PIP_ARGS)
	@echo "installing the rest of the pinned stack ..."
	@$(PIP) install -e '.[dev]' -c constraints.txt $(PIP_ARGS)
	@touch $@

.PHONY: venv
venv: $(STAMP)  ## make the environment .venv

.PHONY: constraints
constraints: $(STAMP)  ## renew constraints.txt from .venv
	@{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/python -m pip freeze --all --exclude-editable \
	  | sed 's/+cpu$$//' | grep -Ev '^(pip==|nvidia|triton|cuda)'; } > constraints.new && mv constraints.new constraints.txt

# ------------------------------------------------------------ use
.PHONY: demo
demo: $(STAMP)  ## answer the example questions on the two shipped models
	$(BIN)/cq run examples/mediation.cq
	$(BIN)/cq run examples/ioi.cq
	$(BIN)/cq test examples/claims.cq || test $$? -eq 1 # 1 is an answer too: a claim is not supported
	$(BIN)/cq run examples/interchange.cq
	$(BIN)/cq run examples/heatmap.cq
	$(BIN)/cq run examples/paths.cq
	$(BIN)/cq run examples/steering.cq
	$(BIN)/cq run examples/features.cq
	$(BIN)/cq run examples/circuit.cq
	$(BIN)/cq run examples/frontdoor.cq

.PHONY: models
models: $(STAMP)  ## train the shipped models anew (minutes)
	$(BIN)/python examples/training/train_ioi.py
	$(BIN)/python examples/training/train_captioner.py
	$(BIN)/python examples/training/train_classifier.py

# ------------------------------------------------------------ quality
.PHONY: test
test: $(STAMP)  ## run the fast tests
	$(BIN)/python -m pytest -m 'not slow and not system' -n auto --dist loadfile

.PHONY: check
check: $(STAMP)  ## lint, format, types and the rooms' import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The full tiers.  They fail, rather than skip, where a program of the system is missing.
.PHONY: campaign
campaign: $(STAMP)  ## run the slow tests: the full grids
	$(BIN)/python -m pytest -m slow

.PHONY: test-system
test-system: $(STAMP)  ## run the tests that drive a terminal and a browser
	@for program in tmux chromium; do command -v $$program >/dev/null || { \
	  echo "make: the system tests need $$program; install it with: apt-get install $$program"; exit 1; }; done
	$(BIN)/python -m pytest -m system

.PHONY: coverage
coverage: $(STAMP)  ## simulate the coverage of the intervals, full grid (minutes)
	$(BIN)/python -m benchmarks.coverage --full

# The peers of the benchmarks stay out of .venv; see benchmarks/requirements-peers.txt.
BENCH := .venv-bench/bin
$(BENCH)/.installed: pyproject.toml constraints.txt benchmarks/requirements-peers.txt
	@test -x $(BENCH)/python || $(PYTHON) -m venv .venv-bench
	@$(BENCH)/python -m pip --disable-pip-version-check --quiet install torch==2.13.0 -c constraints.txt $(PIP_ARGS)
	@$(BENCH)/python -m pip --disable-pip-version-check --quiet install -e . -r benchmarks/requirements-peers.txt \
	  -c constraints.txt $(PIP_ARGS)
	@touch $@

.PHONY: bench
bench: $(STAMP) $(BENCH)/.installed  ## measure startup and interventions, peers beside them (over an hour)
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.identification
	$(BENCH)/python -m benchmarks.interventions
	$(BENCH)/python -m benchmarks.interventions --memory --workload exact single
	@if [ -f benchmarks/second_run.py ]; then $(BIN)/python -m benchmarks.second_run; fi
