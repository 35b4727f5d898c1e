"""The training set holds the slices that the settings ask for."""

import numpy as np
import pytest

from micro3diff.errors import InputError
from micro3diff.slices import (
    PLANES,
    cut_planes,
    cut_slices,
    read_slices,
    symmetries,
    training_set,
    write_slices,
)
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


def test_crops_of_an_image_are_parts_of_it():
    """Crops of an image are parts of it, 300 by default, at many places."""
    source = numbered((40, 50), "image")
    cut = cut_slices(source, 16)
    assert cut.shape == (300, 16, 16)
    assert len(np.unique(cut.reshape(300, -1), axis=0)) > 200
    windows = np.lib.stride_tricks.sliding_window_view(source.labels, (16, 16))
    parts = {window.tobytes() for row in windows for window in row}
    assert all(crop.tobytes() in parts for crop in cut)
    assert cut_slices(source, 16, count=250).shape == (250, 16, 16)


@pytest.mark.parametrize("strip, least, most", [(16, 0.5, 0.7), (32, 0.6, 0.8), (64, 0.93, 1.07)])
def test_crops_see_the_edges_of_a_small_image(strip, least, most):
    """What lies along the edges is in the crops: in strips of their width, as often as it is.

    With all first corners alike, strips of 16, 32 and 64 pixels had 0.2, 0.4 and 0.7 of it.
    """
    labels = np.zeros((256, 256), np.uint8)
    labels[:, :strip] = labels[:, -strip:] = 1
    source = Source(labels, "image")
    fractions = [cut_slices(source, 64, count=200, seed=seed).mean() for seed in range(5)]
    shares = fractions / labels.mean()
    assert (shares > least).all() and (shares < most).all()


@pytest.mark.parametrize("side, patch", [(96, 64), (128, 64), (256, 64), (24, 8)])
def test_crops_of_a_small_image_differ(side, patch):
    """No square is cut out again and again: a quarter of Ketton's were the four corners."""
    places = np.arange(side * side, dtype=np.int32).reshape(side, side)
    cut = cut_slices(Source(places, "image"), patch, count=300)
    _, copies = np.unique(cut[:, 0, 0], return_counts=True)
    assert len(copies) > 150 and copies.max() < 8


def test_each_plane_has_as_many_crops():
    """A volume's planes are cut evenly, in their order."""
    labels = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None], (30, 20, 20))
    cut = cut_slices(Source(labels, "volume"), 16, count=75)
    planes = cut[:, 0, 0].astype(int)
    assert (np.diff(planes) >= 0).all() and set(np.bincount(planes)) == {2, 3}


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


@pytest.fixture
def layered():
    """A volume that is another in each direction: the label is the sum of unequal steps."""
    z, y, x = np.indices((20, 24, 28))
    return Source((z // 2 % 2 + y // 3 % 2 + x // 5 % 2).astype(np.uint8) % 3, "volume", [])


def test_planes_are_cut_along_all_axes(layered):
    """Rows and columns in the order z, y, x."""
    cut = cut_planes(layered, 16, count=30)
    assert {plane: part.shape for plane, part in cut.items()} == dict.fromkeys(
        ("yz", "xz", "xy"), (10, 16, 16)
    )
    for plane, axis in PLANES.items():
        views = np.lib.stride_tricks.sliding_window_view(
            np.moveaxis(layered.labels, axis, 0), (16, 16), axis=(1, 2)
        ).reshape(-1, 16, 16)
        assert all((views == slice_).all((1, 2)).any() for slice_ in cut[plane])


@pytest.mark.parametrize(("flat", "turned"), [("xy", False), ("xz", True), ("yz", False)])
def test_planes_around_an_axis_share_their_slices(layered, flat, turned):
    """Both show the axis around which they are alike: y is the rows of xy, the columns of yz."""
    layered.isotropic = []
    own = cut_planes(layered, 16, count=30)
    layered.isotropic = [flat]
    cut = cut_planes(layered, 16, count=30)
    one, other = (plane for plane in PLANES if plane != flat)
    assert np.array_equal(cut[flat], own[flat])
    for plane, twin in ((one, other), (other, one)):
        expected = own[twin].swapaxes(1, 2) if turned else own[twin]
        assert np.array_equal(cut[plane], np.concatenate([own[plane], expected]))


def test_images_of_planes_may_differ_in_size():
    images = {"xy": np.eye(20), "xz": np.eye(30)[:18], "yz": np.eye(16)}
    source = Source({plane: a.astype(np.uint8) for plane, a in images.items()}, "planes", [])
    assert [len(part) for part in cut_planes(source, 16, count=9).values()] == [3, 3, 3]
    with pytest.raises(InputError, match="slices.patch: 17 is larger than the source, whose yz"):
        cut_planes(source, 17)


def test_only_isotropic_planes_are_turned():
    """Turns of the others would teach the network a material that there is not."""
    stripes = np.tile(np.arange(8) % 2, (8, 1)).astype(np.uint8)  # from column to column
    slices = dict.fromkeys(PLANES, stripes[None])
    images, planes = training_set(slices, "dihedral", ["xy"])
    assert len(images) == len(planes) == 4 + 4 + 8
    turned = [(image[:, 0] != image[0, 0]).any() for image in images]
    assert turned == [False] * 8 + [False] * 4 + [True] * 4
    assert planes.tolist() == [0] * 4 + [1] * 4 + [2] * 8
    same, none = training_set(stripes[None], "dihedral", True)
    assert len(same) == 8 and none is None


def test_slices_on_disk_keep_their_planes(tmp_path, layered):
    """And greys their values, which are labels for whoever does not ask for them."""
    cut = cut_planes(layered, 16, count=7)
    write_slices(tmp_path / "slices.tif", cut)
    found = read_slices(tmp_path / "slices.tif")
    assert list(found) == list(cut) and all(np.array_equal(found[k], cut[k]) for k in cut)
    greys = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)
    write_slices(tmp_path / "greys.tif", greys, threshold=50.5)
    assert np.array_equal(read_slices(tmp_path / "greys.tif", grey=True), greys)
    assert np.array_equal(read_slices(tmp_path / "greys.tif"), greys > 50)
