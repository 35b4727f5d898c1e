"""Error rates of a denoiser's 2D images against the slices (rule ``score_2d``)."""

from micro3diff.evaluation import score_planes, write_table
from micro3diff.logs import configure_logging
from micro3diff.slices import read_slices

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    settings = snakemake.params.settings
    how = {key: settings[key] for key in ("phase", "max_lag", "along")}
    scores = score_planes(
        read_slices(snakemake.input.images),
        read_slices(snakemake.input.slices),
        n_boot=settings["bootstrap"],
        **how,
    )
    write_table(snakemake.output[0], scores)
