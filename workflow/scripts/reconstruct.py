"""Reconstruct the volumes of one case (rule ``reconstruct``, and ``benchmark_volumes``)."""

import torch

from micro3diff.batch import make_volumes
from micro3diff.denoisers import choose_device, slices_per_pass
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import chosen

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    make_volumes(
        snakemake.input.model,
        snakemake.output[0],
        samples=range(*params.samples),
        settings=chosen(params.settings, snakemake.input.choice),
        precision=params.precision,
        seed=params.seed,
        device=choose_device(snakemake.config),
        slices=snakemake.input.slices,
        source=read_json(snakemake.input.source),
        given=snakemake.input.given or None,
        slices_per_pass=slices_per_pass(snakemake.config, snakemake.wildcards.material),
        seconds=60 * snakemake.config["run"]["checkpoint_minutes"],
    )
