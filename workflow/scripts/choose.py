"""Choose the open settings of the rule evidence (rule ``choose``)."""

import torch

from micro3diff.choice import choose
from micro3diff.denoisers import choose_device, slices_per_pass
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.sources import read_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    choose(
        snakemake.input.model,
        settings=snakemake.params.settings,
        volumes=snakemake.params.volumes,
        precision=snakemake.params.precision,
        seed=snakemake.params.seed,
        device=choose_device(snakemake.config),
        slices=snakemake.input.slices,
        source=read_json(snakemake.input.source),
        labels=read_source(snakemake.input.labels, snakemake.input.source).labels,
        phase=snakemake.params.phase,
        path=snakemake.output[0],
        slices_per_pass=slices_per_pass(snakemake.config, snakemake.wildcards.material),
        seconds=60 * snakemake.config["run"]["checkpoint_minutes"],
    )
