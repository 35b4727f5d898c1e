"""Whether what is generated repeats the training slices: distances to the nearest of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import fft

from micro3diff.benchmark.real import Real
from micro3diff.slices import AXES, symmetries

WINDOW = 32  # side of what is compared, in pixels
QUERIES = 64
COLUMNS = ["material", "kind", "n", "median", "low5", "min"]
_AT_ONCE = 2**22  # complex numbers of a block of transforms

Box = tuple[slice, slice, slice]


def nearest_distances(
    queries: Sequence[np.ndarray],
    training: np.ndarray,
    window: int = WINDOW,
    hidden: Sequence[Box | None] | None = None,
) -> np.ndarray:
    """Fraction of differing pixels between each query and what is most like it in training.

    The middle ``window`` x ``window`` pixels of a query, under each of the eight symmetries of the
    square, are laid over every place of every training image that holds them whole.

    queries: labels (y, x); training: labels (n, y, x).
    hidden: for each query, the part of ``training`` (image, y, x) that it must not be held
        against, such as its own place; places that overlap it do not count.

    Returns shape (n_queries,), NaN where no place is left.
    """
    labels = np.unique(training)
    height, width = training.shape[1:]
    window = min(window, height, width, *(min(np.shape(query)) for query in queries))
    size = [fft.next_fast_len(side, real=True) for side in (height, width)]
    places = (height - window + 1, width - window + 1)
    block = max(1, _AT_ONCE // (size[0] * size[1]))
    best = np.full(len(queries), -1.0)
    turned = [symmetries(_middle(np.asarray(query), window)[None]) for query in queries]
    for start in range(0, len(training), block):
        part = training[start : start + block]
        spectra = [_spectrum(part == label, size) for label in labels]
        for k, maps in enumerate(turned):
            free = _free(len(part), places, window, start, hidden[k] if hidden else None)
            if not free.any():
                continue
            for one in maps:
                # the sum over the phases is taken before the one transform back
                product = sum(
                    spectrum * _spectrum(one == label, size).conj()
                    for label, spectrum in zip(labels, spectra, strict=True)
                )
                same = fft.irfft2(product, s=size)[:, : places[0], : places[1]]
                best[k] = max(best[k], float(same[free].max()))
    found = 1 - np.rint(best) / window**2
    return np.where(best < 0, np.nan, found)


def _middle(image: np.ndarray, window: int) -> np.ndarray:
    top, left = ((side - window) // 2 for side in image.shape)
    return image[top : top + window, left : left + window]


def _spectrum(mask: np.ndarray, size: list[int]) -> np.ndarray:
    return fft.rfft2(mask.astype(np.float32), s=size)


def _free(
    images: int, places: tuple[int, int], window: int, start: int, hidden: Box | None
) -> np.ndarray:
    """Which places (image, y, x) of a window do not overlap the hidden part."""
    free = np.ones((images, *places), bool)
    if hidden is not None:
        planes, *ranges = hidden
        covered = (
            slice(max(planes.start - start, 0), max(planes.stop - start, 0)),
            *(slice(max(r.start - window + 1, 0), max(r.stop, 0)) for r in ranges),
        )
        free[covered] = False
    return free


def held_back(
    real: Real, source: np.ndarray, axes: Sequence[str], count: int = QUERIES, seed: int = 0
) -> tuple[list[np.ndarray], list[Box | None]]:
    """Real images that the denoiser has not seen, and what each must not be held against.

    Out of real volumes that do not overlap the source, planes at random normal to ``axes``; out of
    stacks, images at random; single images each, with their own place hidden. Both lists are
    empty if the source is all there is.

    source: labels of the material, (z, y, x), (image, y, x) or (y, x).
    """
    rng = np.random.default_rng(seed)
    if real.is_the_source:
        sides = (1, *real.samples.shape[1:])
        boxes = [
            tuple(slice(c, c + s) for c, s in zip(map(int, corner), sides, strict=True))
            for corner in real.corners
        ]
        chosen = rng.permutation(len(boxes))[:count]
        return [real.samples[k] for k in chosen], [boxes[k] for k in chosen]
    samples = real.samples
    if real.corners.size:
        ends = real.corners + samples.shape[1:]
        inside = ((ends > 0) & (real.corners < source.shape)).all(axis=1)
        samples = samples[~inside]
    if not len(samples):
        return [], []
    normals = [0] if real.kind == "stack" else [AXES[axis] for axis in axes]
    return planes_of(samples, normals, count, rng), [None] * count


def planes_of(
    samples: Sequence[np.ndarray], normals: Sequence[int], count: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """``count`` planes at random places of random samples (z, y, x), normal to axes in turn."""
    images = []
    for k in range(count):
        axis = normals[k % len(normals)]
        sample = samples[rng.integers(len(samples))]
        images.append(sample.take(rng.integers(sample.shape[axis]), axis))
    return images


def memorisation_table(
    generated: np.ndarray,
    volumes: Sequence[np.ndarray],
    slices: np.ndarray,
    source: np.ndarray,
    real: Real,
    axes: Sequence[str],
    material: str,
    window: int = WINDOW,
) -> pd.DataFrame:
    """Distances of what is generated and of held-back real images to the nearest training slice.

    generated: labels (n, y, x), of which 64 are taken; volumes: made by the same denoiser, labels
    (z, y, x), of which 64 planes are; slices: the training set (n, y, x); source: what it was cut
    from. Slices of images are crops of them, so that the images themselves are searched in their
    place. Windows are as large for all kinds, no larger than the smallest of all images.

    Columns: ``material,kind,n,median,low5,min``, kind "generated" (2D), "volume" or "held back";
    the median, 5 % quantile and minimum over n images. NaN where nothing is held back.
    """
    training = slices
    if real.kind != "volume":
        training = source[None] if source.ndim == 2 else source
    images, hidden = held_back(real, source, axes)
    window = min(window, *generated.shape[1:], *(min(image.shape) for image in images))
    shape = volumes[0].shape
    # of a thin volume, the planes that are wide enough
    wide = [axis for axis in range(3) if min(np.delete(shape, axis)) >= window] or [0, 1, 2]
    planes = planes_of(volumes, wide, QUERIES, np.random.default_rng(0))
    window = min(window, *(min(plane.shape) for plane in planes))
    distances = {
        "generated": nearest_distances(generated[:QUERIES], training, window),
        "volume": nearest_distances(planes, training, window),
        "held back": nearest_distances(images, training, window, hidden),
    }
    rows = []
    for kind, found in distances.items():
        found = found[~np.isnan(found)]
        low = np.quantile(found, [0.5, 0.05, 0]) if len(found) else [np.nan] * 3
        rows.append([material, kind, len(found), *low])
    return pd.DataFrame(rows, columns=COLUMNS)
