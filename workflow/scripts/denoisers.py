"""The 2D errors of all denoisers in one table (rule ``denoisers``)."""

import pandas as pd

from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    scores = [pd.read_csv(path) for path in snakemake.input]
    table = pd.concat(scores, keys=snakemake.params.materials, names=["material"])
    write_table(snakemake.output[0], table.reset_index("material"))
