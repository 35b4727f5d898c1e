"""What the volumes of one benchmark case are compared by (rule ``benchmark_curves``)."""

from micro3diff.benchmark.errors import measure_runs
from micro3diff.evaluation import write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    kind = read_json(snakemake.input.about)["kind"]
    table = measure_runs(snakemake.input.runs, kind, snakemake.params.how)
    write_table(snakemake.output[0], table)
