# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else: each makes .venv and fills it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n auto --maxprocesses 8

# One BLAS thread for each test process: several processes with several threads each only get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types import-time oracle bench gpu-check clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed-examples  ## train the recurrent network on bAbI stories
	$(BIN)/python examples/babi.py --founding --out runs/demo

test: $(VENV)/.installed-test  ## run the test suite and the doctests
	$(ONE_THREAD) $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev  ## check the types of both packages
	$(BIN)/mypy

import-time: $(VENV)/.installed-test  ## check what `import framework` costs above `import numpy`
	$(BIN)/python scripts/import_time.py

oracle: $(VENV)/.installed-oracle $(VENV)/.installed-fast  ## install PyTorch, against which the tests then compare, and numba, so that compiled code is tested

bench: $(VENV)/.installed-bench  ## run the benchmarks on the CPU, in 20 minutes
	$(BIN)/python -m benchmarks --device cpu

gpu-check: $(VENV)/.installed-test  ## run the GPU tests and benchmarks (after pip install -e '.[cuda12]' or '.[cuda13]')
	$(BIN)/python -m benchmarks.gpu_check

clean:  ## remove the environment and everything made by runs and tools
	rm -rf $(VENV) build dist runs *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: an environment is filled once, and again when pyproject.toml changes.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, \
	this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(VENV) install -qq pip
	@touch $@

$(VENV)/.installed-oracle: $(VENV)/.installed-test
	@echo "installing PyTorch into $(VENV)"
	@$(BIN)/python -m pip install -qq torch==2.13.0
	@touch $@

$(VENV)/.installed-%: $(VENV)/.created pyproject.toml
	@echo "installing framework[$*] into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.[$*]'
	@touch $@
