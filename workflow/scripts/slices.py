"""Cut a material's label array into slices (rule ``slices``)."""

from micro3diff.logs import configure_logging
from micro3diff.slices import cut_slices
from micro3diff.sources import read_source
from micro3diff.volumes import write_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    settings = snakemake.params.settings
    slices = cut_slices(
        source,
        settings["patch"],
        settings["count"],
        axes=settings["axes"],
        seed=snakemake.params.seed,
    )
    write_labels(snakemake.output[0], slices, axes="TYX")
