"""Draw S2 and LP of a material and its volumes (rule ``figure_curves``: figures 4a-d)."""

import pandas as pd

from micro3diff.figures.curves import plot_curves
from micro3diff.figures.style import case_name
from micro3diff.files import read_json
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_json(snakemake.input.about)
    names = [case_name(*case) for case in snakemake.params.cases]
    curves = map(pd.read_csv, snakemake.input.curves)
    plot_curves(
        pd.read_csv(snakemake.input.reference),
        dict(zip(names, curves, strict=True)),
        snakemake.output,
        unit=source["unit"],
        voxel_size=source["voxel_size"],
    )
