# Every target makes or repairs .venv first (tools/setup.py, instant when nothing changed); nothing is installed by hand.
# PYTHON names another interpreter (3.11 or newer), WORKERS the number of test processes, SERVER the demo's S3 server.
PYTHON ?= python3
WORKERS ?= 2
SERVER ?= auto
BIN := .venv/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-deep test-fifth test-newest-python test-newest mutation up down lint bench bench-guard constraints docs setup minio

help: ## Show these targets
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

demo: setup ## Run the main job end to end on local servers (SERVER=minio builds MinIO): archives, copy, tables, report
	@$(BIN)/lakehouse demo --server $(SERVER)

test: minio ## Run the tests (all but the deep ones)
	@$(BIN)/pytest -m "not deep" -n $(WORKERS) --dist loadgroup

test-deep: minio ## Run every test, with branch coverage (before a release; an hour)
	@HYPOTHESIS_PROFILE=deep $(BIN)/pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=term:skip-covered

test-fifth: minio ## Run a fifth of the deep tests; the next commit has the next fifth
	@$(BIN)/pytest -m deep --fifth $$(($$(git rev-list --count HEAD) % 5)) -n $(WORKERS) --dist loadgroup

test-newest-python: setup ## Run the unit and contract tests on the newest Python of this machine
	@$(BIN)/python tools/newest.py python -m "not deep" -n $(WORKERS) tests/unit tests/contract

test-newest: minio ## Run the tests with the newest allowed version of everything
	@$(BIN)/python tools/newest.py packages -m "not deep" -n $(WORKERS) --dist loadgroup

mutation: minio ## Count which planted faults the fast tests find (an hour)
	@$(BIN)/pytest -m "not deep" -n $(WORKERS) --dist loadgroup -q --cov --cov-context=test --cov-fail-under=0 --cov-report=
	@$(BIN)/python tools/mutation.py --coverage .coverage --output tests/mutation/kills.json

up: setup ## Start local servers that stay, for work in a notebook
	@$(BIN)/lakehouse up

down: setup ## Stop what `make up` started
	@$(BIN)/lakehouse down

lint: setup ## Check format, style, types and the import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: minio ## Measure, and write docs/reference/benchmarks.md (two hours; the other clients are built once)
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/peers.py
	@$(BIN)/python benchmarks/transfer.py
	@$(BIN)/python benchmarks/archives.py
	@$(BIN)/python benchmarks/tables.py

bench-guard: minio ## Compare CPU, requests and memory of eight small jobs with an earlier commit (BASE=commit)
	@$(BIN)/python benchmarks/guard.py $(if $(BASE),--base $(BASE))

docs: setup ## Write the generated pages of docs/reference anew
	@$(BIN)/python tools/write_reference.py

constraints: setup ## Bring constraints.txt up to date with pyproject.toml (UPGRADE=1: and to the newest versions)
	@$(BIN)/python tools/write_constraints.py $(if $(UPGRADE),--upgrade)

setup: ## Make or repair .venv; the other targets do it by themselves
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || { \
	  echo "Set-up stopped: $(PYTHON) is missing or too old: install Python 3.11 or newer, or name it with" \
	    "\`make PYTHON=/path/to/python3.12 …\`, then run make again." >&2; exit 1; }
	@$(PYTHON) tools/setup.py

minio: setup
	@$(BIN)/lakehouse servers install minio
