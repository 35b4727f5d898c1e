"""Train the 2D denoiser of a material (rule ``train``)."""

from pathlib import Path

import torch

from micro3diff.denoisers import choose_device
from micro3diff.files import read_json
from micro3diff.given import check_asked
from micro3diff.logs import configure_logging
from micro3diff.phases import GREY
from micro3diff.slices import read_slices, training_set
from micro3diff.training import idle_settings, train

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    source = read_json(snakemake.input.about)
    # what can't be met is told before the training; the rules that need it may run beside it
    check_asked(snakemake.config, snakemake.wildcards.material, source)
    threshold = source["threshold"]
    grey = threshold is not None
    slices = read_slices(snakemake.input.slices, grey=grey)
    images, planes = training_set(slices, snakemake.params.augment, source["isotropic"])
    train(
        images,
        GREY if grey else len(source["fractions"]),
        snakemake.params.settings | idle_settings(snakemake.config, snakemake.wildcards.material),
        planes=planes,
        threshold=threshold,
        start=snakemake.input.start,
        model=snakemake.output.model,
        loss_table=snakemake.output.loss,
        # not an output: Snakemake deletes the outputs of a job that fails
        checkpoint_folder=Path(snakemake.output.model).parent / "checkpoints",
        device=choose_device(snakemake.config),
    )
