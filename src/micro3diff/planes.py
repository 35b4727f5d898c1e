"""Plane rules: how a 2D denoiser becomes a 3D one.

A plane rule is called with a noisy volume (channels, z, y, x), its noise level and the number of
the turn, and returns the denoised volume. One network pass sends all slices of one plane family
through the network.
"""

import math

import torch

from micro3diff import phases

# The plane families in the paper's order, each with the axis that its slices are stacked along.
PLANES = {"yz": 2, "xz": 1, "xy": 0}


def denoise_slices(denoiser, volume, sigma: float, axis: int, slices_per_pass: int):
    """Denoise every slice normal to ``axis`` on its own.

    ``slices_per_pass`` slices go through the network at once, which bounds the memory.
    """
    slices = volume.movedim(axis + 1, 0)
    denoised = torch.empty_like(slices)
    for start in range(0, len(slices), slices_per_pass):
        chunk = slice(start, start + slices_per_pass)
        denoised[chunk] = denoiser(slices[chunk], sigma)
    return denoised.movedim(0, axis + 1)


class Alternate:
    """The paper's multi-plane denoising: one plane family a turn, the next one in the next turn.

    ``order`` is "cyclic" (yz, xz, xy) or "random" (drawn from ``seed`` and the turn).
    """

    passes = 1

    def __init__(self, denoiser, slices_per_pass: int = 64, order: str = "cyclic", seed: int = 0):
        self.denoiser = denoiser
        self.slices_per_pass = slices_per_pass
        self.order = order
        self.seed = seed

    def plane(self, turn: int) -> str:
        """The plane family that is denoised in this turn."""
        if self.order == "random":
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
            turn = int(torch.randint(3, (), generator=generator))
        return list(PLANES)[turn % 3]

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        axis = PLANES[self.plane(turn)]
        return denoise_slices(self.denoiser, volume, sigma, axis, self.slices_per_pass)


class Average:
    """The mean of what the three plane families denoise."""

    passes = 3

    def __init__(self, denoiser, slices_per_pass: int = 64):
        self.denoiser = denoiser
        self.slices_per_pass = slices_per_pass

    def plane(self, turn: int) -> str:
        return "all"

    def witnesses(self, volume: torch.Tensor, sigma: float) -> list[torch.Tensor]:
        """The volume as each plane family denoises it."""
        return [
            denoise_slices(self.denoiser, volume, sigma, axis, self.slices_per_pass)
            for axis in PLANES.values()
        ]

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return torch.stack(self.witnesses(volume, sigma)).mean(0)


class Evidence(Average):
    """Each plane through a voxel is one more witness to its phase, as in Bayes' rule.

    p(k | V) is proportional to p0(k) * product over the planes of (p_a(k) / p0(k))^weight, where
    p_a is the posterior of plane a and p0 the one from the voxel's own noisy value, which all
    planes have seen and which must be counted once.

    Parameters
    ----------
    fractions : prior phase fractions; they set the volume fractions that come out.
    weight : 1 counts each plane as an independent witness; 1/3 averages them.
    clamp : log-odds are cut to +-clamp, beyond which the network's error would dominate.
    blend : below this noise level the plain average takes over, since the voxel's own value is
        conclusive there; its share is 1 / (1 + (sigma / blend)^4).
    """

    def __init__(
        self,
        denoiser,
        slices_per_pass: int = 64,
        *,
        fractions: list[float],
        weight: float = 1.0,
        clamp: float = 4.0,
        blend: float = 0.5,
    ):
        super().__init__(denoiser, slices_per_pass)
        self.fractions = fractions
        self.weight = weight
        self.clamp = clamp
        self.blend = blend

    def log_posterior(self, probability: torch.Tensor) -> torch.Tensor:
        """Log of the probability of each phase, cut to log-odds of +-clamp."""
        doubt = 1 / (1 + math.exp(self.clamp))
        return probability.clamp(doubt, 1 - doubt).log()

    def own_posterior(self, volume: torch.Tensor, sigma: float) -> torch.Tensor:
        """Probability of each phase from the prior and the voxel's own noisy value."""
        prior = torch.tensor(self.fractions, dtype=volume.dtype, device=volume.device).log()
        prior = prior.view(-1, *[1] * (volume.ndim - 1))
        return (prior - phases.squared_distances(volume) / (2 * sigma**2)).softmax(0)

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        witnesses = self.witnesses(volume, sigma)
        own = self.log_posterior(self.own_posterior(volume, sigma))
        evidence = own.clone()
        for denoised in witnesses:
            evidence += self.weight * (self.log_posterior(phases.probabilities(denoised)) - own)
        denoised = phases.expectation(evidence.softmax(0))
        denoised = (denoised / math.tanh(self.clamp / 2)).clamp(-1, 1)
        share = 1 / (1 + (sigma / self.blend) ** 4)
        return (1 - share) * denoised + share * torch.stack(witnesses).mean(0)


class Stack(Alternate):
    """No third dimension: the slices along z are images that know nothing of each other."""

    def plane(self, turn: int) -> str:
        return "xy"
