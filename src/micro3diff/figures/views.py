"""Three-dimensional views of label volumes with PyVista, without a display."""

import functools
import subprocess
import sys

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from micro3diff.errors import InputError
from micro3diff.figures import camera
from micro3diff.figures.panels import paint
from micro3diff.figures.style import PHASE_COLOURS

INVERTED_COLOUR = "#9CC9E8"
MAX_VOXELS = 4e6  # a larger volume is thinned for its view, which has no pixels for more
AMBIENT = 0.3
LIGHTS = ((-0.5, 0.7, 0.7, 0.7), (0.9, 0.0, 0.5, 0.2))  # to the right, up, to the viewer; strength
LEANING = 5.0

# VTK ends the whole process where it finds no OpenGL, so this is tried in a process of its own.
_TRIAL = """
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
import vtkmodules.vtkRenderingOpenGL2
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.AddRenderer(vtkRenderer())
window.Render()
"""


@functools.cache
def check_rendering() -> None:
    """Raise `InputError` when this machine can't draw in 3D; takes a second, once per process."""
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)
    if trial.returncode:
        raise InputError(
            "3D views: no OpenGL for drawing without a display was found on this machine; install "
            "libegl1 and libgl1 or libosmesa6 (apt), or vtk and mesalib from conda-forge"
        )


def render(
    labels: np.ndarray,
    phase: int = 1,
    inverted: bool = False,
    size: int = 700,
    phases: int = 2,
) -> np.ndarray:
    """Draw one phase of a volume as shaded voxels inside the volume's outline.

    ``labels`` is (z, y, x); with ``inverted`` everything but ``phase`` is drawn. Where there are
    more than two ``phases``, all but phase 0 are, each in its colour. Returns RGB
    uint8 (height, width, 3) whose longer side is ``size`` pixels; its edges are those of
    `camera.frame`. Raises `InputError` for anything but a volume, or without OpenGL.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or 0 in labels.shape:
        raise InputError(f"3D view: expected a volume (z, y, x), found shape {labels.shape}")
    check_rendering()
    thin = max(1, int(np.ceil((labels.size / MAX_VOXELS) ** (1 / 3))))
    labels = labels[::thin, ::thin, ::thin]
    several = phases > 2 and not inverted
    if several:
        shown = labels > 0
    else:
        shown = (labels != phase) if inverted else (labels == phase)
    left, right, bottom, top = camera.frame(labels.shape)
    scale = size / max(right - left, top - bottom)
    window = [max(1, round(scale * (right - left))), max(1, round(scale * (top - bottom)))]

    pv = _pyvista()
    plotter = pv.Plotter(off_screen=True, window_size=window)
    try:
        plotter.set_background("white")
        if shown.any():
            surface = _surface(pv, shown, labels)
            colour = np.array(to_rgb(INVERTED_COLOUR if inverted else PHASE_COLOURS[1]))
            if several:
                colour = paint(surface.cell_data["label"], phases)
            surface.cell_data["colour"] = _shade(surface, shown)[:, None] * colour
            plotter.add_mesh(surface, scalars="colour", rgb=True, lighting=False)
        box = pv.Box(bounds=[side for n in labels.shape[::-1] for side in (0, n)])
        plotter.add_mesh(box.extract_all_edges(), color="black", line_width=max(1.0, size / 350))
        centre = np.array(labels.shape[::-1]) / 2
        plotter.camera.focal_point = centre
        plotter.camera.position = centre + 3 * max(labels.shape) * camera.TOWARDS_VIEWER
        plotter.camera.up = camera.UP
        plotter.enable_parallel_projection()
        plotter.camera.parallel_scale = (top - bottom) / 2
        plotter.renderer.reset_camera_clipping_range()
        return np.array(plotter.screenshot(return_img=True)[..., :3])
    finally:
        plotter.close()


def draw_view(
    axes: Axes,
    labels: np.ndarray,
    phase: int = 1,
    inverted: bool = False,
    size: int = 700,
    triad: bool = True,
    phases: int = 2,
) -> None:
    """Put the 3D view of a volume, with its axes, into ``axes``; see `render`."""
    picture = render(labels, phase, inverted, size, phases)
    axes.imshow(picture, extent=camera.frame(labels.shape))
    axes.set_axis_off()
    if triad:
        camera.draw_triad(axes, labels.shape)


def _pyvista():
    from vtkmodules.vtkCommonCore import vtkLogger

    # Without a display VTK warns of the X server before it takes EGL or OSMesa.
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    import pyvista

    pyvista.OFF_SCREEN = True
    return pyvista


def _surface(pv, shown: np.ndarray, labels: np.ndarray):
    """Faces of the voxels of a boolean volume that are seen from outside, with their labels."""
    grid = pv.ImageData(dimensions=np.array(shown.shape[::-1]) + 1)
    grid.cell_data["shown"] = shown.ravel().astype(np.uint8)
    grid.cell_data["label"] = labels.ravel()
    return grid.threshold(0.5, scalars="shown").extract_surface(algorithm="dataset_surface")


def _shade(surface, shown: np.ndarray) -> np.ndarray:
    """Brightness of each face, 0..1.

    A voxel's faces have but six directions, which hides the shape that they make up. So each face
    is lit as if it leant towards the slope of the smoothed volume.
    """
    corners = surface.points.round().astype(int)[surface.regular_faces]
    slope = _slope(shown)[corners[..., 2], corners[..., 1], corners[..., 0]].mean(axis=1)
    faces = surface.compute_normals(
        point_normals=False, consistent_normals=False, auto_orient_normals=False
    )
    normals = faces.cell_data["Normals"] + LEANING * slope
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(min=1e-6)
    brightness = np.full(len(normals), AMBIENT)
    for across, up, towards, strength in LIGHTS:
        light = across * camera.RIGHT + up * camera.UP + towards * camera.TOWARDS_VIEWER
        brightness += strength * (normals @ light / np.linalg.norm(light)).clip(min=0)
    return brightness.clip(max=1)


def _slope(shown: np.ndarray, passes: int = 5) -> np.ndarray:
    """Downward slope (x, y, z) at the voxels' corners of the volume, smoothed binomially."""
    field = np.pad(shown.astype(np.float32), (passes + 3) // 2)  # odd passes: from voxel to corner
    for _ in range(passes):
        field = (field[1:] + field[:-1]) / 2
        field = (field[:, 1:] + field[:, :-1]) / 2
        field = (field[:, :, 1:] + field[:, :, :-1]) / 2
    downward = [-part[1:-1, 1:-1, 1:-1] for part in np.gradient(field)]
    return np.stack(downward[::-1], axis=-1)


if __name__ == "__main__":
    try:
        check_rendering()
    except InputError as error:
        sys.exit(f"Error: {error}")
