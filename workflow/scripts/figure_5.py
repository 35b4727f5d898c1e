"""Draw the error rates beside the paper's (rule ``figure_5``)."""

import pandas as pd

from micro3diff.figures.errors import plot_errors
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    plot_errors(pd.read_csv(snakemake.input[0]), snakemake.output)
