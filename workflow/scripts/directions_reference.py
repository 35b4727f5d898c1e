"""A material along each of its axes (rule ``directions_reference``)."""

from micro3diff.directions import common_box, direction_table
from micro3diff.evaluation import write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    known = read_json(snakemake.input.about)
    table = direction_table(
        source.labels,
        source.kind,
        len(known["fractions"]),
        snakemake.params.max_lag,
        box=common_box(known, snakemake.params.shape),
    )
    write_table(snakemake.output[0], table)
