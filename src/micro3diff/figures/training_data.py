"""Figures 1, 6, 8 and 10: where the 2D training images come from."""

from collections.abc import Mapping

import numpy as np

from micro3diff.errors import InputError
from micro3diff.figures import camera
from micro3diff.figures.panels import phases_in, show_image, show_sheet
from micro3diff.figures.style import DOUBLE_COLUMN, new_figure, phase_legend, save, styled
from micro3diff.figures.views import draw_view
from micro3diff.volumes import as_labels


@styled
def plot_training_data(
    values: np.ndarray | Mapping[str, np.ndarray],
    kind: str,
    slices: np.ndarray,
    paths,
    title: str | None = None,
    threshold: float | None = None,
) -> None:
    """Draw the source beside the images that were cut from it.

    ``values`` is the source: (z, y, x) for ``kind`` "volume", (y, x) for "image", (n, y, x) for
    "stack" (then only ``slices`` are drawn), the images by name for "planes". ``slices`` is
    (n, patch, patch). Greys, which have a ``threshold``, are shown as they are, and in 3D as those
    above it.
    """
    draw = {"volume": _volume, "image": _image, "stack": _stack, "planes": _planes}.get(kind)
    if draw is None:
        raise InputError(
            f"training data: unknown kind {kind!r}; expected volume, image, stack or planes"
        )
    phases = None
    if threshold is None:
        phases = phases_in(*(values.values() if kind == "planes" else [values]))
    figure = draw(values, np.asarray(slices), phases, threshold)
    phase_legend(figure, phases)
    if title:
        figure.suptitle(title)
    save(figure, paths)


def _size(image_shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in reversed(image_shape))


def _show_images(
    axes, slices: np.ndarray, phases: int | None, rows: int, columns: int, what: str
) -> None:
    show_sheet(axes, slices, rows, columns, phases)
    shown = min(len(slices), rows * columns)
    axes.set_title(f"{shown} of {len(slices)} {what}, {_size(slices.shape[1:])}")


def _volume(values: np.ndarray, slices: np.ndarray, phases: int | None, threshold: float | None):
    left, right, bottom, top = camera.frame(values.shape)
    aspect = (right - left) / (top - bottom)
    if aspect > 1.6:  # a lying bar: above the slices
        height = min(DOUBLE_COLUMN / aspect, 3.2)
        figure = new_figure(DOUBLE_COLUMN, 0.5 + height + 2.1)
        view, images = figure.subplots(2, 1, height_ratios=[height, 2.1])
        rows, columns, gap = 3, 10, " "
    else:
        height, rows = 3.6, 4
        width = max(1.1, min(height * aspect, 3.4))
        columns = int((DOUBLE_COLUMN - width - 0.3) / (height / rows))
        sheet_width = columns * height / rows
        figure = new_figure(width + 0.3 + sheet_width, height + 0.35)
        view, images = figure.subplots(1, 2, width_ratios=[width, sheet_width])
        gap = " " if width > 2 else "\n"
    draw_view(view, as_labels(values, threshold), size=1000, phases=phases or 2)
    view.set_title(f"volume,{gap}{_size(values.shape)}")
    _show_images(images, slices, phases, rows, columns, "slices")
    return figure


def _image(values: np.ndarray, slices: np.ndarray, phases: int | None, _):
    figure = new_figure(DOUBLE_COLUMN, 2.9)
    micrograph, images = figure.subplots(1, 2, width_ratios=[2.6, 4.2])
    show_image(micrograph, values, phases)
    micrograph.set_title(f"micrograph, {_size(values.shape)}")
    _show_images(images, slices, phases, 5, 8, "crops")
    return figure


def _planes(values: Mapping[str, np.ndarray], slices: np.ndarray, phases: int | None, _):
    widths = [image.shape[1] for image in values.values()]  # all at one scale
    tallest = max(image.shape[0] for image in values.values())
    height = min(3.0, (DOUBLE_COLUMN - 0.6) * tallest / sum(widths)) + 0.6
    figure = new_figure(DOUBLE_COLUMN, height + 2.2)
    above, below = figure.subfigures(2, 1, height_ratios=[height, 2.2])
    panels = above.subplots(1, 3, width_ratios=widths)
    for axes, (plane, image) in zip(panels, values.items(), strict=True):
        show_image(axes, image, phases, origin="lower")  # as the sections of a volume are shown
        axes.set_title(f"{plane} plane, {_size(image.shape)}")
        axes.set_xlabel(plane[0], labelpad=1)
        axes.set_ylabel(plane[1], labelpad=1, rotation=0, ha="right", va="center")
    _show_images(below.subplots(), slices[:, ::-1], phases, 3, 10, "crops")
    return figure


def _stack(values: np.ndarray, slices: np.ndarray, phases: int | None, _):
    figure = new_figure(DOUBLE_COLUMN, 3.0)
    _show_images(figure.subplots(), slices, phases, 4, 10, "images")
    return figure
