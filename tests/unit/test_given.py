"""What is asked of volumes is checked first, in one line that says how to mend it."""

import numpy as np
import pytest
import tifffile

from micro3diff.errors import InputError
from micro3diff.given import check_fraction, check_room, read_anchors, read_given, write_given

SHAPE = (8, 10, 12)
ORIGIN = {"values": [0, 255], "segmentation": "none"}


@pytest.fixture
def volume():
    """A volume whose slices agree where they cross."""
    return (np.random.default_rng(0).random(SHAPE) < 0.4).astype(np.uint8) * 255


@pytest.fixture
def anchor(tmp_path, volume):
    def write(axis, index, image=None):
        path = tmp_path / f"{axis}{index}.tif"
        tifffile.imwrite(path, volume.take(index, "zyx".index(axis)) if image is None else image)
        return {"axis": axis, "index": index, "image": str(path)}

    return write


def test_anchors_are_read_as_the_labels_of_the_source(anchor, volume, tmp_path):
    """On every axis, in the order of rows and columns that a volume has; kept as they are."""
    anchors = [anchor("z", 0), anchor("y", 9), anchor("x", 3)]
    found = read_anchors(anchors, SHAPE, ORIGIN)
    write_given(tmp_path / "given.npz", found)
    again = read_given(tmp_path / "given.npz")
    for axis, index in ((0, 0), (1, 9), (2, 3)):
        assert np.array_equal(again[axis, index], volume.take(index, axis) // 255)


def test_anchors_that_disagree_are_refused(anchor):
    """They could not both be kept to the voxel."""
    other = np.zeros((8, 12), np.uint8)
    with pytest.raises(InputError, match=r"cross in a line of 12 voxels and disagree in \d+ of"):
        read_anchors([anchor("z", 0), anchor("y", 9, other)], SHAPE, ORIGIN)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((10, 8), np.uint8), r"is of shape \(10, 8\), expected \(10, 12\)"),
        (np.full((10, 12), 7, np.uint8), r"anchors\[0\].image: .* has the labels \[7\], expected"),
        (np.eye(10, dtype=np.uint8)[:, :, None].repeat(12, 2), r"10, 12\), expected one 2D image"),
    ],
)
def test_anchors_that_do_not_fit(anchor, image, message):
    with pytest.raises(InputError, match=message):
        read_anchors([anchor("z", 0, image)], SHAPE, ORIGIN)


def test_greys_are_segmented_as_the_source_was(anchor):
    """By its threshold, not by one of their own; and kept as greys where those are wanted."""
    image = np.tile(np.arange(12, dtype=np.uint8) * 10, (10, 1))
    origin = {"segmentation": "otsu", "threshold": 75.0, "values": [0, 1]}
    (labels,) = read_anchors([anchor("z", 0, image)], SHAPE, origin).values()
    assert np.array_equal(labels, image > 75)
    (greys,) = read_anchors([anchor("z", 0, image)], SHAPE, origin | {"grey": [0, 110]}).values()
    assert np.array_equal(greys, (image * (255 / 110)).round())


@pytest.mark.parametrize("grey", [{}, {"grey": [0, 250]}])
@pytest.mark.parametrize("values", [(0, 1), (300, 40_000)])
def test_greys_of_another_scale_are_refused(anchor, values, grey):
    """A mask, or greys of more bits, would become a slice of one phase in every volume."""
    image = np.random.default_rng(0).choice(np.array(values, np.uint16), (10, 12))
    origin = {"segmentation": "otsu", "threshold": 75.0, "values": [0, 1]} | grey
    with pytest.raises(InputError, match=rf"has values from {values[0]} to {values[1]}, which the"):
        read_anchors([anchor("z", 0, image)], SHAPE, origin)


@pytest.mark.parametrize("grey", [{}, {"grey": [0, 250]}])
def test_greys_of_one_phase_are_told(anchor, caplog, grey):
    """A slice may hold one phase alone, with its noise."""
    image = np.random.default_rng(0).integers(90, 180, (10, 12)).astype(np.uint8)
    origin = {"segmentation": "otsu", "threshold": 75.0, "values": [0, 1]} | grey
    (found,) = read_anchors([anchor("z", 0, image)], SHAPE, origin).values()
    assert len(np.unique(found)) == 1 or grey
    assert "makes one phase" in caplog.text


def test_one_of_many_labels_is_selected(anchor):
    """Labels of a source, such as grains, may be more than the 256 numbers of a phase."""
    image = np.arange(120, dtype=np.uint16).reshape(10, 12) * 3
    origin = {"segmentation": "none", "values": list(range(400)), "select": 300}
    (labels,) = read_anchors([anchor("z", 0, image)], SHAPE, origin).values()
    assert labels.dtype == np.uint8 and np.array_equal(labels, image == 300)


def test_each_plane_has_its_threshold(anchor):
    """Where each plane of the source is an image of its own."""
    image = np.tile(np.arange(12, dtype=np.uint8) * 10, (10, 1))
    planes = {"xy": 75.0, "xz": 15.0, "yz": 85.0}
    origin = {"planes": {plane: {"threshold": value} for plane, value in planes.items()}}
    anchors = [anchor("z", 0, image), anchor("y", 0, image[:8])]
    found = read_anchors(anchors[:1], SHAPE, origin) | read_anchors(anchors[1:], SHAPE, origin)
    assert np.array_equal(found[0, 0], image > 75)
    assert np.array_equal(found[1, 0], image[:8] > 15)


def test_anchors_are_coarsened_as_the_source_was(anchor, volume):
    """Since they are given at its resolution."""
    fine = np.kron(volume[0], np.ones((2, 2), np.uint8))
    found = read_anchors([anchor("z", 0, fine)], SHAPE, ORIGIN | {"coarsen": 2})
    assert np.array_equal(found[0, 0], volume[0] // 255)
    with pytest.raises(InputError, match=r"shape \(5, 6\), coarsened as the source is, expected"):
        read_anchors([anchor("z", 0)], SHAPE, ORIGIN | {"coarsen": 2})


@pytest.mark.parametrize(
    ("wanted", "fractions", "message"),
    [
        (
            0.9,
            [0.775, 0.225],
            "found 0.9 of phase 1, of which the material has 0.225; expected",
        ),
        ([0.1, 0.9], [0.775, 0.225], "found 0.1 of phase 0, of which the material has 0.775"),
        (0.3, [0.5, 0.3, 0.2], "found one number, 0.3, but the material has 3 phases"),
        ([0.5, 0.5], [0.5, 0.3, 0.2], "found 2 fractions, expected 3, one for each phase"),
    ],
)
def test_a_fraction_out_of_reach(wanted, fractions, message):
    with pytest.raises(InputError, match=message):
        check_fraction(wanted, fractions)


def test_given_slices_leave_room_for_the_fraction():
    """What they hold of a phase alone may not be more; voxels where they cross count once."""
    full = {(0, 3): np.ones((8, 8), np.uint8), (2, 5): np.ones((8, 8), np.uint8)}
    held = (64 + 64 - 8) / 512
    check_room(held - 0.009, full, (8, 8, 8))
    check_room([1 - held, held], full, (8, 8, 8))
    check_room(None, full, (8, 8, 8))
    check_room(0.1, {}, (8, 8, 8))
    with pytest.raises(InputError, match="found 0.2 of phase 1, but the given slices alone"):
        check_room(0.2, full, (8, 8, 8))
    with pytest.raises(InputError, match="found 0.1 of phase 0, but the given slices alone"):
        check_room(0.9, {(1, i): np.zeros((8, 8), np.uint8) for i in range(2)}, (8, 8, 8))


def test_a_fraction_within_reach():
    for wanted in (None, 0.1, 0.35, 0.5, [0.8, 0.2]):
        check_fraction(wanted, [0.775, 0.225])
