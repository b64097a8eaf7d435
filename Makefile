# Two commands do everything: `make train` and `make test`. Each installs what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
INSTALL := $(BIN)/python $(PIP_INSTALL)
# The trials have an environment of their own, with JAX and PyTorch.
TRIALS := .venv-trials
# Test processes; TensorFlow uses the cores that they leave.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help train serve test trials lint bench reproduce docs clean

help:  ## Say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

train: $(VENV)/installed  ## Install, train LeNet-5 on handwritten digits, evaluate, export
	$(BIN)/kerasnets train

serve: $(VENV)/installed-serving  ## Answer over HTTP with the SavedModels that were trained
	$(BIN)/kerasnets serve savedmodels

test: $(VENV)/installed-test  ## Run the tests
	@# The tests of a file share a process, its fixtures and the networks that it has built.
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow and not realdata"

trials: $(TRIALS)/installed  ## Run the slow tests, those on JAX and PyTorch, and those on real data (KERASNETS_SHARED)
	$(TRIALS)/bin/python -m pytest -m "slow or realdata or needs"

lint: $(VENV)/installed-test  ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: $(VENV)/installed-test  ## Measure our networks beside those of other libraries that are installed
	$(BIN)/python -m benchmarks.side_by_side --sizes 224

reproduce: $(VENV)/installed-test  ## Train to a paper's number, TARGET=lenet5, and keep what was found
	$(BIN)/python -m benchmarks.reproduce $(TARGET) $(if $(DATA_DIR),--data-dir $(DATA_DIR))

docs: $(VENV)/installed-test  ## Write the pages of docs/ that come from the papers' tables and the built networks
	$(BIN)/python -m docs.generate

clean:  ## Remove the environments and caches; runs and SavedModels stay
	rm -rf $(VENV) $(TRIALS) .pytest_cache .ruff_cache

$(VENV)/bin/python $(TRIALS)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(f"kerasnets needs Python >= 3.11; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-serving: $(VENV)/installed
	$(INSTALL) --editable '.[serving]'
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) --editable '.[test]'
	@# Where PYTHONDONTWRITEBYTECODE is set each process of the tests would compile TensorFlow anew.
	-@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null
	@touch $@

$(TRIALS)/installed: $(TRIALS)/bin/python setup.cfg pyproject.toml constraints.txt
	$(TRIALS)/bin/python $(PIP_INSTALL) --editable '.[trials]'
	@touch $@
