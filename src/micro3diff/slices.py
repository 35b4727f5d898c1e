"""The training set of the 2D model: slices and crops of a source, and their symmetries."""

import logging
import os
from collections.abc import Sequence

import numpy as np
from scipy.stats.qmc import Halton

from micro3diff.errors import InputError
from micro3diff.sources import Source
from micro3diff.volumes import read_description, read_labels, read_values, write_labels

logger = logging.getLogger("micro3diff")

DEFAULT_COUNT = 300
AXES = {"z": 0, "y": 1, "x": 2}
# The plane families in the paper's order, each with the axis that its slices are stacked along.
# What is left of z, y, x in this order are the rows and the columns of a slice.
PLANES = {"yz": 2, "xz": 1, "xy": 0}

# What is done to an image, in the order of the blocks that `symmetries` returns.
TRANSFORMS = {
    "identity": lambda images: images,
    "horizontal flip": lambda images: images[..., ::-1],
    "vertical flip": lambda images: images[..., ::-1, :],
    "rotation by 180": lambda images: images[..., ::-1, ::-1],
    "rotation by 90": lambda images: np.rot90(images, 1, axes=(-2, -1)),
    "rotation by 270": lambda images: np.rot90(images, 3, axes=(-2, -1)),
    "transpose": lambda images: np.swapaxes(images, -2, -1),
    "transpose across": lambda images: np.swapaxes(images[..., ::-1, ::-1], -2, -1),
}
GROUPS = {
    "none": list(TRANSFORMS)[:1],
    "flips": list(TRANSFORMS)[:4],
    "paper": list(TRANSFORMS)[:6],
    "dihedral": list(TRANSFORMS),
}


def cut_slices(
    source: Source,
    patch: int,
    count: int | None = None,
    axes: Sequence[str] = ("z",),
    seed: int = 0,
) -> np.ndarray:
    """Slices of a volume, or crops of images, as uint8 (n, patch, patch).

    A volume gives the planes normal to each of ``axes`` in equal numbers; an image or a stack of
    images gives itself. Where the planes are larger than the patch, crops are taken at random
    places that cover them to the edge. ``count`` None means every slice if their sides equal the
    patch, and 300 crops otherwise. Slices keep the order of the source.

    Raises InputError if the source is smaller than the patch.
    """
    return np.concatenate(list(_cut(_families(source, axes), patch, count, seed).values()))


def cut_planes(
    source: Source, patch: int, count: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Slices of an anisotropic source by the plane that they lie in: uint8 (n, patch, patch) each.

    As `cut_slices`, with ``count`` for all planes together. If the slices of one plane are
    isotropic, the two others show the same material, and each gets the slices of both; turned, if
    need be, so that the axis that is not like the others lies as in its own.
    """
    if source.kind == "planes":
        families = {plane: source.labels[plane][None] for plane in PLANES}
    else:
        families = {plane: np.moveaxis(source.labels, axis, 0) for plane, axis in PLANES.items()}
    cut = _cut(families, patch, count, seed)
    if not source.isotropic:
        return cut
    (flat,) = source.isotropic
    one, other = (plane for plane in PLANES if plane != flat)
    # the axis that the isotropic plane lacks may be the rows of one and the columns of the other
    turned = (_rows(one) == PLANES[flat]) != (_rows(other) == PLANES[flat])
    for plane, twin in ((one, cut[other]), (other, cut[one])):
        cut = cut | {plane: np.concatenate([cut[plane], twin.swapaxes(1, 2) if turned else twin])}
    return cut


def _rows(plane: str) -> int:
    """The axis of the volume from row to row of a slice."""
    return min({0, 1, 2} - {PLANES[plane]})


def training_set(
    slices: dict[str, np.ndarray] | np.ndarray, group: str, isotropic: bool | Sequence[str] = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Augmented slices (n, h, w), and the number of the plane of each, if they differ by plane.

    Turns by 90 degrees are for the planes that are isotropic alone.
    """
    if not isinstance(slices, dict):
        return symmetries(slices, group), None
    without = "flips" if group in ("paper", "dihedral") else group
    images = [
        symmetries(part, group if plane in isotropic else without) for plane, part in slices.items()
    ]
    planes = [
        np.full(len(part), list(PLANES).index(plane))
        for plane, part in zip(slices, images, strict=True)
    ]
    return np.concatenate(images), np.concatenate(planes)


def write_slices(
    path: str | os.PathLike,
    slices: dict[str, np.ndarray] | np.ndarray,
    threshold: float | None = None,
) -> None:
    """Write slices as a TIFF stack; how many are of which plane stands in its description.

    ``threshold`` is for greys, see `volumes.write_labels`.
    """
    how = {"axes": "TYX", "threshold": threshold}
    if isinstance(slices, dict):
        counts = {plane: len(part) for plane, part in slices.items()}
        images = np.concatenate(list(slices.values()))
        write_labels(path, images, description={"planes": counts}, **how)
    else:
        write_labels(path, slices, **how)


def read_slices(path: str | os.PathLike, grey: bool = False) -> dict[str, np.ndarray] | np.ndarray:
    """What `write_slices` wrote; greys as labels, unless they are asked for as ``grey``."""
    images = read_values(path) if grey else read_labels(path)
    counts = read_description(path).get("planes")
    if not counts:
        return images
    parts = np.split(images, np.cumsum(list(counts.values()))[:-1])
    return dict(zip(counts, parts, strict=True))


def symmetries(images: np.ndarray, group: str = "dihedral") -> np.ndarray:
    """The images under each map of a group: (n, h, w) to (maps * n, h, w), one map after the other.

    - none: identity
    - flips: identity, horizontal flip, vertical flip, rotation by 180 degrees
    - paper: the above and rotations by 90 and 270 degrees, which the paper's text lists
    - dihedral: the above and both transpositions, the whole group of 8

    The first n images are always the originals. Use flips for slices whose two directions differ.
    """
    if group not in GROUPS:
        raise InputError(f"slices.augment: found {group!r}, expected one of {', '.join(GROUPS)}")
    height, width = images.shape[-2:]
    if height != width and group not in ("none", "flips"):
        raise InputError(
            f"slices.augment: {group!r} turns images, but they are {height} x {width} pixels; "
            "use flips or none"
        )
    return np.concatenate([TRANSFORMS[name](images) for name in GROUPS[group]])


def _families(source: Source, axes: Sequence[str]) -> dict[str, np.ndarray]:
    """Views (plane, row, column) of the source by the name that a message calls them."""
    if source.kind == "image":
        return {"images": source.labels[None]}
    if source.kind == "stack":
        return {"images": source.labels}
    unknown = [axis for axis in axes if axis not in AXES]
    if unknown or not axes:
        raise InputError(f"slices.axes: found {list(axes)}, expected a list of z, y and x")
    return {f"slices normal to {axis}": np.moveaxis(source.labels, AXES[axis], 0) for axis in axes}


def _cut(
    families: dict[str, np.ndarray], patch: int, count: int | None, seed: int
) -> dict[str, np.ndarray]:
    """Slices of each family of planes (plane, row, column), ``count`` of all together."""
    for name, planes in families.items():
        height, width = planes.shape[1:]
        if min(height, width) < patch:
            raise InputError(
                f"slices.patch: {patch} is larger than the source, whose {name} are "
                f"{height} x {width} pixels; use a smaller patch or a larger source"
            )
    if count is None and any(planes.shape[1:] != (patch, patch) for planes in families.values()):
        count = DEFAULT_COUNT
    if count is not None and count < len(families):
        raise InputError(
            f"slices.count: found {count}, expected at least one for each of {', '.join(families)}"
        )
    rng = np.random.default_rng(seed)
    shares = _shares(count, len(families))
    return {
        name: _crops(planes, patch, share, rng)
        for (name, planes), share in zip(families.items(), shares, strict=True)
    }


def _shares(count: int | None, parts: int) -> list[int | None]:
    if count is None:
        return [None] * parts
    return [count // parts + (k < count % parts) for k in range(parts)]


def _crops(planes: np.ndarray, patch: int, count: int | None, rng) -> np.ndarray:
    """``count`` squares, or one of every plane if None, in the order of the planes.

    Each plane has as many as the others. A square lies around a pixel of its plane, moved inside
    where it would stick out, into the first or last few corners: with all corners alike, what is at
    the edges of a small image would hardly be seen, and with one corner for all that would stick
    out, many squares were the same. The pixels are spread evenly (Halton's sequence), so that the
    phase fractions of the squares depend little on the seed.
    """
    sides = np.array(planes.shape[1:])
    count = len(planes) if count is None else count
    if count > (places := len(planes) * int(np.prod(sides - patch + 1))):
        logger.warning("slices.count: %d asked for, but only %d differ", count, places)
    chosen = np.sort(np.resize(rng.permutation(len(planes)), count))
    pixels = Halton(2, rng=rng).random(count) * sides
    corners = np.stack([_first(*axis, patch) for axis in zip(pixels.T, sides, strict=True)], axis=1)
    return np.stack(
        [planes[k, y : y + patch, x : x + patch] for k, (y, x) in zip(chosen, corners, strict=True)]
    )


def _first(pixels: np.ndarray, side: int, patch: int) -> np.ndarray:
    """First pixels of squares around ``pixels`` of one axis, moved inside.

    Those that would stick out begin in the first or last sixteenth of a square, 2 pixels at least;
    the places of the others are stretched over what is between.
    """
    places = side - patch + 1
    end = min(max(2, patch // 16), places / 2)
    known = [0, patch / 2, side - patch / 2, side]
    first = np.interp(pixels, known, [0, end, places - end, places]).astype(int)
    return np.minimum(first, places - 1)  # where the plane is as wide as a square, all are at 0
