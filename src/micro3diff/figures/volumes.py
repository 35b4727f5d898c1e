"""Figures 2, 7, 9, 11 and S1: generated volumes in 3D and in section."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from micro3diff.errors import InputError
from micro3diff.figures.panels import phases_in, show_section
from micro3diff.figures.style import (
    DOUBLE_COLUMN,
    GREY,
    LETTERS_AN_INCH,
    new_figure,
    phase_legend,
    save,
    styled,
)
from micro3diff.figures.views import draw_view
from micro3diff.volumes import as_labels

PLANES = ("xy", "xz", "yz")
PANEL = 1.4  # inches: five beside each other in a double column


@styled
def plot_volume(
    values: np.ndarray,
    paths,
    inverted: bool = False,
    phases: int | None = None,
    threshold: float | None = None,
) -> None:
    """Figures 7, 9, 11: one volume (z, y, x) in 3D and its three middle sections.

    With ``inverted`` also the 3D view of everything but phase 1 (the grains, where phase 1 is
    their boundaries). ``phases`` is how many the material has, by default those of the volume.
    Of greys, which have a ``threshold``, the sections show them as they are, and the 3D view those
    above it.
    """
    labels = as_labels(np.asarray(values), threshold)
    phases = phases or phases_in(labels)
    painted = phases if threshold is None else None
    views = [False, True] if inverted else [False]
    figure, panels = _views_and_sections([1.25] * len(views), labels.shape)
    for panel, invert in zip(panels, views, strict=False):
        draw_view(panel, labels, inverted=invert, phases=phases)
        panel.set_title("all but phase 1" if invert else _shown(phases))
    for panel, plane in zip(panels[len(views) :], PLANES, strict=True):
        show_section(panel, values, plane, painted)
        panel.set_title(f"{plane} section")
    phase_legend(figure, phases)
    save(figure, paths)


@styled
def plot_tiled(
    values: np.ndarray,
    periodic: Sequence[bool],
    paths,
    phases: int | None = None,
    threshold: float | None = None,
) -> None:
    """A periodic volume (z, y, x) beside itself, twice along each axis along which it is periodic.

    In 3D and in sections through the middle of the copies; small ticks outside the frame show where
    a copy ends. Greys are shown as by `plot_volume`. Raises `InputError` for a volume that is
    periodic along no axis.
    """
    if not any(periodic):
        raise InputError("figure of the copies: the volume is periodic along none of its axes")
    copies = [2 if wraps else 1 for wraps in periodic]
    tiled = np.tile(values, copies)
    labels = as_labels(tiled, threshold)
    phases = phases or phases_in(labels)
    figure, panels = _views_and_sections([1.5], tiled.shape)
    draw_view(panels[0], labels, size=1000, phases=phases)
    counts = " × ".join(map(str, copies[::-1]))
    panels[0].set_title(f"{counts} copies (x, y, z)\n{_shown(phases)}")
    ends = {
        name: [n - 0.5] if wraps else []
        for name, n, wraps in zip("zyx", np.shape(values), periodic, strict=True)
    }
    for panel, plane in zip(panels[1:], PLANES, strict=True):
        show_section(panel, tiled, plane, phases if threshold is None else None)
        panel.set(xticks=ends[plane[0]], yticks=ends[plane[1]], title=f"{plane} section")
        panel.tick_params(
            top=True, right=True, labelbottom=False, labelleft=False, length=4, color=GREY
        )
    phase_legend(figure, phases)
    save(figure, paths)


def _views_and_sections(views: list[float], shape: tuple[int, int, int]):
    """A figure with panels for ``views`` of these widths and three sections, all at one scale."""
    z, y, x = shape
    unit = 3 / (2 * x + y)  # of a voxel: the sections are 3 wide in all
    ratios = [*views, x * unit, x * unit, y * unit]
    tallest = max(1.0, max(y, z) * unit)
    figure = new_figure(DOUBLE_COLUMN, DOUBLE_COLUMN / sum(ratios) * 1.2 * tallest + 0.3)
    return figure, figure.subplots(1, len(ratios), width_ratios=ratios)


def _shown(phases: int) -> str:
    """What `draw_view` shows."""
    return "phase 1" if phases <= 2 else "all but phase 0"


@styled
def plot_harmonizing(
    volumes: Mapping[str, np.ndarray],
    paths,
    threshold: float | None = None,
    phases: int | None = None,
) -> None:
    """Figure 2: one column per case (name -> volume): the 3D view above its middle sections.

    ``phases`` is as for `plot_volume`. Greys are shown as by `plot_volume`.
    """
    if not volumes:
        raise InputError("figure of the harmonizing steps: no volume was given")
    labels = {name: as_labels(np.asarray(one), threshold) for name, one in volumes.items()}
    phases = phases or phases_in(*labels.values())
    width = min(DOUBLE_COLUMN, 0.3 + PANEL * len(volumes))
    panel = (width - 0.3) / len(volumes)
    z, y, x = np.max([one.shape for one in labels.values()], axis=0)
    heights = [1.0, *(side / max(x, y) for side in (y, z, z))]  # sections at one scale
    figure = new_figure(width, 0.5 + 4.1 / 4 * sum(heights) * panel)
    panels = figure.subplots(4, len(volumes), squeeze=False, height_ratios=heights)
    for column, (name, values) in zip(panels.T, volumes.items(), strict=True):
        triad = column[0] is panels[0, 0]
        draw_view(column[0], labels[name], size=500, triad=triad, phases=phases)
        column[0].set_title(name.replace(", ", ",\n"))
        for axes, plane in zip(column[1:], PLANES, strict=True):
            show_section(axes, values, plane, phases if threshold is None else None)
            if axes not in panels[:, 0]:
                axes.set(xlabel="", ylabel="")
    phase_legend(figure, phases)
    save(figure, paths)


def block_of(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The first block (z, y, x) of a volume, of ``shape`` where it is as large as that."""
    return labels[tuple(map(slice, shape))]


@styled
def plot_gallery(
    volumes: Sequence[tuple[str, Sequence[np.ndarray]]], paths, phases: Sequence[int] | None = None
) -> None:
    """Figure S1: one row per material (name and volumes), one column per sample.

    ``phases`` of each material are as for `plot_volume`.
    """
    columns = max((len(samples) for _, samples in volumes), default=0)
    if not columns:
        raise InputError("gallery: no volume was given")
    width = min(DOUBLE_COLUMN, 0.3 + 1.8 * columns)
    panel = (width - 0.3) / columns
    figure = new_figure(width, 0.2 + panel * len(volumes))
    panels = figure.subplots(len(volumes), columns, squeeze=False)
    phases = phases or [phases_in(*samples) for _, samples in volumes]
    for row, (name, samples), count in zip(panels, volumes, phases, strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, labels in zip(row, samples, strict=False):
            triad = axes is panels[0, 0]
            draw_view(axes, np.asarray(labels), size=500, triad=triad, phases=count)
        lines = textwrap.fill(name, int(LETTERS_AN_INCH * panel))
        row[0].text(
            -0.06, 0.5, lines, transform=row[0].transAxes, rotation=90, ha="right", va="center"
        )
    save(figure, paths)
