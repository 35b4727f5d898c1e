"""The 2D denoiser of each material, and whether it is any good."""


rule train:
    input:
        slices=rules.slices.output,
        about=rules.source.output.about,
    output:
        model=directory("results/{material}/model"),
        loss="results/{material}/loss.csv",
    params:
        settings=lambda w: MATERIALS[w.material]["train"],
        augment=lambda w: MATERIALS[w.material]["slices"]["augment"],
        # not an output: Snakemake deletes the outputs of a job that fails
        checkpoints="results/{material}/checkpoints",
        device=DEVICE,
    wildcard_constraints:
        material=one_of(TRAINED),
    log:
        "results/logs/train/{material}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    priority: 50
    resources:
        gpu=GPUS,
        mem_mb=16000,
        runtime=1440,
    script:
        "../scripts/train.py"


rule adopt:
    input:
        model=lambda w: MATERIALS[w.material]["model"],
        about=rules.source.output.about,
    output:
        model=directory("results/{material}/model"),
    wildcard_constraints:
        material=one_of(ADOPTED),
    log:
        "results/logs/adopt/{material}.log",
    conda:
        "../../envs/torch.yaml"
    priority: 50
    resources:
        mem_mb=4000,
        runtime=10,
    script:
        "../scripts/adopt.py"


rule sample_2d:
    input:
        model="results/{material}/model",
        slices=rules.slices.output,
    output:
        images="results/{material}/check_2d.tif",
        about="results/{material}/check_2d.json",
    params:
        settings=lambda w: MATERIALS[w.material]["check"],
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        slices_per_pass=lambda w: MATERIALS[w.material]["reconstruct"]["slices_per_pass"],
        seed=RUN["seed"],
        device=DEVICE,
    log:
        "results/logs/sample_2d/{material}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    priority: 40
    resources:
        gpu=GPUS,
        mem_mb=16000,
        runtime=240,
    script:
        "../scripts/sample_2d.py"


rule score_2d:
    input:
        images=rules.sample_2d.output.images,
        slices=rules.slices.output,
    output:
        "results/{material}/check_2d.csv",
    params:
        settings=lambda w: MATERIALS[w.material]["evaluate"],
    log:
        "results/logs/score_2d/{material}.log",
    conda:
        "../../envs/metrics.yaml"
    priority: 40
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/score_2d.py"
