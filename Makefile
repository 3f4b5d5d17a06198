# `make` or `make help` lists what there is to do.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one more requirement, to test with a certain version of a dependency: make test WITH='marshmallow==3.20.*'
WITH ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/demo: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[broker]'
	@touch $@

$(VENV)/dev: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]' $(if $(WITH),'$(WITH)')
	@touch $@ $(VENV)/demo

.PHONY: demo
demo: $(VENV)/demo ## Watch a daemon handle 500 messages on this machine, with no AWS account
	$(BIN)/pubsub demo

.PHONY: install
install: $(VENV)/dev ## Install the package for development, into a virtual environment

.PHONY: test
test: $(VENV)/dev ## Pass the tests, and print what they cover
	$(BIN)/pytest --numprocesses 2 --cov --cov-report=term:skip-covered

.PHONY: test-units
test-units: $(VENV)/dev ## Pass the tests that start no programs, in a minute or two
	$(BIN)/pytest --numprocesses 2 tests/unit tests/integration tests/switching

.PHONY: lint
lint: $(VENV)/dev ## Check the style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: format
format: $(VENV)/dev ## Correct the style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: $(VENV)/dev ## Check the types
	$(BIN)/mypy --strict

.PHONY: layers
layers: $(VENV)/dev ## Check that no module imports one that is above it
	$(BIN)/lint-imports

.PHONY: docs
docs: $(VENV)/dev ## Run the code of the README, the docs and the examples
	$(BIN)/pytest tests/docs

.PHONY: conformance
conformance: $(VENV)/dev ## Judge every client by one suite, or ENDPOINT=http://... alone
	$(if $(ENDPOINT),ENDPOINT=$(ENDPOINT)) $(BIN)/pytest -rx tests/conformance

# how much chaos: a seed that failed; POISON=1 measures what poison costs its neighbours
SEED ?=
MESSAGES ?= 100000
FAULTS ?= 2000
POISON ?=

.PHONY: chaos
chaos: $(VENV)/dev ## Break daemons on purpose, for minutes; SEED=n MESSAGES=100000 FAULTS=2000
	$(BIN)/python -m tests.chaos --messages $(MESSAGES) --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) $(if $(POISON),--poison)

SECONDS ?= 60

.PHONY: fuzz
fuzz: $(VENV)/dev ## Make up messages by what they reach in the code; SECONDS=60
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --processes 2

.PHONY: bench
bench: $(VENV)/dev ## Measure parts, calls and worker beside boto3 and hand-written loops, and the broker beside other engines
	$(BIN)/python -m benchmarks.bench_dispatch
	$(BIN)/python -m benchmarks.bench_clients
	$(BIN)/python -m benchmarks.bench_worker
	$(BIN)/python -m benchmarks.bench_broker

.PHONY: check
check: test lint types layers docs ## All of the above

.PHONY: clean
clean: ## Remove what was installed and built
	rm -rf $(VENV) .venvs build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
