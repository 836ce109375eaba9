# Everything works from a fresh clone: each target makes .venv first where it needs one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A machine that forbids bytecode files would compile all of torch and MMDetection again in each of 24 processes.
unexport PYTHONDONTWRITEBYTECODE
# DVC and MLflow too read names of files and classes as UTF-8, whatever the locale; the stages see to it by themselves.
export PYTHONUTF8 := 1
# How many cells train at once: make repro JOBS=1. Left out, the CPUs and the memory of this machine decide.
JOBS ?=
# DVC locks the folder before and after each stage, and gives up after three seconds: of seven cells at a time, two did.
DVC := dvc --wait-for-lock
# The cells that did not end well in the last `make cells`, a name a line.
FAILED := .work/failed
# Not $(MAKE) itself: make -n runs each line that has that word, and would train the study.
AGAIN = $(firstword $(MAKE)) --no-print-directory
# What a person types reaches the programs as it stands: make would expand a $ in it, and the shell run a `.
override ROOT := $(value ROOT)
override POLICY := $(value POLICY)
override DATA := $(value DATA)
override WEIGHTS := $(value WEIGHTS)
export ROOT POLICY DATA WEIGHTS
SHELL := bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help install set-up repro cells costs prune check-cache accept fit gpu-pack data-check test test-quick test-faults test-zoo test-fresh test-all lint sync ui picture clean lock

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What does not work in this folder is said once, not by a make within a make again.
install: $(VENV)/installed $(if $(filter 0,$(MAKELEVEL)),set-up)  ## make .venv from requirements.txt, every version pinned

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 15) else f"Python 3.11 to 3.14 is needed, {sys.version.split()[0]} found; run make with PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep "^uv==" requirements.txt)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt
	@touch $@

set-up: $(VENV)/installed  ## what every target does first: DVC with git or without, a git identity, what does not work here
	@python -m stages.set_up

# A report that DVC has from its run cache is not told to MLflow, whose verdicts and champion would go on being those of
# another comparison. compare leaves the summary here that MLflow had last.
TOLD = test ! -e .work/told.json || cmp --silent reports/summary.json .work/told.json
COMPARE = $(DVC) repro --force --single-item compare
# A cell that fails stops no other: the report is written without it, and the last line names it.
repro: install  ## the whole study, JOBS cells at a time: data, training, analysis, costs, report
	@python -m stages.check_cache missing
	@$(DVC) repro compose
	@if $(DVC) status --quiet || $(AGAIN) cells; then $(DVC) repro && { $(TOLD) || $(COMPARE); }; else \
		$(DVC) repro --single-item costs compare; \
		test ! -s $(FAILED) || echo "repro: failed: $$(xargs <$(FAILED)). The report leaves out what has no results." \
			"Mend the cause, which each cell has said above, and run make repro again: it runs these alone" >&2; exit 1; fi

# Largest images first, so that no long cell is left alone at the end. Through cat: progress bars of several cells
# would fight over one line, and without a terminal each prints a line per epoch instead. xargs would stop at dvc's 255.
# A cell is trained, predicted and analysed in one call: no processor waits for the last training. Costs come when all
# have ended, in dvc repro: beside a training nothing would be measured but the training.
STAGES = $(foreach stage,train predict analyse,stages/dvc.yaml:$(stage)@CELL)
EACH = xargs -I CELL -P $(or $(JOBS),$$(python -m stages.jobs cells || echo 1)) $(SHELL) $(.SHELLFLAGS) \
	'$(DVC) repro --single-item $(STAGES) 2>&1 | cat || { echo CELL >>$(FAILED); exit 1; }'

cells: install  ## train, predict and analyse the selected cells, JOBS at a time
	@mkdir -p $(dir $(FAILED)) && : >$(FAILED)
	@$(DVC) repro --quiet compose
	@python -m stages.plan >$(FAILED).plan
	@awk '{print "stages/dvc.yaml:weights@" $$1}' $(FAILED).plan | xargs $(DVC) repro --single-item --keep-going || true
	@sort -rnk2 $(FAILED).plan | awk '{print $$1}' | $(EACH) || true
	@test ! -s $(FAILED)

costs: install  ## measure latency, memory and throughput of the selected cells on this machine, and report them
	@$(DVC) repro --single-item --force costs
	@$(DVC) repro

prune: install  ## delete what removed rows have left behind: models, predictions, metrics; DVC's cache keeps all of it
	@python -m stages.prune
	@test ! -e reports/summary.json || $(DVC) repro --single-item costs compare

check-cache: install  ## drop what is damaged in DVC's cache and locks, put back what is lost; after a disk error
	@python -m stages.check_cache all

accept: install  ## record finished cells as up to date where rewritten code still makes the same bits
	@python -m stages.accept

fit: install  ## memory, minutes and disk of each selected cell, from a few measured steps
	@$(DVC) repro --quiet prepare
	@python -m stages.fit

gpu-pack: install  ## gpu-pack/: measurements for ten minutes on a bare GPU machine; DATA=photographs [WEIGHTS=folder]
	@python -m benchmarks.gpu.pack "$$DATA" "$$WEIGHTS"

data-check: install  ## a report on the data set in ROOT=..., without training; WRITE=1 puts it into params.yaml
	@test -n "$$ROOT" || { echo 'data-check: which folder? make data-check ROOT=/path/to/your/set'; exit 2; }
	@python -m stages.data_check "$$ROOT"

# Whole files go to a worker, for what their tests share, in the order of tests/conftest.py. Not -n auto, which takes all
# cores of a container's host.
WORKERS = -n $$(python -m stages.jobs tests || echo 1)
BY_FILE = --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: install  ## the tests that fit into minutes
	python -m pytest $(WORKERS) $(BY_FILE) -m "not slow and not gpu" --ignore=tests/faults

# The others are skipped when they start a program: see tests/quick.py.
test-quick: install  ## the tests that start no DVC, MLflow server, stage or training: after each change
	python -m pytest $(WORKERS) $(BY_FILE) --quick -m "not slow and not gpu" --ignore=tests/faults

# These share what each worker, or the first of them, makes once; a worker that has no test left takes half of another's.
FAULTS ?= not gpu
test-faults: install  ## what happens when things go wrong: kills, full disks, dead trackers, hostile files
	python -m pytest $(WORKERS) --maxprocesses 4 --dist worksteal -m "$(FAULTS)" tests/faults

test-zoo: install  ## a training step of every full-size model, the largest too
	python -m pytest -m slow tests/model/test_zoo.py

# FRESH="install test" runs less, SUITE=testing is a newer Debian.
SUITE ?= trixie
FRESH ?= repro test
test-fresh:  ## the README's two commands in a bare Debian; skipped without root or debootstrap
	@tests/fresh_machine.sh $(SUITE) $(FRESH)

test-all: install  ## every test, the slow ones too
	python -m pytest

lint: install  ## ruff and mypy, and how densely stages/ is written
	ruff check .
	ruff format --check .
	mypy
	@python tests/helpers/density.py

sync: install  ## send to MLflow what it lacks: after a lost or new tracking server, or a fresh clone
	@python -m stages.sync

# The window shows the card, the table of places and the hypotheses; 64 colours keep the file small.
picture: install  ## docs/images/report.png, the top of the README: the report of this folder, by Chromium
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,900 \
	  --screenshot=$(CURDIR)/docs/images/report.png file://$(CURDIR)/reports/index.html
	python -c 'from PIL import Image; path = "docs/images/report.png"; Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)'

ui: install  ## MLflow's pages on this study's runs, http://127.0.0.1:5000
	mlflow ui --host 127.0.0.1 --port 5000

clean:  ## remove .venv and caches; data, models, results and MLflow's runs stay
	rm -rf $(VENV) .ruff_cache .mypy_cache .pytest_cache
	find . -name __pycache__ -type d -not -path './.dvc/*' -prune -exec rm -rf {} +

lock: install  ## compile requirements.in to requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header -o requirements.txt requirements.in
