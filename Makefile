# make install     installs what is needed into .venv; the others do so first
# make demo        runs the chain on spheres, from the shipped denoiser to the report
# make demo-train  does so with a denoiser that it trains first
# make test        runs all tests
# make check       runs the linters
# make benchmarks  measures speed against its bounds
# make benchmark-samplers  measures errors against network passes, for docs/benchmarks.md (hours)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 2
BIN := .venv/bin
DEMO = $(BIN)/snakemake --cores $(CORES) --configfile config/cpu.yaml config/demo.yaml $(TRAIN)
export PYTHONPATH := src

.PHONY: install demo demo-train test check benchmarks benchmark-samplers

.venv/installed: requirements.txt
	tools/system-packages $(PYTHON)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

install: .venv/installed

demo-train: TRAIN := config/demo-train.yaml
demo demo-train: .venv/installed
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

benchmark-samplers: .venv/installed
	$(BIN)/snakemake benchmark_samplers --cores $(CORES) --configfile config/benchmarks.yaml
	mkdir -p docs/benchmarks
	cp results/benchmarks/*.csv results/benchmarks/*.png docs/benchmarks
