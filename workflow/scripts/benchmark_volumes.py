"""Reconstruct the volumes of one benchmark case (rule ``benchmark_volumes``)."""

import torch

from micro3diff.benchmark.volumes import make_volumes
from micro3diff.denoisers import choose_device
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import chosen

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    make_volumes(
        snakemake.input.model,
        snakemake.output[0],
        settings=chosen(snakemake.params.settings, snakemake.input.choice),
        precision=snakemake.params.precision,
        seed=snakemake.params.seed,
        volumes=snakemake.params.volumes,
        device=choose_device(snakemake.config),
        slices=snakemake.input.slices,
        source=read_json(snakemake.input.source),
    )
