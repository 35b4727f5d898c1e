"""Slices of any size are denoised without seams, in windows that the network knows."""

from types import SimpleNamespace

import pytest
import torch

from micro3diff.windows import Windows, for_shape, windows


@pytest.mark.parametrize(("length", "side"), [(64, 64), (40, 64), (65, 64), (128, 64), (257, 64)])
def test_windows_cover_everything(length, side):
    """Each pixel lies in a window; neighbours overlap by a quarter; weights fade inside alone."""
    found = windows(length, side)
    weights = torch.zeros(length)
    for place, fade in found:
        assert place.stop - place.start == min(side, length)
        assert (fade > 0).all() and fade.max() == 1
        weights[place] += fade
    assert (weights > 0).all() and found[0][0].start == 0 and found[-1][0].stop == length
    assert found[0][1][0] == 1 and found[-1][1][-1] == 1
    for (one, _), (other, _) in zip(found, found[1:], strict=False):
        assert one.stop - other.start >= side // 4


def local(images, sigma, plane=None):
    """A denoiser that looks at the neighbours of a pixel, and has no edges."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="circular")
    return torch.nn.functional.avg_pool2d(padded, 3, stride=1) * sigma


def test_what_a_pixel_sees_does_not_depend_on_the_window():
    """Away from the edges of windows a local denoiser gives what it gives on the whole image."""
    images = torch.randn(2, 3, 40, 29, generator=torch.Generator().manual_seed(0))
    whole = local(images, 2.0)
    found = Windows(local, 16)(images, 2.0)
    difference = (found - whole).abs().amax((0, 1))
    # where a window ends its pixels see the other side of it; there its weight is least
    assert difference[:, 1:-1].median() < 0.02 and whole.abs().mean() > 0.4


def test_a_constant_stays_one():
    """Weights are normalised: no seam where windows meet."""
    found = Windows(lambda images, sigma, plane: torch.ones_like(images), 16)(
        torch.zeros(1, 1, 50, 70), 1.0
    )
    torch.testing.assert_close(found, torch.ones_like(found))


def test_when_windows_are_used():
    """Never within the size of the training; a whole plane only if asked for and if it fits.

    How much room the memory has decides on how many slices at once, and on no result.
    """
    denoiser = SimpleNamespace(patch=64, multiple=8, convolutional=True)
    assert for_shape(denoiser, [64, 40, 64], 10) == (denoiser, 10)
    found, count = for_shape(denoiser, [128, 64, 64], 10)
    assert type(found) is Windows and (found.side, count) == (64, 10)
    assert for_shape(denoiser, [128, 64, 64], 10, whole=True) == (denoiser, 5)
    assert for_shape(denoiser, [128, 128, 128], 3, whole=True) == (denoiser, 1)
    for changes, shape in (
        ({}, [100, 100, 100]),  # no multiple of 8
        ({"convolutional": False}, [128, 64, 64]),
    ):
        other = SimpleNamespace(**(vars(denoiser) | changes))
        assert type(for_shape(other, shape, 10, whole=True)[0]) is Windows
