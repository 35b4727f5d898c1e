"""Real volumes or images, as many as there are, to hold generated ones against."""

import itertools
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from micro3diff.errors import InputError, OtherLabels
from micro3diff.files import atomic_path
from micro3diff.slices import PLANES
from micro3diff.sources import Source, kind_of, load_source

logger = logging.getLogger("micro3diff")

POOL = 25  # samples that a generator makes, at least
MOST = 200  # blocks that are cut from a large volume
MOST_TILES = 2000  # of a large image, all of which are drawn
FEWEST = 8  # disjoint blocks of a volume; where there are fewer, blocks overlap
FIRST_SEED = 1_000_000  # of generated sources: none that a configuration has


@dataclass(frozen=True, eq=False)
class Real:
    """Samples of a material, of equal size.

    kind: what one sample is: "volume" (z, y, x), "stack" (image, y, x), "image" (y, x) or
        "planes" (3, row, column), an image of each of `slices.PLANES`
    samples: uint8 labels, shape (n, *sample)
    corners: place of each sample's first voxel in the source, (n, 3) as (z, y, x) or
        (image, y, x), negative before its crop, in voxels of the samples; (n, 0) for samples that
        were generated anew and for planes
    overlapping: whether samples share voxels, so that they differ less than others would
    """

    kind: str
    samples: np.ndarray
    corners: np.ndarray
    overlapping: bool = False

    @property
    def is_the_source(self) -> bool:
        """Whether the samples are parts of images, of which there are no others."""
        return self.kind in ("image", "planes")

    def drawn(self, count: int) -> int:
        """How many samples make a floor for ``count`` volumes; of images, all that there are."""
        return len(self.samples) if self.is_the_source else count

    def labels(self) -> Iterator[np.ndarray | dict[str, np.ndarray]]:
        """Each sample as the labels of a `Source` of this kind."""
        for sample in self.samples:
            yield dict(zip(PLANES, sample, strict=True)) if self.kind == "planes" else sample


def cut_real(settings: dict, path: str | os.PathLike | None, shape: list[int], patch: int) -> Real:
    """Real samples of a material, by its settings ``source``.

    - volume of a generator: at least 25 disjoint blocks of ``shape`` out of volumes with other
      seeds
    - images of a generator: 25 groups with other seeds, each of as many images as a volume of
      ``shape`` has planes
    - volume in a file: disjoint blocks of ``shape``, of the whole file where it was cropped, unless
      it has labels that the crop has not; 25 at random places, which may overlap, where fewer than
      8 are disjoint
    - one image in a file: its disjoint tiles of side ``patch``; several: those images; as cropped
    - an image of each plane: their tiles, as many of each as the smallest has, matched at random

    path: the file, None for a generator or planes. Blocks are no larger than the source.
    """
    settings = dict(settings)
    if settings.get("planes"):
        return _tiles_of_planes(load_source(settings), patch)
    settings["path"] = path
    crop = settings.pop("crop", None)
    if settings.get("generator"):
        return _generated(settings, crop, shape)
    if crop and kind_of(Path(path), len(crop), settings.get("array") or "auto") != "volume":
        # what is cut off an image may be none of the material, such as a bar of text
        settings["crop"], crop = crop, None
    try:
        whole = load_source(settings)
    except OtherLabels as error:
        if crop is None:
            raise
        logger.warning("%s. Real samples are of source.crop alone", error)
        whole, crop = load_source(settings | {"crop": crop}), None
    if whole.kind == "volume":
        return cut_blocks(whole, crop, shape, "volume", fewest=FEWEST)
    side = [patch, patch] if whole.kind == "image" else whole.labels.shape[1:]
    return cut_blocks(whole, crop, [1, *side], "image")


def _generated(settings: dict, crop: list | None, shape: list[int]) -> Real:
    name = settings["generator"]
    options = settings.get(name) or {}
    samples: list[np.ndarray] = []
    for seed in itertools.count(FIRST_SEED):
        one = options | {"seed": seed}
        if name == "grains":  # the images of a volume's three families of planes
            one["images"] = sum(shape)
        try:
            source = load_source(settings | {name: one, "crop": None if name == "grains" else crop})
        except InputError:  # small sources are not packed with every seed
            if seed > FIRST_SEED + 4 * POOL:
                raise
            continue
        if source.kind == "volume":
            samples += list(cut_blocks(source, None, shape, "volume").samples)
        else:
            samples.append(source.labels)
        if len(samples) >= POOL:
            return Real(source.kind, np.stack(samples), np.empty((len(samples), 0), int))


def cut_blocks(
    source: Source, crop: list | None, shape: Sequence[int], kind: str, fewest: int = 1
) -> Real:
    """Disjoint blocks of ``shape``, in a grid that is centred in the source.

    Where there are less than ``fewest``, blocks at random places, if the source has room for any.
    """
    labels = source.labels[None] if source.kind == "image" else source.labels
    sides = [min(pair) for pair in zip(shape, labels.shape, strict=True)]
    counts = [whole // side for whole, side in zip(labels.shape, sides, strict=True)]
    grid = [
        (whole - count * side) // 2 + side * np.arange(count)
        for whole, count, side in zip(labels.shape, counts, sides, strict=True)
    ]
    corners = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(math.prod(counts), 3)
    overlapping = len(corners) < fewest and tuple(sides) != labels.shape
    most = MOST if kind == "volume" else MOST_TILES
    if overlapping:
        corners = _places(labels.shape, sides)
    elif len(corners) > most:
        chosen = np.random.default_rng(0).choice(len(corners), most, replace=False)
        corners = corners[np.sort(chosen)]
    blocks = [
        labels[tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))]
        for corner in corners
    ]
    samples = np.stack(blocks)
    starts = [start for start, _ in crop or []]
    origin = np.array([0] * (3 - len(starts)) + starts) / source.origin.get("coarsen", 1)
    # rounded towards the crop's first voxel, since a block that shares part of one still overlaps
    corners = np.trunc(corners - origin).astype(int)
    return Real(kind, samples[:, 0] if kind == "image" else samples, corners, overlapping)


def _places(shape: tuple[int, ...], sides: list[int]) -> np.ndarray:
    """First voxels of blocks at random, no two the same, at most 25: (n, 3)."""
    free = [whole - side + 1 for whole, side in zip(shape, sides, strict=True)]
    count = min(POOL, math.prod(free))
    numbers = np.random.default_rng(0).choice(math.prod(free), count, replace=False)
    return np.transpose(np.unravel_index(np.sort(numbers), free))


def _tiles_of_planes(source: Source, patch: int) -> Real:
    """Tiles of the three images, one of each to a sample."""
    shapes = [image.shape for image in source.labels.values()]
    side = min(patch, *(min(shape) for shape in shapes))
    rng = np.random.default_rng(0)
    tiles = [
        rng.permutation(cut_blocks(Source(image, "image"), None, [1, side, side], "image").samples)
        for image in (source.labels[plane] for plane in PLANES)
    ]
    count = min(map(len, tiles))
    samples = np.stack([of_plane[:count] for of_plane in tiles], axis=1)
    return Real("planes", samples, np.empty((count, 0), int))


def write_real(path: str | os.PathLike, real: Real) -> None:
    """Write samples as a compressed .npz, atomically."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **vars(real))
    logger.info("%s: %d samples, each a %s", path, len(real.samples), real.kind)


def read_real(path: str | os.PathLike) -> Real:
    """Read what `write_real` wrote."""
    with np.load(Path(path)) as kept:
        overlapping = bool(kept.get("overlapping", False))
        return Real(str(kept["kind"]), kept["samples"], kept["corners"], overlapping)
