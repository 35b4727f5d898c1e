"""Statistically equivalent 3D microstructures from 2D micrographs.

After K.-H. Lee and G. J. Yun, npj Computational Materials 10 (2024),
https://doi.org/10.1038/s41524-024-01280-z.
"""

__version__ = "0.1.0"

SEEDS_OF_A_RUN = 1_000_000  # the first volume's seed is `run.seed` times this
IDLE = ("checkpoint_every", "compile")  # settings of a training that decide nothing about it
# Settings of a training that a model to train on from brings along
OF_THE_START = (
    *("channels", "attention", "layers", "pixel_block", "prediction", "timesteps"),
    *("schedule", "beta_start", "beta_end", "zero_terminal_snr"),
)
