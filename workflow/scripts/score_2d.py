"""Error rates of a denoiser's 2D images against the slices (rule ``score_2d``)."""

from micro3diff.evaluation import curve_table, score_images, write_table
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    settings = snakemake.params.settings
    how = {key: settings[key] for key in ("phase", "max_lag", "along")}
    reference = curve_table(read_labels(snakemake.input.slices), "stack", **how)
    scores = score_images(
        read_labels(snakemake.input.images), reference, n_boot=settings["bootstrap"], **how
    )
    write_table(snakemake.output[0], scores)
