"""Draw the time for a volume against n_h (rule ``figure_3``)."""

import pandas as pd

from micro3diff.figures.timing import plot_timing
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    plot_timing(pd.read_csv(snakemake.input[0]), snakemake.output)
