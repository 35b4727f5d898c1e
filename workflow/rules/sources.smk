"""From where a material comes to the slices that its denoiser learns from."""


rule fetch:
    output:
        "results/downloads/{file}",
    params:
        url=lambda w: DOWNLOADS[w.file]["url"],
        sha256=lambda w: DOWNLOADS[w.file]["sha256"],
        mirror=RUN["mirror"],
    wildcard_constraints:
        file=one_of(DOWNLOADS),
    log:
        "results/logs/fetch/{file}.log",
    conda:
        "../../envs/sources.yaml"
    priority: 100
    localrule: True
    retries: 0
    script:
        "../scripts/fetch.py"


def source_file(wildcards):
    """The file of a material's source; none for a generated one."""
    source = MATERIALS[wildcards.material]["source"]
    if source["url"]:
        return f"results/downloads/{download_name(source['url'])}"
    return source["path"] or []


rule source:
    input:
        source_file,
    output:
        labels="results/{material}/source.tif",
        about="results/{material}/source.json",
    params:
        settings=lambda w: MATERIALS[w.material]["source"],
    log:
        "results/logs/source/{material}.log",
    conda:
        "../../envs/sources.yaml"
    priority: 90
    resources:
        mem_mb=8000,
        runtime=60,
    script:
        "../scripts/source.py"


rule slices:
    input:
        labels=rules.source.output.labels,
        about=rules.source.output.about,
    output:
        "results/{material}/slices.tif",
    params:
        settings=lambda w: MATERIALS[w.material]["slices"],
        seed=RUN["seed"],
    log:
        "results/logs/slices/{material}.log",
    conda:
        "../../envs/sources.yaml"
    priority: 80
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/slices.py"
