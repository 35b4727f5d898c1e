"""Figures 1, 6, 8 and 10: where the 2D training images come from."""

import numpy as np

from micro3diff.errors import InputError
from micro3diff.figures import camera
from micro3diff.figures.panels import show_labels, show_sheet
from micro3diff.figures.style import DOUBLE_COLUMN, new_figure, save, styled
from micro3diff.figures.views import draw_view


@styled
def plot_training_data(
    labels: np.ndarray,
    kind: str,
    slices: np.ndarray,
    paths,
    title: str | None = None,
) -> None:
    """Draw the source beside the images that were cut from it.

    ``labels`` is the source: (z, y, x) for ``kind`` "volume", (y, x) for "image", (n, y, x) for
    "stack" (then only ``slices`` are drawn). ``slices`` is (n, patch, patch).
    """
    draw = {"volume": _volume, "image": _image, "stack": _stack}.get(kind)
    if draw is None:
        raise InputError(f"training data: unknown kind {kind!r}; expected volume, image or stack")
    figure = draw(np.asarray(labels), np.asarray(slices))
    if title:
        figure.suptitle(title)
    save(figure, paths)


def _size(image_shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in reversed(image_shape))


def _show_images(axes, slices: np.ndarray, rows: int, columns: int, what: str) -> None:
    show_sheet(axes, slices, rows, columns)
    shown = min(len(slices), rows * columns)
    axes.set_title(f"{shown} of {len(slices)} {what}, {_size(slices.shape[1:])}")


def _volume(labels: np.ndarray, slices: np.ndarray):
    left, right, bottom, top = camera.frame(labels.shape)
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
    draw_view(view, labels, size=1000)
    view.set_title(f"volume,{gap}{_size(labels.shape)}")
    _show_images(images, slices, rows, columns, "slices")
    return figure


def _image(labels: np.ndarray, slices: np.ndarray):
    figure = new_figure(DOUBLE_COLUMN, 2.9)
    micrograph, images = figure.subplots(1, 2, width_ratios=[2.6, 4.2])
    show_labels(micrograph, labels, int(labels.max()))
    micrograph.set_title(f"micrograph, {_size(labels.shape)}")
    _show_images(images, slices, 5, 8, "crops")
    return figure


def _stack(labels: np.ndarray, slices: np.ndarray):
    figure = new_figure(DOUBLE_COLUMN, 3.0)
    _show_images(figure.subplots(), slices, 4, 10, "images")
    return figure
