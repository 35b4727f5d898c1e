"""How far images are from the volume that they are of (rule ``benchmark_source``)."""

import pandas as pd

from micro3diff.benchmark.errors import source_table
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    reference = pd.read_csv(snakemake.input.reference)
    how, material = snakemake.params.how, snakemake.params.material
    write_table(snakemake.output[0], source_table(reference, source, material, how))
