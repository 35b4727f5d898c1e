"""Where images come from: a file, a folder, a download or a generator, made into labels.

Importing this package is cheap: the Snakefile needs `download.file_name` while it is parsed, so
readers and generators are imported when they are called.
"""

import logging
from collections.abc import Sequence
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

    labels: uint8, values 0..K-1; (y, x), (image, y, x) or (z, y, x); of planes, a dict of images
        by the names xy (rows y, columns x), xz (rows z) and yz (rows z, columns y)
    kind: image, stack (images that have nothing to do with each other), volume, or planes (images
        of three planes, of whatever size)
    isotropic: whether all planes and directions are alike; or a list of the planes whose own
        directions are: none, or one if the material is alike around an axis
    threshold: None; or, where ``labels`` are grey values 0..255, the one above which is phase 1
    voxel_size: side of a voxel in ``unit``, None if unknown
    origin: where the labels come from, ready for JSON
    """

    labels: "np.ndarray | dict[str, np.ndarray]"
    kind: str
    isotropic: bool | list[str] = True
    threshold: float | None = None
    voxel_size: float | None = None
    unit: str = "voxel"
    origin: dict = field(default_factory=dict)


SUFFIXES = (".tif", ".tiff", ".png", ".npy")  # of images, also in a folder
FRACTIONS_DIFFER = 0.1  # of images of one material, from which on a warning tells of it
GREYS_LOST = 0.02  # share of the pixels that may change phase on the scale of greys


def load_source(settings: dict) -> Source:
    """Read or generate the source of a material, by its settings ``source`` (see config/README.md).

    ``path``, ``planes`` or ``generator`` is needed; a ``url`` is fetched before (`download.fetch`)
    and its file given as ``path``. Order: read, crop, segment, select, coarsen. Raises InputError
    for anything that can't become labels of two or more phases. With ``grey``, grey values are
    kept, on a scale of 0 to 255, and the segmentation is for later comparisons alone.
    """
    if settings.get("generator"):
        labels, kind, origin = _generate(settings)
    elif settings.get("planes"):
        labels, kind, origin = _read_planes(settings)
    elif settings.get("path"):
        labels, kind, origin = _read(Path(settings["path"]), settings)
    else:
        raise InputError(
            "source: found neither path, url, planes nor generator, expected one of them"
        )
    if kind == "volume" and 1 in labels.shape:
        if (settings.get("coarsen") or 1) > 1:
            where = "source.coarsen"
        else:
            where = "source.crop" if settings.get("crop") else "source.array: volume"
        raise InputError(
            f"{where}: leaves a single slice, of shape {labels.shape}, which is no volume; use "
            "more of the volume, or give the slice as an image, as source.path"
        )
    isotropic = settings.get("isotropic", True)
    if isotropic is not True and kind not in ("volume", "planes"):
        raise InputError(
            f"source.isotropic: found {isotropic or 'false'} for a source of kind {kind}, which "
            "shows one plane; give an image of each plane as source.planes, or a volume"
        )
    parts = list(labels.values()) if kind == "planes" else [labels]
    origin["shape"] = [list(part.shape) for part in parts]
    if kind != "planes":
        (origin["shape"],) = origin["shape"]
    threshold = origin["grey_threshold"] if settings.get("grey") else None
    # each plane shows the same fractions, as well as it can
    origin["fractions"] = _fractions(
        parts if threshold is None else [(part > threshold).astype("uint8") for part in parts]
    )
    if kind == "planes":
        _compare_planes(labels)
    logger.info(
        "%s: %s of shape %s, phase fractions %s",
        origin.get("file") or origin.get("generator") or "planes",
        kind,
        origin["shape"],
        ", ".join(f"{fraction:.3f}" for fraction in origin["fractions"]),
    )
    size = settings.get("voxel_size")
    return Source(
        labels=labels,
        kind=kind,
        isotropic=isotropic,
        threshold=threshold,
        voxel_size=size and size * (settings.get("coarsen") or 1),
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


def _read(path: Path, settings: dict, key: str = "source.path") -> tuple["np.ndarray", str, dict]:
    from micro3diff.sources.readers import read_array
    from micro3diff.sources.segmentation import to_labels

    array = read_array(path, key)
    kind = kind_of(path, array.ndim, settings.get("array") or "auto")
    crop = settings.get("crop")
    if crop and kind == "stack" and len(crop) == array.ndim - 1:
        crop = [[0, len(array)], *crop]  # of all images alike
    array = _crop(array, crop)
    labels, segmentation = to_labels(array, settings, name=str(path))
    if settings.get("grey"):
        labels, known = _greys(array, segmentation, path)
        segmentation |= known
    origin = {"file": path.name, "sha256": sha256_of(path), **segmentation}
    if (factor := settings.get("coarsen") or 1) > 1:
        labels = _coarsened(labels, factor, kind, path)
        origin["coarsen"] = factor
    if settings.get("url"):
        origin["url"] = settings["url"]
    return labels, kind, origin


def _greys(array: "np.ndarray", segmentation: dict, path: Path) -> tuple["np.ndarray", dict]:
    """Grey values on a scale of 0 to 255, and what is known of that scale.

    ``grey``: the least and the greatest value of the file; ``grey_threshold``: between two greys,
    so that the phases are those of the file. A grey that stands for values on both sides of the
    file's threshold goes with most of them.
    """
    if "threshold" not in segmentation:
        raise InputError(
            f"{path}: is an image of labels, of which reconstruct.output: grey can't keep greys; "
            "give a grey image, or set source.segmentation: otsu"
        )
    low, high = float(array.min()), float(array.max())
    greys, above = _scaled(array, low, high), array > segmentation["threshold"]
    last = greys[~above].max()
    split = above[greys == last].mean() > 0.5
    threshold = float(last) + (-0.5 if split else 0.5)
    lost = abs((greys > threshold).mean() - above.mean())
    if not 0 < threshold < 255 or lost > GREYS_LOST:
        raise InputError(
            f"{path}: its values from {low:g} to {high:g}, on a scale of 0 to 255, leave the "
            f"phases too few greys ({100 * lost:.0f} % of the pixels change phase); cut off "
            "outliers, such as single bright or dead pixels, and save the image again"
        )
    return greys, {"grey": [low, high], "grey_threshold": threshold}


def _scaled(array: "np.ndarray", low: float, high: float) -> "np.ndarray":
    return ((array.astype(float) - low) * (255 / (high - low))).clip(0, 255).round().astype("uint8")


def _read_planes(settings: dict) -> tuple[dict, str, dict]:
    """The images of ``settings["planes"]``, by plane; they must have the same phases."""
    labels, origins = {}, {}
    for plane, path in settings["planes"].items():
        key = f"source.planes.{plane}"
        labels[plane], kind, origins[plane] = _read(Path(path), settings, key)
        if kind != "image":
            raise InputError(
                f"{key}: {path} is a {kind}, expected one 2D image; give a volume "
                "as source.path, with source.isotropic: false"
            )
    if settings.get("grey"):
        raise InputError(
            "source.planes: can't be combined with reconstruct.output: grey, since the greys of "
            "separate images have no common scale; use labels"
        )
    values = {plane: origin["values"] for plane, origin in origins.items()}
    if any(one != values["xy"] for one in values.values()):
        found = ", ".join(f"{one} in {plane}" for plane, one in values.items())
        raise InputError(
            f"source.planes: the images have different labels ({found}), expected the same phases "
            "in each; correct the images, or select one phase with source.select"
        )
    return labels, "planes", {"planes": origins}


def _compare_planes(planes: "dict[str, np.ndarray]") -> None:
    """Warn of images whose fractions differ by more than images of one material do."""
    phases = range(max(int(labels.max()) for labels in planes.values()) + 1)
    for phase in phases if len(phases) > 2 else phases[1:]:
        fractions = {plane: (labels == phase).mean() for plane, labels in planes.items()}
        low, high = min(fractions, key=fractions.get), max(fractions, key=fractions.get)
        if fractions[high] - fractions[low] > FRACTIONS_DIFFER:
            logger.warning(
                "source.planes: phase %d has a fraction of %.2f in %s and of %.2f in %s; are these "
                "images of one material, segmented alike?",
                phase, fractions[low], low, fractions[high], high,
            )  # fmt: skip


def is_image(path: Path) -> bool:
    """Whether a file of a folder of images is one of them, by its name."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def kind_of(path: Path, dimension: int, wanted: str) -> str:
    """Image, stack or volume, by the axes of the file or folder and the setting ``array``."""
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


def _coarsened(labels: "np.ndarray", factor: int, kind: str, path: Path) -> "np.ndarray":
    """`coarsened`, with all phases that there were."""
    import numpy as np

    shape = labels.shape[1:] if kind == "stack" else labels.shape
    if factor > min(shape):
        raise InputError(
            f"source.coarsen: found {factor} for {path}, whose shape is {labels.shape}; expected "
            f"at most {min(shape)}"
        )
    coarse = coarsened(labels, factor, single=kind != "stack")
    lost = sorted(set(np.unique(labels).tolist()) - set(np.unique(coarse).tolist()))
    if lost:
        raise InputError(
            f"source.coarsen: {factor} leaves nothing of phase {lost[0]} of {path}, which is "
            "thinner than that; expected a factor that keeps all phases"
        )
    return coarse


def coarsened(labels: "np.ndarray", factor: int, single: bool = True) -> "np.ndarray":
    """Blocks of ``factor`` pixels or voxels a side become one, of the phase that most of it is.

    A tie goes to the label of the block's first pixel, which favours no phase; among others, to the
    lowest. What is left at the far ends is cut off. ``single`` False is a stack of images (n,
    height, width).
    """
    import numpy as np

    if factor == 1:
        return labels
    axes = range(0 if single else 1, labels.ndim)
    whole = tuple(
        slice(s // factor * factor) if k in axes else slice(None)
        for k, s in enumerate(labels.shape)
    )
    first = labels[whole][
        tuple(slice(None, None, factor if k in axes else 1) for k in range(labels.ndim))
    ]
    counts = []
    for phase in range(int(labels.max()) + 1):
        count = (labels[whole] == phase).astype(np.uint32) * 2
        for axis in axes:
            shape = (*count.shape[:axis], -1, factor, *count.shape[axis + 1 :])
            count = count.reshape(shape).sum(axis + 1)
        counts.append(count + (first == phase))
    return np.argmax(counts, axis=0).astype(np.uint8)


def _fractions(parts: "list[np.ndarray]") -> list[float]:
    """Phase fractions, the mean over the parts."""
    import numpy as np

    return np.mean([np.bincount(part.ravel()) / part.size for part in parts], axis=0).tolist()


def settings_like(settings: dict, origin: dict) -> dict:
    """Settings by which other images are made into labels as the source of this ``origin`` was.

    Greys are split by the source's threshold, whatever Otsu's would be for them; two values are
    labels, the greater one phase 1. Labels become the phases that they are in the source. Images of
    ``planes`` are what the source was made of.
    """
    record = origin.get("planes", {}).get("xy", origin)
    if settings.get("planes"):
        return settings
    if "threshold" in record:
        return settings | {"segmentation": "as source", "threshold": record["threshold"]}
    if "values" in record:
        values = None if "select" in record else record["values"]
        return settings | {"segmentation": "none", "values": values}
    return settings


def load_truth(settings: dict, origin: dict, path: str | Path) -> Source:
    """The known volume of a material, made into labels as its source of this ``origin`` was.

    Warns where its phase fractions are others. InputError if the file at ``path`` is no volume, and
    as of `load_source`.
    """
    truth = load_source({**settings_like(settings, origin), "path": path})
    if truth.kind != "volume":
        raise InputError(
            f"evaluate.truth: {path} is one 2D image, expected the volume of the material; leave "
            "it out where no volume is known"
        )
    pairs = zip(truth.origin["fractions"], origin.get("fractions", []), strict=False)
    for phase, (known, own) in enumerate(pairs):
        if abs(known - own) > FRACTIONS_DIFFER:
            logger.warning(
                "evaluate.truth: phase %d has a fraction of %.2f in %s and of %.2f in the source; "
                "are they of one material, segmented alike? Else set source.threshold",
                phase, known, path, own,
            )  # fmt: skip
    return truth


def _check_scale(
    array: "np.ndarray", threshold: float, greys: Sequence[float] | None, name: str
) -> None:
    """InputError if an image can't be of the ``greys`` (least, greatest) of its source, if known.

    A mask, or greys of other bits, would become one phase. So may a slice of the material, which
    is told.
    """
    import numpy as np

    from micro3diff.sources.segmentation import MAX_LABELS

    low, high = array.min(), array.max()
    if low <= threshold < high:
        return
    told = (
        f"{name} has values from {low} to {high}, which the source's threshold of {threshold:g} "
        "makes one phase"
    )
    outside = greys is not None and (high < greys[0] or low > greys[1])
    if outside or 1 < len(np.unique(array)) <= MAX_LABELS:
        raise InputError(f"{told}; expected greys as those of the source")
    logger.warning("%s", told)


def labels_like(path: str | Path, origin: dict, plane: str, key: str) -> "np.ndarray":
    """Another image as labels, by what was done to a source of this ``origin``.

    plane : which of xy, xz and yz it shows, where each has an image of its own.
    key : the setting that names it, for messages.

    InputError if it is no single image, or has values that the source has not.
    """
    import numpy as np

    from micro3diff.sources.readers import read_array

    array, record = read_array(Path(path), key), origin.get("planes", {}).get(plane, origin)
    if array.ndim != 2:
        raise InputError(f"{key}: {path} is of shape {array.shape}, expected one 2D image")
    values = record.get("values", [0, 1])  # generated labels are 0 and 1
    if "threshold" in record:
        threshold = record["threshold"]
        _check_scale(array, threshold, record.get("grey"), f"{key}: {path}")
    if "grey" in record:
        return _scaled(array, *record["grey"])
    if "threshold" in record:
        labels = (array > threshold).astype(np.uint8)
    else:
        missing = sorted(set(np.unique(array).tolist()) - set(values))
        if missing:
            raise InputError(
                f"{key}: {path} has the labels {missing[:4]}, expected those of the source, "
                f"{values}"
            )
        labels = np.searchsorted(values, array)
    if "select" in record:
        labels = np.isin(values, record["select"])[labels]
    return coarsened(labels.astype(np.uint8), record.get("coarsen", 1))


def save_source(source: Source, labels: str | Path, about: str | Path) -> None:
    """Write a source as a label TIFF and what is known about it as JSON; see `read_source`."""
    from micro3diff.files import write_json
    from micro3diff.volumes import write_images, write_labels

    if source.kind == "planes":
        write_images(labels, source.labels)
    else:
        axes = {"image": "YX", "stack": "TYX", "volume": "ZYX"}[source.kind]
        size, unit = source.voxel_size, source.unit
        write_labels(labels, source.labels, size, unit, axes=axes, threshold=source.threshold)
    known = {
        "kind": source.kind,
        "isotropic": source.isotropic,
        "threshold": source.threshold,
        "fractions": source.origin["fractions"],
        "voxel_size": source.voxel_size,
        "unit": source.unit,
        "origin": source.origin,
    }
    write_json(about, known)


def read_source(labels: str | Path, about: str | Path, grey: bool = False) -> Source:
    """Read what `save_source` wrote; greys as labels, unless they are asked for as ``grey``."""
    from micro3diff.files import read_json
    from micro3diff.volumes import read_images, read_labels, read_values

    known = read_json(about)
    keys = ["kind", "isotropic", "voxel_size", "unit", "origin"] + ["threshold"] * grey
    read = read_images if known["kind"] == "planes" else read_values if grey else read_labels
    return Source(labels=read(labels), **{key: known[key] for key in keys})
