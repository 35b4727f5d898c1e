"""The 2D denoiser of each material, and whether it is any good."""


rule train:
    input:
        slices=rules.slices.output[0],
        about=rules.source.output.about,
        start=lambda w: MATERIALS[w.material]["train"]["start"] or [],
        start_files=lambda w: content_of(MATERIALS[w.material]["train"]["start"]),
    output:
        model=directory("results/{material}/model"),
        loss="results/{material}/loss.csv",
    log:
        "results/logs/train/{material}.log",
    benchmark:
        "results/{material}/training_time.tsv"
    wildcard_constraints:
        material=one_of(TRAINED),
    priority: 50
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(16000),
        runtime=1440,
    params:
        settings=lambda w: training_settings(MATERIALS[w.material]),
        augment=lambda w: MATERIALS[w.material]["slices"]["augment"],
    script:
        "../scripts/train.py"


rule adopt:
    input:
        model=lambda w: MATERIALS[w.material]["model"],
        model_files=lambda w: content_of(MATERIALS[w.material]["model"]),
        about=rules.source.output.about,
    output:
        model=directory("results/{material}/model"),
    log:
        "results/logs/adopt/{material}.log",
    wildcard_constraints:
        material=one_of(ADOPTED),
    priority: 50
    conda:
        TORCH
    resources:
        mem_mb=more_each_attempt(4000),
        runtime=10,
    script:
        "../scripts/adopt.py"


rule sample_2d:
    input:
        model="results/{material}/model",
        slices=rules.slices.output[0],
    output:
        images="results/{material}/check_2d.tif",
        about="results/{material}/check_2d.json",
    log:
        "results/logs/sample_2d/{material}.log",
    priority: 40
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(16000),
        runtime=240,
    params:
        settings=lambda w: MATERIALS[w.material]["check"],
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=RUN["seed"],
    script:
        "../scripts/sample_2d.py"


rule score_2d:
    input:
        images=rules.sample_2d.output.images,
        slices=rules.slices.output[0],
    output:
        "results/{material}/check_2d.csv",
    log:
        "results/logs/score_2d/{material}.log",
    priority: 40
    conda:
        "../../envs/metrics.yaml"
    resources:
        mem_mb=more_each_attempt(4000),
        runtime=30,
    params:
        settings=lambda w: MATERIALS[w.material]["evaluate"],
    script:
        "../scripts/score_2d.py"
