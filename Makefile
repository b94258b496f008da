# make run    sets up, then processes data/samples
# make test   sets up, then runs the tests, a real PostgreSQL and tesseract included, in PROCESSES processes
# make setup  prepares .venv with .venv/bin/winnow, compiled to bytecode, and trains the classifiers
# make test-fast  the tests that need no server and no tesseract
# make coverage   the tests, with line and branch coverage
# make mutants    mutation testing of the modules that decide most; hours
# make soak   an hour of runs that are killed, stopped, or lose their database, disk or Prefect server
# make lint   ruff, mypy, import-linter
# make lock   renews requirements.lock from pyproject.toml

PYTHON ?= python3
WINNOW := .venv/bin/winnow
PROCESSES ?= logical
PARALLEL := --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-fast coverage mutants soak setup lint lock

run: setup
	@$(WINNOW) run data/samples

test: setup
	@.venv/bin/python -m pytest $(PARALLEL)

test-fast: setup
	@.venv/bin/python -m pytest $(PARALLEL) -m 'not (long or postgres or prefect or tesseract or browser)'

coverage: setup
	@COVERAGE_FILE=$(CURDIR)/.coverage .venv/bin/python -m pytest $(PARALLEL) --cov --cov-branch --cov-report=term:skip-covered

mutants: setup
	@.venv/bin/mutmut run
	@.venv/bin/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

soak: setup
	@.venv/bin/python benchmarks/soak.py --minutes $(or $(MINUTES),60)

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

setup: .venv/ready
	@.venv/bin/python -m compileall -q flows tasks blocks deployments
	@deployments/setup/tesseract.sh

.venv/ready: requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) deployments/setup/venv.sh

lock: setup
	@.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-strip-extras --quiet --output-file requirements.lock
