# Needs Python 3.11, pip and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
MARKET ?= ../shared/data/EURUSD_1h.csv
PEERS := .venv-peers
NAUTILUS := .venv-nautilus
SCRATCH = $(shell mktemp -d)

.DEFAULT_GOAL := help
.PHONY: help setup dryrun lab test lint types layers unit notebooks-check generated-check generate notebooks lock clean test-long \
  peers real-files bench bench-quick

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

setup: $(STAMP) ## make .venv from the hash-pinned lock

dryrun: setup ## the main job: one dry run by papermill, up to the evidence draft
	mkdir -p out/notebooks
	$(BIN)/papermill --engine c2lib --no-progress-bar notebooks/01_dryrun.ipynb out/notebooks/01_dryrun.ipynb
	@find out/finish_c -name 'EV-*.md'

lab: setup ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

test: lint types layers unit notebooks-check generated-check ## everything that CI checks

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports --no-cache

unit: setup
	$(BIN)/python -m pytest --cov=c2lib --cov-config=pyproject.toml --cov-report=term

notebooks-check: setup
	C2LIB_OUT=$(SCRATCH) $(BIN)/python -m pytest --no-cov -p no:cacheprovider --nbval --nbval-current-env $(NOTEBOOKS)

generated-check: setup
	$(BIN)/c2lib schema --check

test-long: setup ## the broker against its oracle, 20,000 examples of 50 steps
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --no-cov tests/broker/test_oracle.py

generate: setup ## write the generated pages of docs/contract again
	$(BIN)/c2lib schema

notebooks: setup ## execute the committed notebooks again, in place and normalised
	for notebook in $(NOTEBOOKS); do \
	  C2LIB_OUT=$(SCRATCH) $(BIN)/papermill --engine c2lib --no-progress-bar $$notebook $$notebook || exit 1; done

$(PEERS)/.made $(NAUTILUS)/.made: .venv-%/.made: tests/bench/requirements-%.lock
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

peers: setup $(PEERS)/.made ## compare trades with backtesting.py and backtrader on MARKET=FILE
	@test -f "$(MARKET)" || { echo "no market file $(MARKET): name one with MARKET=FILE" >&2; exit 2; }
	$(BIN)/python -m tests.bench.compare_trades "$(MARKET)" $(PEERS)/bin/python

real-files: setup ## every order type under every fill model on FILES="A B …", each run verified with replay
	@test -n "$(FILES)" || { echo 'name market files with FILES="A B …"' >&2; exit 2; }
	$(BIN)/python -m tests.bench.real_files $(if $(KEEP),--out "$(KEEP)") $(FILES)

bench-quick: setup ## measure c2lib against its floors, and verify against the run, in about a minute
	$(BIN)/python -m tests.bench.bench quick --rounds 3

bench: setup $(PEERS)/.made $(NAUTILUS)/.made ## measure c2lib beside backtesting.py, backtrader and NautilusTrader
	$(BIN)/python -m tests.bench.bench full --peers $(PEERS)/bin/python --nautilus $(NAUTILUS)/bin/python $(if $(BARS),--bars $(BARS))

lock: ## pin the dependencies again (needs uv on the path)
	uv pip compile pyproject.toml --all-extras --group build --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --upgrade -o requirements.lock
	for name in peers nautilus; do uv pip compile tests/bench/requirements-$$name.in --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --upgrade -o tests/bench/requirements-$$name.lock || exit 1; done

clean: ## remove .venv and caches, but no run artifacts
	rm -rf $(VENV) $(PEERS) $(NAUTILUS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
