"""Cut a material's label array into slices (rule ``slices``)."""

from micro3diff.logs import configure_logging
from micro3diff.slices import cut_planes, cut_slices, write_slices
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about, grey=True)
    settings = snakemake.params.settings
    how = {"patch": settings["patch"], "count": settings["count"], "seed": snakemake.params.seed}
    alike = source.isotropic is True
    slices = (
        cut_slices(source, axes=settings["axes"], **how) if alike else cut_planes(source, **how)
    )
    write_slices(snakemake.output[0], slices, source.threshold)
