"""Errors of generated volumes, and those that as many real ones would have."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from micro3diff.benchmark.real import Real
from micro3diff.evaluation import (
    body_diagonal,
    bootstrap_error,
    curve_table,
    curve_values,
    images_of,
    numbered,
    resolve_dimension,
    surface_per_axis,
)
from micro3diff.metrics import error_rate, volume_fraction
from micro3diff.sources import Source
from micro3diff.volumes import read_labels, volumes_of

SAMPLER_COLUMNS = [
    "material", "rule", "n_h", "steps", "passes", "seconds", "metric", "error_percent", "ci_low",
    "ci_high", "n_volumes", "floor_percent", "floor_high", "model2d_percent",
]  # fmt: skip
SINGLE_COLUMNS = [
    "material", "rule", "n_h", "steps", "metric", "n_volumes", "first_percent", "median_percent",
    "min_percent", "max_percent",
]  # fmt: skip
TABLES = ("runs", "curves", "reference", "floors", "scores")  # of a `SamplerCase`
FLOOR_DRAWS = 4000


def given_phase_error(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """`metrics.error_rate` of curves that are divided by their values at lag 0."""
    own = generated[..., :1]
    shape = np.divide(generated, own, out=np.zeros_like(generated), where=own > 0)
    return error_rate(reference / reference[0], shape)


def relative_error(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Difference of single numbers in percent of the reference; shapes (1,) and (..., 1)."""
    return 100 * np.abs(generated[..., 0] - reference[0]) / reference[0]


ERRORS: dict[str, tuple[str, Callable]] = {
    "S2": ("S2", error_rate),
    "LP": ("LP", error_rate),
    "LP_given_phase": ("LP", given_phase_error),
    "S2_diagonal": ("S2_diagonal", error_rate),
    "volume_fraction": ("volume_fraction", relative_error),
    "specific_surface": ("surface", relative_error),
}
"""Metric of samplers.csv -> the rows of a table of `benchmark_curves`, and the error of their
mean."""


@dataclass(frozen=True, eq=False)
class SamplerCase:
    """The volumes of one material, plane rule, n_h and number of steps, and what they are held to.

    runs: table of `batch.make_volumes`; curves: `measure_samples` of the volumes
    reference: `benchmark_curves` of the material; floors: its `floor_table`
    scores: table of `evaluation.score_images`, the errors of the 2D denoiser's own images
    in_pairs: see `evaluation.bootstrap_error`
    """

    material: str
    rule: str
    n_h: int
    steps: int
    runs: pd.DataFrame
    curves: pd.DataFrame
    reference: pd.DataFrame
    floors: pd.DataFrame
    scores: pd.DataFrame
    n_boot: int = 2000
    in_pairs: bool = False


def benchmark_curves(
    labels: np.ndarray,
    kind: str = "volume",
    phase: int = 1,
    dimension: int | str = "auto",
    max_lag: int | None = None,
    along: str = "axes",
) -> pd.DataFrame:
    """What a label array is compared by: columns ``metric``, ``lag``, ``value``.

    - S2, LP: `evaluation.curve_table`, which takes the same arguments
    - S2_diagonal: `evaluation.body_diagonal`
    - surface: `evaluation.surface_per_axis`
    - volume_fraction
    """
    table = curve_table(labels, kind, phase, dimension, max_lag, along)
    lags = int(table["lag"].max())
    diagonal = body_diagonal(labels, kind, phase, lags)
    scalars = {
        "surface": surface_per_axis(labels, kind, phase),
        "volume_fraction": np.mean([volume_fraction(a, phase) for a in images_of(labels, kind)]),
    }
    parts = [
        pd.DataFrame({"metric": "S2_diagonal", "lag": range(len(diagonal)), "value": diagonal}),
        pd.DataFrame({"metric": list(scalars), "lag": 0, "value": list(scalars.values())}),
    ]
    return pd.concat([table, *parts], ignore_index=True)


def measure_samples(
    samples: Iterable[np.ndarray], kind: str, source_kind: str, how: dict
) -> pd.DataFrame:
    """`benchmark_curves` of each sample, numbered from 0: columns ``sample,metric,lag,value``.

    kind: what one sample is; source_kind: what the material was seen as, which tells the dimension
    that volumes are judged in. how: phase, dimension, max_lag and along.
    """
    dimension = resolve_dimension(source_kind, how["dimension"]) if kind == "volume" else 2
    return numbered(
        benchmark_curves(labels, kind, **how | {"dimension": dimension}) for labels in samples
    )


def measure_runs(runs: str | os.PathLike, source_kind: str, how: dict) -> pd.DataFrame:
    """`measure_samples` of the volumes that lie beside a table of `batch.make_volumes`."""
    return measure_samples(map(read_labels, volumes_of(runs)), "volume", source_kind, how)


def floor_table(
    reference: pd.DataFrame, real: Real, source_kind: str, how: dict, counts: Iterable[int]
) -> pd.DataFrame:
    """The error of as many real samples as volumes: ``metric,n_volumes,floor_percent,floor_high``.

    Samples are drawn at random, with replacement, ``n_volumes`` at a time, for each of ``counts``;
    floor_percent is the median error of their mean and floor_high its 97.5 % quantile. Where the
    material is known from images only that were all used (`Real.is_the_source`), as many samples
    are drawn as there are instead: the bootstrap of the images, which says how well they tell
    their own material. NaN where there is a single sample.
    """
    curves = measure_samples(real.labels(), real.kind, source_kind, how)
    rows = []
    for metric, (name, error) in ERRORS.items():
        values, own = curve_values(curves, name), curve_values(reference, name)[0]
        for count in counts:
            median, high = draw_floor(own, values, real.drawn(count), error)
            rows.append(
                {
                    "metric": metric,
                    "n_volumes": count,
                    "floor_percent": median,
                    "floor_high": high,
                }
            )
    return pd.DataFrame(rows)


def source_table(reference: pd.DataFrame, source: Source, material: str, how: dict) -> pd.DataFrame:
    """The errors that a material's own images have: columns ``material,metric,error_percent``.

    A few images differ from their material: so much of the error of volumes made of them may be
    theirs. reference: `benchmark_curves` of the known volume, up to the same lag. how: phase,
    dimension, max_lag and along.
    """
    curves = measure_samples([source.labels], source.kind, source.kind, how)
    rows = [
        (material, metric, error(curve_values(reference, name)[0], curve_values(curves, name))[0])
        for metric, (name, error) in ERRORS.items()
    ]
    return pd.DataFrame(rows, columns=["material", "metric", "error_percent"])


def draw_floor(
    reference: np.ndarray, real: np.ndarray, drawn: int, error: Callable
) -> tuple[float, float]:
    """Median and 97.5 % quantile of the error of the mean of ``drawn`` of the real curves."""
    n = len(real)
    if n < 2:
        return np.nan, np.nan
    weights = np.random.default_rng(0).multinomial(drawn, np.full(n, 1 / n), size=FLOOR_DRAWS)
    errors = error(reference, weights @ real / drawn)
    median, high = np.quantile(errors, [0.5, 0.975])
    return float(median), float(high)


def sampler_table(cases: Iterable[SamplerCase]) -> pd.DataFrame:
    """All errors in percent, with a 95 % interval over the volumes, beside their cost and floors.

    Columns: those of `SAMPLER_COLUMNS`; docs/benchmarks.md explains them.
    """
    rows = []
    for case in cases:
        floors = case.floors.set_index(["metric", "n_volumes"])
        scores = case.scores.set_index("metric")["error_percent"]
        for metric, (name, error) in ERRORS.items():
            values = curve_values(case.curves, name)
            own = curve_values(case.reference, name)[0]
            how = {"error": error, "in_pairs": case.in_pairs}
            percent, low, high = bootstrap_error(own, values, case.n_boot, **how)
            floor = floors.loc[metric, len(values)]
            rows.append(
                {
                    "material": case.material,
                    "rule": case.rule,
                    "n_h": case.n_h,
                    "steps": case.steps,
                    "passes": case.runs["network_passes"].median(),
                    "seconds": case.runs["wall_seconds"].median(),
                    "metric": metric,
                    "error_percent": percent,
                    "ci_low": low,
                    "ci_high": high,
                    "n_volumes": len(values),
                    "floor_percent": floor["floor_percent"],
                    "floor_high": floor["floor_high"],
                    "model2d_percent": scores.get(metric, np.nan),
                }
            )
    return pd.DataFrame(rows, columns=SAMPLER_COLUMNS)


def single_table(cases: Iterable[SamplerCase]) -> pd.DataFrame:
    """How far off each volume is by itself, in percent: what a user of one volume may expect.

    The mean of several volumes has less error than one of them. Columns: those of `SINGLE_COLUMNS`:
    the error of the first volume, whose seed is the same in every case, and the median, least and
    largest of all.
    """
    rows = []
    for case in cases:
        for metric, (name, error) in ERRORS.items():
            own = curve_values(case.reference, name)[0]
            found = error(own, curve_values(case.curves, name))
            numbers = [len(found), found[0], np.median(found), found.min(), found.max()]
            rows.append([case.material, case.rule, case.n_h, case.steps, metric, *numbers])
    return pd.DataFrame(rows, columns=SINGLE_COLUMNS)
