"""S2, LP and what follows from them, against the material's own."""


rule reference:
    input:
        labels=rules.source.output.labels,
        about=rules.source.output.about,
    output:
        "results/{material}/reference.csv",
    log:
        "results/logs/reference/{material}.log",
    priority: 70  # before training: it may find fault with the evaluation's settings
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        how=lambda w: measurement(w.material),
    script:
        "../scripts/reference.py"


rule curves:
    input:
        volumes=lambda w: volume_tables(w.material, w.plane_rule, w.n_h),
        about=rules.source.output.about,
    output:
        "results/{material}/{plane_rule}_nh{n_h}/curves.csv",
    log:
        "results/logs/curves/{material}/{plane_rule}_nh{n_h}.log",
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(curves_mb),
        runtime=curves_minutes,
    params:
        how=lambda w: measurement(w.material),
    script:
        "../scripts/curves.py"


CASE_PARAMS = [
    {
        "material": name,
        "rule": plane_rule,
        "n_h": n_h,
        "paper_case": material["case"],
        "n_boot": material["evaluate"]["bootstrap"],
        "volume_fraction": material["reconstruct"]["volume_fraction"],
        "phase": material["evaluate"]["phase"],
        "in_pairs": deviates_in_pairs(material, plane_rule),
    }
    for name, material in MATERIALS.items()
    for plane_rule, n_h in CASES
]
CASE_CURVES = [
    f"results/{case['material']}/{case_folder(case['rule'], case['n_h'])}/curves.csv"
    for case in CASE_PARAMS
]


rule error_rates:
    input:
        curves=CASE_CURVES,
        references=[f"results/{case['material']}/reference.csv" for case in CASE_PARAMS],
    output:
        errors=report(
            "results/tables/error_rates.csv",
            caption="../report/error_rates.rst",
            category="Tables",
        ),
        fractions=report(
            "results/tables/volume_fractions.csv",
            caption="../report/volume_fractions.rst",
            category="Tables",
        ),
    log:
        "results/logs/error_rates.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    params:
        cases=CASE_PARAMS,
    script:
        "../scripts/error_rates.py"


rule timings:
    input:
        volumes=[
            table
            for name in MATERIALS
            for plane_rule, n_h in CASES
            for table in volume_tables(name, plane_rule, n_h)
        ],
        images=[f"results/{name}/check_2d.json" for name in MATERIALS],
    output:
        report(
            "results/tables/timings.csv",
            caption="../report/timings.rst",
            category="Tables",
        ),
    log:
        "results/logs/timings.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    script:
        "../scripts/timings.py"


rule denoisers:
    input:
        [f"results/{name}/check_2d.csv" for name in MATERIALS],
    output:
        report(
            "results/tables/denoisers.csv",
            caption="../report/denoisers.rst",
            category="Tables",
        ),
    log:
        "results/logs/denoisers.log",
    localrule: True
    conda:
        "../../envs/metrics.yaml"
    params:
        materials=list(MATERIALS),
    script:
        "../scripts/denoisers.py"
