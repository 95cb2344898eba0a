# make demo   run the whole workflow on the demo collection
# make test   run the tests; make test-slow those that run the workflow for minutes; make test-all both
# make ablation   detectors, sets of images and networks side by side, as docs/ablation.yaml says
# make papers   the papers' tables in docs/papers.md, from the data sets in DATA (and WEIGHTS)
# make docs   build the documentation into site/ and run its notebook; a link that leads nowhere is an error
# All install into .venv first, once, with the versions of requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
# Files of tests go to so many processes; a file stays together, since its tests may share a run of the workflow.
WORKERS ?= 2
PYTEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

DATA ?= ../shared/data
WEIGHTS ?= ../shared/weights

.PHONY: install demo test test-slow test-all ablation papers benchmark check settings docs clean

install: .venv/.installed

.venv/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "firstsight needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo "python3 cannot make a virtual environment: install the package python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[test,docs,formats,slurm]'
	@touch $@

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES)

test: install
	$(PYTEST)

test-slow: install
	$(PYTEST) -m slow

# In one run tests of both sorts share what they look at, and no process waits for the end of the other sort.
test-all: install
	$(PYTEST) -m 'slow or not slow'

benchmark: install
	$(BIN)/pytest benchmarks --benchmark-only

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# The table of docs/methods.md: metrics, calls and seconds of detectors on the sets that docs/ablation.yaml names.
ablation: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) --until tables --configfile docs/ablation.yaml
	$(BIN)/python docs/ablation_table.py results/ablation

# docs/papers.md: what the papers print beside what is measured on the data sets that are there.
papers: install
	$(BIN)/firstsight papers --data $(DATA) --weights $(WEIGHTS) --cores $(CORES)
	cp results/papers/tables/papers.md docs/papers.md

# config.yaml, the schema and the table of settings, from the models in src/firstsight/plan and in the detectors.
settings: install
	$(BIN)/python docs/make_settings.py

# The notebook runs anew; what was kept of it serves the tests.
docs: install
	rm -rf .cache/mkdocs-jupyter
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv .snakemake .cache site
	find results -mindepth 1 ! -name .gitkeep -delete
