"""Volumes for programs that know no TIFF: VTK image data, as ParaView and PyVista read it."""

import os

import numpy as np

from micro3diff.files import atomic_path

PLAIN = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u00c5": "Angstrom", "\u212b": "Angstrom"})


def write_vti(
    path: str | os.PathLike,
    values: np.ndarray,
    name: str = "phase",
    voxel_size: float | None = None,
    unit: str = "voxel",
) -> None:
    """Write a volume (z, y, x) as the cells of a VTK image, atomically.

    Each voxel is a cell of side ``voxel_size``, 1 if it is not known, and the corner of the first
    one is the origin; x, y and z are those of the volume. ``name`` is that of the values in the
    file, and ``unit`` a text beside them, such as um.
    """
    import pyvista

    sides = [side + 1 for side in values.shape[::-1]]
    grid = pyvista.ImageData(dimensions=sides, spacing=(voxel_size or 1.0,) * 3)
    grid.cell_data[name] = np.ascontiguousarray(values).ravel()
    plain = unit.translate(PLAIN).encode("ascii", "replace").decode()  # VTK knows no others
    grid.field_data["unit"] = [plain]
    with atomic_path(path) as temporary:
        grid.save(temporary)
