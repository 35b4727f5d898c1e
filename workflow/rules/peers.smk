"""The same images given to MCRpy, and its volumes judged by the same metrics."""

# L-BFGS-B on S2 and S3 takes some minutes a volume at 32 voxels and about ten times that at 64
MCRPY_SIDE = 32
MCRPY_SAMPLES = 1
EVIDENCE_SAMPLES = 25


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
        mem_mb=more_each_attempt(8000),
        runtime=240,
    params:
        side=MCRPY_SIDE,
        phase=lambda w: measurement(w.material)["phase"],
        seed=lambda w: FIRST_SEED + int(w.sample),
    script:
        "../scripts/mcrpy_volume.py"


rule peer_volumes:
    """Beside them, the rule evidence at the same side."""
    input:
        **RECONSTRUCTION_INPUTS,
        choice=lambda w: choice_of(w.material, "evidence"),
        given=[],
    output:
        "results/benchmarks/{material}/beside_mcrpy/runs.csv",
    log:
        "results/logs/benchmarks/{material}/beside_mcrpy.log",
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(16000),
        runtime=120,
    params:
        settings=lambda w: {
            **choice_settings(MATERIALS[w.material]),
            "shape": [MCRPY_SIDE] * 3,
        },
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=BENCHMARK_SEED,
        samples=(0, EVIDENCE_SAMPLES),
    script:
        "../scripts/reconstruct.py"


rule peer_real:
    """Real volumes or images of that side."""
    input:
        source_file,
        like=rules.source.output.about,
    output:
        "results/benchmarks/{material}/beside_mcrpy/real.npz",
    log:
        "results/logs/benchmarks/{material}/beside_mcrpy_real.log",
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        settings=lambda w: MATERIALS[w.material]["source"],
        shape=[MCRPY_SIDE] * 3,
        patch=MCRPY_SIDE,
    script:
        "../scripts/benchmark_real.py"


rule peer_table:
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
        runs=[f"results/benchmarks/{name}/beside_mcrpy/runs.csv" for name in MATERIALS],
        real=[f"results/benchmarks/{name}/beside_mcrpy/real.npz" for name in MATERIALS],
        references=[f"results/{name}/reference.csv" for name in MATERIALS],
        about=[f"results/{name}/source.json" for name in MATERIALS],
    output:
        "results/benchmarks/peers.csv",
    log:
        "results/logs/peer_table.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        materials=list(MATERIALS),
        how={name: measurement(name) for name in MATERIALS},
    script:
        "../scripts/peer_table.py"


rule peers:
    """Not a part of `all`: MCRpy needs an environment of its own."""
    input:
        rules.peer_table.output,
