"""Figure 3: the time to generate a volume against the harmonizing steps."""

import pandas as pd
from matplotlib.lines import Line2D

from micro3diff.figures.style import (
    BLACK,
    COLOURS,
    DOUBLE_COLUMN,
    LINES,
    MARKERS,
    SMALL,
    new_figure,
    require_columns,
    save,
    styled,
)

COLUMNS = [
    "material", "rule", "n_h", "n_volumes", "seconds_median", "seconds_2d", "relative_time",
    "device",
]  # fmt: skip


@styled
def plot_timing(table: pd.DataFrame, paths) -> None:
    """Draw the time per volume against n_h: relative to the 2D generation, and in seconds.

    Columns: material, rule, n_h, n_volumes, seconds_median, seconds_2d (the time that the same
    number of 2D images takes), relative_time (their ratio), network_passes, device.
    """
    require_columns(table, COLUMNS, "table of timings")
    table = table.sort_values("n_h")
    materials, rules = (list(dict.fromkeys(table[key])) for key in ("material", "rule"))
    rules.sort()
    figure = new_figure(DOUBLE_COLUMN, 2.9)
    panels = figure.subplots(1, 2)
    quantities = {
        "relative_time": "Time per volume / 2D time",
        "seconds_median": "Time per volume (s)",
    }
    greatest = max(1, table["n_h"].max())
    for axes, (column, label) in zip(panels, quantities.items(), strict=True):
        for (material, rule), rows in table.groupby(["material", "rule"]):
            # A little apart, so that materials of the same network do not hide each other; rules
            # without harmonizing steps stand to the left of the line.
            place = materials.index(material)
            shift = (place - (len(materials) - 1) / 2) * 0.012 * greatest
            if len(rules) > 1 and rows["n_h"].max() == 0 and rule != "alternate":
                shift -= 0.07 * greatest * rules.index(rule)
            axes.plot(
                rows["n_h"] + shift,
                rows[column],
                **_look(place),
                marker=MARKERS[rules.index(rule) % len(MARKERS)],
                alpha=0.9,
            )
        axes.set(xlabel="Harmonizing steps $n_h$", ylabel=label)
        axes.set_xticks(sorted(table["n_h"].unique()))
        left = -(0.04 + 0.07 * len(rules)) * greatest
        axes.set_xlim(left, 1.07 * greatest if table["n_h"].any() else -left)
        axes.set_ylim(0, 1.08 * table[column].max() if table[column].max() > 0 else 1)
    handles = [Line2D([], [], **_look(i), label=m) for i, m in enumerate(materials)]
    handles += [
        Line2D([], [], color=BLACK, marker=MARKERS[i % len(MARKERS)], linestyle="none", label=r)
        for i, r in enumerate(rules)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=7)
    figure.suptitle(_stated(table), fontsize=SMALL)
    save(figure, paths)


def _look(place: int) -> dict:
    """Colour of a material, and another line where colours begin anew."""
    again, colour = divmod(place, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": LINES[again % len(LINES)]}


def _stated(table: pd.DataFrame) -> str:
    """The absolute scale in words: devices, volumes per point, seconds of the 2D generation."""
    devices = ", ".join(dict.fromkeys(table["device"].astype(str)))
    counts, seconds = table["n_volumes"], table["seconds_2d"].dropna()
    volumes = _span(counts, "g") + (" volume" if counts.max() == 1 else " volumes")
    parts = [f"Device: {devices}", f"median of {volumes} per point"]
    if not seconds.empty:
        parts.append(f"2D generation: {_span(seconds, '.3g')} s")
    return "; ".join(parts)


def _span(values: pd.Series, digits: str) -> str:
    low, high = format(values.min(), digits), format(values.max(), digits)
    return low if low == high else f"{low} to {high}"
