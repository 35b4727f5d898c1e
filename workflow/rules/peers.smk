"""The same images given to MCRpy, and its volumes judged by the same metrics."""

# L-BFGS-B on S2 and S3 takes some minutes a volume at 32 voxels and about ten times that at 64
MCRPY_SIDE = 32
MCRPY_SAMPLES = 1


rule mcrpy_volume:
    input:
        labels=rules.source.output.labels,
        about=rules.source.output.about,
        slices=rules.slices.output[0],
    output:
        volume="results/benchmarks/{material}/mcrpy/volume_{sample}.tif",
        about="results/benchmarks/{material}/mcrpy/volume_{sample}.json",
    log:
        "results/logs/mcrpy_volume/{material}/volume_{sample}.log",
    conda:
        "../../envs/mcrpy.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        side=MCRPY_SIDE,
        phase=lambda w: measurement(w.material)["phase"],
        seed=lambda w: RUN["seed"] * 1_000_000 + int(w.sample),
    script:
        "../scripts/mcrpy_volume.py"


rule mcrpy_table:
    input:
        volumes=[
            f"results/benchmarks/{name}/mcrpy/volume_{sample:03d}.tif"
            for name in MATERIALS
            for sample in range(MCRPY_SAMPLES)
        ],
        provenance=[
            f"results/benchmarks/{name}/mcrpy/volume_{sample:03d}.json"
            for name in MATERIALS
            for sample in range(MCRPY_SAMPLES)
        ],
        references=[f"results/{name}/reference.csv" for name in MATERIALS],
        about=[f"results/{name}/source.json" for name in MATERIALS],
    output:
        "results/benchmarks/peers.csv",
    log:
        "results/logs/mcrpy_table.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        materials=list(MATERIALS),
        how={name: measurement(name) for name in MATERIALS},
    script:
        "../scripts/mcrpy_table.py"


rule peers:
    """Not a part of `all`: MCRpy needs an environment of its own."""
    input:
        rules.mcrpy_table.output,
