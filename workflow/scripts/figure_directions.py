"""Draw a material along each axis (rule ``figure_directions``)."""

from micro3diff.directions import read_directions
from micro3diff.figures.directions import plot_directions
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    plot_directions(
        read_directions(snakemake.input.reference),
        read_directions(snakemake.input.curves),
        snakemake.output,
        title=snakemake.params.title,
        unit=snakemake.params.unit,
        voxel_size=snakemake.params.voxel_size,
    )
