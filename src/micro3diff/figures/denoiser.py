"""Is the 2D model any good? Its loss, and its samples beside real slices."""

import numpy as np
import pandas as pd

from micro3diff.figures.panels import phases_in, show_sheet
from micro3diff.figures.style import (
    COLOURS,
    DOUBLE_COLUMN,
    GREY,
    new_figure,
    percent,
    phase_legend,
    require_columns,
    save,
    styled,
)

SYMBOLS = {"S2": "$S_2$", "LP": "$LP$"}


@styled
def plot_denoiser(
    loss: pd.DataFrame | None,
    slices: np.ndarray,
    samples: np.ndarray,
    scores: pd.DataFrame,
    paths,
    grey: bool = False,
) -> None:
    """Draw the training loss, real slices (n, y, x) and 2D samples (m, y, x) with their errors.

    ``loss`` has columns step, loss; None or no rows for a model that was trained elsewhere.
    ``scores`` has columns metric, error_percent, ci_low, ci_high, and may have volume_fraction,
    reference_volume_fraction and plane, see `micro3diff.evaluation.score_planes`.
    ``grey``: the images are of grey values, and shown as such.
    """
    require_columns(scores, ["metric", "error_percent"], "scores of the 2D model")
    if loss is None or loss.empty:
        figure = new_figure(5.0, 2.85)
        panels = figure.subplots(1, 2)
    else:
        figure = new_figure(DOUBLE_COLUMN, 2.7)
        panels = figure.subplots(1, 3, width_ratios=[0.9, 1, 1])
        _draw_loss(panels[0], loss)
    # The same number of each, so that neither looks richer than it is.
    side = max(1, min(4, int(np.sqrt(min(len(slices), len(samples))))))
    phases = None if grey else phases_in(slices, samples)
    for axes, images, title in zip(
        panels[-2:], (slices, samples), ("Real slices", "2D samples"), strict=True
    ):
        show_sheet(axes, images, side, side, phases)
        axes.set_title(title)
    phase_legend(figure, phases)
    figure.suptitle(f"2D samples: {describe(scores)}")
    save(figure, paths)


def describe(scores: pd.DataFrame) -> str:
    """The errors of the 2D samples, and their volume fraction, in words."""
    rows = scores.to_dict("records")
    parts = [_error(row) for row in rows]
    if _known(rows[0], "volume_fraction") and _known(rows[0], "reference_volume_fraction"):
        ours, real = rows[0]["volume_fraction"], rows[0]["reference_volume_fraction"]
        parts.append(f"volume fraction {ours:.3f}, real {real:.3f}{_plane(rows[0])}")
    return "; ".join(parts)


def _error(row: dict) -> str:
    name = SYMBOLS.get(row["metric"], row["metric"])
    if not _known(row, "error_percent"):
        return f"{name} error not known"
    text = f"{name} error {percent(row['error_percent'])} %"
    if _known(row, "ci_low") and _known(row, "ci_high"):
        text += f" ({percent(row['ci_low'])} to {percent(row['ci_high'])})"
    return text + _plane(row)


def _plane(row: dict) -> str:
    """Which plane's it is, where planes differ."""
    return f" in {row['plane']}" if _known(row, "plane") else ""


def _known(row: dict, key: str) -> bool:
    return pd.notna(row.get(key))


def _draw_loss(axes, loss: pd.DataFrame) -> None:
    require_columns(loss, ["step", "loss"], "training loss")
    mark = {"marker": "o"} if len(loss) == 1 else {}
    smooth = loss["loss"].ewm(span=max(1, len(loss) / 60)).mean()
    axes.plot(loss["step"], loss["loss"], color=GREY, lw=0.5, alpha=0.6, label="as logged", **mark)
    axes.plot(loss["step"], smooth, color=COLOURS[0], label="smoothed", **mark)
    axes.set(xlabel="Training step", title="Training loss", yscale="log")
    axes.locator_params(axis="x", nbins=4)
    axes.legend()
