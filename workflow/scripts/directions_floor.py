"""Errors of real samples along each axis of their own material (rule ``directions_floor``)."""

from micro3diff.benchmark.real import read_real
from micro3diff.directions import common_box, direction_floor, read_directions
from micro3diff.evaluation import write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    table = direction_floor(
        read_directions(snakemake.input.reference),
        read_real(snakemake.input.real),
        count=snakemake.params.volumes,
        phases=len(read_json(snakemake.input.about)["fractions"]),
        max_lag=snakemake.params.max_lag,
        box=common_box(read_json(snakemake.input.known), snakemake.params.shape),
    )
    write_table(snakemake.output[0], table)
