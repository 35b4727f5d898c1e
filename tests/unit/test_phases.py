"""Labels become numbers for the network and come back unchanged, for two phases and for more."""

import numpy as np
import pytest
import torch

from micro3diff import phases


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
