"""Errors of a denoiser's images beside those of real slices (rule ``benchmark_denoiser``)."""

import math

import pandas as pd

from micro3diff.benchmark.denoisers import denoiser_table
from micro3diff.benchmark.real import read_real
from micro3diff.evaluation import write_table
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    time = snakemake.input.time  # Snakemake's benchmark of the training; empty for a given model
    spent = pd.read_csv(time, sep="\t").loc[0] if time else {}
    table = denoiser_table(
        pd.read_csv(snakemake.input.scores),
        slices=read_labels(snakemake.input.slices),
        source=read_labels(snakemake.input.labels),
        real=read_real(snakemake.input.real),
        axes=snakemake.params.axes,
        material=snakemake.params.material,
        how=snakemake.params.how,
        training_seconds=spent.get("s", math.nan),
        training_cpu_seconds=spent.get("cpu_time", math.nan),
    )
    write_table(snakemake.output[0], table)
