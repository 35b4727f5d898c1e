"""Every phase along every axis, against that axis of the material.

`all` asks for the figures of materials that are known to be anisotropic, `directions` for the table
and the figures of all materials.
"""


rule directions:
    input:
        "results/tables/directions.csv",
        [file for name in MATERIALS for file in figure_files(f"directions_{name}")],


rule truth:
    """A volume of a material whose source is 2D, to be compared with and nothing else."""
    input:
        lambda w: MATERIALS[w.material]["evaluate"]["truth"],
        like=rules.source.output.about,
    output:
        labels="results/{material}/truth.tif",
        about="results/{material}/truth.json",
    log:
        "results/logs/truth/{material}.log",
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        settings=truth_settings,
    script:
        "../scripts/truth.py"


rule truth_samples:
    input:
        lambda w: MATERIALS[w.material]["evaluate"]["truth"],
        like=rules.source.output.about,
    output:
        "results/{material}/truth.npz",
    log:
        "results/logs/truth/{material}_samples.log",
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        settings=truth_settings,
        shape=lambda w: MATERIALS[w.material]["reconstruct"]["shape"],
        patch=lambda w: MATERIALS[w.material]["slices"]["patch"],
    script:
        "../scripts/benchmark_real.py"


rule directions_reference:
    """The material itself."""
    input:
        labels=lambda w: known(w, "labels"),
        about=lambda w: known(w, "about"),
    output:
        "results/{material}/directions.csv",
    log:
        "results/logs/directions/{material}.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=120,
    params:
        max_lag=lambda w: measurement(w.material)["max_lag"],
        shape=lambda w: MATERIALS[w.material]["reconstruct"]["shape"],
    script:
        "../scripts/directions_reference.py"


rule directions_floor:
    """The error that as many real samples as volumes would have."""
    input:
        reference=rules.directions_reference.output[0],
        known=lambda w: known(w, "about"),
        about=rules.source.output.about,
        real=real_samples,
    output:
        "results/{material}/directions_floor.csv",
    log:
        "results/logs/directions/{material}_floor.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=120,
    params:
        max_lag=lambda w: measurement(w.material)["max_lag"],
        shape=lambda w: MATERIALS[w.material]["reconstruct"]["shape"],
        volumes=SAMPLES,
    script:
        "../scripts/directions_floor.py"


rule directions_curves:
    input:
        volumes=lambda w: volume_tables(w.material, w.plane_rule, w.n_h),
        known=lambda w: known(w, "about"),
        about=rules.source.output.about,
    output:
        "results/{material}/{plane_rule}_nh{n_h}/directions.csv",
    log:
        "results/logs/directions/{material}/{plane_rule}_nh{n_h}.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=lambda w: 2 * curves_minutes(w),
    params:
        max_lag=lambda w: measurement(w.material)["max_lag"],
        shape=lambda w: MATERIALS[w.material]["reconstruct"]["shape"],
    script:
        "../scripts/directions_curves.py"


rule directions_table:
    input:
        curves=[
            f"results/{case['material']}/{case_folder(case['rule'], case['n_h'])}/directions.csv"
            for case in CASE_PARAMS
        ],
        references=[
            f"results/{case['material']}/directions.csv" for case in CASE_PARAMS
        ],
        floors=[
            f"results/{case['material']}/directions_floor.csv" for case in CASE_PARAMS
        ],
    output:
        report(
            "results/tables/directions.csv",
            caption="../report/directions.rst",
            category="Tables",
        ),
    log:
        "results/logs/directions_table.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    params:
        cases=[
            {
                key: case[key]
                for key in ("material", "rule", "n_h", "n_boot", "in_pairs")
            }
            for case in CASE_PARAMS
        ],
    script:
        "../scripts/directions_table.py"


rule figure_directions:
    input:
        about="results/{material}/source.json",
        reference="results/{material}/directions.csv",
        curves=f"results/{{material}}/{case_folder(*best_case())}/directions.csv",
    output:
        report_figure("Directions", "directions_{material}", material="{material}"),
    log:
        "results/logs/figures/directions_{material}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        title=lambda w: MATERIALS[w.material]["title"],
        case=best_case(),
    script:
        "../scripts/figure_directions.py"
