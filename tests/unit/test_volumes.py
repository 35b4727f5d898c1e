"""Label files keep their labels, axes and voxel size, and broken ones are noticed."""

import numpy as np
import pytest
import tifffile

from micro3diff.errors import InputError
from micro3diff.files import write_json
from micro3diff.volumes import (
    periodic_axes,
    phase_count,
    read_description,
    read_labels,
    read_voxel_size,
    write_labels,
)


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 3, (12, 20, 30)).astype(np.uint8)


@pytest.mark.parametrize("size, unit", [(0.398, "µm"), (1 / 3, "nm"), (250, "nm"), (None, "voxel")])
def test_labels_and_voxel_size_round_trip(tmp_path, labels, size, unit):
    """What is written is read back exactly."""
    path = tmp_path / "new" / "volume.tif"
    write_labels(path, labels, size, unit, description={"seed": 3, "unit": "µm"})
    assert np.array_equal(read_labels(path), labels)
    assert read_voxel_size(path) == (size, unit)
    assert read_description(path) == {"seed": 3, "unit": "µm"}


def test_other_programs_find_axes_and_size(tmp_path, labels):
    """The metadata is ImageJ's: slices along z, spacing, unit, resolution; data is compressed."""
    path = tmp_path / "volume.tif"
    write_labels(path, np.zeros_like(labels), 0.5, "um")
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "ZYX"
        assert tif.imagej_metadata["slices"] == 12
        assert tif.imagej_metadata["spacing"] == 0.5
        assert tif.pages[0].tags["XResolution"].value == (2, 1)
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert path.suffix == ".tif"


@pytest.mark.parametrize("shape, axes", [((7, 9), "YX"), ((5, 7, 9), "TYX"), ((1, 7, 9), "ZYX")])
def test_images_and_stacks(tmp_path, shape, axes):
    """Images and stacks keep their axes, and a file without a size says so."""
    path = tmp_path / "images.tif"
    write_labels(path, np.ones(shape, np.uint8), axes=axes)
    assert read_labels(path).shape == shape
    assert read_voxel_size(path) == (None, "voxel")
    assert read_description(path) == {}


@pytest.mark.parametrize(
    "bad, words",
    [
        (np.full((4, 4), 300), "0 to 255"),
        (np.full((4, 4), -1), "0 to 255"),
        (np.zeros((4, 4)), "integers"),
        (np.zeros((0, 4), int), "integers"),
        (np.zeros((2, 2, 2, 2), int), "axes"),
    ],
)
def test_what_is_no_label_array_is_not_written(tmp_path, bad, words):
    """A refused array leaves no file behind."""
    with pytest.raises(InputError, match=words):
        write_labels(tmp_path / "bad.tif", bad)
    assert not list(tmp_path.iterdir())


def test_missing_and_foreign_files(tmp_path):
    """A missing file and one that holds no labels give one line with the name."""
    with pytest.raises(InputError, match="none.tif: no such file"):
        read_labels(tmp_path / "none.tif")
    tifffile.imwrite(tmp_path / "grey.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(InputError, match="grey.tif: found float32"):
        read_labels(tmp_path / "grey.tif")


@pytest.mark.parametrize("part", [0, 0.05, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_noticed(tmp_path, labels, part):
    """A file cut anywhere is an error, never a shorter or emptier volume."""
    path = tmp_path / "cut.tif"
    write_labels(path, labels)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError, match="cut.tif: not a readable TIFF") as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)


def test_the_provenance_tells_of_wrapping_and_phases(tmp_path):
    """A volume that lost a phase is still one of three; one of an older run wraps nowhere."""
    about = {
        "settings": {"periodic": [True, False, True]},
        "source": {"fractions": [0.5, 0.3, 0.2]},
    }
    write_json(tmp_path / "volume_000.json", about)
    assert periodic_axes(tmp_path / "volume_000.tif") == [True, False, True]
    assert phase_count(tmp_path / "volume_000.tif") == 3
    write_json(tmp_path / "volume_001.json", {"settings": {}})
    assert periodic_axes(tmp_path / "volume_001.tif") == [False] * 3
