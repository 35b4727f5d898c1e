"""The synthetic materials have the statistics that the paper states."""

import math
import time

import numpy as np
import pytest
from scipy import ndimage

from micro3diff.errors import InputError
from micro3diff.sources.generators import grains, spheres


def test_spheres_reach_the_fraction_in_time():
    """The default material has the paper's shape and fraction, and is made in seconds."""
    started = time.process_time()
    labels = spheres()
    assert time.process_time() - started < 5
    assert labels.shape == (300, 64, 64) and labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 1}
    assert labels.mean() == pytest.approx(0.225, abs=0.002)


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_spheres_fraction_is_a_setting(fraction):
    """The fraction is met for other values and for periodic volumes too."""
    for periodic in (False, True):
        labels = spheres((96, 64, 64), volume_fraction=fraction, periodic=periodic, seed=1)
        assert labels.mean() == pytest.approx(fraction, abs=0.002)


def test_spheres_do_not_overlap():
    """Whole blobs, single or touching, have the volume of a whole number of balls."""
    labels = spheres((80, 80, 80), 12, 0, volume_fraction=0.15, seed=2)
    blobs, n = ndimage.label(labels)
    faces = np.concatenate([blobs.take(k, axis).ravel() for axis in range(3) for k in (0, -1)])
    whole = np.setdiff1d(np.arange(1, n + 1), faces)
    balls = ndimage.sum_labels(labels, blobs, whole) / (math.pi / 6 * 12**3)
    assert len(whole) >= 10
    assert np.abs(balls / np.rint(balls) - 1).max() < 0.05


def test_spheres_are_cut_by_the_faces():
    """Faces hold as much of the spheres as the inside: centres may lie outside the volume."""
    labels = np.stack([spheres((64, 64, 64), seed=seed) for seed in range(12)])
    faces = np.mean([labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]])
    assert faces == pytest.approx(0.225, abs=0.03)


def test_periodic_spheres_go_on_at_the_opposite_face():
    """The two sides of a periodic seam differ no more than two neighbouring planes inside."""
    labels = spheres((64, 64, 64), periodic=True, seed=3)
    seam = np.mean(labels[0] != labels[-1])
    inside = np.mean(labels[1:] != labels[:-1])
    assert seam < 2 * inside


def test_seeds_make_materials_reproducible():
    """The same seed gives the same voxels, another seed others."""
    shape = (48, 48, 48)
    assert np.array_equal(spheres(shape, seed=5), spheres(shape, seed=5))
    assert not np.array_equal(spheres(shape, seed=5), spheres(shape, seed=6))
    assert np.array_equal(grains(2, 48, seed=5), grains(2, 48, seed=5))
    assert not np.array_equal(grains(2, 48, seed=5), grains(2, 48, seed=6))


@pytest.mark.parametrize(
    "settings, key",
    [
        ({"volume_fraction": 0.7, "shape": (40, 40, 40)}, "volume_fraction"),
        ({"volume_fraction": 1.2}, "volume_fraction"),
        ({"shape": (64, 64)}, "shape"),
        ({"diameter_std": -1}, "diameter_std"),
        ({"shape": (20, 64, 64), "periodic": True}, "shape"),
    ],
)
def test_impossible_spheres_are_refused(settings, key):
    """Settings that can't be met give one line with the key."""
    with pytest.raises(InputError, match=key):
        spheres(**settings)


def test_grain_images_are_independent():
    """An image depends on the seed and its own number, not on how many images are made."""
    images = grains(3, 64)
    assert images.shape == (3, 64, 64) and images.dtype == np.uint8
    assert np.array_equal(images[:2], grains(2, 64))
    same = np.mean(images[0] == images[1])
    fraction = images.mean()
    assert same == pytest.approx(fraction**2 + (1 - fraction) ** 2, abs=0.05)


def test_grain_boundaries_are_thin_and_closed():
    """Lines are one pixel wide (hardly any 2x2 block) and separate many grains."""
    images = grains(8, 64).astype(bool)
    blocks = images[:, 1:, 1:] & images[:, :-1, 1:] & images[:, 1:, :-1] & images[:, :-1, :-1]
    assert blocks.mean() < 0.003
    assert 0.18 < images.mean() < 0.26
    for image in images:
        _, found = ndimage.label(~image)
        assert 60 < found < 140


@pytest.mark.parametrize("size", [6, 9, 12])
def test_grains_have_the_size_that_is_asked(size):
    """Away from the edge, a grain with its line has the area of a circle of that diameter."""
    cells = []
    for image in grains(4, 128, grain_sizes=(size,)):
        blobs, n = ndimage.label(image == 0)
        edge = np.unique(np.concatenate([blobs[0], blobs[-1], blobs[:, 0], blobs[:, -1]]))
        inner = ~np.isin(blobs, edge) | (image == 1)
        count = n - np.count_nonzero(edge)
        # Lines around the inner grains are shared with the outer ones: a small excess.
        cells.append(ndimage.binary_opening(inner, np.ones((2, 2))).sum() / count)
    assert np.sqrt(4 / math.pi * np.mean(cells)) == pytest.approx(size, rel=0.1)


def test_grains_look_the_same_at_the_edge():
    """Rows at the edge have as much boundary as rows inside: no effect of the border."""
    images = grains(40, 48)
    edge = np.mean([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]])
    assert edge == pytest.approx(images.mean(), abs=0.02)


@pytest.mark.parametrize("settings", [{"images": 0}, {"size": 1}, {"grain_sizes": ()}])
def test_impossible_grains_are_refused(settings):
    """Empty requests give one line with the key."""
    with pytest.raises(InputError, match="grains"):
        grains(**settings)
