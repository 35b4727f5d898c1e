"""One camera for every picture of a volume: parallel projection, z upwards.

Points are (x, y, z) in voxels. The faces towards the viewer are the first xz plane (y = 0), the
last yz plane (x = n) and the last xy plane (z = n).
"""

import numpy as np
from matplotlib.axes import Axes

from micro3diff.figures.style import SMALL

_TURN, _TILT = np.radians(35.0), np.radians(25.0)
RIGHT = np.array([np.cos(_TURN), np.sin(_TURN), 0.0])
UP = np.array(
    [-np.sin(_TILT) * np.sin(_TURN), np.sin(_TILT) * np.cos(_TURN), np.cos(_TILT)],
)
TOWARDS_VIEWER = np.cross(RIGHT, UP)


def project(points: np.ndarray) -> np.ndarray:
    """Project points (..., 3) onto the picture: (..., 2), to the right and upwards, in voxels."""
    return np.asarray(points, dtype=float) @ np.stack([RIGHT, UP], axis=1)


def frame(shape: tuple[int, int, int], margin: float = 0.02) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of the picture of a volume of ``shape`` (z, y, x)."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * shape[::-1]
    low, high = project(corners).min(axis=0), project(corners).max(axis=0)
    pad = margin * (high - low).max()
    return low[0] - pad, high[0] + pad, low[1] - pad, high[1] + pad


def draw_triad(axes: Axes, shape: tuple[int, ...], length: float = 11.0) -> None:
    """Draw small x, y and z arrows, ``length`` points long, in the emptier corner at the bottom."""
    origin = (0.9, 0.0) if shape[1] >= shape[2] else (0.04, 0.02)
    for name, direction in zip("xyz", np.eye(3), strict=True):
        tip = project(direction) * length
        place = {"xy": origin, "xycoords": "axes fraction", "textcoords": "offset points"}
        line = {
            "arrowstyle": "<|-",
            "lw": 0.6,
            "mutation_scale": 4,
            "shrinkA": 0,
            "shrinkB": 0,
            "color": "black",
        }
        axes.annotate("", xytext=tip, arrowprops=line, annotation_clip=False, **place)
        axes.annotate(
            name,
            xytext=1.4 * tip,
            ha="center",
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
            **place,
        )
