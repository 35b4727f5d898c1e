"""Reconstruct one volume (rule ``reconstruct``)."""

import torch

from micro3diff.denoisers import choose_device
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import chosen, reconstruct

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    reconstruct(
        snakemake.input.model,
        settings=chosen(snakemake.params.settings, snakemake.input.choice),
        precision=snakemake.params.precision,
        seed=snakemake.params.seed,
        device=choose_device(snakemake.config),
        slices=snakemake.input.slices,
        source=read_json(snakemake.input.source),
        volume=snakemake.output.volume,
        about=snakemake.output.about,
    )
