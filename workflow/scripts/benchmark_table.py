"""Errors and costs of all benchmark cases (rule ``benchmark_table``)."""

import pandas as pd

from micro3diff.benchmark.errors import TABLES, SamplerCase, sampler_table, single_table
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    files = snakemake.input
    columns = (files.runs, files.curves, files.references, files.floors, files.scores)
    cases = [
        SamplerCase(**names, **dict(zip(TABLES, map(pd.read_csv, paths), strict=True)))
        for names, *paths in zip(snakemake.params.cases, *columns, strict=True)
    ]
    write_table(snakemake.output.samplers, sampler_table(cases))
    write_table(snakemake.output.singles, single_table(cases))
