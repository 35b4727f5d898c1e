"""Train the 2D denoiser of a material (rule ``train``)."""

from pathlib import Path

import torch

from micro3diff.denoisers import choose_device
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.slices import symmetries
from micro3diff.training import train
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    torch.set_num_threads(snakemake.threads)
    train(
        symmetries(read_labels(snakemake.input.slices), snakemake.params.augment),
        len(read_json(snakemake.input.about)["fractions"]),
        snakemake.params.settings,
        model=snakemake.output.model,
        loss_table=snakemake.output.loss,
        # not an output: Snakemake deletes the outputs of a job that fails
        checkpoint_folder=Path(snakemake.output.model).parent / "checkpoints",
        device=choose_device(snakemake.config),
    )
