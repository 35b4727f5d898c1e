# make install     installs what is needed into .venv; the others do so first
# make demo        runs the chain on spheres, from the shipped denoiser to the report
# make demo-train  does so with a denoiser that it trains first
# make fetch       downloads what a run needs, before jobs without internet (CONFIG="a.yaml b.yaml")
# make test        runs the tests, but for those that need more than this folder:
# make test-environments  runs each step in an environment that has only what its file lists
# make test-slurm  runs the workflow on a SLURM that it starts on this machine (root, Debian)
# make test-slow   kills jobs at random, runs MCRpy: for half an hour
# make container   writes the recipe of a container with a run's environments, results/container.def
# make check       runs the linters
# make benchmarks  measures speed against its bounds
# make benchmark-materials  measures config/examples.yaml along each axis, for docs/materials.md (an hour)
# make benchmark-held-out  measures config/held_out.yaml, materials that no setting was chosen on (two hours)
# make benchmark-samplers  measures errors against network passes, for docs/benchmarks.md (15 hours)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 2
BIN := .venv/bin
# two jobs at once on half the cores each are done before one after the other on all
HALF := $(shell expr $(CORES) / 2 \| 1)
DEMO = $(BIN)/snakemake --cores $(CORES) --configfile config/cpu.yaml config/demo.yaml $(TRAIN) \
	--set-threads $(foreach rule,sample_2d choose reconstruct trace,$(rule)=$(HALF))
export PYTHONPATH := src

.PHONY: install demo demo-train fetch test test-environments test-slurm test-slow container check \
	benchmarks benchmark-materials benchmark-held-out benchmark-samplers

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

fetch: .venv/installed
	$(BIN)/snakemake --cores 1 --until fetch $(if $(CONFIG),--configfile $(CONFIG))

# one thread for each test, as several run at once, and no busy waiting for a core that others have
test: .venv/installed
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest --numprocesses $(CORES) --dist worksteal

test-environments: .venv/installed
	$(BIN)/pytest -m "environments and not slow" tests/environments

test-slurm: .venv/installed
	tests/slurm/cluster install
	$(BIN)/pytest -m "slurm and not slow" tests/slurm

test-slow: .venv/installed
	tests/slurm/cluster install
	$(BIN)/pytest -m slow --capture=no tests/slow tests/slurm tests/environments

container: .venv/installed
	mkdir -p results
	$(BIN)/snakemake --containerize apptainer $(if $(CONFIG),--configfile $(CONFIG)) | \
		sed 's/^%post.*/&\n    export CONDA_OVERRIDE_CUDA=12.8/' > results/container.def
	@echo "apptainer build micro3diff.sif results/container.def"

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

benchmarks: .venv/installed
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/speed.py

benchmark-materials: .venv/installed
	$(BIN)/snakemake directions --cores $(CORES) --configfile config/cpu.yaml config/examples.yaml
	cp results/tables/directions.csv docs/benchmarks/materials.csv
	cp results/figures/directions_separator.png docs/benchmarks/separator_axes.png

benchmark-held-out: .venv/installed
	$(BIN)/snakemake directions results/tables/denoisers.csv --cores $(CORES) --configfile config/cpu.yaml config/held_out.yaml
	cp results/tables/directions.csv docs/benchmarks/held_out.csv

benchmark-samplers: .venv/installed
	$(BIN)/snakemake benchmark_samplers --cores $(CORES) --configfile config/benchmarks.yaml
	mkdir -p docs/benchmarks
	cp results/benchmarks/*.csv results/benchmarks/*.png docs/benchmarks
