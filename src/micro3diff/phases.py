"""Labels as the numbers that a diffusion model works on, and back.

Two phases are one channel, phase 0 at -1 and phase 1 at +1. K > 2 phases are K one-hot channels,
+1 where the phase is and -1 elsewhere. Grey values 0..255 are one channel from -1 to 1; where a
number of phases is asked for, `GREY` stands for them.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

GREY = 1


def channels_of(phases: int) -> int:
    """Number of channels that code ``phases`` phases."""
    return 1 if phases == 2 else phases


def encode(labels: torch.Tensor, phases: int) -> torch.Tensor:
    """Labels (n, ...) as float values (n, channels, ...) in {-1, 1}."""
    if phases == GREY:
        return labels.unsqueeze(1).float() / 127.5 - 1
    if phases == 2:
        return labels.unsqueeze(1).float() * 2 - 1
    one_hot = torch.nn.functional.one_hot(labels.long(), phases)
    return one_hot.movedim(-1, 1).float() * 2 - 1


def probabilities(values: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """Denoised values, channels at ``dim``, as phase probabilities (phases at ``dim``)."""
    share = ((values + 1) / 2).clamp(0, 1)
    if values.shape[dim] == 1:
        return torch.cat([1 - share, share], dim)
    return share / share.sum(dim, keepdim=True).clamp(min=1e-6)


def expectation(probability: torch.Tensor) -> torch.Tensor:
    """Inverse of `probabilities` for phases at dimension 0: the mean of the codes."""
    values = probability * 2 - 1
    return values[1:] if len(probability) == 2 else values


def slope(values: Sequence[float]) -> torch.Tensor:
    """How a value of each phase, averaged over its probability, grows with the codes (channels)."""
    each = torch.tensor(values, dtype=torch.float32) / 2
    return each[1:] - each[:1] if len(each) == 2 else each


def squared_distances(noisy: torch.Tensor) -> torch.Tensor:
    """Squared distance of each voxel's noisy value (channels, ...) to each phase's code.

    Up to a constant that all phases share. Returns (phases, ...).
    """
    if noisy.shape[0] == 1:
        return torch.cat([(noisy + 1) ** 2, (noisy - 1) ** 2])
    return -4 * noisy


def decode(values: torch.Tensor, dim: int = 0, grey: bool = False) -> torch.Tensor:
    """Values with channels at ``dim`` as uint8 labels, or greys: the nearest code."""
    if grey:
        return ((values.squeeze(dim) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    if values.shape[dim] == 1:
        return (values.squeeze(dim) > 0).to(torch.uint8)
    return values.argmax(dim).to(torch.uint8)


def covariance(images: np.ndarray, phases: int, axis: int | None = None) -> np.ndarray:
    """Autocovariance of the codes of images (n, height, width), the mean over rows and columns.

    At lags 0, 1, ... up to 5/8 of the shorter side, beyond which there are too few pairs; from
    half of that on it is tapered to 0. Summed over the channels. ``axis`` 0 is along the columns
    of pixels (from row to row) alone, 1 along the rows.
    """
    values = encode(torch.from_numpy(images), phases)
    values = values - values.mean((0, 2, 3), keepdim=True)
    last = min(images.shape[1:]) * 5 // 8
    found = []
    for lag in range(last + 1):
        ends = [
            (values[:, :, lag:], values[:, :, : values.shape[2] - lag]),
            (values[..., lag:], values[..., : values.shape[3] - lag]),
        ]
        ends = ends if axis is None else ends[axis : axis + 1]
        products = [float((one * other).mean((0, 2, 3)).sum()) for one, other in ends]
        found.append(sum(products) / len(products))
    ramp = np.clip(2 * np.arange(last + 1) / max(last, 1) - 1, 0, 1)
    return np.array(found) * (1 + np.cos(np.pi * ramp)) / 2


def inhomogeneity_length(covariance: np.ndarray) -> float:
    """The length a, in pixels, of a `covariance` that falls from lag 0 as 1 - r / a.

    Of two phases, four times the product of their fractions by the interface per volume (Debye,
    Anderson and Brumberger 1957, doi 10.1063/1.1722830): about the size of features, in whatever
    phase they are. At least one pixel, and at most the lags that are known.
    """
    most = len(covariance) - 1.0
    falls = max(1 - covariance[1] / covariance[0], 1 / most)
    return float(1 / min(falls, 1.0))


def fraction_scatter(covariances: Sequence[np.ndarray], shape: Sequence[int]) -> float:
    """How much the phase fractions of volumes of ``shape`` differ.

    The standard deviation of the fraction p of a phase from volume to volume is this times
    sqrt(p (1 - p)); 0 is none, 1 that each volume is of one phase. It is the root of the mean
    correlation of two points of a volume, which follows from ``covariances`` along z, y, x
    (`covariance`) up to where they first vanish. In between the axes the lags are taken on
    ellipsoids. (How much slices differ would tell too, but hardly if all are of one small image.)
    """
    return math.sqrt(mean_correlation(_correlations(covariances), shape))


def _correlations(covariances: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The correlation along each axis at lags 0, 1, ... up to where it first vanishes."""
    found = []
    for covariance in covariances:
        negative = np.flatnonzero(covariance <= 0)
        found.append(covariance[: negative[0] if len(negative) else None] / covariance[0])
    return found


def integral_range(covariances: Sequence[np.ndarray], shape: Sequence[int]) -> float:
    """Pixels of an image of ``shape`` that are of one phase together, by its autocovariance.

    The fraction p of a phase in an image has the variance p (1 - p) times this, over the number of
    pixels (Kanit et al. 2003, doi 10.1016/S0020-7683(03)00143-4). It follows from ``covariances``
    along the axes (`covariance`), as in `fraction_scatter`, and is at least one pixel.
    """
    return max(1.0, math.prod(shape) * mean_correlation(_correlations(covariances), shape))


def mean_correlation(correlations: Sequence[np.ndarray], shape: Sequence[int]) -> float:
    """Mean correlation of two points in a box, of one of ``correlations`` for each of its axes."""
    lengths = [one.sum() for one in correlations]
    total, weights, lags = 0.0, np.ones(()), np.zeros(())
    for one, length, side in zip(correlations, lengths, shape, strict=True):
        lag = np.arange(min(len(one), side))
        pairs = (side - lag) * np.where(lag == 0, 1, 2) / side**2
        weights = np.multiply.outer(weights, pairs)
        lags = np.add.outer(lags, (lag / length) ** 2)
    scaled = np.sqrt(lags)
    for one, length in zip(correlations, lengths, strict=True):
        total += (weights * np.interp(scaled * length, np.arange(len(one)), one, right=0)).sum()
    return total / len(correlations)
