"""Figure 5: error rates of S2 and LP, the paper's beside ours."""

import numpy as np
import pandas as pd

from micro3diff.figures.style import (
    COLOURS,
    DOUBLE_COLUMN,
    GREY,
    LETTERS_AN_INCH,
    RULE_COLOURS,
    SMALL,
    case_name,
    new_figure,
    percent,
    require_columns,
    save,
    styled,
)

COLUMNS = ["material", "n_h", "rule", "metric", "error_percent", "ci_low", "ci_high"]
METRICS = {"S2": "$S_2$ error (%)", "LP": "$LP$ error (%)"}
PAPER = "paper"


@styled
def plot_errors(table: pd.DataFrame, paths) -> None:
    """Draw bars of ``error_rates.csv``: per material the paper's, then each rule's at its
    greatest n_h, with the bootstrap interval over volumes where there is one.

    The paper's figures (equation 24, its Fig. 5, DOI 10.1038/s41524-024-01280-z) are in
    ``paper_percent``, NaN for a material of no paper case.
    """
    require_columns(table, COLUMNS, "table of error rates")
    ours = headline(table)
    materials = list(dict.fromkeys(ours["material"]))
    names = [PAPER] * _has_paper(ours) + list(dict.fromkeys(ours["name"]))
    bars = len(materials) * len(names)
    beside = bars <= 8
    figure = new_figure(DOUBLE_COLUMN, 2.5 if beside else 4.2)
    panels = figure.subplots(1, 2) if beside else figure.subplots(2, 1, sharex=True)
    letters = LETTERS_AN_INCH * DOUBLE_COLUMN / (2 if beside else 1) / max(1, len(materials))
    slant = max(map(len, materials), default=0) > letters
    for axes, (metric, label) in zip(panels, METRICS.items(), strict=True):
        _draw_bars(axes, ours[ours["metric"] == metric], materials, names, slant)
        axes.set_ylabel(label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    save(figure, paths)


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of each rule's greatest n_h per material, with the case's ``name`` added."""
    greatest = table.groupby(["material", "rule"])["n_h"].transform("max")
    rows = table[table["n_h"] == greatest].copy()
    rows["name"] = [
        case_name(rule, n_h) for rule, n_h in zip(rows["rule"], rows["n_h"], strict=True)
    ]
    return rows


def _has_paper(table: pd.DataFrame) -> bool:
    return "paper_percent" in table and bool(table["paper_percent"].notna().any())


def _draw_bars(
    axes, rows: pd.DataFrame, materials: list[str], names: list[str], slant: bool
) -> None:
    width = min(0.25, 0.8 / len(names))
    spare = [colour for colour in COLOURS if colour not in RULE_COLOURS.values()]
    colours = {}
    for place, name in enumerate(names):
        chosen = rows if name == PAPER else rows[rows["name"] == name]
        chosen = chosen.drop_duplicates("material").set_index("material").reindex(materials)
        centres = np.arange(len(materials)) + (place - (len(names) - 1) / 2) * width
        if name == PAPER:
            heights = tops = chosen["paper_percent"].to_numpy(float)
            look = {"color": "white", "edgecolor": GREY, "hatch": "////", "lw": 0.6}
        else:
            heights, low, high = (
                chosen[key].to_numpy(float) for key in ("error_percent", "ci_low", "ci_high")
            )
            tops = np.fmax(heights, high)
            colour = RULE_COLOURS.get(name.split(",")[0])
            if colour is None or colour in colours.values():
                colour = spare[len(colours) % len(spare)]
            colours[name] = colour
            look = {"color": colour}
            reach = np.clip([heights - low, high - heights], 0, None)
            axes.errorbar(centres, heights, reach, fmt="none", ecolor="black", lw=0.7, capsize=2)
        axes.bar(centres, heights, 0.92 * width, label=name, **look)
        for x, height, top in zip(centres, heights, tops, strict=True):
            if np.isfinite(height):
                place_above = {"xytext": (0, 1.5), "textcoords": "offset points"}
                axes.annotate(
                    percent(height),
                    (x, top),
                    ha="center",
                    va="bottom",
                    fontsize=SMALL - 0.5,
                    **place_above,
                )
    slanted = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(materials)), materials, **slanted if slant else {})
    axes.tick_params(axis="x", length=0, labelbottom=True)
    axes.set_xlim(-0.6, len(materials) - 0.4)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
