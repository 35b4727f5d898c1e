"""Draw a material's training data (rule ``figure_training``: figures 1, 6, 8, 10)."""

from micro3diff.figures.training_data import plot_training_data
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source
from micro3diff.volumes import read_threshold, read_values

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    threshold = read_threshold(snakemake.input.slices)  # of greys
    source = read_source(snakemake.input.labels, snakemake.input.about, threshold is not None)
    plot_training_data(
        source.labels,
        source.kind,
        read_values(snakemake.input.slices),
        snakemake.output,
        title=snakemake.params.title,
        threshold=threshold,
    )
