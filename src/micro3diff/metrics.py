"""Statistics of label arrays: two-point correlation, lineal path, error rate.

Definitions of S. Torquato, Random Heterogeneous Materials (2002), in voxels: every pair of voxels
or segment that fits inside the array counts once, so that the edges bring no bias. Equation
numbers are those of https://doi.org/10.1038/s41524-024-01280-z.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np
from scipy import fft, ndimage

from micro3diff.errors import InputError

AT_ONCE = 2**24  # voxels whose lineal path is counted at once
ALONG = ("axes", "diagonals", "radial")


@dataclass(frozen=True, eq=False)
class Curve:
    """A statistic against the lag.

    lags: integers 0 .. max_lag, shape (n_lags,).
    values: mean over the directions, shape (n_lags,).
    per_axis: shape (n_directions, n_lags); None where all directions are pooled (radial).
    step: length of one lag in voxels; 1, or the length of the diagonal of a voxel.
    """

    lags: np.ndarray
    values: np.ndarray
    per_axis: np.ndarray | None = None
    step: float = 1.0

    @property
    def distances(self) -> np.ndarray:
        """Lags as lengths in voxels, shape (n_lags,)."""
        return self.lags * self.step


def volume_fraction(labels: np.ndarray, phase: int = 1) -> float:
    """Fraction of the voxels of a 2D or 3D label array that belong to ``phase``.

    Raises `InputError` for an empty array, one of other dimensions or of a type not integer.
    """
    return _fraction(_phase_mask(labels, phase))


def specific_surface(labels: np.ndarray, phase: int = 1) -> float:
    """Faces between ``phase`` and the rest per voxel, in 1/voxel (edges per pixel in 2D).

    The sum over the axes of the fraction of neighbours that differ. Raises `InputError` as
    `two_point_correlation` does.
    """
    mask, axes, _, periodic = _prepare(labels, phase, 1, False, None)
    return sum(
        _fraction(mask[starts] ^ ends)
        for starts, ends in (_shift(mask, d, periodic) for d in _directions(mask, axes, "axes"))
    )


def interface(
    labels: np.ndarray,
    phases: tuple[int, int],
    periodic: bool | Sequence[bool] = False,
    plane: tuple[int, int] | None = None,
) -> np.ndarray:
    """Faces between two phases per voxel along each axis, in 1/voxel, shape (n_axes,).

    The fraction of neighbours along the axis of which one belongs to either phase. Summed over the
    axes and over all other phases it is the `specific_surface` of a phase. Arguments and errors are
    those of `two_point_correlation`.
    """
    one, axes, _, periodic = _prepare(labels, phases[0], 1, periodic, plane)
    other = _phase_mask(labels, phases[1])
    faces = []
    for step in _directions(one, axes, "axes"):
        starts, one_ends = _shift(one, step, periodic)
        _, other_ends = _shift(other, step, periodic)
        faces.append(_fraction((one[starts] & other_ends) | (other[starts] & one_ends)))
    return np.array(faces)


def connected_fraction(labels: np.ndarray, phase: int = 1) -> np.ndarray:
    """Share of a phase's voxels that are joined to both ends along each axis, shape (n_axes,).

    Voxels are joined through their faces (in 2D, pixels through their edges), and nothing wraps
    around: what a flow or a current through the box could take part in. S2 and LP do not tell of
    it. It depends on the size of the box. A phase that is absent gives zeros. Raises `InputError`
    as `volume_fraction` does.
    """
    clusters, count = ndimage.label(_phase_mask(labels, phase))
    sizes = np.bincount(clusters.ravel(), minlength=count + 1)
    found = []
    for axis in range(clusters.ndim):
        both = np.intersect1d(clusters.take(0, axis), clusters.take(-1, axis))
        found.append(sizes[both[both > 0]].sum() / max(1, sizes[1:].sum()))
    return np.array(found)


def two_point_correlation(
    labels: np.ndarray,
    phase: int = 1,
    max_lag: int | None = None,
    periodic: bool | Sequence[bool] = False,
    along: str = "axes",
    plane: tuple[int, int] | None = None,
) -> Curve:
    """Two-point correlation S2 (equation 22): the fraction of pairs with both ends in ``phase``.

    labels: integers, shape (y, x) or (z, y, x).
    max_lag: in voxels; half the shortest side by default.
    periodic: whether pairs wrap around, for all axes or one value for each.
    along: "axes"; "diagonals", the 2 of a pixel or the 4 body diagonals of a voxel; or "radial",
        every pair with lag - 1/2 <= distance < lag + 1/2, pooled.
    plane: the two axes of the images if ``labels`` is a stack of images, all of which are pooled.

    A phase that is absent gives zeros. Raises `InputError` for an array that is empty, of other
    dimensions or of a type not integer, and for a ``max_lag`` that does not fit inside.
    """
    if along not in ALONG:
        raise InputError(f"along: found {along!r}; expected one of {', '.join(ALONG)}")
    mask, axes, lags, periodic = _prepare(labels, phase, max_lag, periodic, plane)
    if along == "radial":
        return Curve(lags, _radial_correlation(mask, axes, lags[-1], periodic))
    directions = _directions(mask, axes, along)
    per_axis = np.empty((len(directions), len(lags)))
    for row, direction in zip(per_axis, directions, strict=True):
        for lag in lags:
            starts, ends = _shift(mask, lag * direction, periodic)
            row[lag] = _fraction(mask[starts] & ends)
    return Curve(lags, per_axis.mean(axis=0), per_axis, float(np.linalg.norm(directions[0])))


def lineal_path(
    labels: np.ndarray,
    phase: int = 1,
    max_lag: int | None = None,
    periodic: bool | Sequence[bool] = False,
    plane: tuple[int, int] | None = None,
) -> Curve:
    """Lineal path LP (equation 23): the fraction of segments that lie wholly in ``phase``.

    A segment of lag r covers r + 1 voxels along an axis, so LP(0) is the volume fraction.
    Arguments and errors are those of `two_point_correlation`. B. Lu and S. Torquato,
    https://doi.org/10.1103/PhysRevA.45.922.
    """
    from porespy.filters import distance_transform_lin  # takes seconds to import

    mask, axes, lags, periodic = _prepare(labels, phase, max_lag, periodic, plane)
    per_axis = np.empty((len(axes), len(lags)))
    for row, axis in zip(per_axis, axes, strict=True):
        before = lags[-1] if periodic[axis] else 0  # voxels that a wrapped run may begin in
        padding = [(before, 0) if a == axis else (0, 0) for a in range(mask.ndim)]
        padded = np.pad(mask, padding, mode="wrap") if before else mask
        lengths = np.zeros(padded.shape[axis] + 1, int)
        # a part at a time along another axis, since runs take fifty times the memory of the mask
        for part in np.array_split(padded, -(-padded.size // AT_ONCE), axis - 1):
            if part.size:
                runs = distance_transform_lin(part, axis, mode="forward").astype(int)
                runs = runs.take(range(before, runs.shape[axis]), axis)
                lengths += np.bincount(runs.ravel(), minlength=len(lengths))
        # a segment ends at each voxel whose run of phase, that voxel included, exceeds the lag
        longer = lengths[::-1].cumsum()[::-1][1:]
        places = mask.shape[axis] if periodic[axis] else mask.shape[axis] - lags
        row[:] = longer[: len(lags)] / (places * (mask.size // mask.shape[axis]))
    return Curve(lags, per_axis.mean(axis=0), per_axis)


def error_rate(reference: Curve | np.ndarray, generated: Curve | np.ndarray) -> float | np.ndarray:
    """Error rate in percent (equation 24): the area between two curves over that of the reference.

    Areas are by the trapezoidal rule over the common lags. Arrays hold values at lags 0, 1, ...;
    ``generated`` of shape (..., n_lags) gives an error rate for each curve. Raises `InputError`
    if fewer than two lags are common or the reference is zero there.
    """
    reference, generated = (
        curve.values if isinstance(curve, Curve) else np.asarray(curve, dtype=float)
        for curve in (reference, generated)
    )
    n_lags = min(reference.shape[-1], generated.shape[-1])
    if n_lags < 2:
        raise InputError(f"error rate: found {n_lags} common lags; expected 2 or more")
    reference, generated = reference[:n_lags], generated[..., :n_lags]
    area = np.trapezoid(reference)
    if not area > 0:
        raise InputError("error rate: the reference curve is zero; choose a phase that it contains")
    return 100 * np.trapezoid(np.abs(generated - reference), axis=-1) / area


def _phase_mask(labels: np.ndarray, phase: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim not in (2, 3) or labels.size == 0:
        raise InputError(f"labels: found shape {labels.shape}; expected a 2D or 3D array of labels")
    if labels.dtype.kind not in "bui":
        raise InputError(f"labels: found type {labels.dtype}; expected integers, segment it first")
    return labels == phase


def _prepare(
    labels: np.ndarray,
    phase: int,
    max_lag: int | None,
    periodic: bool | Sequence[bool],
    plane: tuple[int, int] | None,
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray, tuple[bool, ...]]:
    """Check the arguments; return the mask of the phase, the axes in space, lags and wrapping."""
    mask = _phase_mask(labels, phase)
    axes = tuple(range(mask.ndim)) if plane is None else tuple(plane)
    if plane is not None and (mask.ndim != 3 or axes not in {(0, 1), (0, 2), (1, 2)}):
        raise InputError(f"plane: found {plane} for a {mask.ndim}D array; expected 2 of 3 axes")
    wraps = (bool(periodic),) * mask.ndim if np.isscalar(periodic) else tuple(periodic)
    if len(wraps) != mask.ndim:
        raise InputError(f"periodic: found {len(wraps)} values; expected one per axis, {mask.ndim}")
    if max_lag is None:
        max_lag = min(mask.shape[axis] for axis in axes) // 2
    sides = [mask.shape[axis] for axis in axes if not wraps[axis]]
    if max_lag < 0 or any(max_lag >= side for side in sides):
        raise InputError(
            f"max_lag: found {max_lag}; expected at least 0 and less than the sides {mask.shape}"
        )
    return mask, axes, np.arange(max_lag + 1), wraps


def _directions(mask: np.ndarray, axes: tuple[int, ...], along: str) -> np.ndarray:
    """Steps of one lag, shape (n_directions, ndim)."""
    unit = np.eye(mask.ndim, dtype=int)[list(axes)]
    if along == "axes":
        return unit
    signs = [(1, *rest) for rest in product((1, -1), repeat=len(axes) - 1)]
    return np.array(signs) @ unit


def _shift(
    mask: np.ndarray, step: np.ndarray, periodic: tuple[bool, ...]
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Slices of the voxels that have a partner ``step`` away, and those partners."""
    wrapped = [int(s) if wraps else 0 for s, wraps in zip(step, periodic, strict=True)]
    inner = [int(s) - w for s, w in zip(step, wrapped, strict=True)]
    if any(wrapped):
        mask = np.roll(mask, [-w for w in wrapped], axis=range(mask.ndim))
    sides = list(zip(inner, mask.shape, strict=True))
    starts = tuple(slice(max(0, -s), n - max(0, s)) for s, n in sides)
    ends = tuple(slice(max(0, s), n - max(0, -s)) for s, n in sides)
    return starts, mask[ends]


def _fraction(hits: np.ndarray) -> float:
    return np.count_nonzero(hits) / hits.size


def _radial_correlation(
    mask: np.ndarray, axes: tuple[int, ...], max_lag: int, periodic: tuple[bool, ...]
) -> np.ndarray:
    """S2 with all pairs of a lag pooled, by Fourier transform; exact, since counts are integers.

    Padding by ``max_lag`` keeps wrapped pairs out of the lags that are read.
    """
    if len(axes) == mask.ndim:
        images = mask[np.newaxis]
    else:
        (stacked,) = set(range(mask.ndim)) - set(axes)
        images = np.moveaxis(mask, stacked, 0)
    sides = images.shape[1:]
    wraps = [periodic[axis] for axis in axes]
    padded = [
        n if w else fft.next_fast_len(n + int(max_lag), real=True)
        for n, w in zip(sides, wraps, strict=True)
    ]
    inner = tuple(range(1, images.ndim))
    spectrum = fft.rfftn(images.astype(float), s=padded, axes=inner)
    power = np.square(spectrum.real).sum(axis=0)
    power += np.square(spectrum.imag).sum(axis=0)
    del spectrum
    hits = np.rint(fft.irfftn(power, s=padded, overwrite_x=True))

    steps = np.arange(-max_lag, max_lag + 1)
    pairs = [
        np.full(steps.size, n) if w else n - np.abs(steps)
        for n, w in zip(sides, wraps, strict=True)
    ]
    columns = np.ix_(*(steps % n for n in padded[1:]))
    layer_squares = reduce(np.add.outer, [steps**2] * (len(sides) - 1))
    layer_pairs = reduce(np.multiply.outer, pairs[1:]) * len(images)
    hits_at, pairs_at = np.zeros(max_lag + 1), np.zeros(max_lag + 1)
    for step, factor in zip(steps, pairs[0], strict=True):  # layer by layer, to save memory
        lag = np.rint(np.sqrt(layer_squares + step**2)).astype(int)
        near = lag <= max_lag
        layer_hits = hits[step % padded[0]][columns]
        hits_at += np.bincount(lag[near], layer_hits[near], max_lag + 1)
        pairs_at += np.bincount(lag[near], layer_pairs[near] * factor, max_lag + 1)
    return hits_at / pairs_at
