"""The sampler benchmark: errors against network passes, their floor, memorisation."""


rule benchmark_samplers:
    """Everything of the benchmark; `all` asks for nothing of it."""
    input:
        benchmark_results,


rule benchmark_volumes:
    """The volumes of a case lie beside its table; a killed job keeps those that it has made."""
    input:
        **RECONSTRUCTION_INPUTS,
        choice=choice_file,
        given=given_file,
    output:
        "results/benchmarks/{material}/{plane_rule}_nh{n_h}_steps{steps}/runs.csv",
    log:
        "results/logs/benchmarks/{material}/{plane_rule}_nh{n_h}_steps{steps}.log",
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(sampling_mb),
        runtime=1440,
    params:
        settings=benchmark_settings,
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=BENCHMARK_SEED,
        samples=lambda w: (0, benchmark_volumes(w)),
    script:
        "../scripts/reconstruct.py"


rule benchmark_curves:
    input:
        runs=rules.benchmark_volumes.output[0],
        about=lambda w: known(w, "about"),
    output:
        "results/benchmarks/{material}/{plane_rule}_nh{n_h}_steps{steps}/curves.csv",
    log:
        "results/logs/benchmarks/{material}/{plane_rule}_nh{n_h}_steps{steps}_curves.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(curves_mb),
        runtime=120,
    params:
        how=lambda w: measurement(w.material),
    script:
        "../scripts/benchmark_curves.py"


rule benchmark_real:
    """Real volumes or images, of other seeds or of the whole file."""
    input:
        source_file,
        like=rules.source.output.about,
    output:
        "results/benchmarks/{material}/real.npz",
    log:
        "results/logs/benchmarks/{material}/real.log",
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        settings=lambda w: MATERIALS[w.material]["source"],
        shape=lambda w: MATERIALS[w.material]["reconstruct"]["shape"],
        patch=lambda w: MATERIALS[w.material]["slices"]["patch"],
    script:
        "../scripts/benchmark_real.py"


rule benchmark_floor:
    input:
        labels=lambda w: known(w, "labels"),
        about=lambda w: known(w, "about"),
        real=real_samples,
    output:
        reference="results/benchmarks/{material}/reference.csv",
        floor="results/benchmarks/{material}/floor.csv",
    log:
        "results/logs/benchmarks/{material}/floor.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        how=lambda w: measurement(w.material),
        counts=sorted({case["volumes"] for case in BENCHMARK["cases"]}),
    script:
        "../scripts/benchmark_floor.py"


rule benchmark_source:
    """How far the images themselves are from the volume that they are of."""
    input:
        labels=rules.source.output.labels,
        about=rules.source.output.about,
        reference=rules.benchmark_floor.output.reference,
    output:
        "results/benchmarks/{material}/sources.csv",
    log:
        "results/logs/benchmarks/{material}/source.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        how=lambda w: measurement(w.material),
        material=lambda w: w.material,
    script:
        "../scripts/benchmark_source.py"


rule memorisation:
    input:
        images=rules.sample_2d.output.images,
        runs=lambda w: f"{benchmark_folder(first_case(w.material))}/runs.csv",
        slices=rules.slices.output[0],
        labels=rules.source.output.labels,
        real=rules.benchmark_real.output[0],
    output:
        "results/benchmarks/{material}/memorisation.csv",
    log:
        "results/logs/benchmarks/{material}/memorisation.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        axes=lambda w: MATERIALS[w.material]["slices"]["axes"],
        material=lambda w: w.material,
    script:
        "../scripts/memorisation.py"


rule benchmark_denoiser:
    input:
        scores=rules.score_2d.output[0],
        slices=rules.slices.output[0],
        labels=rules.source.output.labels,
        real=rules.benchmark_real.output[0],
        time=lambda w: training_time(w.material),
    output:
        "results/benchmarks/{material}/denoisers.csv",
    log:
        "results/logs/benchmarks/{material}/denoisers.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        axes=lambda w: MATERIALS[w.material]["slices"]["axes"],
        how=lambda w: {
            key: MATERIALS[w.material]["evaluate"][key]
            for key in ("phase", "max_lag", "along")
        },
        material=lambda w: w.material,
    script:
        "../scripts/benchmark_denoiser.py"


rule benchmark_joined:
    """One table of all materials that have one."""
    input:
        lambda w: [
            f"results/benchmarks/{name}/{w.table}.csv"
            for name in (KNOWN_IN_3D if w.table == "sources" else MATERIALS)
        ],
    output:
        "results/benchmarks/{table}.csv",
    log:
        "results/logs/benchmarks/{table}.log",
    wildcard_constraints:
        table="denoisers|memorisation|sources",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    script:
        "../scripts/benchmark_joined.py"


rule benchmark_table:
    input:
        runs=[f"{benchmark_folder(case)}/runs.csv" for case in BENCHMARK_CASES],
        curves=[f"{benchmark_folder(case)}/curves.csv" for case in BENCHMARK_CASES],
        references=[
            f"results/benchmarks/{case['material']}/reference.csv"
            for case in BENCHMARK_CASES
        ],
        floors=[
            f"results/benchmarks/{case['material']}/floor.csv"
            for case in BENCHMARK_CASES
        ],
        scores=[f"results/{case['material']}/check_2d.csv" for case in BENCHMARK_CASES],
    output:
        samplers="results/benchmarks/samplers.csv",
        singles="results/benchmarks/singles.csv",
    log:
        "results/logs/benchmarks/samplers.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    params:
        cases=[
            {
                **{key: case[key] for key in ("material", "rule", "n_h", "steps")},
                "n_boot": MATERIALS[case["material"]]["evaluate"]["bootstrap"],
                "in_pairs": deviates_in_pairs(
                    MATERIALS[case["material"]], case["rule"]
                ),
            }
            for case in BENCHMARK_CASES
        ],
    script:
        "../scripts/benchmark_table.py"


rule benchmark_figure:
    input:
        rules.benchmark_table.output.samplers,
    output:
        "results/benchmarks/{material}.png",
    log:
        "results/logs/benchmarks/{material}/figure.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        material=lambda w: w.material,
        title=lambda w: MATERIALS[w.material]["title"],
    script:
        "../scripts/benchmark_figure.py"
