"""S2 and LP of every phase along each axis, original and generated."""

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from micro3diff.figures.curves import BAND, METRICS
from micro3diff.figures.style import (
    BLACK,
    COLOURS,
    DOUBLE_COLUMN,
    new_figure,
    require_columns,
    save,
    styled,
)

AXIS_COLOURS = {"z": COLOURS[0], "y": COLOURS[1], "x": COLOURS[2]}
ORIGINAL = {"linestyle": (0, (2.5, 1.5)), "lw": 1.6}


@styled
def plot_directions(
    reference: pd.DataFrame,
    curves: pd.DataFrame,
    paths,
    title: str | None = None,
    unit: str = "voxel",
    voxel_size: float | None = None,
) -> None:
    """Draw a row of panels for each phase: S2 and LP along z, y and x, each in its colour.

    ``reference`` is a table of `directions.direction_table`, drawn dashed; ``curves`` one of
    `directions.measure_directions`, of which the mean is drawn, with the middle 95 % of the volumes
    where there are several. Lags are drawn in ``unit`` when ``voxel_size`` is known.
    """
    columns = ["phase", "axis", "metric", "lag", "value"]
    require_columns(reference, columns, "reference along the axes")
    require_columns(curves, ["sample", *columns], "curves along the axes")
    phases = reference.loc[reference["metric"] == "S2", "phase"].unique()
    figure = new_figure(DOUBLE_COLUMN, 0.7 + 1.75 * len(phases))
    panels = figure.subplots(len(phases), 2, sharex=True, squeeze=False)
    scale = voxel_size or 1.0
    for row, phase in zip(panels, phases, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            for axis, colour in AXIS_COLOURS.items():
                original = _values(reference.assign(sample=0), metric, phase, axis)
                generated = _values(curves, metric, phase, axis)
                lags = generated.index * scale
                axes.plot(lags, generated.mean(axis=1), color=colour)
                axes.plot(original.index * scale, original, color=colour, **ORIGINAL)
                if generated.shape[1] > 1:
                    low, high = generated.quantile([k / 100 for k in BAND], axis=1).to_numpy()
                    axes.fill_between(lags, low, high, color=colour, alpha=0.15, lw=0)
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
        row[0].set_ylabel(f"phase {phase}")
    for axes, name in zip(panels[0], METRICS.values(), strict=True):
        axes.set_title(name)
    for axes in panels[-1]:
        axes.set_xlabel(f"Distance $r$ ({unit if voxel_size else 'voxel'})")
    _draw_legend(figure, several=curves["sample"].nunique() > 1)
    if title:
        figure.suptitle(title)
    save(figure, paths)


def _values(table: pd.DataFrame, metric: str, phase: str, axis: str) -> pd.DataFrame:
    """A row for each lag and a column for each sample."""
    chosen = (table["metric"] == metric) & (table["phase"] == phase) & (table["axis"] == axis)
    return table[chosen].pivot(index="lag", columns="sample", values="value").sort_index()


def _draw_legend(figure, several: bool) -> None:
    handles = [Line2D([], [], color=colour, label=axis) for axis, colour in AXIS_COLOURS.items()]
    handles += [
        Line2D([], [], color=BLACK, label="original", **ORIGINAL),
        Line2D([], [], color=BLACK, label="generated"),
    ]
    if several:
        handles.append(Patch(color="0.5", alpha=0.35, lw=0, label="middle 95 % of the volumes"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
