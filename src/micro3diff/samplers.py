"""From noise to a volume with any 3D denoiser, over any falling list of noise levels.

The volume is V = clean + sigma * noise (see `micro3diff.denoisers`). In these terms the paper's
reverse step (equations 9 and 17) and its renoising (equation 21) need no schedule of their own.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from micro3diff.logs import progress


def uniform_sigmas(levels: np.ndarray, steps: int | None = None) -> np.ndarray:
    """``steps`` of the model's own noise levels, evenly spaced in time, falling."""
    steps = steps or len(levels)
    return levels[np.linspace(len(levels) - 1, 0, steps).round().astype(int)]


def karras_sigmas(
    levels: np.ndarray, steps: int, sigma_max: float, sigma_min: float, rho: float = 7.0
) -> np.ndarray:
    """Noise levels of Karras et al. 2022 (arXiv 2206.00364, equation 5), falling.

    Cut to the range of the model's own ``levels``.
    """
    high = min(sigma_max, levels[-1]) ** (1 / rho)
    low = max(sigma_min, levels[0]) ** (1 / rho)
    return np.linspace(high, low, steps) ** rho


def sample(
    denoise: Callable[[torch.Tensor, float, int], torch.Tensor],
    sigmas: Sequence[float],
    shape: tuple[int, ...],
    generator: torch.Generator,
    *,
    n_h: int | Sequence[int] = 0,
    variance: str = "posterior",
    eta: float = 1.0,
    eta_above: float = 0.0,
    start: torch.Tensor | None = None,
    harmonize_plane: str = "change",
    on_step: Callable | None = None,
    state: dict | None = None,
    keep: Callable[[dict], None] | None = None,
) -> torch.Tensor:
    """Sample a volume by reverse steps with harmonizing.

    Parameters
    ----------
    denoise : 3D denoiser of (volume, sigma, turn), see `micro3diff.planes`.
    sigmas : falling noise levels; the last step goes from ``sigmas[-1]`` to 0.
    shape : (channels, z, y, x).
    generator : random numbers, on the device to be used.
    n_h : harmonizing steps: at each step, renoise and denoise this many times again; one number,
        or one for each step.
    variance : "beta" adds beta_t of noise a step, as the paper; "posterior" the variance of the
        exact reverse step given the denoised volume.
    eta : at noise levels above ``eta_above``, a step forgets less of the noise that is there, and
        adds eta^2 of the posterior variance (Song et al. 2021, arXiv 2010.02502, equation 16):
        1 is the ancestral step, 0 draws no noise at all. For "posterior" only.
    start : mean of the data, (channels, 1, 1, 1), to start around; None starts from the paper's
        standard normal noise, which forgets what is left of the signal at t = T.
    harmonize_plane : "change" counts a turn at every pass, so that the plane changes inside the
        harmonizing loop; "stay" counts one a step.
    on_step : called with (step, sigma, noisy volume, denoised volume, turn) at each step.
    keep : called after each step with the state, from which a later call goes on as if it had
        never stopped when it is given as ``state``: ``step``, ``turn``, ``volume``, ``generator``.

    Returns the denoised volume (channels, z, y, x), after 1 + n_h calls of ``denoise`` a step.
    """

    def noise() -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=generator.device)

    ends = [*map(float, sigmas[1:]), 0.0]
    if state:
        volume = state["volume"].to(generator.device)
        generator.set_state(state["generator"].cpu())
    elif start is None:
        volume = math.sqrt(1 + sigmas[0] ** 2) * noise()
    else:
        volume = start.to(generator.device) + float(sigmas[0]) * noise()
    turn, first = (state["turn"], state["step"]) if state else (0, 0)
    repeats = [n_h] * len(ends) if isinstance(n_h, int) else n_h
    steps = list(zip(map(float, sigmas), ends, repeats, strict=True))
    left = progress(steps[first:], len(steps) - first, "sampling")
    for step, (sigma, lower, n_h) in enumerate(left, start=first):
        for repeat in range(n_h + 1):
            denoised = denoise(volume, sigma, turn)
            if on_step and repeat == 0:
                on_step(step, sigma, volume, denoised, turn)
            turn += harmonize_plane == "change" or repeat == n_h
            fresh = (eta if sigma > eta_above else 1.0) ** 2
            drawn = fresh * added_variance(sigma, lower, "posterior")
            kept = math.sqrt(lower**2 - drawn) / sigma
            volume = denoised + kept * (volume - denoised)
            if lower > 0:
                added = fresh * added_variance(sigma, lower, variance)
                volume += math.sqrt(added) * noise()
            if repeat < n_h:
                volume += math.sqrt(sigma**2 - lower**2) * noise()
        if keep:
            random = generator.get_state()
            keep({"step": step + 1, "turn": turn, "volume": volume, "generator": random})
    return volume


def added_variance(sigma: float, lower: float, variance: str) -> float:
    """Noise variance of one reverse step from ``sigma`` to ``lower``.

    "beta": beta_t of the DDPM step, which is (1 + lower^2) / (1 + sigma^2) of the removed variance
    in these units; "posterior": that of q(x_{t-1} | x_t, x_0).
    """
    removed = sigma**2 - lower**2
    if variance == "beta":
        return removed * (1 + lower**2) / (1 + sigma**2)
    return removed * lower**2 / sigma**2
