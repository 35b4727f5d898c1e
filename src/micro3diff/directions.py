"""Statistics of every phase along every axis, and their errors against that axis of the material.

A volume may be right on average and wrong along one axis: a layered material whose layers lie the
wrong way has the S2 of the right one once its axes are averaged. So each axis has a reference of
its own, which depends on what is known of the material:

- a volume: its own curve along that axis. This holds whether the material was declared isotropic or
  not; if it was not isotropic after all, the error says so.
- an image of each plane: the mean of the two images that contain the axis.
- one image or a stack of images, which stand for all three planes: the mean over both directions of
  the images, for every axis.

Tables are long, with the columns of `COLUMNS`. The phase is that of the label, "0-1" for a pair;
a volume fraction has no direction and the axis "all".
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from micro3diff.benchmark.errors import ERRORS as SAMPLER_ERRORS
from micro3diff.benchmark.errors import draw_floor, relative_error
from micro3diff.benchmark.real import Real, cut_blocks
from micro3diff.evaluation import bootstrap_error, images_of, longest_lag, numbered
from micro3diff.metrics import (
    connected_fraction,
    interface,
    lineal_path,
    two_point_correlation,
    volume_fraction,
)
from micro3diff.sources import Source

AXES = ("z", "y", "x")
KEYS = ["phase", "axis", "metric"]
COLUMNS = [*KEYS, "lag", "value"]
ERROR_COLUMNS = [
    "material", "rule", "n_h", "metric", "phase", "axis", "error_percent", "ci_low", "ci_high",
    "n_volumes", "floor_percent", "floor_high", "floor_from",
]  # fmt: skip
_SHARED = ("S2", "LP", "LP_given_phase", "volume_fraction")  # with samplers.csv
ERRORS: dict[str, tuple[str, Callable]] = {
    **{metric: SAMPLER_ERRORS[metric] for metric in _SHARED},
    "interface": ("interface", relative_error),
    "connected": ("connected", relative_error),
}
"""Metric of directions.csv -> the metric of `COLUMNS` and the error of its mean."""

# Which axes of the volume each direction of an array stands for.
_STANDS_FOR = {
    "volume": ("z", "y", "x"),
    "image": ("zyx", "zyx"),
    "stack": ("zyx", "zyx"),
    "xy": ("y", "x"),
    "xz": ("z", "x"),
    "yz": ("z", "y"),
}
_SAMPLES = {
    "volume": "blocks",
    "stack": "groups of images",
    "image": "images",
    "planes": "images of each plane",
}


@dataclass(frozen=True, eq=False)
class DirectionCase:
    """The volumes of one material, plane rule and n_h, and what they are held to.

    curves: table of `measure_directions`; reference: table of `direction_table`
    floor: table of `direction_floor`, for as many volumes
    in_pairs: see `evaluation.bootstrap_error`
    """

    material: str
    rule: str
    n_h: int
    curves: pd.DataFrame
    reference: pd.DataFrame
    floor: pd.DataFrame
    n_boot: int = 2000
    in_pairs: bool = False


def direction_table(
    labels: np.ndarray | Mapping[str, np.ndarray],
    kind: str,
    phases: int,
    max_lag: int | None = None,
    periodic: bool | Sequence[bool] = False,
    box: Sequence[int] | None = None,
) -> pd.DataFrame:
    """S2, LP, interfaces and volume fractions of one label array: columns `COLUMNS`.

    labels: shape (z, y, x) for a volume, (n, y, x) for a stack, (y, x) for an image; for planes
        the images "xy" (y, x), "xz" (z, x) and "yz" (z, y).
    phases: how many there are; one that is absent has zeros.
    max_lag: in voxels; half of the shortest side if None or too long, the same for all axes.
    periodic: whether a volume wraps around, for all axes or one value for each.
    box: of a volume, the size of the boxes (z, y, x) in which its phases are to be connected; None
        leaves that out.

    - S2, LP: of each phase (`metrics.two_point_correlation`, `metrics.lineal_path`)
    - interface: of each pair of phases, faces per voxel (`metrics.interface`), at lag 0
    - volume_fraction: of each phase, at lag 0
    - connected: of each phase (`metrics.connected_fraction`), the mean over the disjoint boxes that
        fit into the volume, at lag 0

    Raises `InputError` as the metrics do.
    """
    arrays = images_of(labels, kind)
    names = list(labels) if kind == "planes" else [kind]
    how = {"periodic": periodic, "plane": (1, 2) if kind == "stack" else None}
    far = how | {"max_lag": longest_lag(arrays, kind, max_lag)}

    def along_axes(metric: str, phase: str, values: Iterable[np.ndarray]) -> pd.DataFrame:
        return _long(metric, phase, AXES, _per_axis(dict(zip(names, values, strict=True))))

    parts = []
    for phase in range(phases):
        fraction = np.mean([volume_fraction(array, phase) for array in arrays])
        s2 = [two_point_correlation(array, phase, **far).per_axis for array in arrays]
        lp = [lineal_path(array, phase, **far).per_axis for array in arrays]
        parts += [
            _long("volume_fraction", str(phase), ["all"], np.array([[fraction]])),
            along_axes("S2", str(phase), s2),
            along_axes("LP", str(phase), lp),
        ]
    for pair in combinations(range(phases), 2):
        faces = [interface(array, pair, **how)[:, None] for array in arrays]
        parts.append(along_axes("interface", "{}-{}".format(*pair), faces))
    if box is not None:
        boxes = cut_blocks(Source(arrays[0], "volume"), None, box, "volume").samples
        for phase in range(phases):
            shares = np.mean([connected_fraction(one, phase) for one in boxes], axis=0)
            parts.append(_long("connected", str(phase), AXES, shares[:, None]))
    return pd.concat(parts, ignore_index=True)


def common_box(known: dict, shape: Sequence[int]) -> list[int] | None:
    """The largest box that the known material and volumes of ``shape`` both hold.

    For ``box`` of `direction_table`, since how much of a phase is connected depends on the size.
    None if no volume is known of the material. known: what is known of it (source.json, or
    truth.json).
    """
    if known["kind"] != "volume":
        return None
    return [min(pair) for pair in zip(known["origin"]["shape"], shape, strict=True)]


def measure_directions(
    samples: Iterable[np.ndarray | Mapping[str, np.ndarray]], kind: str, **settings
) -> pd.DataFrame:
    """`direction_table` of each sample, with a column ``sample`` from 0 in front.

    Samples are taken one at a time. ``settings`` are those of `direction_table`.
    """
    return numbered(direction_table(labels, kind, **settings) for labels in samples)


def direction_floor(reference: pd.DataFrame, real: Real, count: int, **settings) -> pd.DataFrame:
    """The error of as many real samples as volumes, by the same code, for each row of errors.

    The floor is that of `benchmark.errors.floor_table`: the median and 97.5 % quantile of the error
    of the mean of ``count`` samples drawn at random with replacement; of images that are all there
    is, as many as there are. Columns: those of `KEYS`, ``floor_percent,floor_high,floor_from``;
    the last says what was drawn from. NaN where there is a single sample. ``settings`` are those of
    `direction_table`.
    """
    curves = measure_directions(real.labels(), real.kind, **settings)
    drawn = real.drawn(count)
    said = f"{len(real.samples)} {'overlapping ' * real.overlapping}{_SAMPLES[real.kind]}"
    rows = []
    for key, error, own, values in _matched(reference, curves):
        found = draw_floor(own, values, drawn, error) if own.any() else [np.nan] * 2
        rows.append([*key, *found, said])
    return pd.DataFrame(rows, columns=[*KEYS, "floor_percent", "floor_high", "floor_from"])


def direction_errors(cases: Iterable[DirectionCase]) -> pd.DataFrame:
    """Errors in percent along every axis of every phase, beside their floors: `ERROR_COLUMNS`.

    S2, LP and LP given the phase by equation 24, against the material's own curve along that axis;
    interfaces, volume fractions and connected shares by the difference of the means over the
    reference. The interval is a 95 % bootstrap over the volumes. NaN where the reference is zero: a
    phase or an interface that the material has not got.
    """
    tables = []
    for case in cases:
        rows = []
        for key, error, own, values in _matched(case.reference, case.curves):
            found = [np.nan] * 3
            if own.any():
                how = {"error": error, "in_pairs": case.in_pairs}
                found = bootstrap_error(own, values, case.n_boot, **how)
            rows.append([*key, *found, len(values)])
        errors = ["error_percent", "ci_low", "ci_high", "n_volumes"]
        table = pd.DataFrame(rows, columns=[*KEYS, *errors])
        names = {"material": case.material, "rule": case.rule, "n_h": case.n_h}
        tables.append(table.assign(**names).merge(case.floor, how="left", on=KEYS))
    return pd.concat(tables, ignore_index=True)[ERROR_COLUMNS]


def read_directions(path: str | os.PathLike) -> pd.DataFrame:
    """A table of this module from a CSV file, its phases as text."""
    return pd.read_csv(path, dtype={"phase": str})


def _per_axis(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Values (n_axes of the array, n_lags) by what the array is, to those along z, y and x."""
    return np.array(
        [
            np.mean(
                [
                    row
                    for name, rows in values.items()
                    for axes, row in zip(_STANDS_FOR[name], rows, strict=True)
                    if axis in axes
                ],
                axis=0,
            )
            for axis in AXES
        ]
    )


def _long(metric: str, phase: str, axes: Sequence[str], values: np.ndarray) -> pd.DataFrame:
    """Values (n_axes, n_lags) as rows."""
    n_axes, n_lags = values.shape
    columns = {
        "phase": phase,
        "axis": np.repeat(axes, n_lags),
        "metric": metric,
        "lag": np.tile(range(n_lags), n_axes),
        "value": values.ravel(),
    }
    return pd.DataFrame(columns)


def _matched(
    reference: pd.DataFrame, curves: pd.DataFrame
) -> Iterator[tuple[tuple[str, str, str], Callable, np.ndarray, np.ndarray]]:
    """Phase, axis and metric, its error, reference (n_lags,) and samples (n_samples, n_lags)."""
    groups = dict(list(curves.groupby(KEYS)))
    for key, own in reference.groupby(KEYS, sort=False):
        values = groups[key].pivot(index="sample", columns="lag", values="value").to_numpy()
        known = own.sort_values("lag")["value"].to_numpy()
        for metric, (name, error) in ERRORS.items():
            if name == key[-1]:
                yield (*key[:-1], metric), error, known, values
