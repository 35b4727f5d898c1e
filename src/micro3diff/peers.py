"""Volumes by other tools from the same images, and a table of them by the metrics of this one.

MCRpy (https://github.com/NEFM-TUDresden/MCRpy) needs numpy 1 and TensorFlow, so its volumes are
made in an environment of their own; it is imported only where it is used.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from micro3diff.errors import InputError

MCRPY_SETTINGS = {
    "descriptor_types": ["Correlations", "Variation"],
    "descriptor_weights": [1.0, 100.0],
    "limit_to": 8,
    "optimizer_type": "LBFGSB",
    "loss_type": "MSE",
    "max_iter": 500,
    "use_multigrid_reconstruction": True,
    "use_multiphase": False,
}
"""The settings of the 3D examples in MCRpy's README; what is not named has its default in 0.2.0.

Correlations are S2 and S3 for lags below ``limit_to`` pixels on each level of an image pyramid,
Variation keeps noise out, which its README calls necessary in 3D.
"""


@dataclass(frozen=True, eq=False)
class PeerVolumes:
    """Volumes of a material by one tool, and what they are held to.

    about: for each volume its provenance, with the keys ``tool``, ``shape`` and ``wall_seconds``.
    curves: table of `evaluation.measure`; reference: table of `evaluation.curve_table`.
    real: as ``curves``, of real samples of that size, ``drawn`` of which make up the floor.
    """

    material: str
    about: Sequence[Mapping]
    curves: object
    reference: object
    real: object
    drawn: int


def mcrpy_volume(
    images: np.ndarray, side: int, seed: int = 0, settings: Mapping | None = None
) -> tuple[np.ndarray, dict]:
    """An isotropic volume by MCRpy: its mask of shape (side, side, side), and its provenance.

    images: mask of the phase, shape (n, y, x). Their descriptors are averaged, so that MCRpy sees
        as much of the material as the denoiser does.
    settings: of MCRpy, in place of those of `MCRPY_SETTINGS`.

    The same seed gives the same volume on the same machine. ``wall_seconds`` covers the
    descriptors and the reconstruction, ``iterations`` counts evaluations of the loss on all levels
    of the pyramid. Raises `InputError` for images or a side that are too small.
    """
    import mcrpy
    import tensorflow

    settings = MCRPY_SETTINGS | dict(settings or {})
    smallest = 2 * settings["limit_to"]  # one level of the pyramid
    if min(side, *images.shape[1:]) < smallest:
        raise InputError(
            f"MCRpy: found images of {images.shape[1:]} pixels for a side of {side}; "
            f"expected at least {smallest} of both"
        )
    tensorflow.random.set_seed(seed)
    np.random.seed(seed % 2**32)  # where MCRpy's first guess comes from
    wall, cpu = time.perf_counter(), time.process_time()
    about_images = mcrpy.CharacterizationSettings(
        **{k: settings[k] for k in ("descriptor_types", "limit_to", "use_multiphase")}
    )
    found = mcrpy.characterize(
        [mcrpy.Microstructure(image.astype(float)) for image in images], about_images
    )
    found = found if isinstance(found, list) else [found]
    mean = {name: np.mean([f[name] for f in found], 0) for name in settings["descriptor_types"]}
    described = time.perf_counter() - wall
    progress, last = mcrpy.reconstruct(
        mean | {"settings": about_images},
        (side, side, side),
        settings=mcrpy.ReconstructionSettings(**settings),
    )
    evaluations = len(progress["line_data"]) - 1  # the last entry repeats the one before
    field, mask = last.x.numpy(), last.decode_phases() > 0.5
    about = {
        "tool": f"mcrpy {_version('mcrpy')}",
        "seed": seed,
        "settings": settings,
        "images": list(images.shape),
        "shape": [side, side, side],
        "wall_seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "describe_seconds": round(described, 3),
        "iterations": evaluations,
        "loss": float(progress["line_data"][-1][1]),
        "fraction_before_rounding": round(float(field.mean()), 4),
        "fraction": round(float(mask.mean()), 4),
        "versions": {name: _version(name) for name in ("mcrpy", "tensorflow", "numpy", "scipy")},
    }
    return mask, about


def peer_table(peers: Iterable[PeerVolumes]):
    """Error rates of volumes by several tools, one row for each material, tool and metric.

    Lags run to half the side of the volumes or to the end of the reference, whichever is less.
    Columns: ``material,tool,side,wall_seconds,metric,error_percent,ci_low,ci_high,n_volumes,
    floor_percent,floor_high``; the time is the median over the volumes, the error that of their
    mean curve (equation 24) with its 95 % interval, and the floor is `benchmark.errors.draw_floor`.
    """
    import pandas as pd

    from micro3diff.benchmark.errors import draw_floor
    from micro3diff.evaluation import METRICS, bootstrap_error, curve_values
    from micro3diff.metrics import error_rate

    rows = []
    for peer in peers:
        side = min(min(about["shape"]) for about in peer.about)
        for metric in METRICS:
            lags = slice(side // 2 + 1)
            reference = curve_values(peer.reference, metric)[0, lags]
            values = curve_values(peer.curves, metric)[:, lags]
            real = curve_values(peer.real, metric)[:, lags]
            error, low, high = bootstrap_error(reference, values)
            floor, floor_high = draw_floor(reference, real, peer.drawn, error_rate)
            rows.append(
                {
                    "material": peer.material,
                    "tool": ", ".join(sorted({about["tool"] for about in peer.about})),
                    "side": side,
                    "wall_seconds": float(np.median([a["wall_seconds"] for a in peer.about])),
                    "metric": metric,
                    "error_percent": error,
                    "ci_low": low,
                    "ci_high": high,
                    "n_volumes": len(values),
                    "floor_percent": floor,
                    "floor_high": floor_high,
                }
            )
    return pd.DataFrame(rows)


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
