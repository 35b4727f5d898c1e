# make install     installs what is needed into .venv; the others do so first
# make demo        runs the chain on spheres, from training to the report
# make test        runs all tests
# make check       runs the linters
# make benchmarks  measures speed against its bounds

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 2
BIN := .venv/bin
DEMO := $(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
export PYTHONPATH := src

.PHONY: install demo test check benchmarks

.venv/installed: requirements.txt
	tools/system-packages $(PYTHON)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

install: .venv/installed

demo: .venv/installed
	@$(BIN)/python -m micro3diff.figures.views
	$(DEMO) --quiet rules
	$(DEMO) --quiet all --report results/report.html
	@$(BIN)/python -m micro3diff.summary results

test: .venv/installed
	$(BIN)/pytest

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

benchmarks: .venv/installed
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/speed.py
