"""Figures 12 and 14: a volume along the reverse process, from a real run.

Both read the trace of a run: an ``.npz`` file with ``noisy`` and ``denoised`` (n, z, y, x), the
noisy volume x and its denoised estimate at n snapshots from noise to data, data in -1..1;
``sigma`` (n,), the noise level; ``plane`` (n,), the plane that was denoised ("xy", "xz", "yz";
anything else stands for all three).
"""

import os
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.transforms import Affine2D

from micro3diff.errors import InputError
from micro3diff.figures import camera
from micro3diff.figures.panels import frame_only, pick, sections
from micro3diff.figures.style import COLOURS, DOUBLE_COLUMN, new_figure, save, styled

SNAPSHOTS = 6
LARGEST_PANEL = 1.6  # inches
PLANE_COLOURS = {"yz": COLOURS[1], "xz": COLOURS[2], "xy": COLOURS[0]}


@dataclass(frozen=True)
class Trace:
    """Snapshots along the reverse process; see the module."""

    noisy: np.ndarray
    denoised: np.ndarray
    sigma: np.ndarray
    plane: np.ndarray


def read_trace(path: str | os.PathLike, wanted: int = SNAPSHOTS) -> Trace:
    """Read a trace and keep at most ``wanted`` snapshots; `InputError` when it is not a trace."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in ("noisy", "denoised", "sigma", "plane")}
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: not a readable trace of a run ({error})") from None
    count = len(arrays["noisy"])
    shapes = {name: array.shape for name, array in arrays.items()}
    if (
        arrays["noisy"].ndim != 4
        or not count
        or shapes["noisy"] != shapes["denoised"]
        or shapes["sigma"] != (count,)
        or shapes["plane"] != (count,)
    ):
        raise InputError(f"{path}: expected snapshots (n, z, y, x), found the shapes {shapes}")
    chosen = pick(count, wanted)
    return Trace(
        noisy=arrays["noisy"][chosen].astype(np.float32),
        denoised=arrays["denoised"][chosen].astype(np.float32),
        sigma=arrays["sigma"][chosen].astype(float),
        plane=arrays["plane"][chosen].astype(str),
    )


@styled
def plot_diffusion_sections(trace: str | os.PathLike, paths) -> None:
    """Figure 12: the middle xy section of the noisy volume above that of its estimate."""
    run = read_trace(trace)
    count = len(run.sigma)
    width = min(DOUBLE_COLUMN, 0.3 + LARGEST_PANEL * count)
    figure = new_figure(width, 0.55 + 2.05 * (width - 0.3) / count)
    panels = figure.subplots(2, count, squeeze=False)
    for column, noisy, denoised, sigma in zip(
        panels.T, run.noisy, run.denoised, run.sigma, strict=True
    ):
        _show_grey(column[0], sections(noisy)["xy"], *_grey_range(noisy))
        _show_grey(column[1], sections(denoised)["xy"], -1, 1)
        column[0].set_title(f"σ = {sigma:.2g}")
    panels[0, 0].set_ylabel("noisy volume")
    panels[1, 0].set_ylabel("denoised estimate")
    figure.supxlabel("reverse process, from noise to data  →", fontsize=8)
    save(figure, paths)


@styled
def plot_diffusion_cubes(trace: str | os.PathLike, paths) -> None:
    """Figure 14: the noisy volume as a cube, the plane denoised at each step marked in colour.

    Below each cube the middle slice of that plane; last the volume that comes out.
    """
    run = read_trace(trace, SNAPSHOTS - 1)
    count = len(run.sigma)
    width = min(DOUBLE_COLUMN, LARGEST_PANEL * (count + 1))
    figure = new_figure(width, 0.4 + 2.05 * width / (count + 1))
    panels = figure.subplots(2, count + 1, squeeze=False)
    for column, noisy, sigma, plane in zip(panels.T, run.noisy, run.sigma, run.plane, strict=False):
        planes = [plane] if plane in PLANE_COLOURS else list(PLANE_COLOURS)
        limits = _grey_range(noisy)
        _draw_cube(column[0], noisy, limits, planes)
        column[0].set_title(f"σ = {sigma:.2g}")
        shown = planes[-1]
        _show_grey(column[1], sections(noisy)[shown], *limits)
        frame_only(column[1], PLANE_COLOURS[shown], 1.5)
        column[1].set_xlabel("all planes" if len(planes) > 1 else f"{plane} plane")
    result = run.denoised[-1]
    _draw_cube(panels[0, -1], result, (-1, 1), [])
    panels[0, -1].set_title("result")
    _show_grey(panels[1, -1], sections(result)["xy"], -1, 1)
    panels[1, -1].set_xlabel("xy section")
    camera.draw_triad(panels[0, -1], result.shape, length=9)
    save(figure, paths)


def _grey_range(values: np.ndarray) -> tuple[float, float]:
    """Black and white: the bulk of the noise, and never less than the data range."""
    low, high = np.percentile(values, [1, 99])
    return min(-1.0, float(low)), max(1.0, float(high))


def _show_grey(axes: Axes, image: np.ndarray, low: float, high: float) -> None:
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="nearest")
    frame_only(axes)


def _draw_cube(
    axes: Axes, volume: np.ndarray, limits: tuple[float, float], planes: list[str]
) -> None:
    """Draw the three faces towards the viewer; mark the slices of ``planes`` in colour."""
    z, y, x = volume.shape
    # Plane: the face's values (upwards, to the right), its origin and its two edges.
    faces = {
        "xz": (volume[:, 0], (0, 0, 0), (x, 0, 0), (0, 0, z)),
        "yz": (volume[:, :, -1], (x, 0, 0), (0, y, 0), (0, 0, z)),
        "xy": (volume[-1], (0, 0, z), (x, 0, 0), (0, y, 0)),
    }
    for image, *corner_and_edges in faces.values():
        corner, across, up = (camera.project(np.array(v)) for v in corner_and_edges)
        onto_face = Affine2D(
            np.array([[across[0], up[0], corner[0]], [across[1], up[1], corner[1]], [0, 0, 1]])
        )
        axes.imshow(
            image, cmap="gray", vmin=limits[0], vmax=limits[1], origin="lower",
            extent=(0, 1, 0, 1), interpolation="nearest", transform=onto_face + axes.transData,
        )  # fmt: skip
        outline = Polygon(
            [corner, corner + across, corner + across + up, corner + up],
            closed=True,
            fill=False,
            ec="black",
            lw=0.5,
        )
        axes.add_patch(outline)
    for plane in planes:
        _mark_slices(axes, volume.shape, plane)
    left, right, bottom, top = camera.frame(volume.shape)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()


def _mark_slices(axes: Axes, shape: tuple[int, ...], plane: str, count: int = 6) -> None:
    """Draw the edges of a few slices of ``plane`` on the visible faces, and its own face's."""
    normal = {"yz": 0, "xz": 1, "xy": 2}[plane]
    size = np.array(shape[::-1], dtype=float)
    # The visible faces are x = n, y = 0 and z = n; a slice shows an edge on the other two.
    front = np.array([size[0], 0.0, size[2]])
    others = [axis for axis in range(3) if axis != normal]
    for position in np.linspace(0, size[normal], count):
        own_face = position == front[normal]
        meeting = front.copy()
        meeting[normal] = position
        ends = [meeting.copy() for _ in others]
        for end, axis in zip(ends, others, strict=True):
            end[axis] = size[axis] - front[axis]
        path = [camera.project(end) for end in (ends[0], meeting, ends[1])]
        if own_face:
            far = ends[0].copy()
            far[others[1]] = ends[1][others[1]]
            path.append(camera.project(far))
        axes.add_patch(
            Polygon(
                path,
                closed=own_face,
                fill=False,
                ec=PLANE_COLOURS[plane],
                joinstyle="round",
                lw=1.6 if own_face else 0.8,
            )
        )
