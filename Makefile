.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.runtime ## run the whole course on this machine: web, workers, Redis, model servers (Ctrl-C stops all)
	@exec $(BIN)/python manage.py start --demo --port $(PORT)

browser:
	@sh tests/install_browser.sh

test: $(VENV)/.dev browser ## the whole test suite, browser journeys included
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not e2e" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m e2e $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy .

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

migrations: $(VENV)/.dev
	$(BIN)/python manage.py makemigrations --check --dry-run

deploy-check: $(VENV)/.dev
	sh tests/deploy_check.sh

postgres: $(VENV)/.dev
	sh tests/postgres.sh

check: lint types imports migrations deploy-check test postgres ## exactly what CI runs

# TRL only: it brings a package named datasets, which must never be on the platform's path. Apache-2.0.
.venv-bench/.ready: Makefile
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet torch==2.13.0
	.venv-bench/bin/python -m pip install --quiet transformers==5.23.0 peft==0.21.2 trl==1.16.0
	@touch $@

bench: $(VENV)/.dev .venv-bench/.ready browser ## benchmark table against peers; writes bench.json
	$(BIN)/python -m tests.benchmarks.run

chaos: $(VENV)/.dev ## kill, fill, hang and cut everything in the middle of runs; writes chaos.json
	$(BIN)/python -m tests.chaos.run

chaos-postgres: $(VENV)/.dev ## the same on a throw-away PostgreSQL
	sh tests/postgres.sh chaos

screenshots: $(VENV)/.dev browser ## docs/screenshots/ from a running demo
	$(BIN)/python -m tests.e2e.screenshots

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment; the data in var/ stays
	rm -rf $(VENV) .venv-bench .mypy_cache .ruff_cache .pytest_cache

.PHONY: help demo browser test lint types imports migrations deploy-check postgres check bench chaos chaos-postgres screenshots format clean
