"""Images larger than those that a denoiser was trained on.

They are denoised in overlapping windows of the size that it knows. The noise is the image's own, so
windows that share a pixel agree on what they see there, and no seam is left where one fades into
the next. A network without attention takes an image of any size as a whole too, at two thirds of
the cost, but it has never seen one without edges nearby (docs/method.md has figures).
"""

import math
from collections.abc import Sequence

import torch

OVERLAP = 0.25  # of a window, at least, with the next one


class Windows:
    """A denoiser of images of any size from one of images of up to ``side`` pixels squared.

    The denoised windows are averaged with weights that fall towards the edges that lie inside the
    image, where a window sees less of the surroundings.
    """

    def __init__(self, denoiser, side: int):
        self.denoiser = denoiser
        self.side = side

    def __call__(
        self, images: torch.Tensor, sigma: float | torch.Tensor, plane: str | None = None
    ) -> torch.Tensor:
        """Denoise images (n, channels, height, width), see `micro3diff.denoisers.Denoiser`."""
        rows, columns = (windows(length, self.side) for length in images.shape[-2:])
        total = torch.zeros_like(images)
        weights = images.new_zeros(images.shape[-2:])
        for down, fade_down in rows:
            for across, fade_across in columns:
                fade = torch.outer(fade_down, fade_across).to(images)
                denoised = self.denoiser(images[..., down, across], sigma, plane)
                total[..., down, across] += fade * denoised
                weights[down, across] += fade
        return total / weights


def windows(length: int, side: int) -> list[tuple[slice, torch.Tensor]]:
    """Evenly spaced windows that cover ``length`` pixels, and the weights of their pixels."""
    side = min(side, length)
    count = 1 + math.ceil((length - side) / (side * (1 - OVERLAP)))
    starts = [round(k * (length - side) / max(count - 1, 1)) for k in range(count)]
    found = []
    for start in starts:
        ramp = torch.arange(1, side + 1) / math.ceil(side * OVERLAP)
        before = ramp if start > 0 else torch.ones(side)
        after = ramp.flip(0) if start + side < length else torch.ones(side)
        found.append((slice(start, start + side), torch.minimum(before, after).clamp(max=1)))
    return found


def for_shape(denoiser, shape: Sequence[int], slices_per_pass: int, whole: bool = False):
    """A denoiser that takes the slices of a volume of ``shape``, and how many of them at once.

    denoiser : `micro3diff.denoisers.Denoiser`.
    slices_per_pass : slices of the size that it was trained on that the memory has room for; it
        decides on no result, so of larger slices one goes through at least.
    whole : no windows, where the network allows that.
    """
    if max(shape) <= denoiser.patch:
        return denoiser, slices_per_pass
    largest = math.prod(sorted(shape)[1:])
    room = slices_per_pass * denoiser.patch**2
    fits = all(side % denoiser.multiple == 0 for side in shape)
    if whole and denoiser.convolutional and fits:
        return denoiser, max(1, room // largest)
    return Windows(denoiser, denoiser.patch), slices_per_pass
