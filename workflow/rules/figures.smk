"""The paper's figures, by its numbers, for the materials and cases of this run."""


rule figure_training:
    input:
        labels=of_figure("training", "results/{material}/source.tif"),
        about=of_figure("training", "results/{material}/source.json"),
        slices=of_figure("training", "results/{material}/slices.tif"),
    output:
        report_figure("Training data", figure="{figure}"),
    log:
        "results/logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(figure_materials("training")),
    conda:
        "../../envs/figures.yaml"
    params:
        title=lambda w: material_of("training")(w)["title"],
    script:
        "../scripts/figure_training.py"


rule figure_denoiser:
    input:
        loss=lambda w: (
            of_figure("denoiser", "results/{material}/loss.csv")(w)
            if figure_materials("denoiser")[w.figure] in TRAINED
            else []
        ),
        slices=of_figure("denoiser", "results/{material}/slices.tif"),
        samples=of_figure("denoiser", "results/{material}/check_2d.tif"),
        scores=of_figure("denoiser", "results/{material}/check_2d.csv"),
    output:
        report_figure("2D denoiser", figure="{figure}"),
    log:
        "results/logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(figure_materials("denoiser")),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure_denoiser.py"


rule figure_volume:
    input:
        of_figure("volume", first_volume(best_case())),
    output:
        report_figure("Volumes", figure="{figure}"),
    log:
        "results/logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(figure_materials("volume")),
    conda:
        "../../envs/figures.yaml"
    params:
        case=best_case(),
        # grains are seen best without their boundaries
        inverted=lambda w: material_of("volume")(w)["case"] == "II",
    script:
        "../scripts/figure_volume.py"


rule figure_tiled:
    """A periodic volume beside itself."""
    input:
        first_volume(best_case()),
    output:
        report_figure("Volumes", "periodic_{material}", figure="{material}, copies"),
    log:
        "results/logs/figures/periodic_{material}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        case=best_case(),
    script:
        "../scripts/figure_tiled.py"


rule figure_curves:
    input:
        about=of_figure("curves", "results/{material}/source.json"),
        reference=of_figure("curves", "results/{material}/reference.csv"),
        curves=lambda w: [
            f"results/{figure_materials('curves')[w.figure]}/{case_folder(*case)}/curves.csv"
            for case in shown_cases()
        ],
    output:
        report_figure("Correlation functions", figure="{figure}"),
    log:
        "results/logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(figure_materials("curves")),
    conda:
        "../../envs/figures.yaml"
    params:
        cases=shown_cases(),
    script:
        "../scripts/figure_curves.py"


rule figure_2:
    input:
        volumes=[first_volume(case).format(material=SHOWCASE) for case in CASES],
        labels=f"results/{SHOWCASE}/source.tif",
        about=f"results/{SHOWCASE}/source.json",
    output:
        report_figure("Volumes", "figure_2", figure="effect of n_h"),
    log:
        "results/logs/figures/figure_2.log",
    conda:
        "../../envs/figures.yaml"
    params:
        cases=CASES,
    script:
        "../scripts/figure_2.py"


rule figure_3:
    input:
        rules.timings.output[0],
    output:
        report_figure("Time and error", "figure_3", figure="time"),
    log:
        "results/logs/figures/figure_3.log",
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure_3.py"


rule figure_5:
    input:
        rules.error_rates.output.errors,
    output:
        report_figure("Time and error", "figure_5", figure="error rates"),
    log:
        "results/logs/figures/figure_5.log",
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure_5.py"


rule figures_12_14:
    input:
        rules.trace.output[0],
    output:
        sections=report_figure("Reverse process", "figure_12", figure="sections"),
        cubes=report_figure("Reverse process", "figure_14", figure="planes"),
    log:
        "results/logs/figures/figures_12_14.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=more_each_attempt(4000 + volume_mb(SHOWCASE, bytes_a_voxel=100)),
    params:
        case=(SHOWN_RULE, SHOWN_N_H),
    script:
        "../scripts/figures_12_14.py"


GALLERY_SAMPLES = min(4, SAMPLES)


rule figure_S1:
    input:
        [
            table
            for name in MATERIALS
            for table in volume_tables(name, *best_case(), GALLERY_SAMPLES)
        ],
    output:
        report_figure("Volumes", "figure_S1", figure="several volumes"),
    log:
        "results/logs/figures/figure_S1.log",
    conda:
        "../../envs/figures.yaml"
    params:
        case=best_case(),
        # of a function, since Snakemake looks for wildcards in other text
        titles=lambda w: [material["title"] for material in MATERIALS.values()],
        samples=GALLERY_SAMPLES,
    script:
        "../scripts/figure_S1.py"
