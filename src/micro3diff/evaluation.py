"""From label arrays to tables: curves, error rates with intervals, volume fractions, timings.

Tables are long: one row for each value, so that CSV files can be joined and plotted as they are.
Equation numbers are those of https://doi.org/10.1038/s41524-024-01280-z.
"""

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from micro3diff.errors import InputError
from micro3diff.files import atomic_path
from micro3diff.given import check_phase, of_each
from micro3diff.metrics import (
    error_rate,
    lineal_path,
    specific_surface,
    two_point_correlation,
)

logger = logging.getLogger("micro3diff")

METRICS = ("S2", "LP")

PAPER_ERRORS = {
    "I": {"S2": 1.88, "LP": 4.56},
    "II": {"S2": 6.43, "LP": 5.88},
    "III": {"S2": 4.56, "LP": 1.26},
    "IV": {"S2": 9.21, "LP": 6.31},
}
"""The paper's error rates in percent (its figure 5), by case."""

_PLANES = {
    ("volume", 3): (None,),
    ("volume", 2): ((1, 2), (0, 2), (0, 1)),
    ("stack", 2): ((1, 2),),
    ("image", 2): (None,),
    ("planes", 2): (None,),
}


@dataclass(frozen=True, eq=False)
class Case:
    """The generated volumes of a material under one plane rule and n_h, and what they are held to.

    curves: table of `measure`; reference: table of `curve_table`, by the same settings.
    paper_case: the paper's case, a key of `PAPER_ERRORS`, if the material is one of its four.
    volume_fraction: the setting, what was asked of the volumes; None if nothing was.
    phase: the one that was measured.
    in_pairs: see `bootstrap_error`.
    """

    material: str
    rule: str
    n_h: int
    curves: pd.DataFrame
    reference: pd.DataFrame
    paper_case: str | None = None
    n_boot: int = 2000
    volume_fraction: float | Sequence[float] | None = None
    phase: int = 1
    in_pairs: bool = False

    @property
    def asked(self) -> float:
        """The fraction that was asked of the phase, NaN if none was."""
        wanted = self.volume_fraction
        return np.nan if wanted is None else of_each(wanted)[self.phase]

    @property
    def key(self) -> dict[str, object]:
        """The columns that name the case in a table."""
        return {"material": self.material, "n_h": self.n_h, "rule": self.rule}


def resolve_dimension(kind: str, dimension: int | str = "auto") -> int:
    """Dimension in which a material is judged: 3 if its source is a volume, else 2 (figure 5).

    kind: "volume", "stack", "image" or "planes". Raises `InputError` for 3 where there is no
    volume.
    """
    if dimension == "auto":
        return 3 if kind == "volume" else 2
    if (kind, dimension) not in _PLANES:
        raise InputError(
            f"evaluate.dimension: found {dimension!r} for a source of kind {kind!r}; "
            "expected auto or 2, or 3 for a volume"
        )
    return int(dimension)


def curve_table(
    labels: np.ndarray | Mapping[str, np.ndarray],
    kind: str = "volume",
    phase: int = 1,
    dimension: int | str = "auto",
    max_lag: int | None = None,
    along: str = "axes",
    periodic: bool | Sequence[bool] = False,
) -> pd.DataFrame:
    """S2 and LP of one label array: columns ``metric``, ``lag`` in voxels, ``value``.

    labels: shape (z, y, x) for a volume, (n, y, x) for a stack of images, (y, x) for an image; for
        planes the images "xy", "xz" and "yz", whose curves are averaged.
    dimension: 2 for a volume means the mean over the slices of its three families of planes.
    along: directions of S2, see `metrics.two_point_correlation`; LP is always along the axes.
    periodic: whether pairs and segments wrap around, for all axes or one value for each.

    ``max_lag`` None, or more than the shortest side, means half of the shortest side.

    Raises `InputError` as the metrics do, and for a dimension or shape that the kind has not got.
    """
    planes = _PLANES[kind, resolve_dimension(kind, dimension)]
    arrays = images_of(labels, kind)
    # the same lags for all planes; a source that is thinner than the lags asked for has fewer
    max_lag = longest_lag(arrays, kind, max_lag)
    how = {"phase": phase, "max_lag": max_lag, "periodic": periodic}
    s2 = [two_point_correlation(a, along=along, plane=p, **how) for a in arrays for p in planes]
    lp = [lineal_path(a, plane=p, **how) for a in arrays for p in planes]
    parts = [
        pd.DataFrame(
            {
                "metric": metric,
                "lag": curves[0].lags,
                "value": np.mean([curve.values for curve in curves], axis=0),
            }
        )
        for metric, curves in zip(METRICS, (s2, lp), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def images_of(labels: np.ndarray | Mapping[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """The arrays that a source holds: three images of planes, one array of any other kind.

    Raises `InputError` for an array of other dimensions than the kind has.
    """
    arrays = list(labels.values()) if kind == "planes" else [labels]
    expected = 2 if kind in ("image", "planes") else 3
    for array in arrays:
        if np.ndim(array) != expected:
            raise InputError(f"{kind}: found {np.ndim(array)} dimensions; expected {expected}")
    return arrays


def longest_lag(arrays: Sequence[np.ndarray], kind: str, max_lag: int | None = None) -> int:
    """``max_lag``, or half of the shortest side in space if that is None or does not fit."""
    side = min(min(np.shape(array)[1 if kind == "stack" else 0 :]) for array in arrays)
    return side // 2 if max_lag is None or max_lag >= side else max_lag


def body_diagonal(
    labels: np.ndarray | Mapping[str, np.ndarray], kind: str, phase: int, max_lag: int
) -> np.ndarray:
    """S2 along the body diagonals; lag k is a distance of sqrt(3) k voxels.

    Images have diagonals of their own, of sqrt(2) k pixels, which are interpolated at these
    distances, as far as they reach: what isotropy asks of a volume, up to the difference between
    the two lattices; of planes, the mean over the three images. kind: as in `curve_table`.
    """
    if kind == "planes":
        of_each = [body_diagonal(image, "image", phase, max_lag) for image in labels.values()]
        shortest = min(map(len, of_each))
        return np.mean([curve[:shortest] for curve in of_each], axis=0)
    if kind == "volume":
        return two_point_correlation(labels, phase, max_lag, along="diagonals").values
    body, pixel = math.sqrt(3), math.sqrt(2)
    plane = (1, 2) if kind == "stack" else None
    reach = min(math.ceil(max_lag * body / pixel), min(np.shape(labels)[-2:]) - 1)
    curve = two_point_correlation(labels, phase, reach, along="diagonals", plane=plane)
    distances = body * np.arange(min(max_lag, int(reach * pixel / body)) + 1)
    # S2 is steep and convex at short distances, where straight lines would lie too high
    return PchipInterpolator(curve.distances, curve.values)(distances)


def surface_per_axis(labels: np.ndarray | Mapping[str, np.ndarray], kind: str, phase: int) -> float:
    """Faces of the phase per voxel and axis; in 2D edges, the same where it is isotropic.

    kind: as in `curve_table`.
    """
    images = labels if kind == "stack" else images_of(labels, kind)
    axes = 3 if kind == "volume" else 2
    return float(np.mean([specific_surface(image, phase) for image in images])) / axes


def reference_table(
    labels: np.ndarray | Mapping[str, np.ndarray], kind: str, phase: int, **settings
) -> pd.DataFrame:
    """`curve_table` of a material itself; raises `InputError` if it has nothing of the phase."""
    check_phase(phase, np.unique(np.concatenate([np.unique(a) for a in images_of(labels, kind)])))
    table = curve_table(labels, kind, phase, **settings)
    asked, found = settings.get("max_lag"), int(table["lag"].max())
    if asked and found < asked:
        logger.warning(
            "the material is thin: of the lags up to %d, it is compared at those up to %d only; if "
            "its pages are images that have nothing to do with each other, set source.array: stack",
            asked, found,
        )  # fmt: skip
    return table


def measure(samples: Iterable[np.ndarray], kind: str = "volume", **settings) -> pd.DataFrame:
    """`curve_table` of each sample, numbered from 0: columns ``sample,metric,lag,value``.

    Samples are taken one at a time, so a generator keeps memory to one volume. ``settings`` are
    those of `curve_table`. A stack of images is measured image by image with kind "image".
    """
    return numbered(curve_table(labels, kind, **settings) for labels in samples)


def numbered(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables of samples as one, with a column ``sample`` from 0 in front."""
    tables = list(tables)
    if not tables:
        raise InputError("samples: found none; expected at least one to measure")
    table = pd.concat(tables, keys=range(len(tables)), names=["sample"])
    return table.reset_index("sample").reset_index(drop=True)


def curve_values(table: pd.DataFrame, metric: str) -> np.ndarray:
    """Values of one metric, shape (n_samples, n_lags); one row for a table without samples.

    Raises `InputError` if the metric, or a lag of a sample, is missing.
    """
    rows = table[table["metric"] == metric]
    if "sample" not in rows:
        rows = rows.assign(sample=0)
    values = rows.pivot(index="sample", columns="lag", values="value")
    lags = range(values.shape[1])
    if values.empty or list(values.columns) != list(lags) or values.isna().any(axis=None):
        raise InputError(f"curves: {metric} is missing at some lags; measure the samples again")
    return values.to_numpy()


def bootstrap_error(
    reference: np.ndarray,
    curves: np.ndarray,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    error: Callable = error_rate,
    in_pairs: bool = False,
) -> tuple[float, float, float]:
    """Error rate of the mean curve in percent (equation 24), with an interval over the samples.

    reference: shape (n_lags,); curves: shape (n_samples, n_lags). Another ``error`` takes the
    reference and mean curves (..., n_lags) as `metrics.error_rate` does.
    Percentile bootstrap. An error cannot be negative, so near zero the interval lies too high.
    ``in_pairs`` draws samples 2 and 3, 4 and 5, and so on together, as volumes whose fractions
    deviate to either side alike (`reconstruction.drawn_fractions`) are no independent samples.
    The limits are NaN for a single sample.
    """
    of_all = float(error(reference, curves.mean(axis=0)))
    n_samples = len(curves)
    if n_samples < 2 or n_boot < 1:
        return of_all, np.nan, np.nan
    starts = [0, 1, *range(2, n_samples, 2)] if in_pairs else range(n_samples)
    sums = np.add.reduceat(curves, starts, axis=0)
    counts = np.diff([*starts, n_samples])
    drawn = np.random.default_rng(seed).multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), size=n_boot
    )
    errors = error(reference, drawn @ sums / (drawn @ counts)[:, None])
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return of_all, float(low), float(high)


def error_table(cases: Iterable[Case]) -> pd.DataFrame:
    """Error rates of all cases in percent, one row for each case and metric.

    Columns: ``material,n_h,rule,metric,error_percent,ci_low,ci_high,n_volumes,paper_percent``;
    the last is the paper's figure for the material, NaN if it is not one of the paper's.
    """
    columns = ["material", "n_h", "rule", "metric", "error_percent", "ci_low", "ci_high"]
    rows = [
        case.key
        | _errors(case.reference, case.curves, metric, case.n_boot, case.in_pairs)
        | {"paper_percent": PAPER_ERRORS.get(case.paper_case, {}).get(metric, np.nan)}
        for case in cases
        for metric in METRICS
    ]
    table = pd.DataFrame(rows).rename(columns={"n_samples": "n_volumes"})
    return table.reindex(columns=[*columns, "n_volumes", "paper_percent"])


def volume_fraction_table(cases: Iterable[Case]) -> pd.DataFrame:
    """Volume fractions of all cases.

    Columns: ``material,n_h,rule,mean,std,n_volumes,reference,asked``. ``std`` is between volumes,
    NaN for a single one; ``asked`` is NaN where no ``reconstruct.volume_fraction`` is set.
    """
    columns = ["material", "n_h", "rule", "mean", "std", "n_volumes", "reference", "asked"]
    rows = []
    for case in cases:
        fractions = pd.Series(_volume_fractions(case.curves))
        rows.append(
            case.key
            | {
                "mean": fractions.mean(),
                "std": fractions.std(),
                "n_volumes": len(fractions),
                "reference": _volume_fractions(case.reference).mean(),
                "asked": case.asked,
            }
        )
    return pd.DataFrame(rows, columns=columns)


def timing_table(
    volumes: Mapping[tuple[str, str, int], Sequence[Mapping]],
    images: Mapping[str, Mapping],
) -> pd.DataFrame:
    """Time to generate a volume, in seconds and relative to 2D generation, one row for each case.

    volumes: for each (material, rule, n_h), the provenance of its volumes with the keys
        ``shape``, ``wall_seconds``, ``network_passes`` and ``device``.
    images: for each material, the same of its 2D samples; their time is scaled to the pixels of a
        volume.

    Columns: ``material,rule,n_h,n_volumes,seconds_median,seconds_2d,relative_time,
    network_passes,device``. Several devices in a case are all named.
    """
    rows = []
    for (material, rule, n_h), made in volumes.items():
        seconds = median(volume["wall_seconds"] for volume in made)
        flat = images[material]
        seconds_2d = flat["wall_seconds"] * math.prod(made[0]["shape"]) / math.prod(flat["shape"])
        rows.append(
            {
                "material": material,
                "rule": rule,
                "n_h": n_h,
                "n_volumes": len(made),
                "seconds_median": seconds,
                "seconds_2d": seconds_2d,
                "relative_time": seconds / seconds_2d,
                "network_passes": median(volume["network_passes"] for volume in made),
                "device": ", ".join(sorted({volume["device"] for volume in made})),
            }
        )
    return pd.DataFrame(rows)


def score_images(
    images: np.ndarray,
    reference: pd.DataFrame,
    phase: int = 1,
    max_lag: int | None = None,
    along: str = "axes",
    n_boot: int = 2000,
) -> pd.DataFrame:
    """Error rates of a 2D denoiser's own samples, one row for each metric.

    images: labels, shape (n, y, x).
    reference: `curve_table` of the training slices, of kind "stack", so that only the directions
        that the denoiser has seen are compared.

    Columns: ``metric,error_percent,ci_low,ci_high,n_images,volume_fraction,
    reference_volume_fraction``; the interval is over the images.
    """
    curves = measure(images, "image", phase=phase, max_lag=max_lag, along=along)
    rows = [
        _errors(reference, curves, metric, n_boot)
        | {
            "volume_fraction": _volume_fractions(curves).mean(),
            "reference_volume_fraction": _volume_fractions(reference).mean(),
        }
        for metric in METRICS
    ]
    return pd.DataFrame(rows).rename(columns={"n_samples": "n_images"})


def score_planes(
    images: np.ndarray | Mapping[str, np.ndarray],
    slices: np.ndarray | Mapping[str, np.ndarray],
    n_boot: int = 2000,
    **how,
) -> pd.DataFrame:
    """`score_images` of a denoiser against its training slices; ``how`` as in `curve_table`.

    Where it tells planes apart, both are by plane, and each metric has the row of the plane in
    which its error is largest, named in the column ``plane``.
    """
    if not isinstance(slices, Mapping):
        return score_images(images, curve_table(slices, "stack", **how), n_boot=n_boot, **how)
    tables = [
        score_planes(images[plane], slices[plane], n_boot, **how).assign(plane=plane)
        for plane in slices
    ]
    every = pd.concat(tables, ignore_index=True)
    worst = every.groupby("metric", sort=False)["error_percent"].idxmax()
    return every.loc[worst].reset_index(drop=True)


def write_table(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table as CSV, atomically; numbers keep full precision."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def _errors(
    reference: pd.DataFrame, curves: pd.DataFrame, metric: str, n_boot: int, in_pairs: bool = False
) -> dict[str, object]:
    values = curve_values(curves, metric)
    own = curve_values(reference, metric)[0]
    error, low, high = bootstrap_error(own, values, n_boot, in_pairs=in_pairs)
    return {
        "metric": metric,
        "error_percent": error,
        "ci_low": low,
        "ci_high": high,
        "n_samples": len(values),
    }


def _volume_fractions(table: pd.DataFrame) -> np.ndarray:
    """Volume fraction of each sample, which is LP at lag 0."""
    return curve_values(table, "LP")[:, 0]
