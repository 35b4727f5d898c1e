"""Images and volumes as they are on disk: TIFF, PNG, NPY, or a folder of equally sized images."""

import difflib
import logging
import re
from pathlib import Path

import numpy as np
import tifffile

from micro3diff.errors import InputError
from micro3diff.sources import SUFFIXES, is_image
from micro3diff.sources.segmentation import MAX_LABELS
from micro3diff.volumes import opened_tiff

logger = logging.getLogger("micro3diff")

REMEDY = "export it again as TIFF, PNG or NPY"
OTHER_IMAGES = (".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2")


def read_array(path: Path | str, key: str = "source.path") -> np.ndarray:
    """The numbers of an image (y, x), a volume (z, y, x) or a folder of images (image, y, x).

    key : the setting that names the file, for messages.

    - Any bit depth. Axes of length 1 are dropped. The files of a folder are taken in the natural
      order of their names (slice_2 before slice_10); files of other types are passed over, images
      with a warning.
    - A colour image whose channels are equal is read as grey; alpha is ignored where it is one
      value. A palette of greys gives the greys; in a coloured palette of few entries the entries'
      numbers are the labels.

    Raises InputError for a missing, corrupt or empty file, another type, a colour image, NaN or
    infinite pixels, and a folder that is empty or has images of several sizes.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{key}: {path} does not exist; {_nearest(path)}")
    return _read_folder(path, key) if path.is_dir() else _read_file(path, key)


def _read_file(path: Path, key: str) -> np.ndarray:
    readers = {".tif": _read_tiff, ".tiff": _read_tiff, ".png": _read_png, ".npy": _read_npy}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"{key}: {path} has the type {path.suffix or '(none)'}, "
            f"expected {', '.join(SUFFIXES)}; {REMEDY}"
        )
    array = np.squeeze(read(path))
    if array.dtype.kind not in "buif":
        raise InputError(f"{path}: found pixels of type {array.dtype}, expected real numbers")
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(
            f"{path}: found an array of shape {array.shape}, expected an image (y, x) or a volume "
            "(z, y, x); export one channel and one time step"
        )
    if array.dtype.kind == "f":
        _check_finite(path, array)
    return array


def _read_folder(folder: Path, key: str) -> np.ndarray:
    files = sorted(
        filter(is_image, folder.iterdir()),
        key=lambda file: [
            int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)
        ],
    )
    if not files:
        raise InputError(
            f"{key}: the folder {folder} holds no images, expected {', '.join(SUFFIXES)}"
        )
    others = [file.name for file in folder.iterdir() if file.suffix.lower() in OTHER_IMAGES]
    if others := sorted(name for name in others if not name.startswith(".")):
        logger.warning(
            "%s: %d files passed over, as %s; %s", folder, len(others), *others[:1], REMEDY
        )
    images = [_read_file(file, key) for file in files]
    first = images[0]
    for file, image in zip(files, images, strict=True):
        if image.ndim != 2:
            raise InputError(
                f"{file}: found an array of shape {image.shape}, expected a 2D image in a folder; "
                "give a volume by the path of its file"
            )
        if image.shape != first.shape or image.dtype != first.dtype:
            raise InputError(
                f"{file}: found {_size(image)}, but {files[0].name} has {_size(first)}; the images "
                "of a folder must be equal in size and bit depth, so crop or convert them"
            )
    return np.stack(images)


def _read_tiff(path: Path) -> np.ndarray:
    with opened_tiff(path, REMEDY) as tif:
        if len({(series.shape, series.dtype) for series in tif.series}) != 1:
            sizes = ", ".join(str(series.shape) for series in tif.series[:4])
            raise InputError(
                f"{path}: found {len(tif.series)} images of different sizes or types ({sizes}), "
                "expected pages alike; save the image or volume that you mean as a file of its own"
            )
        # a program that writes page by page leaves a volume as as many images
        images = [_from_series(path, series) for series in tif.series]
        _check_cubes(path, tif)
    return images[0] if len(images) == 1 else np.stack(images)


def _check_cubes(path: Path, tif: tifffile.TiffFile) -> None:
    """Warn of a file whose voxels, as ImageJ or OME tell of them, are longer along one axis."""
    sides: dict[str, float] = {}
    if tif.is_ome:
        sizes = dict(re.findall(r'PhysicalSize([XYZ])="([^"]+)"', tif.ome_metadata))
        units = dict(re.findall(r'PhysicalSize([XYZ])Unit="([^"]+)"', tif.ome_metadata))
        if len({units.get(axis, "µm") for axis in sizes}) == 1:
            sides = {axis.lower(): float(text) for axis, text in sizes.items()}
    elif tif.is_imagej:
        tags = tif.pages.first.tags
        resolutions = {"x": tags.get("XResolution"), "y": tags.get("YResolution")}
        pixels = {axis: tag.value for axis, tag in resolutions.items() if tag}
        sides = {axis: below / above for axis, (above, below) in pixels.items() if above}
        told = tif.imagej_metadata
        if told.get("slices", 1) > 1 and told.get("unit") and told.get("spacing"):
            sides["z"] = abs(told["spacing"])
    if sides and max(sides.values()) > 1.01 * min(sides.values()):
        lengths = " x ".join(f"{side:.4g}" for side in sides.values())
        logger.warning(
            "%s: its pixels or voxels are %s (%s), but here all sides are taken to be equal; "
            "resample it to such first, or lengths along one axis are wrong",
            path, lengths, ", ".join(sides),
        )  # fmt: skip


def _from_series(path: Path, series: tifffile.TiffPageSeries) -> np.ndarray:
    """The numbers of an image or a stack of pages of a TIFF."""
    # some programs save the slices of a volume as channels, but there are more of them
    channels = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    if 1 < channels <= 4:
        raise InputError(f"{path}: found {channels} channels, expected one; export it alone")
    array = series.asarray()
    page = series.keyframe
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        # entries of 16 bits, of which files and viewers show the upper 8
        return _from_palette(path, array, page.colormap.T >> 8)
    # tifffile writes masks so, and reads them as they were
    mask = array.dtype.kind == "b" and page.software.startswith("tifffile")
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and not mask:
        logger.info("%s: its values count from white (WhiteIsZero), so they are inverted", path)
        array = _inverted(path, array, page.bitspersample)
    if "S" in series.axes:
        return _from_channels(path, np.moveaxis(array, series.axes.index("S"), -1))
    return array


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            if "transparency" in image.info:  # a colour, or entries of a palette, in place of alpha
                _check_opaque(path, np.asarray(image.convert("RGBA"))[..., 3])
            if image.mode == "P":
                palette = np.array(image.getpalette()).reshape(-1, 3)
                return _from_palette(path, np.asarray(image), palette)
            array = np.asarray(image)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not a readable PNG ({_first_line(error)}); {REMEDY}") from error
    return _from_channels(path, array) if array.ndim == 3 else array


def _read_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path}: not a readable NPY ({_first_line(error)}); {REMEDY}") from error
    # A volume of three or four columns would be useless, an image with channels is common.
    if array.ndim == 3 and array.shape[-1] in (3, 4) and min(array.shape[:2]) > 4:
        return _from_channels(path, array)
    return array


def _inverted(path: Path, array: np.ndarray, bits: int) -> np.ndarray:
    """Values that count down from white, as they are shown."""
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind != "u":
        raise InputError(
            f"{path}: found {array.dtype} values that count from white (WhiteIsZero); {REMEDY}"
        )
    return 2**bits - 1 - array


def _from_channels(path: Path, array: np.ndarray) -> np.ndarray:
    """The grey values of an array (..., channel): equal channels, with or without alpha."""
    colours = array[..., : 1 if array.shape[-1] < 3 else 3]
    if (colours != colours[..., :1]).any():
        raise InputError(
            f"{path}: found a colour image (shape {array.shape}), expected grey values or labels; "
            "convert it first, for example in Fiji with Image > Type > 8-bit"
        )
    if array.shape[-1] in (2, 4):
        _check_opaque(path, array[..., -1])
    return colours[..., 0]


def _check_opaque(path: Path, alpha: np.ndarray) -> None:
    """InputError if some pixels are transparent and others are not: what is under them is none."""
    if (alpha != alpha.flat[0]).any():
        raise InputError(
            f"{path}: some pixels are transparent (its last channel varies), expected an image of "
            "the material everywhere; cut them off and save the file again without transparency"
        )


def _from_palette(path: Path, indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Greys of a grey palette; the indices themselves, as labels, of a few colours."""
    used = np.unique(indices)
    colours = palette[used]
    if len(used) <= MAX_LABELS and (colours != colours[:, :1]).any():
        return indices
    return _from_channels(path, palette[indices])


def _check_finite(path: Path, array: np.ndarray) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"{path}: found {int(bad.sum())} NaN or infinite pixels, the first at {where}, "
            "expected finite numbers; replace them, or cut them off and save the file again"
        )


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    if near:
        return f"did you mean {path.parent / near[0]}?"
    return "relative paths start at the folder in which snakemake is called"


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]} pixels of {image.dtype}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
