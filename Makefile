# make demo: watch a robot learn a new task.  make test: run the whole test suite.
.DEFAULT_GOAL := help
PTRCTL := .venv/bin/ptrctl
PYTHON := .venv/bin/python

.PHONY: help setup setup-dev demo test lint format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Create .venv and install ptrctl into it
	@sh scripts/setup.sh

setup-dev: ## The same, with what the tests need
	@sh scripts/setup.sh dev

demo: setup ## Ten demonstrations, fine-tune, 50 trials, improve, 50 trials, report
	@$(PTRCTL) demo

test: setup-dev ## Run the whole test suite
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 3 --dist worksteal

lint: setup-dev ## Check format, lint and types
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

format: setup-dev ## Put the code into its format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean: ## Remove the environment and caches, keep recordings and checkpoints
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
