.PHONY: setup run test check bench model docs
.DEFAULT_GOAL := run

PYTHON ?= python3
BIN := .venv/bin

.venv/.setup: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[mic,demo]'
	touch $@

.venv/.dev: .venv/.setup
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[mic,demo,dev]'
	touch $@

setup: .venv/.setup

run: setup
	$(BIN)/edge-runtime run --demo --once

test: .venv/.dev
	$(BIN)/pytest

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.dev
	for file in bench/*.py; do $(BIN)/python $$file; done

docs: .venv/.dev
	$(BIN)/python scripts/make_docs.py

model:
	$(PYTHON) -m venv .venv-build
	.venv-build/bin/pip install --quiet -e '.[build]'
	.venv-build/bin/python scripts/build_model.py --recipe models/omni_nano/recipe.toml
