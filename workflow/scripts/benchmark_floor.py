"""Errors of real samples against their own material (rule ``benchmark_floor``)."""

from micro3diff.benchmark.errors import benchmark_curves, floor_table
from micro3diff.benchmark.real import read_real
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_source(snakemake.input.labels, snakemake.input.about)
    how, counts = snakemake.params.how, snakemake.params.counts
    reference = benchmark_curves(source.labels, source.kind, **how)
    floors = floor_table(reference, read_real(snakemake.input.real), source.kind, how, counts)
    write_table(snakemake.output.reference, reference)
    write_table(snakemake.output.floor, floors)
