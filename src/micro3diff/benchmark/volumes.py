"""The volumes of one benchmark case, made one after the other; what is there is kept."""

import logging
import os
from pathlib import Path

import pandas as pd

from micro3diff.benchmark.paths import volume_path
from micro3diff.files import atomic_path, read_json
from micro3diff.reconstruction import provenance, reconstruct

logger = logging.getLogger("micro3diff")

RUN_COLUMNS = ["sample", "seed", "network_passes", "wall_seconds", "device"]


def make_volumes(
    model: str | os.PathLike,
    runs: str | os.PathLike,
    *,
    settings: dict,
    precision: str,
    seed: int,
    volumes: int,
    slices: str | os.PathLike,
    **options,
) -> None:
    """Reconstruct ``volumes`` volumes beside ``runs``, then write that table of their cost.

    The volumes are volume_000.tif, ... with volume_000.json, as `reconstruction.reconstruct` writes
    them, with the seeds ``seed``, ``seed + 1``, ... A volume is kept if its JSON tells of the same
    seed, settings and model and it is no older than the slices, so a job that was killed goes on
    where it was. ``options`` are further ones of `reconstruct`.

    runs: CSV with the columns ``sample,seed,network_passes,wall_seconds,device``.
    """
    rows = []
    for sample in range(volumes):
        volume = volume_path(runs, sample)
        about = volume.with_suffix(".json")
        wanted = provenance(model, settings, seed + sample, precision)
        if _is_made(volume, about, wanted, slices):
            logger.info("%s: kept", volume)
        else:
            how = {"settings": settings, "precision": precision, "seed": seed + sample}
            reconstruct(model, volume=volume, about=about, slices=slices, **how, **options)
        rows.append({"sample": sample} | read_json(about))
    with atomic_path(runs) as temporary:
        pd.DataFrame(rows)[RUN_COLUMNS].to_csv(temporary, index=False)


def _is_made(volume: Path, about: Path, wanted: dict, slices: str | os.PathLike) -> bool:
    """Whether a volume is there that was made as ``wanted``; versions may differ."""
    if not (volume.exists() and about.exists()):
        return False
    found = read_json(about)
    same = all(found.get(key) == wanted[key] for key in wanted.keys() - {"versions"})
    # the JSON tells nothing of the slices, whose statistics the rule evidence uses
    return same and about.stat().st_mtime >= Path(slices).stat().st_mtime
