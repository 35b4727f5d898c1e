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


class PlaneRule:
    """What the rules share: slices of one plane family through the 2D denoiser.

    ``slices_per_pass`` slices go through the network at once, which bounds the memory.
    ``network_passes`` counts the passes of the whole volume.
    """

    def __init__(self, denoiser, slices_per_pass: int = 64):
        self.denoiser = denoiser
        self.slices_per_pass = slices_per_pass
        self.network_passes = 0

    def denoise_plane(self, volume: torch.Tensor, sigma: float, plane: str) -> torch.Tensor:
        """Denoise every slice of one plane family on its own."""
        axis = PLANES[plane] + 1  # after the channels
        slices = volume.movedim(axis, 0)
        denoised = torch.empty_like(slices)
        for start in range(0, len(slices), self.slices_per_pass):
            chunk = slice(start, start + self.slices_per_pass)
            denoised[chunk] = self.denoiser(slices[chunk], sigma)
        self.network_passes += 1
        return denoised.movedim(0, axis)


class Alternate(PlaneRule):
    """The paper's multi-plane denoising: one plane family a turn, the next one in the next turn.

    ``order`` is "cyclic" (yz, xz, xy) or "random" (drawn from ``seed`` and the turn).
    """

    def __init__(self, denoiser, slices_per_pass: int = 64, order: str = "cyclic", seed: int = 0):
        super().__init__(denoiser, slices_per_pass)
        self.order = order
        self.seed = seed

    def plane(self, sigma: float, turn: int) -> str:
        """The plane family that is denoised in this turn."""
        if self.order == "random":
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
            turn = int(torch.randint(3, (), generator=generator))
        return list(PLANES)[turn % 3]

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return self.denoise_plane(volume, sigma, self.plane(sigma, turn))


class Stack(PlaneRule):
    """No third dimension: the slices along z are images that know nothing of each other."""

    def plane(self, sigma: float, turn: int) -> str:
        return "xy"

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return self.denoise_plane(volume, sigma, "xy")


class Average(PlaneRule):
    """The mean of what the three plane families denoise."""

    def plane(self, sigma: float, turn: int) -> str:
        return "all"

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return sum(self.denoise_plane(volume, sigma, plane) for plane in PLANES) / len(PLANES)


class Evidence(Alternate):
    """Each plane through a voxel is one more witness to its phase, as in Bayes' rule.

    p(k | V) is proportional to p0(k) * product over the planes of (p_a(k) / p0(k))^weight, where
    p_a is the posterior of plane a and p0 the one from the voxel's own noisy value, which all
    planes have seen and which must be counted once. Where little noise is left the planes agree
    on the phases, and what remains is to make each of them plausible: there the planes alternate.

    Parameters
    ----------
    fractions : phase fractions of the slices that the denoiser was trained on.
    target : phase fractions to aim at, if others: the odds of each voxel are moved from the ones
        to the others, exactly so for voxels that know nothing of each other.
    weight : 1 counts each plane as an independent witness; 1/3 averages them.
    clamp : log-odds are cut to +-clamp, beyond which the network's error would dominate.
    blend : towards this noise level and below, the plain average takes over, since the voxel's own
        value is conclusive there; its share is 1 / (1 + (sigma / blend)^4).
    alternate_below : noise level below which the planes alternate; 0 never.
    """

    def __init__(
        self,
        denoiser,
        slices_per_pass: int = 64,
        *,
        fractions: list[float],
        target: list[float] | None = None,
        weight: float = 1.0,
        clamp: float = 4.0,
        blend: float = 0.5,
        alternate_below: float = 0.6,
    ):
        super().__init__(denoiser, slices_per_pass)
        self.fractions = fractions
        self.shift = torch.tensor(target or fractions).log() - torch.tensor(fractions).log()
        self.weight = weight
        self.doubt = 1 / (1 + math.exp(clamp))  # the least probability of a witness
        self.blend = blend
        self.alternate_below = alternate_below

    def plane(self, sigma: float, turn: int) -> str:
        return super().plane(sigma, turn) if sigma < self.alternate_below else "all"

    def log_posterior(self, probability: torch.Tensor) -> torch.Tensor:
        """Log of the probability of each phase, cut to log-odds of +-clamp."""
        return probability.clamp(self.doubt, 1 - self.doubt).log()

    def stretch(self, probability: torch.Tensor) -> torch.Tensor:
        """Undo the clamp: the least probability that it leaves to a phase becomes 0."""
        count = len(probability)
        least = self.doubt / (1 + (count - 2) * self.doubt)
        probability = ((probability - least) / (1 - count * least)).clamp(min=0)
        return probability / probability.sum(0)

    def own_posterior(self, volume: torch.Tensor, sigma: float) -> torch.Tensor:
        """Probability of each phase from the prior and the voxel's own noisy value."""
        prior = torch.tensor(self.fractions, dtype=volume.dtype, device=volume.device).log()
        prior = prior.view(-1, *[1] * (volume.ndim - 1))
        return (prior - phases.squared_distances(volume) / (2 * sigma**2)).softmax(0)

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        if sigma < self.alternate_below:
            return super().__call__(volume, sigma, turn)
        witnesses = [self.denoise_plane(volume, sigma, plane) for plane in PLANES]
        own = self.log_posterior(self.own_posterior(volume, sigma))
        evidence = own.clone()
        for denoised in witnesses:
            evidence += self.weight * (self.log_posterior(phases.probabilities(denoised)) - own)
        evidence += self.shift.to(evidence).view(-1, *[1] * (volume.ndim - 1))
        denoised = phases.expectation(self.stretch(evidence.softmax(0)))
        share = 1 / (1 + (sigma / self.blend) ** 4)
        return (1 - share) * denoised + share * sum(witnesses) / len(witnesses)
