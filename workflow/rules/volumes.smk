"""From the 2D denoiser to volumes, one job a volume."""


rule reconstruct:
    input:
        model="results/{material}/model",
        source=rules.source.output.about,
    output:
        volume="results/{material}/{plane_rule}_nh{n_h}/volume_{sample}.tif",
        about="results/{material}/{plane_rule}_nh{n_h}/volume_{sample}.json",
    log:
        "results/logs/reconstruct/{material}/{plane_rule}_nh{n_h}/volume_{sample}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=16000,
        runtime=240,
    params:
        settings=reconstruction,
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=lambda w: RUN["seed"] * 1_000_000 + int(w.sample),
    script:
        "../scripts/reconstruct.py"


rule trace:
    """The first volume of the showcase once more, with snapshots along its reverse process."""
    input:
        model=f"results/{SHOWCASE}/model",
    output:
        f"results/{SHOWCASE}/trace.npz",
    log:
        "results/logs/trace.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=16000,
        runtime=240,
    params:
        settings=reconstruction_settings(
            MATERIALS[SHOWCASE], *min(CASES, key=lambda c: c[1])
        ),
        precision=MATERIALS[SHOWCASE]["train"]["precision"],
        seed=RUN["seed"] * 1_000_000,
    script:
        "../scripts/trace.py"
