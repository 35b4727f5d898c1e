"""Synthetic materials of the paper's cases I and II (DOI 10.1038/s41524-024-01280-z), seeded."""

import math
from collections.abc import Sequence

import numpy as np

from micro3diff.errors import InputError

FRACTION_TOLERANCE = 0.002
PACKING_ROUNDS = 4
CHOICES = 200


def spheres(
    shape: Sequence[int] = (300, 64, 64),
    diameter_mean: float = 15.0,
    diameter_std: float = 4.0,
    volume_fraction: float = 0.225,
    seed: int = 0,
    periodic: bool = False,
    diameter_min: float = 4.0,
) -> np.ndarray:
    """Non-overlapping spheres (label 1) in a matrix (label 0): the paper's case I.

    Diameters in voxels are normal, truncated to [diameter_min, mean + 4 standard deviations]:
    below 4 voxels a ball has no shape on the grid. Spheres are placed at random, the largest first,
    in a box that is wider by the largest radius, so the faces of the volume cut them at random;
    with ``periodic`` they go on at the opposite face instead. A few more than needed are placed,
    and a random choice of them is kept whose volume fraction, measured in voxels inside the
    volume, lies within 0.002 of ``volume_fraction``.

    Returns uint8 labels (z, y, x). Raises InputError for a fraction that can't be packed.
    """
    shape = tuple(int(side) for side in shape)
    diameter_max = diameter_mean + 4 * diameter_std
    _check_spheres(shape, diameter_mean, diameter_std, diameter_min, volume_fraction)
    if periodic and min(shape) < diameter_max:
        raise InputError(
            f"spheres.shape: the side {min(shape)} is shorter than the largest diameter "
            f"{diameter_max:g}; periodic spheres need longer sides or smaller diameters"
        )
    rng = np.random.default_rng(seed)
    margin = 0.0 if periodic else diameter_max / 2
    extent = np.array(shape) + 2 * margin
    voxels = math.prod(shape)
    wanted = 1.1 * volume_fraction * extent.prod()
    for _ in range(PACKING_ROUNDS):
        radii = _radii(wanted, diameter_mean, diameter_std, diameter_min, diameter_max, rng)
        centres = _place(radii, extent, periodic, rng)
        if centres is None:
            continue
        balls = [
            _ball(centre - margin, radius, shape, periodic)
            for centre, radius in zip(centres, radii, strict=True)
        ]
        sizes = np.array([ball.size for ball in balls])
        if sizes.sum() < volume_fraction * voxels:
            wanted *= 1.1
            continue
        kept = _choose(sizes, volume_fraction * voxels, FRACTION_TOLERANCE * voxels, rng)
        if kept is not None:
            labels = np.zeros(voxels, np.uint8)
            labels[np.concatenate([balls[k] for k in kept])] = 1
            return labels.reshape(shape)
    raise InputError(
        f"spheres.volume_fraction: {volume_fraction:g} was not reached within "
        f"{FRACTION_TOLERANCE} in {PACKING_ROUNDS} random packings of {shape} voxels; "
        "lower the fraction, make the volume larger or the spheres smaller"
    )


def grains(
    images: int = 300,
    size: int = 64,
    grain_sizes: Sequence[float] = (6, 9, 12),
    seed: int = 0,
) -> np.ndarray:
    """Images of polycrystals: grains (label 0) with thin boundaries (label 1), the paper's case II.

    Each image is a Laguerre tessellation of its own. A grain size is the diameter in pixels of a
    circle of the grain's area (with its share of the boundary), and each size takes an equal share
    of the area, so small grains are more numerous. Seeds are placed at random, the largest first,
    none nearer to another than 0.7 times the sum of their radii. The tessellation is periodic on a
    square that is wider than the image by two of the largest grains, and the image is cut from it:
    grains at the edge are like any other. A pixel belongs to the boundary if one of its four
    neighbours lies in a grain of lower number, which gives lines one pixel wide.

    Returns uint8 labels (image, y, x).
    """
    if images < 1 or size < 2:
        raise InputError(
            f"grains.images, grains.size: found {images} and {size}, expected at least 1 and 2"
        )
    if not grain_sizes or min(grain_sizes) < 2:
        raise InputError(f"grains.grain_sizes: found {grain_sizes}, expected sizes of 2 or more")
    streams = np.random.default_rng(seed).spawn(images)
    return np.stack([_grain_image(size, grain_sizes, stream) for stream in streams])


def _grain_image(size: int, grain_sizes: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    side = size + 2 * math.ceil(max(grain_sizes))
    share = side**2 / len(grain_sizes)
    radii = np.concatenate(
        [
            np.full(max(1, round(share / (math.pi / 4 * diameter**2))), diameter / 2)
            for diameter in sorted(grain_sizes, reverse=True)
        ]
    )
    seeds = _place(0.7 * radii, np.array([side, side], float), True, rng)
    if seeds is None:
        raise InputError(
            f"grains.grain_sizes: {tuple(grain_sizes)} can't be packed in {size} x {size} pixels; "
            "use a larger size or fewer grain sizes"
        )
    # One row and column more than the image: the neighbours of its first pixels.
    along = np.arange(size + 2) + 0.5
    gaps = np.abs(along - seeds[:, :, None])
    squares = np.minimum(gaps, side - gaps) ** 2
    # Grain numbers are random, so that neither small nor large grains give up more of their area.
    order = rng.permutation(len(radii))
    squares, weights = squares[order], radii[order, None, None] ** 2
    ids = (squares[:, 0, :, None] + squares[:, 1, None, :] - weights).argmin(axis=0)
    inner = ids[1:-1, 1:-1]
    neighbours = (ids[:-2, 1:-1], ids[2:, 1:-1], ids[1:-1, :-2], ids[1:-1, 2:])
    return np.logical_or.reduce([other < inner for other in neighbours]).astype(np.uint8)


def _check_spheres(shape, mean, std, smallest, fraction) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"spheres.shape: found {shape}, expected three sides z, y, x in voxels")
    if not 0 < fraction < 1:
        raise InputError(
            f"spheres.volume_fraction: found {fraction:g}, expected a number between 0 and 1"
        )
    if std < 0 or not 0 < smallest <= mean:
        raise InputError(
            f"spheres: found diameter_mean {mean:g}, diameter_std {std:g}, diameter_min "
            f"{smallest:g}; expected a standard deviation >= 0 and 0 < minimum <= mean"
        )


def _radii(wanted, mean, std, low, high, rng) -> np.ndarray:
    """Radii, the largest first, of spheres whose volumes add up to about ``wanted``."""
    radii, volume = [], 0.0
    while volume < wanted:
        diameter = rng.normal(mean, std)
        if low <= diameter <= high:
            radii.append(diameter / 2)
            volume += math.pi / 6 * diameter**3
    return np.sort(radii)[::-1]


def _place(
    radii: np.ndarray,
    extent: np.ndarray,
    periodic: bool,
    rng: np.random.Generator,
    batch: int = 64,
    batches: int = 100,
) -> np.ndarray | None:
    """Centres (n, dimension) of non-overlapping balls placed one after the other in a box.

    None if a ball finds no room in ``batch * batches`` random places.
    """
    centres = np.empty((len(radii), len(extent)))
    for k, radius in enumerate(radii):
        for _ in range(batches):
            places = rng.random((batch, len(extent))) * extent
            gaps = np.abs(places[:, None] - centres[:k])
            if periodic:
                gaps = np.minimum(gaps, extent - gaps)
            free = ((gaps**2).sum(axis=2) >= (radius + radii[:k]) ** 2).all(axis=1)
            if free.any():
                centres[k] = places[free.argmax()]
                break
        else:
            return None
    return centres


def _ball(centre: np.ndarray, radius: float, shape: tuple, periodic: bool) -> np.ndarray:
    """Flat indices of the voxels whose centres lie inside a ball and inside the volume."""
    starts = np.floor(centre - radius).astype(int)
    stops = np.ceil(centre + radius).astype(int)
    offsets = [
        np.arange(start, stop) + 0.5 - middle
        for start, stop, middle in zip(starts, stops, centre, strict=True)
    ]
    z, y, x = np.ix_(*offsets)
    indices = np.argwhere(z**2 + y**2 + x**2 < radius**2) + starts
    if periodic:
        indices %= shape
    else:
        indices = indices[((indices >= 0) & (indices < shape)).all(axis=1)]
    return np.ravel_multi_index(tuple(indices.T), shape)


def _choose(sizes: np.ndarray, target: float, tolerance: float, rng) -> np.ndarray | None:
    """Indices of a random choice of ``sizes`` that add up to ``target`` within ``tolerance``."""
    for _ in range(CHOICES):
        order = rng.permutation(len(sizes))
        sums = np.cumsum(sizes[order])
        nearest = int(np.abs(sums - target).argmin())
        if abs(sums[nearest] - target) <= tolerance:
            return order[: nearest + 1]
    return None
