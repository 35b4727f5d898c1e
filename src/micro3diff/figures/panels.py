"""Panels that several figures share: a picture of labels or greys, sections, a sheet of images."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from micro3diff.errors import InputError
from micro3diff.figures.style import phase_colours

MOST_PIXELS = 2000  # a side, more than a panel has in print
GAP = 0.6  # grey between the images of a sheet, to set off both black and white


def phases_in(*labels: np.ndarray) -> int:
    """How many phases some label arrays have, up to their highest label."""
    return max((int(np.max(array)) for array in labels), default=0) + 1


def paint(values: np.ndarray, phases: int | None) -> np.ndarray:
    """Labels as the colours of their phases (`style.phase_colours`), RGB 0..1: (..., 3).

    Without ``phases`` they are greys, 0..255, and painted as such.
    """
    values = np.asarray(values)
    if phases is None:
        return np.repeat(values[..., None] / 255, 3, axis=-1)
    return np.array([to_rgb(colour) for colour in phase_colours(phases)])[values]


def show_image(
    axes: Axes, image: np.ndarray, phases: int | None = 2, origin: str = "upper"
) -> None:
    """Show labels or greys (y, x) as `paint` does, with a thin frame.

    Of an image with more pixels than a figure shows, every k-th: memory does not grow with it.
    """
    step = -(-max(image.shape) // MOST_PIXELS)
    height, width = image.shape
    vertical = (-0.5, height - 0.5) if origin == "lower" else (height - 0.5, -0.5)
    place = {"origin": origin, "extent": (-0.5, width - 0.5, *vertical)}  # whatever is left out
    axes.imshow(paint(image[::step, ::step], phases), interpolation="nearest", **place)
    frame_only(axes)


def frame_only(axes: Axes, colour: str = "black", width: float = 0.5) -> None:
    """Leave nothing of the axes but a frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=colour, linewidth=width)


def sections(volume: np.ndarray) -> dict[str, np.ndarray]:
    """Return the middle sections xy, xz and yz of a volume (z, y, x); the second axis is upwards.

    Raises `InputError` for anything but a volume.
    """
    volume = np.asarray(volume)
    if volume.ndim != 3 or 0 in volume.shape:
        raise InputError(f"sections: expected a volume (z, y, x), found shape {volume.shape}")
    z, y, x = (n // 2 for n in volume.shape)
    return {"xy": volume[z], "xz": volume[:, y], "yz": volume[:, :, x]}


def show_section(axes: Axes, volume: np.ndarray, plane: str, phases: int | None = 2) -> None:
    """Show one middle section with its axes named; upwards as in the 3D view."""
    show_image(axes, sections(volume)[plane], phases, origin="lower")
    axes.set_anchor("N")  # titles in one line with those of taller panels
    axes.set_xlabel(plane[0], labelpad=1)
    axes.set_ylabel(plane[1], labelpad=1, rotation=0, ha="right", va="center")


def pick(count: int, wanted: int) -> np.ndarray:
    """At most ``wanted`` of ``count`` indices, evenly spaced, the first and the last included."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int))


def sheet(images: np.ndarray, rows: int, columns: int, gap: int | None = None) -> np.ndarray:
    """Lay images (n, y, x) of values 0..1 out in one picture, chosen evenly from all.

    Places that have no image stay blank (NaN).
    """
    images = np.asarray(images)
    if images.ndim != 3 or 0 in images.shape:
        raise InputError(f"sheet of images: expected (n, y, x), found shape {images.shape}")
    gap = max(1, images.shape[2] // 24) if gap is None else gap
    chosen = images[pick(len(images), rows * columns)]
    rows = min(rows, -(-len(chosen) // columns))
    height, width = images.shape[1] + gap, images.shape[2] + gap
    page = np.full((rows * height + gap, columns * width + gap), np.nan)
    for place, image in enumerate(chosen):
        top, left = place // columns * height, place % columns * width
        page[top : top + height + gap, left : left + width + gap] = GAP
        page[top + gap : top + height, left + gap : left + width] = image
    return page


def show_sheet(
    axes: Axes, images: np.ndarray, rows: int, columns: int, phases: int | None = 2
) -> None:
    """Show a sheet of labels or greys (n, y, x) as `paint` does."""
    images = np.asarray(images)
    images = images[pick(len(images), rows * columns)]  # no colours of images that are not shown
    channels = np.moveaxis(paint(images, phases), -1, 0)
    page = np.stack([sheet(channel, rows, columns) for channel in channels], axis=-1)
    axes.imshow(np.nan_to_num(page, nan=1.0), interpolation="nearest")
    axes.set_axis_off()
