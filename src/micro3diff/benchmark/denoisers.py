"""Errors of a 2D denoiser's own images, and those that as many real slices have."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from micro3diff.benchmark.errors import draw_floor
from micro3diff.benchmark.memorisation import held_back
from micro3diff.benchmark.real import Real
from micro3diff.evaluation import curve_table, curve_values, measure
from micro3diff.metrics import error_rate

POOL = 1000  # real slices that are drawn from
COLUMNS = [
    "material", "metric", "error_percent", "ci_low", "ci_high", "n_images", "floor_percent",
    "floor_high", "training_seconds", "training_cpu_seconds",
]  # fmt: skip


def denoiser_table(
    scores: pd.DataFrame,
    slices: np.ndarray,
    source: np.ndarray,
    real: Real,
    axes: Sequence[str],
    material: str,
    how: dict,
    training_seconds: float = np.nan,
    training_cpu_seconds: float = np.nan,
) -> pd.DataFrame:
    """The 2D errors of a material beside the floor: columns `COLUMNS`, one row for each metric.

    Errors are held to the slices that the denoiser was trained on. The floor is the error of as
    many real slices that it was not, drawn at random, with replacement, out of up to 1000
    (`memorisation.held_back`); of a single micrograph, as many tiles as it has, held to the
    micrograph, from which its crops may differ.

    scores: table of `evaluation.score_images`. slices: the training set (n, y, x). source: labels
    that it was cut from. how: phase, max_lag and along. training_seconds, training_cpu_seconds:
    wall time and processor time of the training. NaN where nothing is held back.
    """
    held_to = source if real.is_the_source else slices
    reference = curve_table(held_to, "image" if held_to.ndim == 2 else "stack", **how)
    images, _ = held_back(real, source, axes, POOL)
    curves = measure(images, "image", **how) if images else None
    rows = []
    for score in scores.to_dict("records"):
        floor = (np.nan, np.nan)
        if curves is not None:
            values = curve_values(curves, score["metric"])
            own = curve_values(reference, score["metric"])[0]
            drawn = len(values) if real.is_the_source else int(score["n_images"])
            floor = draw_floor(own, values, drawn, error_rate)
        rows.append(
            {key: score[key] for key in COLUMNS if key in score}
            | {
                "material": material,
                "floor_percent": floor[0],
                "floor_high": floor[1],
                "training_seconds": training_seconds,
                "training_cpu_seconds": training_cpu_seconds,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
