"""Errors of every phase along every axis (rule ``directions_table``)."""

from micro3diff.directions import DirectionCase, direction_errors, read_directions
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    files = snakemake.input
    columns = (files.curves, files.references, files.floors)
    cases = [
        DirectionCase(**names, **dict(zip(("curves", "reference", "floor"), tables, strict=True)))
        for names, *tables in zip(
            snakemake.params.cases,
            *(map(read_directions, paths) for paths in columns),
            strict=True,
        )
    ]
    write_table(snakemake.output[0], direction_errors(cases))
