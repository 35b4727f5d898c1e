"""Errors against network passes of one material (rule ``benchmark_figure``)."""

import pandas as pd

from micro3diff.figures.samplers import plot_samplers
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    table = pd.read_csv(snakemake.input[0])
    rows = table[table["material"] == snakemake.params.material]
    plot_samplers(rows, snakemake.output[0], snakemake.params.title)
