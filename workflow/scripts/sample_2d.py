"""Sample 2D images from a denoiser, to see whether it is any good (rule ``sample_2d``)."""

import torch

from micro3diff.denoisers import choose_device, slices_per_pass
from micro3diff.logs import configure_logging
from micro3diff.reconstruction import sample_images
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    sample_images(
        snakemake.input.model,
        patch=read_labels(snakemake.input.slices).shape[-1],
        settings=snakemake.params.settings,
        precision=snakemake.params.precision,
        slices_per_pass=slices_per_pass(snakemake.config, snakemake.wildcards.material),
        seed=snakemake.params.seed,
        device=choose_device(snakemake.config),
        images=snakemake.output.images,
        about=snakemake.output.about,
    )
