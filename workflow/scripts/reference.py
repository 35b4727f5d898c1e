"""S2 and LP of the material itself (rule ``reference``)."""

from micro3diff.evaluation import reference_table, write_table
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    table = reference_table(source.labels, source.kind, **snakemake.params.how)
    write_table(snakemake.output[0], table)
