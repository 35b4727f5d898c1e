"""Draw a material along each axis (rule ``figure_directions``)."""

from micro3diff.directions import read_directions
from micro3diff.figures.directions import plot_directions
from micro3diff.files import read_json
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_json(snakemake.input.about)
    plot_directions(
        read_directions(snakemake.input.reference),
        read_directions(snakemake.input.curves),
        snakemake.output,
        title=snakemake.params.title,
        unit=source["unit"],
        voxel_size=source["voxel_size"],
    )
