"""A benchmark table of every material as one (rule ``benchmark_joined``)."""

import pandas as pd

from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    write_table(snakemake.output[0], pd.concat(map(pd.read_csv, snakemake.input)))
