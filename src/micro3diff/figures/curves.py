"""Figures 4a-d: two-point correlation S2 and lineal path LP, original and generated."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from micro3diff.errors import InputError
from micro3diff.figures.style import (
    BLACK,
    COLOURS,
    DOUBLE_COLUMN,
    RULE_COLOURS,
    new_figure,
    require_columns,
    save,
    styled,
)

METRICS = {"S2": "Two-point correlation $S_2(r)$", "LP": "Lineal path $LP(r)$"}
BAND = (2.5, 97.5)  # percentiles over the volumes
MOST_BANDS = 3
DASHES = ("-", "--", ":")


@styled
def plot_curves(
    reference: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
    paths,
    unit: str = "voxel",
    voxel_size: float | None = None,
) -> None:
    """Draw the original's curves in black and each case's mean in colour, with the spread.

    ``reference`` has columns metric, lag, value; ``curves`` maps a case's name to a table with
    columns sample, metric, lag, value. The band holds the middle 95 % of the volumes (2.5th to
    97.5th percentile), which one volume alone does not have. Bands hide each other, so only the
    last three cases have one: give those that matter last. Lags are in voxels; they are drawn in
    ``unit`` when ``voxel_size`` is known.
    """
    require_columns(reference, ["metric", "lag", "value"], "reference curves")
    if not curves:
        raise InputError("figure of the curves: no case was given")
    figure = new_figure(DOUBLE_COLUMN, 2.7 + 0.16 * (-(-(len(curves) + 2) // 4)))
    panels = figure.subplots(1, 2)
    scale = voxel_size or 1.0
    for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
        band = _draw_cases(axes, curves, metric, scale)
        original = reference[reference["metric"] == metric].sort_values("lag")
        axes.plot(original["lag"] * scale, original["value"], color=BLACK, lw=1.5, label="original")
        axes.set(title=title, xlabel=f"Distance $r$ ({unit if voxel_size else 'voxel'})")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    handles, names = panels[0].get_legend_handles_labels()
    handles, names = handles[-1:] + handles[:-1], names[-1:] + names[:-1]
    if band is not None:
        handles.append(band)
        names.append(
            "band: middle 95 % of the volumes"
            + (" (last cases)" if len(curves) > MOST_BANDS else "")
        )
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    save(figure, paths)


def _draw_cases(axes, curves: Mapping[str, pd.DataFrame], metric: str, scale: float):
    """Draw every case's mean and spread; return a band for the legend, None without any."""
    band = None
    rules = [name.split(",")[0] for name in curves]
    of_rules = RULE_COLOURS if len({*rules}) == len(rules) else {}  # the same in all figures
    for place, (name, table) in enumerate(curves.items()):
        require_columns(table, ["sample", "metric", "lag", "value"], f"curves of {name}")
        chosen = table[table["metric"] == metric]
        values = chosen.pivot(index="lag", columns="sample", values="value").sort_index()
        lags = values.index.to_numpy() * scale
        colour = of_rules.get(rules[place], COLOURS[place % len(COLOURS)])
        dash = DASHES[place // len(COLOURS) % len(DASHES)]
        axes.plot(lags, values.mean(axis=1), color=colour, linestyle=dash, label=name)
        if values.shape[1] > 1 and place >= len(curves) - MOST_BANDS:
            low, high = np.nanpercentile(values, BAND, axis=1)
            axes.fill_between(lags, low, high, color=colour, alpha=0.2, lw=0)
            band = axes.fill_between([], [], [], color="0.5", alpha=0.35, lw=0)
    return band
