# Needs Python 3.11, pip and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
MARKET ?= ../shared/data/EURUSD_1h.csv
PEERS := .venv-peers
NAUTILUS := .venv-nautilus
SUPPLY := .venv-supply
FUZZ := .venv-fuzz
FUZZED := .fuzz
LAB := .venv-lab
LAB_ROOT ?= $(CURDIR)
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings
SECONDS ?= 60
SBOM ?= out/sbom.cdx.json
SCRATCH = $(shell mktemp -d)

.DEFAULT_GOAL := help
.PHONY: help setup dryrun lab test lint types layers unit notebooks-check generated-check generate notebooks lock clean test-long race \
  peers real-files secrets-false-positives tamper fuzz bench bench-quick audit sbom test-lab screenshots

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# $(call install-lock,VENV,LOCK): a new environment that holds what the lock names and nothing else. Without --no-deps
# pip resolves the extras of a locked package again, and stops as soon as a release newer than the lock's is on offer;
# pip check then says whether the lock is complete by itself.
define install-lock
$(PYTHON) -m venv --clear $(1)
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(2)
$(1)/bin/python -m pip check --disable-pip-version-check
endef

$(STAMP): requirements.lock pyproject.toml
	$(call install-lock,$(VENV),requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

setup: $(STAMP) ## make .venv from the hash-pinned lock

dryrun: setup ## the main job: one dry run by papermill, up to the evidence draft
	mkdir -p out/notebooks
	$(BIN)/papermill --engine c2lib --no-progress-bar notebooks/01_dryrun.ipynb out/notebooks/01_dryrun.ipynb
	@find out/finish_c -name 'EV-*.md'

lab: setup ## open the notebooks in JupyterLab, with out/ in reach and without its question about news
	mkdir -p $(LAB_SETTINGS)
	echo '{"@jupyterlab/apputils-extension:notification": {"checkForUpdates": false, "fetchNews": "false"}}' \
	  > $(LAB_SETTINGS)/overrides.json
	$(BIN)/jupyter lab --ServerApp.root_dir="$(LAB_ROOT)" --LabApp.default_url=/lab/tree/notebooks $(LAB_OPTIONS)

test: lint types layers unit notebooks-check generated-check ## everything that CI checks

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports --no-cache

unit: setup
	$(BIN)/python -m pytest -n auto --dist loadfile --cov=c2lib --cov-config=pyproject.toml --cov-report=term

notebooks-check: setup
	C2LIB_OUT=$(SCRATCH) $(BIN)/python -m pytest --no-cov -p no:cacheprovider --nbval --nbval-current-env $(NOTEBOOKS)

generated-check: setup
	$(BIN)/python docs/contract/generate.py --check

test-long: setup ## the broker against its oracle, 20,000 examples of 50 steps
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --no-cov tests/broker/test_mock_oracle.py::TestTrading

race: setup ## two processes under one name, 200 rounds with the same config and 200 with two
	$(BIN)/python -m tests.app.race 200

audit: $(SUPPLY)/.made ## ask whether an advisory is known for a package of the lock; exit 3 when nobody answers
	$(SUPPLY)/bin/python -m tests.supply.audit requirements.lock

sbom: $(SUPPLY)/.made ## write the bill of materials of the lock, CycloneDX JSON, to SBOM=FILE
	mkdir -p $(dir $(SBOM))
	PYTHONWARNINGS=ignore::UserWarning $(SUPPLY)/bin/cyclonedx-py requirements --pyproject pyproject.toml --sv 1.6 --of JSON --output-reproducible \
	  --validate -o $(SBOM) requirements.lock

generate: setup ## write the generated pages of docs/contract and the table of docs/no-live.md again
	$(BIN)/python docs/contract/generate.py
	$(BIN)/python -m tests.app.attempts

test-lab: setup $(LAB)/.made ## run each notebook in a real browser (chromium on PATH, or CHROMIUM=PATH), move sliders, record requests
	$(LAB)/bin/python -m tests.lab.checks

screenshots: setup $(LAB)/.made ## take the pictures of docs/images, by the same browser
	$(LAB)/bin/python -m tests.lab.screenshots

notebooks: setup ## execute the committed notebooks again, in place and normalised
	for notebook in $(NOTEBOOKS); do \
	  C2LIB_OUT=$(SCRATCH) $(BIN)/papermill --engine c2lib --no-progress-bar $$notebook $$notebook || exit 1; done

$(PEERS)/.made $(NAUTILUS)/.made: .venv-%/.made: tests/bench/requirements-%.lock
$(SUPPLY)/.made: .venv-%/.made: tests/supply/requirements-%.lock
$(FUZZ)/.made: .venv-%/.made: tests/fuzz/requirements-%.lock
$(LAB)/.made: .venv-%/.made: tests/lab/requirements-%.lock
$(PEERS)/.made $(NAUTILUS)/.made $(SUPPLY)/.made $(FUZZ)/.made $(LAB)/.made:
	$(call install-lock,$(@D),$<)
	touch $@

peers: setup $(PEERS)/.made ## compare trades with backtesting.py and backtrader on MARKET=FILE
	@test -f "$(MARKET)" || { echo "no market file $(MARKET): name one with MARKET=FILE" >&2; exit 2; }
	$(BIN)/python -m tests.bench.compare_trades "$(MARKET)" $(PEERS)/bin/python

secrets-false-positives: setup ## count what the secret detectors find in MARKET=FILE, where nothing is to find
	@test -f "$(MARKET)" || { echo "no market file $(MARKET): name one with MARKET=FILE" >&2; exit 2; }
	$(BIN)/python -m tests.bench.false_positives "$(MARKET)"

tamper: setup ## alter small runs in every way there is, count what is found, write docs/tamper.md (JOBS=N)
	$(BIN)/python -m tests.tamper.campaign $(if $(JOBS),--jobs $(JOBS))

fuzz: setup $(FUZZ)/.made ## fuzz the witness with atheris for SECONDS=60; the corpus and what crashed are kept in .fuzz
	rm -rf $(FUZZED)/finish_c
	$(BIN)/c2lib dryrun --strategy-id strat_demo --seed 7 --steps 8 --run-id fuzzed --out $(FUZZED)
	$(FUZZ)/bin/python -m tests.fuzz.fuzz_verify $(FUZZED)/finish_c/c2/fuzzed $(FUZZED) $(SECONDS)

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
	for name in bench/requirements-peers bench/requirements-nautilus supply/requirements-supply fuzz/requirements-fuzz lab/requirements-lab; do \
	  uv pip compile tests/$$name.in --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --upgrade -o tests/$$name.lock || exit 1; done

clean: ## remove .venv and caches, but no run artifacts
	rm -rf $(VENV) $(PEERS) $(NAUTILUS) $(SUPPLY) $(FUZZ) $(LAB) $(FUZZED) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
