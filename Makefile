# Everything works from a fresh clone: each target makes .venv first where it needs one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_LINK_MODE ?= hardlink

.DEFAULT_GOAL := help
.PHONY: help install repro test test-all lint ui clean lock

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## make .venv from requirements.txt, every version pinned

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else f"Python 3.11 or 3.12 is needed, {sys.version.split()[0]} found; run make with PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep "^uv==" requirements.txt)
	$(BIN)/uv pip install --quiet --python $(BIN)/python requirements.txt
	@touch $@

repro: install  ## the whole study: data, training, evaluation, report
	dvc repro

test: install  ## the tests that fit into minutes
	python -m pytest -m "not slow and not gpu"

test-all: install  ## every test, the slow ones too
	python -m pytest

lint: install  ## ruff over all of the code
	ruff check .

ui: install  ## MLflow's pages on this study's runs, http://127.0.0.1:5000
	mlflow ui --host 127.0.0.1 --port 5000

clean:  ## remove .venv and caches; data, models, results and MLflow's runs stay
	rm -rf $(VENV) .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -not -path './.dvc/*' -prune -exec rm -rf {} +

lock: install  ## compile requirements.in to requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header -o requirements.txt requirements.in
