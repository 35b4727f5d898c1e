"""Draw several volumes of each material (rule ``figure_S1``)."""

from micro3diff.figures.volumes import plot_gallery
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    volumes = [read_labels(path) for path in snakemake.input]
    count = snakemake.params.samples
    rows = {
        title: volumes[row * count : (row + 1) * count]
        for row, title in enumerate(snakemake.params.titles)
    }
    plot_gallery(rows, snakemake.output)
