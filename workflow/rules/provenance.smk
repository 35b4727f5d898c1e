"""From every result back to its origin."""

ORIGINS = {
    name: {
        "source": f"results/{name}/source.json",
        "slices": f"results/{name}/slices.tif",
        "model": f"results/{name}/model",
        "volumes": [table for case in CASES for table in volume_tables(name, *case)],
    }
    for name in MATERIALS
}


rule provenance:
    input:
        results=[*TABLES, *FIGURES],
        origins=[
            file
            for files in ORIGINS.values()
            for file in (
                files["source"],
                files["slices"],
                files["model"],
                *files["volumes"],
            )
        ],
    output:
        report(
            "results/provenance.json",
            caption="../report/provenance.rst",
            category="Provenance",
        ),
    log:
        "results/logs/provenance.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    params:
        materials=ORIGINS,
        workflow=str(Path(workflow.current_basedir).parents[1]),
    script:
        "../scripts/provenance.py"
