"""Plane rules: how a 2D denoiser becomes a 3D one.

A plane rule is called with a noisy volume (channels, z, y, x), its noise level and the number of
the turn, and returns the denoised volume. One network pass sends all slices of one plane family
through the network.
"""

import functools
import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from micro3diff import phases
from micro3diff.slices import PLANES

logger = logging.getLogger(__name__)

SLICES_PER_PASS = 64  # of slices as large as those of a training, unless the settings say otherwise


class PlaneRule:
    """What the rules share: slices of one plane family through the 2D denoiser.

    A rule implements ``denoise``, and ``plane``, the name of what it denoises in a turn.

    Parameters
    ----------
    denoiser : 2D denoiser of (images, sigma, plane), see `micro3diff.denoisers`.
    slices_per_pass : slices that go through the network at once, which bounds the memory; where a
        GPU has not enough for them, half as many.
    periodic : axes (z, y, x) along which the volume goes on at its opposite face. The network
        knows of none; so along these it sees the volume shifted, by another distance at every turn
        (drawn from ``seed``), and no voxel lies at a face more than others do.
    target : phase fractions of the volume, held at every step by one shift of all voxels' odds
        (`hold_fractions`); None leaves them to the denoiser.
    tilt : log-odds that each phase is given in every voxel beforehand (`tilted`); None, none.
    anchors : given slices: codes (channels, rows, columns) by (axis, index). They are known, so
        that no denoised volume differs from them.

    ``network_passes`` counts the passes of the whole volume.
    """

    LIFT = 1.5  # noise levels by which given slices stand out of the noise

    def __init__(
        self,
        denoiser,
        slices_per_pass: int = SLICES_PER_PASS,
        *,
        periodic: Sequence[bool] = (False, False, False),
        target: Sequence[float] | None = None,
        tilt: Sequence[float] | None = None,
        anchors: Mapping[tuple[int, int], torch.Tensor] | None = None,
        seed: int = 0,
    ):
        self.denoiser = denoiser
        self.slices_per_pass = slices_per_pass
        self.periodic = tuple(periodic)
        self.target = target
        self.slope = None if tilt is None else phases.slope(tilt)
        self.anchors = anchors or {}
        self.seed = seed
        self.network_passes = 0

    def __call__(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        volume = self.anchored(self.tilted(volume, sigma), max(1.0, self.LIFT * sigma))
        axes = [axis + 1 for axis in range(3) if self.periodic[axis]]  # after the channels
        if not axes:
            return self.held(self.denoise(volume, sigma, turn), sigma)
        generator = self.generator(turn)
        shifts = [int(torch.randint(volume.shape[a], (), generator=generator)) for a in axes]
        denoised = self.denoise(volume.roll(shifts, axes), sigma, turn)
        return self.held(denoised.roll([-shift for shift in shifts], axes), sigma)

    def tilted(self, volume: torch.Tensor, sigma: float) -> torch.Tensor:
        """The noisy volume that the denoiser must see to denoise as if the phases had other odds.

        Every voxel's odds are multiplied by exp(tilt), those of all voxels together. As the noise
        is Gaussian, that is the same as to move the noisy volume by sigma^2 times the slope of the
        tilt: exact for a denoiser that is, whatever it has learned of the shapes.
        """
        if self.slope is None:
            return volume
        return volume + sigma**2 * self.slope.to(volume).view(-1, 1, 1, 1)

    def generator(self, turn: int) -> torch.Generator:
        """Random numbers of a turn, whatever was drawn before it."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + turn) % 2**63)

    def held(self, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
        """A denoised volume with what is known of it: its phase fractions and its given slices."""
        if self.target is not None:
            # where little noise is left, what counts is the phase that each voxel ends as
            sharpness = 1 + (0.5 / sigma) ** 2
            probability = hold_fractions(phases.probabilities(denoised), self.target, sharpness)
            denoised = phases.expectation(probability)
        return self.anchored(denoised)

    def anchored(self, volume: torch.Tensor, lift: float = 1.0) -> torch.Tensor:
        """The volume with the given slices in their places.

        A network that is told of much noise takes no voxel at its word. So that the neighbourhood
        of a given slice goes on from it, it must stand out: its codes are multiplied by ``lift``.
        """
        if not self.anchors:
            return volume
        volume = volume.clone()
        for (axis, index), codes in self.anchors.items():
            volume.select(axis + 1, index).copy_(lift * codes)
        return volume

    def denoise_plane(
        self, volume: torch.Tensor, sigma: float | torch.Tensor, plane: str
    ) -> torch.Tensor:
        """Denoise every slice of one plane family on its own; ``sigma`` may differ by slice."""
        axis = PLANES[plane] + 1  # after the channels
        slices = volume.movedim(axis, 0)
        denoised = torch.empty_like(slices)
        start = 0
        while start < len(slices):
            chunk = slice(start, start + self.slices_per_pass)
            level = sigma[chunk] if isinstance(sigma, torch.Tensor) else sigma
            try:
                denoised[chunk] = self.denoiser(slices[chunk], level, plane)
            except torch.OutOfMemoryError:
                if (size := len(slices[chunk])) == 1:
                    raise
                self.slices_per_pass = (size + 1) // 2
                logger.warning("out of GPU memory: %d slices a pass now", self.slices_per_pass)
            else:
                start = chunk.stop
        self.network_passes += 1
        return denoised.movedim(0, axis)


class Alternate(PlaneRule):
    """The paper's multi-plane denoising: one plane family a turn, the next one in the next turn.

    ``order`` is "cyclic" (yz, xz, xy) or "random" (drawn from ``seed`` and the turn).
    """

    def __init__(
        self, denoiser, slices_per_pass: int = SLICES_PER_PASS, *, order: str = "cyclic", **shared
    ):
        super().__init__(denoiser, slices_per_pass, **shared)
        self.order = order

    def plane(self, sigma: float, turn: int) -> str:
        """The plane family that is denoised in this turn."""
        if self.order == "random":
            # not those numbers from which the shift of a periodic volume is drawn
            turn = int(torch.randint(3, (), generator=self.generator(~turn)))
        return list(PLANES)[turn % 3]

    def denoise(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return self.denoise_plane(volume, sigma, self.plane(sigma, turn))


class Stack(PlaneRule):
    """No third dimension: the slices along z are images that know nothing of each other.

    ``shown``: the plane that they show; None if all planes are alike.
    """

    def __init__(
        self,
        denoiser,
        slices_per_pass: int = SLICES_PER_PASS,
        *,
        shown: str | None = None,
        **shared,
    ):
        super().__init__(
            lambda images, sigma, _: denoiser(images, sigma, shown), slices_per_pass, **shared
        )

    def plane(self, sigma: float, turn: int) -> str:
        return "xy"

    def denoise(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return self.denoise_plane(volume, sigma, "xy")


class Average(PlaneRule):
    """The mean of what the three plane families denoise."""

    def plane(self, sigma: float, turn: int) -> str:
        return "all"

    def denoise(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        return sum(self.denoise_plane(volume, sigma, plane) for plane in PLANES) / len(PLANES)


class Evidence(Alternate):
    """Each plane through a voxel is one more witness to its phase, as in Bayes' rule.

    p(k | V) is proportional to p0(k) * product over the planes of (p_a(k) / p0(k))^weight, where
    p_a is the posterior of plane a and p0 the one from the voxel's own noisy value, which all
    planes have seen and which must be counted once. Where little noise is left the planes agree
    on the phases, and what remains is to make each of them plausible: there the planes alternate.

    A plane alone knows nothing of what lies beside it. At high noise its slices are therefore
    denoised as slabs (`best_slab`): averages with their neighbours, which have less noise.

    Parameters
    ----------
    fractions : phase fractions of the slices that the denoiser was trained on.
    covariances : autocovariance of the codes along z, y and x at lags 0, 1, ..., for slabs
        (`best_slab`) and for sharpening.
    slab : pixels over which the denoiser is taken to pool a slice at high noise; the more, the
        thinner the slabs. 0 denoises single slices.
    weight : 1 counts each plane as an independent witness; 1/3 averages them.
    sharpen : how much of what the evidence differs from its Gaussian average in the volume is added
        again (an unsharp mask), at noise levels above `SHARPENED_ABOVE`.
    clamp : log-odds are cut to +-clamp, beyond which the network's error would dominate.
    blend : towards this noise level and below, the plain average takes over, since the voxel's own
        value is conclusive there; its share is 1 / (1 + (sigma / blend)^4).
    alternate_below : noise level below which the planes alternate; 0 never.
    """

    CERTAIN = 2.0  # log-odds from which a voxel's own opinion is not held against its planes
    SHARPENED_ABOVE = 3.0  # noise level
    MASK = 0.135  # standard deviation of the mask over the inhomogeneity length, at noise level 1

    def __init__(
        self,
        denoiser,
        slices_per_pass: int = SLICES_PER_PASS,
        *,
        fractions: list[float],
        covariances: Sequence[np.ndarray] | None = None,
        slab: float = 0.0,
        weight: float = 1.0,
        sharpen: float = 0.0,
        clamp: float = 4.0,
        blend: float = 0.5,
        alternate_below: float = 0.6,
        **shared,
    ):
        super().__init__(denoiser, slices_per_pass, **shared)
        self.fractions = fractions
        self.covariances = covariances
        self.slab = slab
        self.weight = weight
        self.sharpen = sharpen
        self.doubt = 1 / (1 + math.exp(clamp))  # the least probability of a witness
        self.blend = blend
        self.alternate_below = alternate_below
        self.slabs = functools.cache(self.slabs)

    def plane(self, sigma: float, turn: int) -> str:
        return super().plane(sigma, turn) if sigma < self.alternate_below else "all"

    def denoise_plane(self, volume: torch.Tensor, sigma: float, plane: str) -> torch.Tensor:
        """Denoise the slabs around every slice of one plane family."""
        axis = PLANES[plane]
        found = self.slabs(sigma, axis, volume.shape[axis + 1]) if self.slab else None
        if found is None:
            return super().denoise_plane(volume, sigma, plane)
        weights, sigmas = (part.to(volume) for part in found)
        return super().denoise_plane(averaged(volume, weights, axis), sigmas, plane)

    def slabs(self, sigma: float, axis: int, count: int):
        """`best_slab` along an axis of ``count`` slices."""
        return best_slab(sigma, count, self.covariances[axis], self.slab, self.periodic[axis])

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

    def news(self, witness: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """What a witness adds to the voxel's own log posterior.

        A network is never quite certain. Where it is less so than the voxel itself, that is its
        error and no evidence against the voxel, whose opinion is toned down to the witness's.
        """
        surest = spread(witness).clamp(min=self.CERTAIN)
        return witness - own * (surest / spread(own).clamp(min=1e-6)).clamp(max=1)

    def smooth(self, values: torch.Tensor, sigma: float) -> torch.Tensor:
        """Gaussian average in the volume, wider for larger features and the more noise there is."""
        for axis, periodic in enumerate(self.periodic):
            lags = distances(values.shape[axis + 1], periodic)
            length = phases.inhomogeneity_length(self.covariances[axis])
            std = max(0.5, self.MASK * length) * sigma**0.4
            weights = torch.from_numpy(gaussian_weights(lags, std))
            values = averaged(values, weights.to(values), axis)
        return values

    def denoise(self, volume: torch.Tensor, sigma: float, turn: int) -> torch.Tensor:
        if sigma < self.alternate_below:
            return super().denoise(volume, sigma, turn)
        own = self.log_posterior(self.own_posterior(volume, sigma))
        evidence, witnesses = own.clone(), torch.zeros_like(volume)
        for plane in PLANES:
            denoised = self.denoise_plane(volume, sigma, plane)
            posterior = self.log_posterior(phases.probabilities(denoised))
            evidence += self.weight * self.news(posterior, own)
            witnesses += denoised
        if self.sharpen and sigma > self.SHARPENED_ABOVE:
            added = evidence - own
            evidence += self.sharpen * (added - self.smooth(added, sigma))
        denoised = phases.expectation(self.stretch(evidence.softmax(0)))
        share = 1 / (1 + (sigma / self.blend) ** 4)
        return (1 - share) * denoised + share * witnesses / len(PLANES)


def spread(log_posterior: torch.Tensor) -> torch.Tensor:
    """The log-odds between the most and the least likely phase."""
    return log_posterior.amax(0) - log_posterior.amin(0)


def hold_fractions(
    probability: torch.Tensor, target: list[float], sharpness: float = 1.0
) -> torch.Tensor:
    """Shift the log-odds of all voxels alike so that the mean probabilities are ``target``.

    probability : (phases, z, y, x).
    sharpness : the mean is taken of the probabilities to this power, normalised.

    A shift that is needed beyond +-6 is cut there. The phase that is to have the most has none: the
    others take from it what they need, hardly from each other. Of many voxels one in a few is
    counted, at every place along x as often.
    """
    logs = probability.clamp(1e-4, 1 - 1e-4).log()
    strides = (5, 7, 11, 1) if probability[0].numel() > 100_000 else (1,)
    stride = next(n for n in strides if math.gcd(n, probability.shape[-1]) == 1)
    counted = logs.flatten(1)[:, ::stride]
    shift = torch.zeros(len(target), 1, dtype=logs.dtype, device=logs.device)
    shifted = [phase for phase in range(len(target)) if phase != target.index(max(target))]
    # the shifts of several phases depend on each other: at least three rounds, until they hold
    for round_ in range(1 if len(target) == 2 else 10):
        for phase in shifted:
            low, high = -6.0, 6.0
            for _ in range(14):
                shift[phase] = (low + high) / 2
                mean = (sharpness * (counted + shift)).softmax(0)[phase].mean()
                if mean < target[phase]:
                    low = shift[phase].item()
                else:
                    high = shift[phase].item()
        if round_ < 2:
            continue
        held = (sharpness * (counted + shift)).softmax(0).mean(1)
        if (held - torch.tensor(target).to(held)).abs().max() < 1e-3:
            break
    return (logs + shift.view(-1, *[1] * (probability.ndim - 1))).softmax(0)


def averaged(volume: torch.Tensor, weights: torch.Tensor, axis: int) -> torch.Tensor:
    """Each slice along an axis of (channels, z, y, x) as a mean with ``weights`` (slice, slice)."""
    return torch.tensordot(weights, volume.movedim(axis + 1, 0), 1).movedim(0, axis + 1)


def distances(count: int, periodic: bool) -> np.ndarray:
    """Between each two of ``count`` slices, around the corner where that is shorter."""
    lags = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    return np.minimum(lags, count - lags) if periodic else lags


def gaussian_weights(lags: np.ndarray, std: float) -> np.ndarray:
    """Normal weights of slices at these distances, cut at three standard deviations, sum 1."""
    weights = np.exp(-0.5 * (lags / std) ** 2) * (lags <= math.ceil(3 * std))
    return weights / weights.sum(1, keepdims=True)


def best_slab(
    sigma: float, count: int, covariance: np.ndarray, pooled: float, periodic: bool = False
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Weights that average each of ``count`` slices with its neighbours, and what noise is left.

    The average has less noise, but is not the slice any more. With Gaussian weights h, the noise
    is sigma^2 sum h^2, and the distortion E|h * x - x|^2 follows from the covariance. A denoiser
    pools the noise of many pixels, but not the distortion, which they share; so the standard
    deviation of h is the one with the least noise + ``pooled`` * distortion.

    covariance : of the codes along the normal, at lags 0, 1, ...; 0 beyond.
    periodic : the first slice follows upon the last.

    Returns weights (slice, neighbour) and the noise level of each slab, with the distortion as
    noise; None if single slices are best.
    """
    lags = distances(count, periodic)
    padded = np.zeros(max(count, len(covariance)))
    padded[: len(covariance)] = covariance
    covariances = padded[lags]

    def smoothed(std: float, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights = gaussian_weights(lags[rows], std)
        noise = sigma**2 * (weights**2).sum(1)
        own, both = weights * covariances[rows], weights @ covariances * weights
        return weights, noise, padded[0] - 2 * own.sum(1) + both.sum(1)

    middle = slice(count // 2, count // 2 + 1)
    costs = {0.0: sigma**2}
    for std in np.arange(0.4, min(8.0, count / 6), 0.2):
        _, noise, distortion = smoothed(std, middle)
        costs[std] = (noise + pooled * distortion).item()
    best = min(costs, key=costs.get)
    if best == 0:
        return None
    weights, noise, distortion = smoothed(best, slice(None))
    return torch.from_numpy(weights), torch.from_numpy(np.sqrt(noise + distortion.clip(0)))
