.PHONY: setup run test test-build check bench model docs router
.DEFAULT_GOAL := run

PYTHON ?= python3
BIN := .venv/bin
BUILD := .venv-build/bin

.venv/.setup: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[mic,demo]'
	touch $@

.venv/.dev: .venv/.setup
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[mic,demo,ocr,plot,dev]'
	touch $@

setup: .venv/.setup

run: setup
	$(BIN)/edge-runtime run --demo --once

# Tests of one file share a process: some of their fixtures are slow to make.
test: .venv/.dev
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

# Exports and trainings need torch, which the device does without.
.venv-build/.dev: pyproject.toml
	$(PYTHON) -m venv .venv-build
	echo '*' >.venv-build/.gitignore
	$(BUILD)/pip install --quiet --disable-pip-version-check -e '.[build,dev]'
	touch $@

# Other people's programs that the API is tested with; each pins much of what it needs.
.venv-clients/.dev: Makefile
	$(PYTHON) -m venv .venv-clients
	echo '*' >.venv-clients/.gitignore
	.venv-clients/bin/pip install --quiet --disable-pip-version-check 'llm>=0.36' 'litellm[proxy]>=1.83' 'schemathesis>=4.32'
	touch $@

test-build: .venv-build/.dev
	$(BUILD)/pytest tests/making tests/scripts tests/models

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.dev
	for file in bench/*.py; do $(BIN)/python $$file; done

docs: .venv/.dev
	$(BIN)/python scripts/make_docs.py

router: .venv/.dev
	$(BIN)/python scripts/make_router.py

model: .venv-build/.dev
	$(BUILD)/python scripts/build_model.py --recipe models/omni_nano/recipe.toml
