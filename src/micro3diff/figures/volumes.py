"""Figures 2, 7, 9, 11 and S1: generated volumes in 3D and in section."""

from collections.abc import Mapping, Sequence

import numpy as np

from micro3diff.errors import InputError
from micro3diff.figures.panels import show_section
from micro3diff.figures.style import DOUBLE_COLUMN, legend_text, new_figure, save, styled
from micro3diff.figures.views import draw_view

PLANES = ("xy", "xz", "yz")
PANEL = 1.4  # inches: five beside each other in a double column


@styled
def plot_volume(labels: np.ndarray, paths, inverted: bool = False) -> None:
    """Figures 7, 9, 11: one volume (z, y, x) in 3D and its three middle sections.

    With ``inverted`` also the 3D view of everything but phase 1 (the grains, where phase 1 is
    their boundaries).
    """
    labels = np.asarray(labels)
    views = [False, True] if inverted else [False]
    ratios = [1.25] * len(views) + [1.0] * 3
    figure = new_figure(DOUBLE_COLUMN, DOUBLE_COLUMN / sum(ratios) * 1.2 + 0.3)
    panels = figure.subplots(1, len(ratios), width_ratios=ratios)
    for panel, invert in zip(panels, views, strict=False):
        draw_view(panel, labels, inverted=invert)
        panel.set_title("all but phase 1" if invert else "phase 1")
    for panel, plane in zip(panels[len(views) :], PLANES, strict=True):
        show_section(panel, labels, plane)
        panel.set_title(f"{plane} section")
    save(figure, paths)


@styled
def plot_harmonizing(volumes: Mapping[str, np.ndarray], paths) -> None:
    """Figure 2: one column per case (name -> volume): the 3D view above its middle sections."""
    if not volumes:
        raise InputError("figure of the harmonizing steps: no volume was given")
    width = min(DOUBLE_COLUMN, 0.3 + PANEL * len(volumes))
    panel = (width - 0.3) / len(volumes)
    figure = new_figure(width, 0.5 + 4.1 * panel)
    panels = figure.subplots(4, len(volumes), squeeze=False)
    for column, (name, labels) in zip(panels.T, volumes.items(), strict=True):
        draw_view(column[0], np.asarray(labels), size=500, triad=column[0] is panels[0, 0])
        column[0].set_title(legend_text(name).replace(", ", ",\n"))
        for axes, plane in zip(column[1:], PLANES, strict=True):
            show_section(axes, np.asarray(labels), plane)
            if axes not in panels[:, 0]:
                axes.set(xlabel="", ylabel="")
    save(figure, paths)


@styled
def plot_gallery(volumes: Mapping[str, Sequence[np.ndarray]], paths) -> None:
    """Figure S1: one row per material (name -> volumes), one column per sample."""
    columns = max((len(samples) for samples in volumes.values()), default=0)
    if not columns:
        raise InputError("gallery: no volume was given")
    width = min(DOUBLE_COLUMN, 0.3 + 1.8 * columns)
    panel = (width - 0.3) / columns
    figure = new_figure(width, 0.2 + panel * len(volumes))
    panels = figure.subplots(len(volumes), columns, squeeze=False)
    for row, (name, samples) in zip(panels, volumes.items(), strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, labels in zip(row, samples, strict=False):
            draw_view(axes, np.asarray(labels), size=500, triad=axes is panels[0, 0])
        row[0].text(
            -0.06, 0.5, name, transform=row[0].transAxes, rotation=90, ha="right", va="center"
        )
    save(figure, paths)
