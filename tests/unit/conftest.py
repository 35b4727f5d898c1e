"""A toy material with a tiny network, for the tests of the denoiser and of the sampler."""

import copy

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from micro3diff import config

TRAIN = {
    "steps": 30,
    "batch": 4,
    "channels": [8, 8],
    "attention": [False, False],
    "layers": 1,
    "timesteps": 50,
    "schedule": "linear",
    "beta_end": 0.2,
    "prediction": "epsilon",
    "checkpoint_every": 10,
    "precision": "fp32",
}
FRACTIONS = [0.7, 0.3]


@pytest.fixture
def material():
    """A loaded material of 16x16 slices whose denoiser trains in a second."""
    raw = {
        "run": {"materials": ["toy"]},
        "materials": {
            "toy": {
                "source": {"generator": "spheres"},
                "slices": {"patch": 16},
                "train": TRAIN,
                "check": {"images": 3, "steps": 4},
                "reconstruct": {
                    "shape": [8, 12, 16],
                    "alternate": {"steps": 4},
                    "average": {"steps": 4},
                    "evidence": {"steps": 4},
                },
            }
        },
    }
    return copy.deepcopy(config.load(raw)["materials"]["toy"])


@pytest.fixture
def train_settings(material):
    return material["train"]


@pytest.fixture(scope="session")
def toy_slices():
    """Blobs, 30 % of phase 1, uint8 (64, 16, 16)."""
    noise = np.random.default_rng(0).standard_normal((64, 16, 16))
    smooth = gaussian_filter(noise, (0, 2, 2), mode="wrap")
    return (smooth > np.quantile(smooth, FRACTIONS[0])).astype(np.uint8)


@pytest.fixture
def model_folder(tmp_path, train_settings):
    """The folder of an untrained denoiser of two phases."""
    import torch

    from micro3diff.denoisers import build_scheduler, build_unet, save_denoiser

    torch.manual_seed(0)
    folder = tmp_path / "model"
    description = {"pixel_block": 1, "fractions": FRACTIONS}
    unet = build_unet(train_settings, 16, 2)
    save_denoiser(folder, unet, build_scheduler(train_settings), description)
    return folder
