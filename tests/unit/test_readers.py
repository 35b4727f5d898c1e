"""Every accepted file gives the same numbers, and every bad one an error that says how to mend."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from micro3diff.errors import InputError
from micro3diff.sources import (
    coarsened,
    load_source,
    load_truth,
    read_source,
    save_source,
    settings_like,
)
from micro3diff.sources.readers import read_array

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MICRO3DIFF_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real images in {DATA}; set MICRO3DIFF_DATA to their folder"
)

IMAGE = np.random.default_rng(0).integers(0, 200, (20, 30))
VOLUME = np.random.default_rng(1).integers(0, 2, (10, 12, 14)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "f4", "f8"])
def test_tiff_of_any_depth(tmp_path, dtype):
    """Values and type are those of the file."""
    tifffile.imwrite(tmp_path / "image.TIF", IMAGE.astype(dtype))
    found = read_array(tmp_path / "image.TIF")
    assert np.array_equal(found, IMAGE) and found.dtype == dtype


def test_one_bit_tiff(tmp_path):
    """Bilevel scans are labels 0 and 1."""
    tifffile.imwrite(tmp_path / "image.tif", IMAGE > 100, photometric="minisblack")
    assert np.array_equal(read_array(tmp_path / "image.tif"), IMAGE > 100)


@pytest.mark.parametrize("settings", [{}, {"imagej": True}, {"compression": "zlib"}, {"ome": True}])
def test_volumes_of_every_flavour(tmp_path, settings):
    """Multi-page files of the usual programs are volumes (z, y, x)."""
    tifffile.imwrite(tmp_path / "volume.tif", VOLUME, photometric="minisblack", **settings)
    assert np.array_equal(read_array(tmp_path / "volume.tif"), VOLUME)


def test_separate_pages_are_a_volume_and_single_axes_are_dropped(tmp_path):
    """Pages without metadata are put together; (1, y, x) is an image."""
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        for page in VOLUME:
            tif.write(page, contiguous=False, metadata=None)
    assert np.array_equal(read_array(tmp_path / "pages.tif"), VOLUME)
    np.save(tmp_path / "one.npy", IMAGE[None])
    assert read_array(tmp_path / "one.npy").shape == IMAGE.shape


@pytest.mark.parametrize("mode, dtype", [("L", "u1"), ("I;16", "u2"), ("1", "bool")])
def test_grey_png(tmp_path, mode, dtype):
    """Grey PNG of 1, 8 and 16 bits."""
    values = IMAGE.astype(dtype) if dtype != "bool" else IMAGE > 100
    Image.fromarray(values).save(tmp_path / "image.png")
    assert np.array_equal(read_array(tmp_path / "image.png"), values)


def test_grey_palette_gives_greys(tmp_path):
    """A PNG with a palette of greys is read as those greys."""
    image = Image.fromarray((IMAGE % 20).astype(np.uint8), "P")
    image.putpalette([255 - k // 3 for k in range(768)])
    image.save(tmp_path / "image.png")
    assert np.array_equal(read_array(tmp_path / "image.png"), 255 - IMAGE % 20)


def test_grey_palette_of_a_tiff_gives_greys(tmp_path):
    """On the scale of 0 to 255 that a threshold is read off from, not on that of the palette."""
    colours = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, (IMAGE % 20).astype(np.uint8), photometric="palette", colormap=colours)
    assert np.array_equal(read_array(path), 255 - IMAGE % 20)


def test_a_mask_of_tifffile_keeps_its_phases(tmp_path):
    """It is written as a scan is, white being zero, but True is phase 1 to whoever wrote it."""
    tifffile.imwrite(tmp_path / "mask.tif", IMAGE > 150)
    with tifffile.TiffFile(tmp_path / "mask.tif") as tif:
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE
    assert np.array_equal(read_array(tmp_path / "mask.tif"), IMAGE > 150)


@pytest.mark.parametrize("image", [IMAGE.astype(np.uint8), IMAGE.astype(np.uint16), IMAGE > 100])
def test_white_is_zero(tmp_path, image):
    """As it is shown, or phases would change places."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image, photometric="miniswhite", software="scanner")
    expected = ~image if image.dtype == bool else np.iinfo(image.dtype).max - image
    assert np.array_equal(read_array(path), expected)


def test_channels_are_no_slices(tmp_path):
    """Of a composite of two detectors, say, which would pass for a volume of two slices."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.stack([IMAGE, IMAGE]).astype(np.uint8), imagej=True,
                     metadata={"axes": "CYX"})  # fmt: skip
    with pytest.raises(InputError, match="found 2 channels, expected one; export it alone"):
        read_array(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_coloured_palette_gives_labels(tmp_path, suffix):
    """The few entries of a coloured palette are labels; many entries are a colour image."""
    palette = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)

    def save(indices, path):
        if suffix == ".tif":
            colours = palette.T.astype(np.uint16) * 257
            tifffile.imwrite(path, indices, photometric="palette", colormap=colours)
        else:
            image = Image.fromarray(indices, "P")
            image.putpalette(palette.ravel().tolist())
            image.save(path)

    save((IMAGE % 3).astype(np.uint8), tmp_path / f"few{suffix}")
    assert np.array_equal(read_array(tmp_path / f"few{suffix}"), IMAGE % 3)
    save(IMAGE.astype(np.uint8), tmp_path / f"many{suffix}")
    with pytest.raises(InputError, match="colour image"):
        read_array(tmp_path / f"many{suffix}")


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_stored_as_colour(tmp_path, channels, suffix):
    """Equal channels are grey, and alpha is no colour."""
    image = np.repeat(IMAGE[..., None], channels, axis=2).astype(np.uint8)
    if channels in (2, 4):
        image[..., -1] = 255
    path = tmp_path / f"image{suffix}"
    if suffix == ".png":
        Image.fromarray(image).save(path)
    else:
        photometric = "minisblack" if channels == 2 else "rgb"
        tifffile.imwrite(path, image, photometric=photometric, planarconfig="contig")
    assert np.array_equal(read_array(path), IMAGE)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_pixels_are_no_material(tmp_path, channels):
    """What lies under them would shift Otsu's threshold, unseen."""
    image = np.repeat(IMAGE[..., None], channels, axis=2).astype(np.uint8)
    image[..., -1] = 255
    image[:, :5, -1] = 0
    Image.fromarray(image).save(tmp_path / "image.png")
    with pytest.raises(InputError, match="some pixels are transparent"):
        read_array(tmp_path / "image.png")
    Image.fromarray((IMAGE % 20).astype(np.uint8)).save(tmp_path / "key.png", transparency=3)
    with pytest.raises(InputError, match="some pixels are transparent"):
        read_array(tmp_path / "key.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_colour_is_refused(tmp_path, suffix):
    """A colour image gets advice on conversion, of every file type."""
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    path = tmp_path / f"image{suffix}"
    if suffix == ".png":
        Image.fromarray(image).save(path)
    elif suffix == ".tif":
        tifffile.imwrite(path, image, photometric="rgb")
    else:
        np.save(path, image)
    with pytest.raises(InputError, match=f"image{suffix}: found a colour image.*convert"):
        read_array(path)


def test_folder_in_natural_order(tmp_path):
    """Images of a folder are stacked by number, and other files are passed over."""
    for k in range(12):
        Image.fromarray(np.full((5, 6), k, np.uint8)).save(tmp_path / f"slice_{k}.png")
    (tmp_path / "notes.txt").write_text("about 0.4 um")
    (tmp_path / ".hidden.png").write_text("")
    assert read_array(tmp_path)[:, 0, 0].tolist() == list(range(12))


def test_bad_folders(tmp_path):
    """Empty folders, mixed sizes and volumes in a folder are refused by name."""
    with pytest.raises(InputError, match="holds no images"):
        read_array(tmp_path)
    np.save(tmp_path / "a.npy", IMAGE)
    np.save(tmp_path / "b.npy", IMAGE[1:])
    with pytest.raises(InputError, match="b.npy: found 19 x 30.*a.npy has 20 x 30"):
        read_array(tmp_path)
    np.save(tmp_path / "b.npy", VOLUME)
    with pytest.raises(InputError, match="b.npy.*expected a 2D image"):
        read_array(tmp_path)


def test_missing_file_names_the_nearest(tmp_path):
    """A slip of the pen is found."""
    np.save(tmp_path / "my_rock.npy", IMAGE)
    with pytest.raises(InputError, match="my_rok.npy does not exist; did you mean.*my_rock.npy"):
        read_array(tmp_path / "my_rok.npy")
    with pytest.raises(InputError, match="there is no folder"):
        read_array(tmp_path / "none" / "my_rock.npy")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_pixels(tmp_path, bad):
    """NaN and infinite pixels are counted and located."""
    image = IMAGE.astype(float)
    image[3, 4] = bad
    np.save(tmp_path / "image.npy", image)
    with pytest.raises(InputError, match=r"found 1 NaN or infinite pixels, the first at \(3, 4\)"):
        read_array(tmp_path / "image.npy")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
@pytest.mark.parametrize("part", [0, 0.4])
def test_corrupt_files(tmp_path, suffix, part):
    """Truncated files of every type give one line with the name."""
    path = tmp_path / f"image{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, VOLUME, compression="zlib")
    elif suffix == ".png":
        Image.fromarray(IMAGE.astype(np.uint8)).save(path)
    else:
        np.save(path, IMAGE)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(InputError, match=f"image{suffix}: not a readable") as caught:
        read_array(path)
    assert "\n" not in str(caught.value)


def test_pages_cut_off_are_noticed(tmp_path):
    """A file that lost its last pages is not a shorter volume."""
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        for page in VOLUME:
            tif.write(page, contiguous=False, metadata=None, compression="zlib")
    whole = (tmp_path / "pages.tif").read_bytes()
    for size in range(300, len(whole) - 50, 97):
        (tmp_path / "pages.tif").write_bytes(whole[:size])
        with pytest.raises(InputError, match="not a readable TIFF"):
            read_array(tmp_path / "pages.tif")


@pytest.mark.parametrize(
    "settings, sides",
    [
        ({"imagej": True, "metadata": {"spacing": 20, "unit": "nm"}}, "5 x 5 x 20 .x, y, z."),
        ({"imagej": True, "metadata": {"spacing": 5, "unit": "nm"}}, None),
        ({"imagej": True, "metadata": {"spacing": 1}}, None),  # of z in no unit, as by default
        ({"imagej": True, "metadata": {"unit": "nm"}}, None),
        ({"imagej": True, "resolution": (1 / 5, 1 / 4), "metadata": {"axes": "ZYX"}}, "5 x 4"),
        (
            {
                "ome": True,
                "metadata": {
                    "axes": "ZYX",
                    **{"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.4},
                },
            },
            "0.1 x 0.1 x 0.4",
        ),
        ({"ome": True, "metadata": {"axes": "ZYX"}}, None),
        ({}, None),
    ],
)
def test_voxels_that_are_no_cubes(tmp_path, caplog, settings, sides):
    """A stack with a larger step between its slices looks squeezed, and no curve would tell."""
    how = {"resolution": (1 / 5, 1 / 5)} | settings
    if "imagej" in settings:
        how["metadata"] = {"axes": "ZYX"} | settings["metadata"]
    tifffile.imwrite(tmp_path / "volume.tif", VOLUME, **how)
    assert np.array_equal(read_array(tmp_path / "volume.tif"), VOLUME)
    if sides:
        assert re.search(f"are {sides}.*; resample", caplog.text)
    else:
        assert not caplog.text


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_a_volume_written_page_by_page(tmp_path, dtype):
    """As a loop over tifffile's `write` leaves it: every page an image of its own."""
    volume = (VOLUME > 0).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        for page in volume:
            tif.write(page)
    with tifffile.TiffFile(tmp_path / "pages.tif") as tif:
        assert len(tif.series) == len(volume)
    assert np.array_equal(read_array(tmp_path / "pages.tif"), volume)
    with tifffile.TiffWriter(tmp_path / "types.tif") as tif:
        tif.write(volume[0])
        tif.write(volume[1].astype(np.uint16))
    with pytest.raises(InputError, match="2 images of different sizes or types"):
        read_array(tmp_path / "types.tif")


def test_other_types_are_refused(tmp_path):
    """Unknown endings, pages of several sizes, channels, complex numbers."""
    (tmp_path / "image.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="type .jpg, expected .tif"):
        read_array(tmp_path / "image.jpg")
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as tif:
        tif.write(IMAGE)
        tif.write(IMAGE[1:])
    with pytest.raises(InputError, match="2 images of different sizes or types"):
        read_array(tmp_path / "sizes.tif")
    np.save(tmp_path / "channels.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(InputError, match="shape"):
        read_array(tmp_path / "channels.npy")
    np.save(tmp_path / "complex.npy", IMAGE + 1j)
    with pytest.raises(InputError, match="complex"):
        read_array(tmp_path / "complex.npy")


def test_load_source_of_a_file(tmp_path):
    """A path alone is enough; provenance is ready for JSON."""
    np.save(tmp_path / "rock.npy", VOLUME * 255)
    source = load_source({"path": str(tmp_path / "rock.npy")})
    assert source.kind == "volume" and source.labels.dtype == np.uint8
    assert np.array_equal(source.labels, VOLUME)
    assert (source.voxel_size, source.unit) == (None, "voxel")
    assert source.origin["file"] == "rock.npy" and len(source.origin["sha256"]) == 64
    assert source.origin["fractions"] == pytest.approx([1 - VOLUME.mean(), VOLUME.mean()])


def test_a_crop_of_all_images_of_a_folder(tmp_path):
    """As of one image, without their number: an information bar, say."""
    images = np.random.default_rng(0).integers(0, 2, (3, 20, 16)).astype(np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(255 * image).save(tmp_path / f"{number}.png")
    source = load_source({"path": tmp_path, "crop": [[0, 15], [2, 16]]})
    assert np.array_equal(source.labels, images[:, :15, 2:])


def test_a_volume_that_coarsening_makes_a_slice_of(tmp_path):
    """The error names what made it one."""
    np.save(tmp_path / "rock.npy", np.random.default_rng(0).integers(0, 2, (9, 80, 90)))
    with pytest.raises(InputError, match="source.coarsen: leaves a single slice, of shape"):
        load_source({"path": tmp_path / "rock.npy", "coarsen": 9})


def test_a_crop_that_leaves_a_slice_is_no_volume(tmp_path):
    """It has no lags along its thin side: better said before the training than after it."""
    np.save(tmp_path / "rock.npy", VOLUME)
    settings = {"path": tmp_path / "rock.npy", "crop": [[0, 8], [5, 6], [0, 14]]}
    with pytest.raises(InputError, match="source.crop: leaves a single slice, of shape"):
        load_source(settings)
    spheres = {"shape": [24, 16, 16], "diameter_mean": 7, "diameter_std": 1}
    crop = [[5, 6], [0, 16], [0, 16]]
    with pytest.raises(InputError, match="source.crop: leaves a single slice, of shape"):
        load_source({"generator": "spheres", "spheres": spheres, "crop": crop})
    settings["crop"] = [[5, 6], [0, 12], [0, 14]]
    assert load_source(settings | {"array": "stack"}).labels.shape == (1, 12, 14)


def test_an_image_is_no_truth(tmp_path):
    """Volumes are measured by it in 3D."""
    np.save(tmp_path / "image.npy", VOLUME[0])
    with pytest.raises(InputError, match="evaluate.truth: .*image.npy is one 2D image"):
        load_truth({}, {}, tmp_path / "image.npy")


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (3.0, 700.0)])
def test_a_segmented_truth_of_a_grey_source(tmp_path, values):
    """The volume was segmented by others. Its greater value is the brighter phase."""
    grey = np.where(VOLUME[0], 180, 60) + np.arange(14)
    tifffile.imwrite(tmp_path / "grey.tif", grey.astype(np.uint8))
    np.save(tmp_path / "truth.npy", np.array(values)[VOLUME])
    for select, expected in ((None, VOLUME), (0, 1 - VOLUME)):
        settings = {"path": tmp_path / "grey.tif", "select": select}
        origin = load_source(settings).origin
        truth = load_truth(settings, origin, tmp_path / "truth.npy")
        np.testing.assert_array_equal(truth.labels, expected)
    np.save(tmp_path / "truth.npy", VOLUME + np.arange(14))
    with pytest.raises(InputError, match="truth.npy: its values run from 0 to 14, all on one side"):
        load_truth(settings, origin, tmp_path / "truth.npy")


def test_a_truth_of_other_fractions_warns(tmp_path, caplog):
    """As where greys of another scale are split by the threshold of the source."""
    rng = np.random.default_rng(0)
    image, volume = (rng.random(shape) < 0.3 for shape in ((40, 40), (12, 12, 12)))
    np.save(tmp_path / "image.npy", image)
    origin = load_source({"path": tmp_path / "image.npy"}).origin
    np.save(tmp_path / "truth.npy", volume)
    load_truth({}, origin, tmp_path / "truth.npy")
    assert not caplog.text
    np.save(tmp_path / "truth.npy", ~volume)
    load_truth({}, origin, tmp_path / "truth.npy")
    assert "evaluate.truth: phase 0 has a fraction of 0.3" in caplog.text


def test_load_source_settings(tmp_path):
    """Crop, voxel size, and whether an array is a stack."""
    np.save(tmp_path / "rock.npy", VOLUME)
    settings = {"path": tmp_path / "rock.npy", "crop": [[0, 8], [2, 12], [0, 14]]}
    source = load_source(settings | {"array": "stack", "voxel_size": 0.4, "unit": "um"})
    assert source.kind == "stack" and source.labels.shape == (8, 10, 14)
    assert (source.voxel_size, source.unit) == (0.4, "um")
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 2, (8, 12, 14)))
    coarse = load_source({"path": tmp_path / "noise.npy", "coarsen": 2, "voxel_size": 0.4})
    assert coarse.voxel_size == 0.8
    for crop in ([[0, 8]], [[0, 8], [5, 5], [0, 14]], [[0, 8], [0, 12], [0, 15]]):
        with pytest.raises(InputError, match="source.crop"):
            load_source(settings | {"crop": crop})
    np.save(tmp_path / "image.npy", VOLUME[0])
    assert load_source({"path": tmp_path / "image.npy"}).kind == "image"
    with pytest.raises(InputError, match="source.array: volume"):
        load_source({"path": tmp_path / "image.npy", "array": "volume"})


def test_load_source_of_a_folder_is_a_stack(tmp_path):
    """Images of a folder have nothing to do with each other, unless said to be a volume."""
    for k, image in enumerate(VOLUME):
        np.save(tmp_path / f"{k}.npy", image)
    assert load_source({"path": tmp_path}).kind == "stack"
    assert load_source({"path": tmp_path, "array": "volume"}).kind == "volume"


def test_load_source_of_a_generator():
    """Generators need no file, and their settings are kept."""
    settings = {"generator": "spheres", "spheres": {"shape": [48, 40, 40], "seed": 2}}
    source = load_source(settings)
    assert source.kind == "volume" and source.labels.shape == (48, 40, 40)
    assert source.origin["settings"] == {"shape": [48, 40, 40], "seed": 2}
    source = load_source({"generator": "grains", "grains": {"images": 2, "size": 40}})
    assert source.kind == "stack" and source.labels.shape == (2, 40, 40)
    with pytest.raises(InputError, match="source.generator"):
        load_source({"generator": "cubes"})
    with pytest.raises(InputError, match="source: found neither"):
        load_source({})


@needs_data
@pytest.mark.parametrize(
    "name, settings, shape, fraction",
    [
        ("nmc_cathode/nmc1cal_public.tif", {"select": 1}, (251, 180, 301), 0.502),
        ("li2018_micrographs/carbonate.tif", {}, (256, 256), 0.139),
        ("li2018_micrographs/composite.tif", {"phases": 3}, (256, 256), 0.269),
        ("berea_sandstone/berea_public.tif", {"crop": [[0, 64]] * 3}, (64, 64, 64), None),
    ],
)
def test_real_images(name, settings, shape, fraction):
    """Real files are read as their descriptions say."""
    source = load_source({"path": DATA / name, **settings})
    assert source.labels.shape == shape
    if fraction is not None:
        assert source.origin["fractions"][1] == pytest.approx(fraction, abs=0.001)


@pytest.fixture
def images(tmp_path):
    """An image of each plane, of unlike sizes."""
    rng = np.random.default_rng(0)
    paths = {}
    for plane, shape in (("xy", (20, 30)), ("xz", (25, 30)), ("yz", (22, 21))):
        paths[plane] = str(tmp_path / f"{plane}.tif")
        tifffile.imwrite(paths[plane], rng.integers(0, 3, shape).astype(np.uint8) * 10)
    return paths


def test_an_image_of_each_plane(images, tmp_path):
    """Labels by plane, through the disk and back; fractions are the mean of the three."""
    source = load_source({"planes": images, "isotropic": ["xy"]})
    save_source(source, tmp_path / "source.tif", tmp_path / "source.json")
    again = read_source(tmp_path / "source.tif", tmp_path / "source.json")
    assert (again.kind, again.isotropic) == ("planes", ["xy"])
    for plane, path in images.items():
        assert np.array_equal(again.labels[plane], tifffile.imread(path) // 10)
    means = [np.bincount(a.ravel()) / a.size for a in again.labels.values()]
    np.testing.assert_allclose(again.origin["fractions"], np.mean(means, axis=0))


def test_planes_that_look_like_two_materials(images, caplog):
    """Their volume would be neither; images that scatter a little are no reason to warn."""
    load_source({"planes": images})
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    rare = np.random.default_rng(1).choice([0, 10, 20], (25, 30), p=[0.8, 0.1, 0.1])
    tifffile.imwrite(images["xz"], rare.astype(np.uint8))
    load_source({"planes": images})
    assert "source.planes: phase 0 has a fraction of 0.3" in caplog.text
    assert "in xz; are these images of one material" in caplog.text


def test_planes_of_different_phases(images):
    """A third phase in one image alone is a mistake, told before any work."""
    tifffile.imwrite(images["xz"], np.eye(20, dtype=np.uint8) * 10)
    with pytest.raises(InputError, match=r"different labels \(.*\[0, 10\] in xz"):
        load_source({"planes": images, "isotropic": []})


def test_one_image_shows_one_plane(images):
    with pytest.raises(InputError, match="source.isotropic: found .* of kind image, which shows"):
        load_source({"path": images["xy"], "isotropic": []})


@pytest.mark.parametrize("factor", [2, 4])
def test_coarsening_favours_no_phase(factor):
    """Half of a blurred noise is of either phase before and after; ties are common."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((512, 512)), 1, mode="wrap")
    labels = (noise > np.median(noise)).astype(np.uint8)
    assert coarsened(labels, factor).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("factor", [2, 3])
def test_coarsened_is_the_majority(factor):
    """Block by block, against brute force; a tie is settled by the first voxel, if it is one of it.

    What is left over is cut off.
    """
    labels = np.random.default_rng(0).integers(0, 3, (7, 8, 9)).astype(np.uint8)
    found = coarsened(labels, factor)
    assert found.shape == tuple(side // factor for side in labels.shape)
    for place in np.ndindex(found.shape):
        block = labels[tuple(slice(k * factor, (k + 1) * factor) for k in place)]
        most = np.flatnonzero((count := np.bincount(block.ravel())) == count.max())
        assert found[place] == (block.flat[0] if block.flat[0] in most else most[0])
    images = coarsened(labels, factor, single=False)
    assert np.array_equal(images[3], coarsened(labels[3], factor))


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (4, "source.coarsen: 4 leaves nothing of phase 1 of .*lines.tif, which is thinner than"),
        (
            50,
            r"source.coarsen: found 50 for .*lines.tif, whose shape is \(40, 48\); expected at mo",
        ),
    ],
)
def test_coarsening_keeps_every_phase(tmp_path, factor, message):
    """A phase that is gone could be found neither by training nor by a volume fraction."""
    lines = np.zeros((40, 48), np.uint8)
    lines[::8] = 1
    tifffile.imwrite(tmp_path / "lines.tif", lines)
    with pytest.raises(InputError, match=message):
        load_source({"path": tmp_path / "lines.tif", "coarsen": factor})


def test_other_images_are_split_by_the_threshold_of_the_source(tmp_path):
    """A known volume, and the file that a source was cropped from, are of the same phases."""
    image = np.random.default_rng(0).integers(0, 200, (20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "dark.tif", image)
    tifffile.imwrite(tmp_path / "bright.tif", image + 50)
    origin = load_source({"path": tmp_path / "dark.tif"}).origin
    like = settings_like({"path": tmp_path / "bright.tif"}, origin)
    assert np.array_equal(load_source(like).labels, image + 50 > origin["threshold"])
    assert settings_like({"path": "a"}, {"generator": "spheres"}) == {"path": "a"}


def test_other_images_have_the_phases_of_the_source(tmp_path):
    """By the labels of the source, though theirs would be ranked otherwise, or taken for greys."""
    volume = np.arange(12**3).reshape(12, 12, 12) % 3
    np.save(tmp_path / "crop.npy", np.where(volume == 0, 2, volume))
    np.save(tmp_path / "known.npy", volume)
    origin = load_source({"path": tmp_path / "crop.npy", "phases": 2}).origin
    like = settings_like({"path": tmp_path / "crop.npy", "phases": 2}, origin)
    assert np.array_equal(load_source(like).labels, volume != 1)
    with pytest.raises(
        InputError,
        match=r"known.npy: has the labels \[0\], expected those of the source, \[1, 2\]; correct",
    ):
        load_source(like | {"path": tmp_path / "known.npy"})
    np.save(tmp_path / "many.npy", np.where(volume == 0, np.arange(12)[:, None] + 3, volume))
    selected = {"path": tmp_path / "crop.npy", "select": 1}
    like = settings_like(selected, load_source(selected).origin)
    assert np.array_equal(load_source(like | {"path": tmp_path / "many.npy"}).labels, volume == 1)


@pytest.mark.parametrize("span", [(30, 130), (20, 235), (60, 200)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_greys_at_the_threshold_keep_their_phase(tmp_path, span, dtype):
    """Greys are rounded on the scale of 0 to 255; at Otsu's threshold lie percents of an image."""
    image = np.random.default_rng(0).integers(*span, (40, 50), endpoint=True).astype(dtype)
    tifffile.imwrite(tmp_path / "grey.tif", image)
    for threshold in range(sum(span) // 2 - 3, sum(span) // 2 + 3):
        settings = {"path": tmp_path / "grey.tif", "threshold": threshold}
        grey = load_source(settings | {"grey": True})
        assert np.array_equal(grey.labels > grey.threshold, image > threshold)
        assert grey.origin["fractions"] == load_source(settings).origin["fractions"]


@pytest.mark.parametrize("sign, threshold", [(1, 1.5), (-1, -1.5)])
def test_outliers_leave_no_greys(tmp_path, sign, threshold):
    """One hot or dead pixel, beside which all others are one grey, and one phase."""
    image = sign * (1.0 + (IMAGE > 100) + 0.1 * np.random.default_rng(0).random(IMAGE.shape))
    image[3, 3] = sign * 1000
    np.save(tmp_path / "hot.npy", image)
    settings = {"path": tmp_path / "hot.npy", "threshold": threshold, "grey": True}
    with pytest.raises(InputError, match="leave the phases too few greys .*; cut off outliers"):
        load_source(settings)


def test_greys_are_kept(tmp_path):
    """On a scale of 0 to 255, with the threshold that metrics use; labels have none to keep."""
    image = np.random.default_rng(0).integers(1000, 3000, (40, 50)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "grey.tif", image)
    source = load_source({"path": tmp_path / "grey.tif", "threshold": 2000, "grey": True})
    expected = (image - image.min()) * (255 / (image.max() - image.min()))
    assert np.array_equal(source.labels, expected.round())
    save_source(source, tmp_path / "source.tif", tmp_path / "source.json")
    labels = read_source(tmp_path / "source.tif", tmp_path / "source.json").labels
    assert np.mean(labels != (image > 2000)) < 0.003, "rounding at the threshold alone"
    again = read_source(tmp_path / "source.tif", tmp_path / "source.json", grey=True)
    assert np.array_equal(again.labels, source.labels) and again.threshold == source.threshold
    tifffile.imwrite(tmp_path / "labels.tif", np.eye(20, dtype=np.uint8))
    with pytest.raises(InputError, match="is an image of labels, of which reconstruct.output: gr"):
        load_source({"path": tmp_path / "labels.tif", "grey": True})
