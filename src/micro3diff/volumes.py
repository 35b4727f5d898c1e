"""Label arrays on disk: TIFF that Fiji and tifffile read, with axes and voxel size."""

import csv
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from micro3diff.errors import InputError
from micro3diff.files import atomic_path, read_json

REMEDY = "delete it and let the workflow make it again"


def volume_path(table: str | os.PathLike, sample: int) -> Path:
    """The volume of a row of the ``table`` of a job's volumes, beside which it lies."""
    return Path(table).parent / f"volume_{sample:03d}.tif"


def volumes_of(table: str | os.PathLike) -> list[Path]:
    """The volumes of all rows of such a table; InputError if one is not there any more."""
    with open(table, encoding="utf-8", newline="") as file:
        paths = [volume_path(table, int(row["sample"])) for row in csv.DictReader(file)]
    for path in paths:
        if not path.exists():
            raise InputError(
                f"{path}: is missing, although {table} tells of it; delete that table and run again"
            )
    return paths


def phase_count(path: str | os.PathLike) -> int:
    """How many phases the material of a volume has, by the provenance beside it."""
    return len(read_json(Path(path).with_suffix(".json"))["source"]["fractions"])


def periodic_axes(path: str | os.PathLike) -> list[bool]:
    """Along which of z, y, x a volume is periodic, by the provenance beside it; none by default."""
    settings = read_json(Path(path).with_suffix(".json")).get("settings", {})
    return settings.get("periodic") or [False] * 3


def write_labels(
    path: str | os.PathLike,
    labels: np.ndarray,
    voxel_size: float | None = None,
    unit: str = "voxel",
    axes: str | None = None,
    description: dict | None = None,
    threshold: float | None = None,
) -> None:
    """Write labels or greys, 0..255, as a compressed uint8 TIFF with ImageJ metadata, atomically.

    ``axes`` is ZYX for a volume (the default in 3D), YX for an image (the default in 2D) and TYX
    for a stack of separate images. ``voxel_size`` is the side of the cubic voxel in ``unit``.
    ``description`` is kept as JSON in the metadata that Fiji shows under Image > Show Info.
    ``threshold`` is for greys: those above it are phase 1 for `read_labels`.
    """
    labels = np.asarray(labels)
    axes = axes or {2: "YX", 3: "ZYX"}.get(labels.ndim, "")
    if len(axes) != labels.ndim or axes not in ("YX", "ZYX", "TYX"):
        raise InputError(f"{path}: axes {axes!r} do not fit labels of shape {labels.shape}")
    if labels.size == 0 or labels.dtype.kind not in "bui":
        raise InputError(
            f"{path}: found {labels.dtype} labels of shape {labels.shape}, expected integers"
        )
    if labels.min() < 0 or labels.max() > 255:
        raise InputError(
            f"{path}: labels run from {labels.min()} to {labels.max()}, expected 0 to 255"
        )
    metadata: dict = {"axes": axes, "label_axes": axes}
    resolution = None
    if voxel_size is not None:
        resolution = (1 / voxel_size, 1 / voxel_size)
        # ImageJ's metadata is ASCII, with a Java escape for the micro sign, which is also JSON's.
        metadata |= {"unit": json.dumps(unit)[1:-1], "spacing": float(voxel_size)}
    if threshold is not None:
        metadata["threshold"] = float(threshold)
    if description is not None:
        metadata["Info"] = json.dumps(description)
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels.astype(np.uint8),
            imagej=True,
            resolution=resolution,
            metadata=metadata,
            compression="zlib",
        )


def write_images(path: str | os.PathLike, images: dict[str, np.ndarray]) -> None:
    """Write 2D labels of any sizes, by name, as the pages of one TIFF; see `read_images`."""
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary) as tif:
        for name, image in images.items():
            tif.write(image.astype(np.uint8), compression="zlib", description=name, metadata=None)


def read_images(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """What `write_images` wrote."""
    with opened_tiff(path) as tif:
        return {page.description: page.asarray() for page in tif.pages}


def read_labels(path: str | os.PathLike) -> np.ndarray:
    """Labels written by `write_labels`; InputError if the file is missing, corrupt or no labels.

    Greys are split into phases 0 and 1 by their threshold, so that they are measured as labels are.
    """
    return as_labels(read_values(path), read_threshold(path))


def as_labels(values: np.ndarray, threshold: float | None) -> np.ndarray:
    """Greys as phases 0 and, above the threshold, 1; without a threshold they are labels."""
    return values if threshold is None else (values > threshold).astype(np.uint8)


def read_values(path: str | os.PathLike) -> np.ndarray:
    """As `read_labels`, but greys as they are."""
    with opened_tiff(path) as tif:
        labels = tif.asarray()
        axes = (tif.imagej_metadata or {}).get("label_axes", "")
    if labels.dtype != np.uint8 or labels.ndim not in (2, 3):
        raise InputError(
            f"{path}: found {labels.dtype} of shape {labels.shape}, expected uint8 labels in 2D or "
            f"3D; {REMEDY}"
        )
    # ImageJ knows no stack of one image.
    return labels[None] if len(axes) > labels.ndim else labels


def read_threshold(path: str | os.PathLike) -> float | None:
    """The ``threshold`` given to `write_labels`; None for labels."""
    return _metadata(path).get("threshold")


def read_voxel_size(path: str | os.PathLike) -> tuple[float | None, str]:
    """Side of the voxel and its unit; (None, "voxel") if the file has none."""
    metadata = _metadata(path)
    if "spacing" not in metadata:
        return None, "voxel"
    return float(metadata["spacing"]), json.loads(f'"{metadata.get("unit", "voxel")}"')


def read_description(path: str | os.PathLike) -> dict:
    """The ``description`` given to `write_labels`; empty if there was none."""
    return json.loads(_metadata(path).get("Info", "{}"))


@contextmanager
def opened_tiff(path: str | os.PathLike, remedy: str = REMEDY) -> Iterator[tifffile.TiffFile]:
    """An open TIFF; any failure inside the block becomes an InputError that ends with ``remedy``.

    tifffile only logs a broken chain of pages and gives the pages before it, so that a truncated
    volume would pass for a shorter one: what it logs as an error is a failure here.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file, expected a TIFF")
    errors: list[str] = []

    def keep_errors(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            return True
        errors.append(record.getMessage())
        return False

    tifffile.logger().addFilter(keep_errors)
    try:
        with tifffile.TiffFile(path) as tif:
            if not tif.pages:
                raise ValueError("no pages")
            yield tif
        if errors:
            raise ValueError(errors[0])
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a readable TIFF ({reason}); {remedy}") from error
    finally:
        tifffile.logger().removeFilter(keep_errors)


def _metadata(path: str | os.PathLike) -> dict:
    with opened_tiff(path) as tif:
        return tif.imagej_metadata or {}
