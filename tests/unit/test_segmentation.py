"""Labels stay labels, greys are split where asked, and doubtful input is refused."""

import logging

import numpy as np
import pytest

from micro3diff.errors import InputError
from micro3diff.sources.segmentation import to_labels

RNG = np.random.default_rng(0)
THREE = RNG.integers(0, 3, (20, 30))
PHASE = RNG.random((40, 40)) < 0.3
GREY = np.where(PHASE, 180, 60) + RNG.integers(-20, 21, (40, 40))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "f4"])
@pytest.mark.parametrize("values", [[0, 1, 2], [0, 127, 255], [1, 2, 7]])
def test_stored_labels_are_ranked(values, dtype, caplog):
    """Few different values are labels, whatever they are called; renaming is logged."""
    caplog.set_level(logging.INFO, logger="micro3diff")
    labels, record = to_labels(np.array(values, dtype)[THREE], {})
    assert labels.dtype == np.uint8 and np.array_equal(labels, THREE)
    assert record == {"segmentation": "none", "values": values}
    assert ("become [0, 1, 2]" in caplog.text) == (values != [0, 1, 2])


def test_negative_and_boolean_labels():
    """Signed and boolean arrays are labels too."""
    assert np.array_equal(to_labels(THREE - 1, {})[0], THREE)
    assert np.array_equal(to_labels(THREE > 0, {})[0], THREE > 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "f8"])
def test_grey_images_are_split_by_otsu(dtype):
    """Otsu's threshold finds two separated peaks; the record keeps it."""
    labels, record = to_labels(GREY.astype(dtype), {})
    assert np.array_equal(labels, PHASE)
    assert record["segmentation"] == "otsu" and 60 < record["threshold"] < 180


def test_wide_integers_are_split_as_floats_are():
    """Of 32 bits over their whole range a bin for each value would take 32 GiB."""
    greys = np.where(np.random.default_rng(0).random((20, 20)) < 0.4, 3e9, 1e9)
    greys += np.random.default_rng(1).normal(0, 1e8, greys.shape)
    greys[0, :2] = 0, 2**32 - 1
    labels, record = to_labels(greys.astype(np.uint32), {})
    assert np.array_equal(labels, greys > 2e9) and 1e9 < record["threshold"] < 3e9


def test_a_threshold_is_taken_as_it_is():
    """Greater values are phase 1, and a threshold alone is enough."""
    for settings in ({"threshold": 70}, {"threshold": 70, "segmentation": "threshold"}):
        assert np.array_equal(to_labels(GREY, settings)[0], GREY > 70)
    assert np.array_equal(to_labels(THREE, {"threshold": 1})[0], THREE > 1)


def test_greys_that_look_like_labels_warn(caplog):
    """A map of 60 grains is more than a few labels: split by Otsu, it is nonsense."""
    grains = np.repeat(np.repeat(RNG.permutation(60).reshape(6, 10), 9, 0), 9, 1)
    for settings, warns in [
        ({}, True),
        ({"select": 0}, True),
        ({"segmentation": "otsu"}, False),
        ({"select": 0, "segmentation": "none"}, False),
    ]:
        caplog.clear()
        to_labels(grains, settings, "grains.tif")
        found = "grains.tif: taken for greys" in caplog.text
        assert found == warns and ("source.segmentation: none" in caplog.text) == warns
    caplog.clear()
    to_labels(GREY, {"select": 0})
    assert not caplog.text


def test_labels_of_another_array_are_its_phases():
    """By their values; as many of other numbers by rank; more are refused, as one has no phase."""
    array = np.array([[1, 1, 2], [2, 1, 2]])
    known = {"segmentation": "none", "values": [0, 1, 2]}
    for phases in ({}, {"phases": 3}):  # phase 0 is there, but not in this array
        assert to_labels(array, known | phases)[0].tolist() == array.tolist()
    assert to_labels(array - 1, known | {"phases": 3})[0].max() == 1  # phase 2 is not
    known["values"] = [0, 255]
    assert to_labels(array, known)[0].tolist() == (array - 1).tolist()
    with pytest.raises(InputError, match=r"has the labels \[0\], expected those of the source"):
        to_labels(np.array([[0, 1, 2]]), known | {"values": [1, 2]})


def test_few_values_can_be_declared_grey():
    """Segmentation otsu overrules the guess that few values are labels."""
    assert to_labels(THREE * 10, {"segmentation": "otsu"})[0].max() == 1


@pytest.mark.parametrize(
    "select, phase", [(1, THREE == 1), ([0, 2], THREE != 1), ([2], THREE == 2), (0, THREE == 0)]
)
def test_select_makes_two_phases(select, phase):
    """The chosen labels, by their stored values, become phase 1."""
    labels, record = to_labels(THREE, {"select": select, "phases": 2})
    assert np.array_equal(labels, phase) and record["select"] == select
    stored = (np.atleast_1d(select) * 100).tolist()
    assert np.array_equal(to_labels(THREE * 100, {"select": stored})[0], phase)


def test_select_of_greys_and_of_many_labels():
    """Selecting 0 inverts a segmented image; one of many labels can be picked."""
    assert np.array_equal(to_labels(GREY, {"select": 0})[0], ~PHASE)
    ids = np.arange(400).reshape(20, 20) % 100
    assert np.array_equal(to_labels(ids, {"segmentation": "none", "select": 1})[0], ids == 1)
    assert np.array_equal(to_labels(ids, {"select": 37})[0], ids == 37)


def test_declared_phases_make_labels_of_many_values():
    """More than two phases are no grey image, however many there are."""
    ids = np.arange(400).reshape(20, 20) % 12
    assert np.array_equal(to_labels(ids, {"phases": 12})[0], ids)


@pytest.mark.parametrize(
    "array, settings, words",
    [
        (np.zeros((4, 4)), {}, "every pixel is 0.0"),
        (np.zeros((4, 4)), {"crop": [[0, 4]] * 2}, "source.crop"),
        (THREE, {"phases": 2}, r"found 3 phases \(values \[0, 1, 2\]\), but source.phases is 2"),
        (THREE, {"phases": 4}, "source.phases is 4"),
        (GREY, {"phases": 3}, "different values, expected at most 8 labels; correct source.phases"),
        (GREY, {"segmentation": "none"}, "source.segmentation: otsu"),
        (GREY, {"segmentation": "sauvola"}, "source.segmentation"),
        (GREY, {"segmentation": "threshold"}, "source.threshold: missing"),
        (GREY, {"threshold": 1000}, "source.threshold: 1000 leaves one phase"),
        (THREE, {"select": 3}, r"source.select: found \[3\].*\[0, 1, 2\]"),
        (THREE, {"select": [0, 1, 2]}, "all the labels"),
    ],
)
def test_doubtful_input_is_refused(array, settings, words):
    """One line names the file or key, what was found and how to mend it."""
    with pytest.raises(InputError, match=words) as caught:
        to_labels(array, settings, name="rock.tif")
    assert "\n" not in str(caught.value)


def test_one_of_very_many_labels(caplog):
    """Such as one grain of hundreds; said aloud, since a grey image would look the same."""
    grains = np.arange(400, dtype=np.uint16).reshape(20, 20)
    labels, record = to_labels(grains, {"select": 300})
    assert np.array_equal(labels, grains == 300) and record["select"] == 300
    assert "400 values are taken for labels" in caplog.text
