"""The training set holds the slices that the settings ask for."""

import numpy as np
import pytest

from micro3diff.errors import InputError
from micro3diff.slices import cut_slices, symmetries
from micro3diff.sources import Source


def numbered(shape, kind="volume"):
    """A source in which neighbouring voxels differ."""
    return Source(np.random.default_rng(0).integers(0, 250, shape).astype(np.uint8), kind)


@pytest.mark.parametrize("axis, number", [("z", 0), ("y", 1), ("x", 2)])
def test_whole_slices_in_the_order_of_the_source(axis, number):
    """Planes as large as the patch are taken whole, all of them, in order."""
    shape = [8, 8, 8]
    shape[number] = 20
    source = numbered(shape)
    cut = cut_slices(source, 8, axes=[axis])
    assert cut.dtype == np.uint8
    assert np.array_equal(cut, np.moveaxis(source.labels, number, 0))


def test_a_count_of_whole_slices_takes_each_once():
    """A smaller count is a choice without repetition."""
    source = numbered((20, 8, 8))
    cut = cut_slices(source, 8, count=12)
    assert len(np.unique(cut.reshape(12, -1), axis=0)) == 12
    assert all((plane == source.labels).all(axis=(1, 2)).any() for plane in cut)


def test_more_than_there_is_repeats_evenly():
    """A larger count takes every slice before any is repeated."""
    source = numbered((5, 8, 8))
    cut = cut_slices(source, 8, count=12)
    found = [(plane == cut).all(axis=(1, 2)).sum() for plane in source.labels]
    assert sum(found) == 12 and min(found) >= 2


def test_crops_of_an_image_are_distinct_parts_of_it():
    """Crops of an image are parts of it, each at another place, 300 by default."""
    source = numbered((40, 50), "image")
    cut = cut_slices(source, 16)
    assert cut.shape == (300, 16, 16)
    assert len(np.unique(cut.reshape(300, -1), axis=0)) == 300
    windows = np.lib.stride_tricks.sliding_window_view(source.labels, (16, 16))
    parts = {window.tobytes() for row in windows for window in row}
    assert all(crop.tobytes() in parts for crop in cut)
    assert cut_slices(source, 16, count=250).shape == (250, 16, 16)


def test_families_get_equal_shares():
    """Slices normal to several axes come in equal numbers, whatever their sizes."""
    labels = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None], (30, 20, 10))
    cut = cut_slices(Source(labels, "volume"), 8, count=61, axes=["z", "y"])
    constant = (cut == cut[:, :1, :1]).all(axis=(1, 2))
    assert len(cut) == 61 and constant.sum() == 31


def test_stacks_and_images_pass_axes_by():
    """Images that are no volume are never cut across."""
    source = numbered((6, 8, 8), "stack")
    assert np.array_equal(cut_slices(source, 8, axes=["x"]), source.labels)


def test_seeds_decide_the_crops():
    """The same seed gives the same crops, another seed others."""
    source = numbered((20, 30, 30))
    first = cut_slices(source, 8, count=10, seed=1)
    assert np.array_equal(first, cut_slices(source, 8, count=10, seed=1))
    assert not np.array_equal(first, cut_slices(source, 8, count=10, seed=2))


@pytest.mark.parametrize("shape, kind", [((20, 8, 30), "volume"), ((30, 8), "image")])
def test_a_source_smaller_than_the_patch_is_refused(shape, kind):
    """The message names the key and both sizes."""
    with pytest.raises(InputError, match="slices.patch: 16.*x"):
        cut_slices(numbered(shape, kind), 16)


@pytest.mark.parametrize("settings", [{"axes": ["w"]}, {"axes": []}, {"count": 0}])
def test_bad_settings_are_refused(settings):
    """The message names the key."""
    with pytest.raises(InputError, match="slices.(axes|count)"):
        cut_slices(numbered((8, 8, 8)), 8, **settings)


@pytest.mark.parametrize("group, order", [("none", 1), ("flips", 4), ("paper", 6), ("dihedral", 8)])
def test_symmetries_are_distinct_and_start_with_the_originals(group, order):
    """Each group has as many different maps as it says, the identity first."""
    images = np.arange(3 * 25, dtype=np.uint8).reshape(3, 5, 5)
    turned = symmetries(images, group)
    assert turned.shape == (3 * order, 5, 5) and turned.dtype == np.uint8
    assert np.array_equal(turned[:3], images)
    assert len({image.tobytes() for image in turned}) == 3 * order


def test_dihedral_is_closed():
    """Symmetries of a symmetric set give the same set: it is the whole group."""
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    once = symmetries(image)
    again = symmetries(once)
    assert {x.tobytes() for x in once} == {x.tobytes() for x in again}
    assert np.rot90(image[0]).tobytes() in {x.tobytes() for x in once}
    assert image[0].T.tobytes() in {x.tobytes() for x in once}


def test_symmetries_refuse_what_cannot_be():
    """An unknown group, and rotations of images that are not square."""
    with pytest.raises(InputError, match="slices.augment"):
        symmetries(np.zeros((1, 4, 4), np.uint8), "turns")
    with pytest.raises(InputError, match="4 x 6"):
        symmetries(np.zeros((1, 4, 6), np.uint8))
    assert symmetries(np.zeros((1, 4, 6), np.uint8), "flips").shape == (4, 4, 6)
