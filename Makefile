# make demo   installs what is needed into .venv and runs the chain on spheres, to the report
# make test   runs the tests
# make check  runs the linters
# make figures-check, benchmarks: see docs

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake
export PYTHONPATH := src

.PHONY: demo test check benchmarks docs
.DELETE_ON_ERROR:

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

demo: $(VENV)/installed
	$(SNAKEMAKE) --cores 2 --configfile config/demo.yaml --quiet rules
	$(SNAKEMAKE) --configfile config/demo.yaml --report results/report.html --quiet all
	@$(BIN)/python workflow/scripts/show_results.py results/tables/error_rates.csv results/report.html

test: $(VENV)/installed
	$(BIN)/pytest

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(SNAKEMAKE) --lint

benchmarks: $(VENV)/installed
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/speed.py
