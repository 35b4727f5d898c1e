"""The sampler benchmark: errors against network passes, beside what sampling alone leaves."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from micro3diff.figures.style import (
    BLACK,
    COLOURS,
    DOUBLE_COLUMN,
    GREY,
    MARKERS,
    RULE_COLOURS,
    case_name,
    new_figure,
    require_columns,
    save,
    styled,
)

HOLLOW = {"markerfacecolor": "white"}
TICKS = [0, 1, 3, 10, 30, 100, 300, 1000]  # percent; up to 1 the axis is linear, beyond logarithmic
COLUMNS = [
    "rule", "n_h", "passes", "seconds", "metric", "error_percent", "ci_low", "ci_high", "n_volumes",
    "floor_high", "model2d_percent",
]  # fmt: skip
LABELS = {
    "S2": "$S_2$ error (%)",
    "LP": "$LP$ error (%)",
    "LP_given_phase": "$LP / LP(0)$ error (%)",
    "S2_diagonal": "diagonal $S_2$ error (%)",
    "volume_fraction": "volume fraction error (%)",
    "specific_surface": "specific surface error (%)",
}


@styled
def plot_samplers(table: pd.DataFrame, paths, title: str | None = None) -> None:
    """Draw ``samplers.csv`` of one material: a panel for each metric, a line for each rule and n_h.

    Bars are the 95 % intervals. The grey band reaches up to ``floor_high`` of the most volumes;
    points of fewer, whose floor may be higher, are hollow. The dashed line is the error of the 2D
    denoiser's own images, where it was measured. The upper axes tell the time: the passes times the
    median over the cases of what one took.
    """
    require_columns(table, COLUMNS, "table of samplers")
    table = table.sort_values("passes")
    most = table["n_volumes"].max()
    names = sorted({(rule, n_h) for rule, n_h in zip(table["rule"], table["n_h"], strict=True)})
    figure = new_figure(DOUBLE_COLUMN, 4.6)
    panels = figure.subplots(2, 3, sharex=True)
    panels[0, 0].set(xscale="log", xlim=(0.8 * table["passes"].min(), table["passes"].max() / 0.8))
    for axes, (metric, label) in zip(panels.flat, LABELS.items(), strict=True):
        rows = table[table["metric"] == metric]
        band = _band(rows)
        for name in names:
            line = rows[(rows["rule"] == name[0]) & (rows["n_h"] == name[1])]
            height = line["error_percent"].to_numpy(float)
            low, high = line["ci_low"].to_numpy(float), line["ci_high"].to_numpy(float)
            # near zero the interval may lie above the error itself
            reach = np.clip(np.nan_to_num([height - low, high - height]), 0, None)
            look = _look(names, name)
            axes.errorbar(line["passes"], height, reach, capsize=2, elinewidth=0.7, **look)
            few = line["n_volumes"].lt(most).to_numpy()
            axes.plot(line["passes"][few], height[few], ls="none", zorder=3, **look | HOLLOW)
        _draw_bounds(axes, rows, band)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(label)
        axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        shown = rows[["error_percent", "ci_high", "model2d_percent"]].to_numpy(float)
        top = np.nanmax([10, band, *shown.flat])
        axes.set_ylim(-0.15, 1.2 * next((tick for tick in TICKS if tick > top), top))
        axes.yaxis.set_major_locator(FixedLocator(TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    for axes in panels[1]:
        axes.set_xlabel("Network passes a volume")
    seconds = (table["seconds"] / table["passes"]).median()
    for axes in panels[0]:
        time = axes.secondary_xaxis("top", functions=(lambda p: seconds * p, lambda s: s / seconds))
        time.xaxis.set_minor_formatter(NullFormatter())
        time.xaxis.set_major_formatter("{x:g}")
        time.set_xlabel(f"Time (s), {seconds:.2g} s a pass")
    handles = [Line2D([], [], label=case_name(*name), **_look(names, name)) for name in names]
    handles.append(Patch(color=GREY, alpha=0.4, lw=0, label="real volumes, 97.5 %"))
    if table["n_volumes"].lt(most).any():
        few = {"color": GREY, "marker": "o", "ls": "none"} | HOLLOW
        handles.append(Line2D([], [], label=f"fewer than {most} volumes", **few))
    if table["model2d_percent"].notna().any():
        handles.append(Line2D([], [], color=BLACK, ls="--", lw=0.8, label="2D denoiser"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    if title:
        figure.suptitle(title)
    save(figure, paths)


def _look(names: list[tuple[str, int]], name: tuple[str, int]) -> dict:
    """Colour by rule, marker by place among all lines."""
    marker = MARKERS[names.index(name) % len(MARKERS)]
    return {"color": RULE_COLOURS.get(name[0], COLOURS[-1]), "marker": marker}


def _draw_bounds(axes, rows: pd.DataFrame, band: float) -> None:
    if rows.empty:
        return
    if np.isfinite(band):
        axes.axhspan(0, band, color=GREY, alpha=0.4, lw=0, zorder=0)
    if np.isfinite(own := rows["model2d_percent"].iloc[0]):
        axes.axhline(own, color=BLACK, ls="--", lw=0.8, zorder=1)


def _band(rows: pd.DataFrame) -> float:
    """The floor of the most volumes, of one metric."""
    return rows.loc[rows["n_volumes"].idxmax(), "floor_high"] if len(rows) else np.nan
