"""Error rates and volume fractions of all materials and cases (rule ``error_rates``)."""

import pandas as pd

from micro3diff.evaluation import Case, error_table, volume_fraction_table, write_table
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    cases = [
        Case(curves=pd.read_csv(curves), reference=pd.read_csv(reference), **names)
        for curves, reference, names in zip(
            snakemake.input.curves,
            snakemake.input.references,
            snakemake.params.cases,
            strict=True,
        )
    ]
    write_table(snakemake.output.errors, error_table(cases))
    write_table(snakemake.output.fractions, volume_fraction_table(cases))
