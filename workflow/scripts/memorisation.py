"""Distances of generated and real images to the training slices (rule ``memorisation``)."""

from micro3diff.benchmark.memorisation import memorisation_table
from micro3diff.benchmark.real import read_real
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_labels, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    table = memorisation_table(
        read_labels(snakemake.input.images),
        [read_labels(path) for path in volumes_of(snakemake.input.runs)],
        slices=read_labels(snakemake.input.slices),
        source=read_labels(snakemake.input.labels),
        real=read_real(snakemake.input.real),
        axes=snakemake.params.axes,
        material=snakemake.params.material,
    )
    write_table(snakemake.output[0], table)
