"""From where a material comes to the slices that its denoiser learns from."""


rule fetch:
    output:
        "results/downloads/{file}",
    log:
        "results/logs/fetch/{file}.log",
    wildcard_constraints:
        file=one_of(DOWNLOADS),
    priority: 100
    retries: 0
    localrule: True
    conda:
        "../../envs/sources.yaml"
    params:
        url=lambda w: DOWNLOADS[w.file]["url"],
        sha256=lambda w: DOWNLOADS[w.file]["sha256"],
    script:
        "../scripts/fetch.py"


rule source:
    input:
        source_file,
    output:
        labels="results/{material}/source.tif",
        about="results/{material}/source.json",
    log:
        "results/logs/source/{material}.log",
    priority: 90
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(8000),
        runtime=60,
    params:
        settings=source_settings,
    script:
        "../scripts/source.py"


rule slices:
    input:
        labels=rules.source.output.labels,
        about=rules.source.output.about,
    output:
        "results/{material}/slices.tif",
    log:
        "results/logs/slices/{material}.log",
    priority: 80
    conda:
        "../../envs/sources.yaml"
    resources:
        mem_mb=more_each_attempt(4000),
        runtime=30,
    params:
        settings=lambda w: MATERIALS[w.material]["slices"],
        seed=RUN["seed"],
    script:
        "../scripts/slices.py"


rule given:
    """Checks what is asked of the volumes and keeps given slices.

    No input of the training, which checks the same: even an ancient one would keep Snakemake from
    looking at what else has changed.
    """
    input:
        about=rules.source.output.about,
        images=lambda w: [
            anchor["image"]
            for anchor in MATERIALS[w.material]["reconstruct"]["anchors"]
        ],
    output:
        "results/{material}/given.npz",
    log:
        "results/logs/given/{material}.log",
    priority: 85
    localrule: True
    conda:
        "../../envs/sources.yaml"
    params:
        settings=lambda w: {
            key: MATERIALS[w.material]["reconstruct"][key]
            for key in ("volume_fraction", "anchors", "shape")
        },
    script:
        "../scripts/given.py"
