"""From the 2D denoiser to volumes, several of them in a job."""


rule choose:
    """The settings of the rule evidence that the configuration leaves open."""
    input:
        **RECONSTRUCTION_INPUTS,
        labels="results/{material}/source.tif",
    output:
        "results/{material}/evidence.json",
    log:
        "results/logs/choose/{material}.log",
    priority: 30
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(16000),
        runtime=480,
    params:
        settings=lambda w: choice_settings(MATERIALS[w.material]),
        volumes=lambda w: MATERIALS[w.material]["reconstruct"]["evidence"]["choose"],
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=SELECTION_SEED,
        # other settings of the evaluation are no reason to choose anew
        phase=lambda w: MATERIALS[w.material]["evaluate"]["phase"],
    script:
        "../scripts/choose.py"


rule reconstruct:
    """The volumes lie beside their table; a killed job keeps those that it has made."""
    input:
        **RECONSTRUCTION_INPUTS,
        choice=choice_file,
        given=given_file,
    output:
        "results/{material}/{plane_rule}_nh{n_h}/volumes_{first}-{last}.csv",
    log:
        "results/logs/reconstruct/{material}/{plane_rule}_nh{n_h}/volumes_{first}-{last}.log",
    priority: 20
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(sampling_mb),
        runtime=720,
    params:
        settings=reconstruction,
        precision=lambda w: MATERIALS[w.material]["train"]["precision"],
        seed=FIRST_SEED,
        samples=lambda w: (int(w.first), int(w.last) + 1),
    script:
        "../scripts/reconstruct.py"


rule trace:
    """The first volume of the showcase once more, with snapshots along its reverse process."""
    input:
        **{
            key: file.format(material=SHOWCASE)
            for key, file in RECONSTRUCTION_INPUTS.items()
        },
        choice=choice_of(SHOWCASE, SHOWN_RULE),
        given=given_of(SHOWCASE),
    output:
        f"results/{SHOWCASE}/trace.npz",
    log:
        "results/logs/trace.log",
    conda:
        TORCH
    threads: 4
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(sampling_mb),
        runtime=720,
    params:
        settings=reconstruction_settings(MATERIALS[SHOWCASE], SHOWN_RULE, SHOWN_N_H),
        precision=MATERIALS[SHOWCASE]["train"]["precision"],
        material=SHOWCASE,
        seed=FIRST_SEED,
    script:
        "../scripts/trace.py"


rule export:
    """All volumes in a format that more programs read; `all` asks for nothing of it."""
    input:
        [
            f"results/{material}/{case_folder(*case)}/vti"
            for material in MATERIALS
            for case in CASES
        ],


rule vti:
    input:
        lambda w: volume_tables(w.material, w.plane_rule, w.n_h),
    output:
        directory("results/{material}/{plane_rule}_nh{n_h}/vti"),
    log:
        "results/logs/vti/{material}/{plane_rule}_nh{n_h}.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=more_each_attempt(
            lambda w: 2000 + volume_mb(w.material, bytes_a_voxel=10)
        ),
        runtime=120,
    script:
        "../scripts/vti.py"
