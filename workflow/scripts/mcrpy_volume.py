"""A volume by MCRpy from the images that the denoiser learns from (rule ``mcrpy_volume``)."""

import numpy as np
import tensorflow

from micro3diff.files import read_json, write_json
from micro3diff.logs import configure_logging
from micro3diff.peers import mcrpy_volume
from micro3diff.volumes import read_labels, write_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    tensorflow.config.threading.set_intra_op_parallelism_threads(snakemake.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    source = read_json(snakemake.input.about)
    # one micrograph as a whole, else the training slices
    image = source["kind"] == "image"
    labels = read_labels(snakemake.input.labels if image else snakemake.input.slices)
    phase = snakemake.params.phase
    mask, about = mcrpy_volume(
        labels.reshape(-1, *labels.shape[-2:]) == phase,
        side=snakemake.params.side,
        seed=snakemake.params.seed,
    )
    write_labels(
        snakemake.output.volume,
        np.where(mask, phase, int(phase == 0)),
        voxel_size=source["voxel_size"],
        unit=source["unit"],
    )
    write_json(snakemake.output.about, about | {"threads": snakemake.threads})
