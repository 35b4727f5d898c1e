"""Draw the loss curve and 2D samples beside slices (rule ``figure_denoiser``)."""

import pandas as pd

from micro3diff.figures.denoiser import plot_denoiser
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_threshold, read_values

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    loss = pd.read_csv(snakemake.input.loss) if snakemake.input.loss else None
    plot_denoiser(
        loss,
        read_values(snakemake.input.slices),
        read_values(snakemake.input.samples),
        pd.read_csv(snakemake.input.scores),
        snakemake.output,
        grey=read_threshold(snakemake.input.slices) is not None,
    )
