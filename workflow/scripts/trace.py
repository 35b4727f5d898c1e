"""Reconstruct a volume and keep snapshots of its reverse process (rule ``trace``)."""

import torch

from micro3diff.denoisers import choose_device, slices_per_pass
from micro3diff.files import read_json
from micro3diff.given import read_given
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import chosen, trace

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    trace(
        snakemake.input.model,
        settings=chosen(snakemake.params.settings, snakemake.input.choice),
        precision=snakemake.params.precision,
        seed=snakemake.params.seed,
        device=choose_device(snakemake.config),
        path=snakemake.output[0],
        slices=snakemake.input.slices,
        source=read_json(snakemake.input.source),
        slices_per_pass=slices_per_pass(snakemake.config, snakemake.params.material),
        anchors=read_given(snakemake.input.given) if snakemake.input.given else None,
    )
