"""Reconstruct one volume (rule ``reconstruct``)."""

import torch

from micro3diff.denoisers import choose_device
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import reconstruct

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    source = read_json(snakemake.input.source)
    reconstruct(
        snakemake.input.model,
        settings=snakemake.params.settings,
        precision=snakemake.params.precision,
        seed=snakemake.params.seed,
        device=choose_device(snakemake.config),
        voxel_size=source["voxel_size"],
        unit=source["unit"],
        volume=snakemake.output.volume,
        about=snakemake.output.about,
    )
