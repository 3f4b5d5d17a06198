# `make` or `make help` lists what there is to do.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one more requirement, to test with a certain version of a dependency: make test WITH='marshmallow==3.20.*'
WITH ?=

# tests at a time: for two cores, as tests often wait for programs that they started
PROCESSES ?= 3

# the tests start many programs, which need not compile everything each time
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# the locked versions, save those of what WITH names
LOCK := requirements-dev.lock
name_of = $(firstword $(subst =, ,$(subst >, ,$(subst <, ,$(subst ~, ,$(1))))))
NONE :=
SPACE := $(NONE) $(NONE)
NAMES := $(subst $(SPACE),|,$(foreach requirement,$(WITH),$(call name_of,$(requirement))))

define install
	$(PYTHON) -m venv $(VENV)
	grep -Eiv '^($(NAMES))==' $(LOCK) > $(VENV)/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint $(VENV)/constraints.txt --editable '.[$(1)]' $(foreach requirement,$(WITH),'$(requirement)')
	@# pip would do it with one core; some packages have files for tests that are not meant to compile
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
endef

$(VENV)/demo: setup.py pyproject.toml $(LOCK)
	$(call install,broker)
	@touch $@

$(VENV)/dev: setup.py pyproject.toml $(LOCK)
	$(call install,dev)
	@touch $@ $(VENV)/demo

.PHONY: demo
demo: $(VENV)/demo ## Watch a daemon handle 500 messages on this machine, with no AWS account
	$(BIN)/pubsub demo

.PHONY: install
install: $(VENV)/dev ## Install the package for development, into a virtual environment

# what starts no programs
UNITS := unit house integration switching
# all of it, in the order in which it fails first; `peers` are clients in other languages, and slow
FOLDERS := $(notdir $(wildcard $(addprefix tests/,$(UNITS) conformance fork differential docs acceptance peers chaos)))
# the folders that a machine takes: make test-all SHARD='acceptance chaos'
SHARD ?=
in_tests = $(wildcard $(addprefix tests/,$(1)))

# two minutes have no room for PostgreSQL, for made-up input, for asking other engines again and again, and for what takes
# many threads and processes: these are for `make test-units`
SLOW := postgres or fuzz or test_rights or found_and_named or test_diff or test_delivery or test_rpc or test_concurrency or test_supervisor
.PHONY: test
test: $(VENV)/dev ## Pass most tests that start no programs, and a small demonstration, in two minutes
	$(BIN)/pytest --numprocesses $(PROCESSES) -k 'not ($(SLOW))' $(call in_tests,$(UNITS)) tests/acceptance/test_demo.py::test_every_message_is_accounted_for

.PHONY: test-units
test-units: $(VENV)/dev ## Pass the tests that start no programs
	$(BIN)/pytest --numprocesses $(PROCESSES) $(call in_tests,$(UNITS))

# what the short ways stand in for
CORE := $(addprefix unit/,clients codecs consumer context dispatcher envelope message middleware payloads producer worker)

.PHONY: test-plain
test-plain: $(VENV)/dev ## Pass the tests of the core without the short ways (PUBSUB_PLAIN=1)
	PUBSUB_PLAIN=1 $(BIN)/pytest --numprocesses $(PROCESSES) $(call in_tests,$(CORE))

.PHONY: wheel
wheel: $(VENV)/dev ## Build the wheel, and run the demonstration with it in an empty environment
	rm -rf build dist $(VENV)-wheel
	$(BIN)/python -m build --wheel --outdir dist > /dev/null
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip install --quiet --disable-pip-version-check --constraint $(LOCK) "$$(ls dist/*.whl)[broker]"
	cd $(VENV)-wheel && bin/pubsub demo --messages 50

# what knows botocore from inside, and what boto3 itself pins
LEANS := differential unit/clients unit/fast integration
PINNED := boto3 botocore s3transfer jmespath

.PHONY: newest
newest: ## Pass the tests of the clients with the newest boto3 that the registry has, in an environment of its own
	$(MAKE) install VENV=$(VENV)-newest WITH='$(PINNED)'
	$(VENV)-newest/bin/pip install --quiet --disable-pip-version-check --upgrade $(PINNED)
	$(VENV)-newest/bin/pip list 2>/dev/null | grep -iE '^(boto3|botocore) '
	$(VENV)-newest/bin/pytest --numprocesses $(PROCESSES) $(call in_tests,$(LEANS))

.PHONY: test-all
test-all: $(VENV)/dev ## Pass all tests, and print what they cover; SHARD='acceptance chaos' takes these folders
ifeq ($(strip $(SHARD)),)
	$(BIN)/pytest --numprocesses $(PROCESSES) --cov --cov-report=term:skip-covered $(addprefix tests/,$(FOLDERS))
else
	COVERAGE_FILE=.coverage.$(firstword $(SHARD)) $(BIN)/pytest --numprocesses $(PROCESSES) --cov --cov-report= --cov-fail-under=0 $(call in_tests,$(SHARD))
endif

.PHONY: coverage
coverage: $(VENV)/dev ## Add up what the shards cover, and print it
	$(BIN)/coverage combine
	$(BIN)/coverage report --skip-covered

.PHONY: lock
lock: $(VENV)/dev ## Choose the versions of the development environment anew; UPGRADE=1 takes the newest
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-annotate --quiet --no-emit-package microcosm-pubsub --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) --output-file $(LOCK)

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
	$(BIN)/mypy --config-file mypy-loose.ini
	$(BIN)/basedpyright --pythonpath $(BIN)/python

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
# what is broken: the delivery of messages; (ledger) daemons whose effects must happen once: FAULTS=320 MESSAGES=20000;
# (calls) callers and services: FAULTS=200 MESSAGES=20000
PLAN ?= delivery

.PHONY: chaos
chaos: $(VENV)/dev ## Break daemons on purpose, for minutes; SEED=n MESSAGES=100000 FAULTS=2000
	$(BIN)/python -m tests.chaos --messages $(MESSAGES) --faults $(FAULTS) --plan $(PLAN) $(if $(SEED),--seed $(SEED)) $(if $(POISON),--poison)

SECONDS ?= 60

.PHONY: fuzz
fuzz: $(VENV)/dev ## Make up messages by what they reach in the code; SECONDS=60
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --processes 2

.PHONY: bench
bench: $(VENV)/dev ## Measure parts, calls and worker beside boto3 and hand-written loops, and the broker beside other engines
	$(BIN)/python -m benchmarks.bench_dispatch
	$(BIN)/python -m benchmarks.bench_payloads
	$(BIN)/python -m benchmarks.bench_clients
	$(BIN)/python -m benchmarks.bench_worker
	$(BIN)/python -m benchmarks.bench_broker
	$(BIN)/python -m benchmarks.bench_sql
	$(BIN)/python -m benchmarks.bench_latency
	$(BIN)/python -m benchmarks.bench_calls

# what is kept, and compared: make bench-keep BENCH='worker clients' ARGS='--rounds 5'
BENCH ?=
ARGS ?=

.PHONY: bench-keep
bench-keep: $(VENV)/dev ## Measure, and keep the results of this machine; BENCH='worker clients' ARGS='--rounds 5'
	$(BIN)/python -m benchmarks.results run $(BENCH) $(if $(ARGS),-- $(ARGS))

.PHONY: bench-compare
bench-compare: $(VENV)/dev ## Compare the newest two results of this machine; fails if a ratio is worse by more than 3 %
	$(BIN)/python -m benchmarks.results compare $(BENCH)

.PHONY: bench-http
bench-http: $(VENV)/dev ## Measure `pubsub serve` beside other servers of SQS, for a quarter of an hour
	$(BIN)/python -m benchmarks.bench_broker --http

.PHONY: check
check: test-all lint types layers ## All tests, style, types and layers

.PHONY: clean
clean: ## Remove what was installed and built
	rm -rf $(VENV) $(VENV)-wheel $(VENV)-newest .venvs build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
