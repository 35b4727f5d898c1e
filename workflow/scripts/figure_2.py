"""Draw a volume of each case (rule ``figure_2``)."""

from micro3diff.figures.volumes import plot_harmonizing
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    volumes = map(read_labels, snakemake.input)
    plot_harmonizing(dict(zip(snakemake.params.labels, volumes, strict=True)), snakemake.output)
