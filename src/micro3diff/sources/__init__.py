"""Where images come from: a file, a folder, a download or a generator, made into labels.

Importing this package is cheap: the Snakefile needs `download.file_name` while it is parsed, so
readers and generators are imported when they are called.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from micro3diff.errors import InputError
from micro3diff.files import sha256_of

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger("micro3diff")


@dataclass
class Source:
    """Labels of a material with what is known about them.

    labels: uint8, values 0..K-1; (y, x), (image, y, x) or (z, y, x)
    kind: image, stack (images that have nothing to do with each other) or volume
    voxel_size: side of a voxel in ``unit``, None if unknown
    origin: where the labels come from, ready for JSON
    """

    labels: "np.ndarray"
    kind: str
    voxel_size: float | None = None
    unit: str = "voxel"
    origin: dict = field(default_factory=dict)


def load_source(settings: dict) -> Source:
    """Read or generate the source of a material, by its settings ``source`` (see config/README.md).

    ``path`` or ``generator`` is needed; a ``url`` is fetched before (`download.fetch`) and its file
    given as ``path``. Order: read, crop, segment, select. Raises InputError for anything that
    can't become labels of two or more phases.
    """
    if settings.get("generator"):
        labels, kind, origin = _generate(settings)
    elif settings.get("path"):
        labels, kind, origin = _read(Path(settings["path"]), settings)
    else:
        raise InputError("source: found neither path, url nor generator, expected one of them")
    origin["shape"] = list(labels.shape)
    origin["fractions"] = _fractions(labels)
    logger.info(
        "%s: %s of shape %s, phase fractions %s",
        origin.get("file") or origin.get("generator"),
        kind,
        labels.shape,
        ", ".join(f"{fraction:.3f}" for fraction in origin["fractions"]),
    )
    return Source(
        labels=labels,
        kind=kind,
        voxel_size=settings.get("voxel_size"),
        unit=settings.get("unit") or "voxel",
        origin=origin,
    )


def _generate(settings: dict) -> tuple["np.ndarray", str, dict]:
    from micro3diff.sources import generators

    known = {"spheres": (generators.spheres, "volume"), "grains": (generators.grains, "stack")}
    name = settings["generator"]
    if name not in known:
        raise InputError(f"source.generator: found {name!r}, expected one of {', '.join(known)}")
    generate, kind = known[name]
    options = settings.get(name) or {}
    labels = _crop(generate(**options), settings.get("crop"))
    return labels, kind, {"generator": name, "settings": dict(options)}


def _read(path: Path, settings: dict) -> tuple["np.ndarray", str, dict]:
    from micro3diff.sources.readers import read_array
    from micro3diff.sources.segmentation import to_labels

    array = read_array(path)
    kind = _kind(path, array.ndim, settings.get("array") or "auto")
    array = _crop(array, settings.get("crop"))
    labels, segmentation = to_labels(array, settings, name=str(path))
    origin = {"file": path.name, "sha256": sha256_of(path), **segmentation}
    if settings.get("url"):
        origin["url"] = settings["url"]
    return labels, kind, origin


def _kind(path: Path, dimension: int, wanted: str) -> str:
    if wanted not in ("auto", "volume", "stack"):
        raise InputError(f"source.array: found {wanted!r}, expected auto, volume or stack")
    if dimension == 2:
        if wanted == "volume":
            raise InputError(
                f"source.array: volume, but {path} is one 2D image; give a 3D file or a folder of "
                "slices, or leave source.array out"
            )
        return "image"
    if wanted == "auto":
        return "stack" if path.is_dir() else "volume"
    return wanted


def _crop(array: "np.ndarray", crop: list | None) -> "np.ndarray":
    """The part between [start, stop) on each axis."""
    if crop is None:
        return array
    if len(crop) != array.ndim or any(len(pair) != 2 for pair in crop):
        raise InputError(
            f"source.crop: found {crop}, expected a pair [start, stop] for each of the "
            f"{array.ndim} axes of the source, whose shape is {array.shape}"
        )
    for (start, stop), side in zip(crop, array.shape, strict=True):
        if not 0 <= start < stop <= side:
            raise InputError(
                f"source.crop: [{start}, {stop}] is not inside the source, whose shape is "
                f"{array.shape}; expected 0 <= start < stop <= {side}"
            )
    return array[tuple(slice(start, stop) for start, stop in crop)]


def _fractions(labels: "np.ndarray") -> list[float]:
    import numpy as np

    return (np.bincount(labels.ravel()) / labels.size).tolist()


def save_source(source: Source, labels: str | Path, about: str | Path) -> None:
    """Write a source as a label TIFF and what is known about it as JSON; see `read_source`."""
    from micro3diff.files import write_json
    from micro3diff.volumes import write_labels

    axes = {"image": "YX", "stack": "TYX", "volume": "ZYX"}[source.kind]
    write_labels(labels, source.labels, source.voxel_size, source.unit, axes=axes)
    known = {
        "kind": source.kind,
        "fractions": source.origin["fractions"],
        "voxel_size": source.voxel_size,
        "unit": source.unit,
        "origin": source.origin,
    }
    write_json(about, known)


def read_source(labels: str | Path, about: str | Path) -> Source:
    """Read what `save_source` wrote."""
    from micro3diff.files import read_json
    from micro3diff.volumes import read_labels

    known = read_json(about)
    return Source(
        labels=read_labels(labels),
        **{key: known[key] for key in ("kind", "voxel_size", "unit", "origin")},
    )
