"""Labels become numbers for the network and come back unchanged, for two phases and for more."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from micro3diff import phases
from micro3diff.metrics import specific_surface


@pytest.mark.parametrize("count", [2, 3, 5])
def test_labels_survive_the_codes(count):
    """encode and decode are inverse, with channels first or second."""
    labels = torch.randint(count, (4, 5, 6), dtype=torch.uint8)
    values = phases.encode(labels, count)
    assert values.shape == (4, phases.channels_of(count), 5, 6)
    assert set(values.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(phases.decode(values, dim=1), labels)
    assert torch.equal(phases.decode(values[0]), labels[0])
    assert phases.decode(values).dtype == torch.uint8


@pytest.mark.parametrize("count", [2, 3])
def test_probabilities_and_expectation_are_inverse(count):
    """A mean of codes is the probabilities it was made of."""
    probability = torch.rand(count, 4, 5, 6)
    probability /= probability.sum(0)
    values = phases.expectation(probability)
    assert values.shape[0] == phases.channels_of(count)
    torch.testing.assert_close(phases.probabilities(values), probability)


@pytest.mark.parametrize("channels", [1, 3])
def test_probabilities_of_any_values_are_a_distribution(channels):
    """Even what a network predicts outside of [-1, 1]."""
    probability = phases.probabilities(3 * torch.randn(channels, 10, 10))
    assert probability.min() >= 0
    if channels == 1:
        torch.testing.assert_close(probability.sum(0), torch.ones(10, 10))
    else:
        nothing = (probability == 0).all(0)
        torch.testing.assert_close(probability.sum(0)[~nothing], torch.ones(10, 10)[~nothing])


@pytest.mark.parametrize("count", [2, 3])
def test_squared_distances(count):
    """Differences between phases are those of the distances to their codes."""
    noisy = torch.randn(phases.channels_of(count), 7, dtype=torch.float64)
    codes = phases.encode(torch.arange(count), count).double()
    exact = torch.stack([((noisy - code[:, None]) ** 2).sum(0) for code in codes])
    found = phases.squared_distances(noisy)
    np.testing.assert_allclose(found - found[0], exact - exact[0], atol=1e-12)


def test_greys_are_one_channel():
    greys = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    values = phases.encode(greys, phases.GREY)
    assert (values.min(), values.max()) == (-1, 1) and values.shape == (1, 1, 16, 16)
    assert torch.equal(phases.decode(values[0], grey=True), greys[0])
    assert phases.decode(torch.tensor([[-1.1, 1.1]]), grey=True).tolist() == [0, 255], "no wrap"


def test_covariance_along_an_axis():
    """Stripes from row to row do not change along a row; the mean over both is the default."""
    stripes = np.repeat(np.random.default_rng(0).integers(0, 2, (50, 32, 1)), 32, 2).astype(
        np.uint8
    )
    down, across = (phases.covariance(stripes, 2, axis) for axis in (0, 1))
    assert abs(down[1]) < 0.1 < 0.9 < across[1]
    np.testing.assert_allclose(phases.covariance(stripes, 2), (down + across) / 2)
    assert across[[10, -1]] == pytest.approx([across[0], 0]), "full up to a third, then tapered"


def test_inhomogeneity_length():
    """Debye's formula for two phases; independent pixels and stripes are its bounds."""
    rng = np.random.default_rng(0)
    images = (gaussian_filter(rng.standard_normal((20, 64, 64)), (0, 3, 3)) > 0.06).astype(np.uint8)
    fraction, interface = images.mean(), np.mean([specific_surface(one) for one in images]) / 2
    found = phases.inhomogeneity_length(phases.covariance(images, 2))
    assert found == pytest.approx(2 * fraction * (1 - fraction) / interface, rel=0.02)
    pixels = rng.integers(2, size=(40, 32, 32), dtype=np.uint8)
    assert phases.inhomogeneity_length(phases.covariance(pixels, 2)) == pytest.approx(1, abs=0.02)
    stripes = np.zeros((2, 32, 32), np.uint8)
    stripes[..., ::2] = 1
    along, across = (phases.inhomogeneity_length(phases.covariance(stripes, 2, k)) for k in (0, 1))
    assert (along, across) == (20, 1)


def test_independent_pixels_of_three_phases_have_no_covariance():
    """Each channel has a mean of its own."""
    share = np.array([0.7, 0.2, 0.1])
    labels = np.random.default_rng(0).choice(3, (100, 16, 16), p=share).astype(np.uint8)
    found = phases.covariance(labels, 3)
    assert found[0] == pytest.approx(4 * (share * (1 - share)).sum(), rel=0.03)
    assert np.abs(found[1:]).max() < 0.03


@pytest.mark.parametrize("reach", [(3.0, 3.0, 3.0), (2.0, 3.0, 5.0)])
def test_mean_correlation_is_that_of_all_pairs(reach):
    """Against brute force, in a box whose axes differ, as the material's may."""
    correlations = [np.exp(-np.arange(12) / length) for length in reach]
    lengths = np.array([one.sum() for one in correlations])
    points = np.argwhere(np.ones((5, 6, 4))) / lengths
    scaled = np.linalg.norm(points[:, None] - points[None], axis=-1)
    pairs = zip(correlations, lengths, strict=True)
    expected = [np.interp(scaled * n, np.arange(12), one, right=0).mean() for one, n in pairs]
    assert phases.mean_correlation(correlations, (5, 6, 4)) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("side", [36, 96])
def test_fraction_scatter_of_a_random_medium(side):
    """Within a third of what blocks of a large volume have, even from crops of a small image."""
    noise = np.random.default_rng(1).standard_normal((96, 96, 96))
    field = gaussian_filter(noise, 2, mode="wrap")
    labels = (field > np.quantile(field, 0.7)).astype(np.uint8)
    corners = np.random.default_rng(1).integers(0, side - 31, (100, 2))
    found = []
    for image in labels[::12]:
        crops = np.stack([image[y : y + 32, x : x + 32] for y, x in corners])
        found.append(phases.fraction_scatter([phases.covariance(crops, 2)] * 3, (32, 32, 32)))
    blocks = labels.reshape(3, 32, 3, 32, 3, 32).mean((1, 3, 5))
    scatter = np.median(found) * np.sqrt(0.3 * 0.7)
    assert scatter == pytest.approx(blocks.std(ddof=1), rel=0.34)


@pytest.mark.parametrize("side", [1, 4])
def test_integral_range(side):
    """What the fraction of an image varies by, times its pixels: for random squares their area."""
    rng = np.random.default_rng(0)
    squares = (rng.random((400, 12, 12)) < 0.3).astype(np.uint8)
    images = squares.repeat(side, 1).repeat(side, 2)
    corners = rng.integers(0, side, (400, 2))
    images = np.stack(
        [image[y : y + 40, x : x + 40] for image, (y, x) in zip(images, corners, strict=True)]
    )
    pixels = images[0].size
    varies = images.mean((1, 2)).var() / (0.3 * 0.7) * pixels
    found = phases.integral_range([phases.covariance(images, 2)] * 2, images.shape[1:])
    assert found == pytest.approx(varies, rel=0.25)
    assert found == pytest.approx(side**2, rel=0.25)
