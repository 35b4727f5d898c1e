"""The metrics against counts by hand, an analytic result, PoreSpy and real images."""

from itertools import product
from math import dist, floor
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from micro3diff import metrics
from micro3diff.errors import InputError
from micro3diff.metrics import (
    Curve,
    error_rate,
    lineal_path,
    specific_surface,
    two_point_correlation,
    volume_fraction,
)

SHAPES = [(6, 9), (7, 7), (4, 7, 5), (5, 4, 6)]
DATA = Path(__file__).parents[3] / "shared" / "data"


def random_labels(shape, seed=0):
    return np.random.default_rng(seed).choice(3, size=shape, p=[0.3, 0.6, 0.1]).astype(np.uint8)


def wrappings(shape):
    """Nothing wraps, everything, only the last axis."""
    return [False, True, [False] * (len(shape) - 1) + [True]]


CASES = [(shape, periodic) for shape in SHAPES for periodic in wrappings(shape)]


class ByHand:
    """Counts in plain Python, one voxel at a time."""

    def __init__(self, labels, phase, periodic):
        self.labels, self.phase = labels, phase
        self.periodic = [periodic] * labels.ndim if isinstance(periodic, bool) else periodic

    def at(self, voxel):
        """Whether the voxel is in the phase; None outside."""
        place = []
        for i, n, wraps in zip(voxel, self.labels.shape, self.periodic, strict=True):
            if not wraps and not 0 <= i < n:
                return None
            place.append(i % n)
        return bool(self.labels[tuple(place)] == self.phase)

    def segment(self, start, step, n):
        """The ``n`` voxels from ``start`` on; None if they leave the array."""
        voxels = [self.at([s + k * d for s, d in zip(start, step, strict=True)]) for k in range(n)]
        return None if None in voxels else voxels

    def fraction(self, outcomes):
        kept = [outcome for outcome in outcomes if outcome is not None]
        return sum(kept) / len(kept)

    def pairs(self, step):
        for start in np.ndindex(self.labels.shape):
            pair = self.segment(start, step, 2)
            yield None if pair is None else all(pair)

    def s2(self, direction, max_lag):
        return [
            self.fraction(self.pairs([lag * d for d in direction])) for lag in range(max_lag + 1)
        ]

    def segments(self, direction, lag):
        for start in np.ndindex(self.labels.shape):
            segment = self.segment(start, direction, lag + 1)
            yield None if segment is None else all(segment)

    def lp(self, direction, max_lag):
        return [self.fraction(self.segments(direction, lag)) for lag in range(max_lag + 1)]

    def radial(self, max_lag):
        pooled = [[] for _ in range(max_lag + 1)]
        for step in product(range(-max_lag, max_lag + 1), repeat=self.labels.ndim):
            lag = floor(dist(step, [0] * self.labels.ndim) + 0.5)
            if lag <= max_lag:
                pooled[lag].extend(self.pairs(step))
        return [self.fraction(outcomes) for outcomes in pooled]


def unit(ndim):
    return np.eye(ndim, dtype=int).tolist()


def diagonals(ndim):
    return [(1, *signs) for signs in product((1, -1), repeat=ndim - 1)]


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_s2_along_lines_is_the_count_by_hand(shape, periodic):
    """S2 along the axes and diagonals is exact, whatever the shape and the wrapping."""
    labels = random_labels(shape)
    by_hand = ByHand(labels, 1, periodic)
    for along, directions in [("axes", unit(len(shape))), ("diagonals", diagonals(len(shape)))]:
        curve = two_point_correlation(labels, max_lag=3, periodic=periodic, along=along)
        expected = [by_hand.s2(direction, 3) for direction in directions]
        np.testing.assert_array_equal(curve.per_axis, expected)
        np.testing.assert_array_equal(curve.values, np.mean(expected, axis=0))
        np.testing.assert_array_equal(curve.lags, range(4))
        assert curve.distances[2] == pytest.approx(dist([0] * len(shape), directions[0]) * 2)


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_radial_s2_is_the_count_by_hand(shape, periodic):
    """Pooling by Fourier transform loses no pair and counts none twice."""
    labels = random_labels(shape)
    curve = two_point_correlation(labels, max_lag=3, periodic=periodic, along="radial")
    np.testing.assert_array_equal(curve.values, ByHand(labels, 1, periodic).radial(3))
    assert curve.per_axis is None


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_lineal_path_of_parts_is_that_of_the_whole(shape, periodic, monkeypatch):
    """Of a large volume a part is counted at a time."""
    labels = random_labels(shape)
    whole = lineal_path(labels, max_lag=3, periodic=periodic)
    for size in (1, 40, 100):
        monkeypatch.setattr(metrics, "AT_ONCE", size)
        parts = lineal_path(labels, max_lag=3, periodic=periodic)
        np.testing.assert_array_equal(parts.per_axis, whole.per_axis)


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_lineal_path_is_the_count_by_hand(shape, periodic):
    """LP counts every segment that fits inside once."""
    labels = random_labels(shape)
    curve = lineal_path(labels, max_lag=3, periodic=periodic)
    expected = [ByHand(labels, 1, periodic).lp(direction, 3) for direction in unit(len(shape))]
    np.testing.assert_array_equal(curve.per_axis, expected)
    np.testing.assert_array_equal(curve.values, np.mean(expected, axis=0))


def test_lags_beyond_a_periodic_side_wrap_again():
    """A lag may exceed a side that wraps around."""
    labels = random_labels((3, 4))
    by_hand = ByHand(labels, 1, True)
    for curve, expected in [
        (two_point_correlation(labels, max_lag=6, periodic=True), by_hand.s2),
        (lineal_path(labels, max_lag=6, periodic=True), by_hand.lp),
    ]:
        np.testing.assert_array_equal(curve.per_axis, [expected(d, 6) for d in unit(2)])
    radial = two_point_correlation(labels, max_lag=6, periodic=True, along="radial")
    np.testing.assert_array_equal(radial.values, by_hand.radial(6))


@pytest.mark.parametrize("plane", [(1, 2), (0, 2), (0, 1)])
@pytest.mark.parametrize("along", ["axes", "diagonals", "radial"])
def test_a_stack_is_the_mean_of_its_images(plane, along):
    """With a plane given, nothing is counted from one image to the next."""
    labels = random_labels((5, 6, 7))
    (stacked,) = {0, 1, 2} - set(plane)
    images = np.moveaxis(labels, stacked, 0)
    s2 = [two_point_correlation(image, max_lag=2, along=along).values for image in images]
    lp = [lineal_path(image, max_lag=2).values for image in images]
    curve = two_point_correlation(labels, max_lag=2, along=along, plane=plane)
    np.testing.assert_allclose(curve.values, np.mean(s2, axis=0), rtol=1e-12)
    curve = lineal_path(labels, max_lag=2, plane=plane)
    np.testing.assert_allclose(curve.values, np.mean(lp, axis=0), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_fraction_and_surface_are_the_counts_by_hand(shape):
    """The volume fraction counts voxels, the surface neighbours of which one is in the phase."""
    labels = random_labels(shape)
    by_hand = ByHand(labels, 2, False)
    faces = 0.0
    for direction in unit(len(shape)):
        pairs = [by_hand.segment(start, direction, 2) for start in np.ndindex(shape)]
        faces += by_hand.fraction(None if pair is None else pair[0] != pair[1] for pair in pairs)
    assert specific_surface(labels, phase=2) == pytest.approx(faces, rel=1e-12)
    assert volume_fraction(labels, phase=2) == (labels == 2).sum() / labels.size


@pytest.mark.parametrize("shape", [(9, 8), (6, 7, 5)])
def test_connected_fraction_is_a_flood_from_both_ends(shape):
    """Water let in at one end and water let in at the other, through faces alone."""
    labels = np.random.default_rng(3).choice(3, shape, p=[0.55, 0.25, 0.2])
    for phase in range(3):
        places = set(zip(*np.nonzero(labels == phase), strict=True))

        def flooded(starts, places=places):
            found, left = set(), list(starts)
            while left:
                here = left.pop()
                if here in found or here not in places:
                    continue
                found.add(here)
                left += [tuple(i + d * (a == k) for a, i in enumerate(here))
                         for k in range(len(shape)) for d in (-1, 1)]  # fmt: skip
            return found

        for axis, share in enumerate(metrics.connected_fraction(labels, phase)):
            ends = [[at for at in places if at[axis] == end] for end in (0, shape[axis] - 1)]
            # what both reach: each cluster is filled from either end or not at all
            both = flooded(ends[0]) & flooded(ends[1])
            assert share == pytest.approx(len(both) / len(places))
    assert metrics.connected_fraction(labels, 7).tolist() == [0] * len(shape)


def test_known_patterns():
    """A checkerboard and stripes have curves that can be written down."""
    z, y, x = np.indices((8, 8, 8))
    checkerboard = (x + y + z) % 2
    s2 = two_point_correlation(checkerboard)
    np.testing.assert_array_equal(s2.values, [0.5, 0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(lineal_path(checkerboard).values, [0.5, 0, 0, 0, 0])
    assert specific_surface(checkerboard) == 3
    stripes = z % 2
    np.testing.assert_array_equal(lineal_path(stripes).per_axis[1:], np.full((2, 5), 0.5))


def test_a_phase_that_is_absent_gives_zeros():
    """A volume that drifted to one phase can still be scored."""
    labels = np.zeros((6, 6, 6), np.uint8)
    for along in ("axes", "diagonals", "radial"):
        assert not two_point_correlation(labels, along=along).values.any()
    assert not lineal_path(labels).values.any()
    assert volume_fraction(labels) == specific_surface(labels) == 0


def overlapping_spheres(rng, side, radius, density):
    """The phase outside overlapping spheres at random in a periodic cube."""
    centres = rng.uniform(0, side, size=(rng.poisson(density * side**3), 3))
    voxels = np.indices((side,) * 3).reshape(3, -1).T
    distance, _ = cKDTree(centres, boxsize=side).query(voxels, distance_upper_bound=radius)
    return np.isinf(distance).reshape((side,) * 3)


@pytest.mark.parametrize("along", ["axes", "diagonals", "radial"])
def test_overlapping_spheres_have_the_analytic_s2(along):
    """exp(-density * volume of two spheres at the distance), within the sampling error."""
    side, radius, density, n = 32, 4.0, np.log(2) / (4 / 3 * np.pi * 4.0**3), 16
    rng = np.random.default_rng(1)
    samples = [overlapping_spheres(rng, side, radius, density) for _ in range(n)]
    curves = [two_point_correlation(s, max_lag=12, along=along) for s in samples]
    values = np.array([curve.values for curve in curves])

    if along == "radial":  # the mean over the distances that a lag pools, not the lag itself
        steps = np.indices((25, 25, 25)).reshape(3, -1).T - 12
        distances = np.linalg.norm(steps, axis=1)
        lags = np.floor(distances + 0.5).astype(int)
        weights = np.prod(side - np.abs(steps), axis=1)
    else:
        distances, lags, weights = curves[0].distances, curves[0].lags, np.ones(13)
    x = np.minimum(distances / radius, 2)
    union = 4 / 3 * np.pi * radius**3 * (1 + 3 * x / 4 - x**3 / 16)
    s2 = np.exp(-density * union)
    expected = (np.bincount(lags, weights * s2) / np.bincount(lags, weights))[:13]

    standard_error = values.std(axis=0, ddof=1) / np.sqrt(n)
    assert np.all(np.abs(values.mean(axis=0) - expected) < 3 * standard_error)
    assert np.all(standard_error < 0.02)


def test_error_rate_is_the_ratio_of_areas():
    """Equation 24 by the trapezoidal rule, over the lags that both curves have."""
    reference, generated = np.array([1.0, 0.5, 0.0]), np.array([1.0, 0.4, 0.2, 9.0])
    assert error_rate(reference, generated) == pytest.approx(100 * (0.05 + 0.15) / 1.0)
    assert error_rate(Curve(np.arange(3), reference), generated[:3]) == pytest.approx(20)
    assert error_rate(reference, reference) == 0
    assert error_rate(reference, np.zeros(3)) == 100
    np.testing.assert_allclose(
        error_rate(reference, np.stack([reference, 0 * reference])), [0, 100]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: volume_fraction(np.zeros((0, 4), int)), "shape"),
        (lambda: volume_fraction(np.zeros(4, int)), "shape"),
        (lambda: lineal_path(np.zeros((2, 2, 2, 2), int)), "shape"),
        (lambda: two_point_correlation(np.zeros((4, 4))), "float64"),
        (lambda: two_point_correlation(np.zeros((9, 4), int), max_lag=4), "max_lag: found 4"),
        (lambda: lineal_path(np.zeros((9, 4), int), max_lag=4), "max_lag: found 4"),
        (lambda: lineal_path(np.zeros((9, 4), int), max_lag=-1), "max_lag: found -1"),
        (lambda: lineal_path(np.zeros((9, 4), int), periodic=[True]), "periodic"),
        (lambda: two_point_correlation(np.zeros((4, 4), int), along="edges"), "'edges'"),
        (lambda: lineal_path(np.zeros((4, 4), int), plane=(0, 1)), "plane"),
        (lambda: error_rate(np.zeros(4), np.ones(4)), "zero"),
        (lambda: error_rate(np.ones(4), np.ones(1)), "1 common"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message):
    """Every error says what was found."""
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_the_default_lag_of_a_stack_is_of_its_images():
    """Half their shorter side, however few there are."""
    for metric in (two_point_correlation, lineal_path):
        assert metric(np.ones((3, 12, 14), np.uint8), plane=(1, 2)).lags[-1] == 6
