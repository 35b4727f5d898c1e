"""Draw a material's training data (rule ``figure_training``: figures 1, 6, 8, 10)."""

from micro3diff.figures.training_data import plot_training_data
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    slices = read_labels(snakemake.input.slices)
    plot_training_data(
        source.labels, source.kind, slices, snakemake.output, title=snakemake.params.title
    )
