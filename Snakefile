"""Micro3Diff: from 2D micrographs to statistically equivalent 3D microstructures.

config/README.md explains the configuration, README.md everything else.
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/denoisers.smk"
include: "workflow/rules/volumes.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/peers.smk"
include: "workflow/rules/benchmarks.smk"
include: "workflow/rules/directions.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        rules.provenance.output,


onstart:
    require_sbatch()
    print(
        f"Micro3Diff: {', '.join(MATERIALS)}; {len(CASES)} case(s) of {SAMPLES} volume(s)"
    )


onsuccess:
    if all(Path(table).exists() for table in TABLES):
        configs = " ".join(map(str, workflow.overwrite_configfiles or []))
        same = f" --configfile {configs}" if configs else ""
        print(
            "Done. Figures: results/figures, tables: results/tables.\n"
            f"A page with all of it: snakemake{same} --report results/report.html"
        )


onerror:
    tell_failures(since=STARTED)
    print("Failed: see the lines that begin with 'Error' above, and results/logs")
