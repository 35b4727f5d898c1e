"""Volumes of one case, made one after the other by one job; what is there is kept."""

import functools
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from micro3diff.files import atomic_path, read_json, sha256_of
from micro3diff.given import read_given
from micro3diff.interruption import SECONDS, Checkpoint, stop_noticed
from micro3diff.planes import SLICES_PER_PASS
from micro3diff.reconstruction import (
    decisive,
    load_for,
    provenance,
    read_material,
    reconstruct,
    target_fractions,
)
from micro3diff.volumes import volume_path

logger = logging.getLogger(__name__)

RUN_COLUMNS = ["sample", "seed", "network_passes", "wall_seconds", "device", "sha256"]


def make_volumes(
    model: str | os.PathLike,
    runs: str | os.PathLike,
    *,
    samples: range,
    settings: dict,
    precision: str,
    seed: int,
    device: torch.device,
    slices: str | os.PathLike,
    source: dict,
    given: str | os.PathLike | None = None,
    slices_per_pass: int = SLICES_PER_PASS,
    seconds: float = SECONDS,
) -> None:
    """Reconstruct the volumes of ``samples`` beside ``runs``, then write that table of them.

    The volume of sample k is volume_<k>.tif, with its provenance in volume_<k>.json, of the seed
    ``seed + k``. One that is there is kept if it is whole and its JSON tells of the same seed,
    settings, model and slices, so a job that was killed goes on where it was; also within a volume,
    whose state is written every ``seconds`` (see `micro3diff.interruption`).

    settings : of `micro3diff.config.reconstruction_settings`, with no choice left open
        (`micro3diff.choice`).
    slices : TIFF of the training slices; source : what is known of their source (source.json).
    given : file of `micro3diff.given.write_given`, if slices of the volumes are given.
    slices_per_pass : slices that the network takes at once, which decides on no volume.
    runs : CSV with the columns ``sample,seed,network_passes,wall_seconds,device,sha256``.
    """
    inputs = {
        "slices_sha256": sha256_of(slices),
        "source": {key: source[key] for key in ("fractions", "voxel_size", "unit")},
    }
    if given:
        inputs["anchors_sha256"] = sha256_of(given)
    load = functools.cache(lambda: load_for(model, settings, precision, device))
    material = read_material(slices, source)
    anchors = read_given(given) if given else {}
    rows = []
    with stop_noticed() as asked:
        for sample in samples:
            volume = volume_path(runs, sample)
            about = volume.with_suffix(".json")
            known = provenance(model, settings, seed + sample, precision, **inputs)
            # a half-made volume goes on with the same random numbers and the same code
            wanted = known | {"device": device.type}
            state = Checkpoint(volume.with_suffix(".pt"), wanted, asked, seconds)
            target = target_fractions(settings, material, known["seed"])
            if _is_made(volume, about, known, target):
                logger.info("%s: kept", volume)
                state.remove()
            else:
                _forget(sample, Path(runs))
                reconstruct(
                    load(),
                    material,
                    known,
                    volume=volume,
                    about=about,
                    voxel_size=source["voxel_size"],
                    unit=source["unit"],
                    anchors=anchors,
                    slices_per_pass=slices_per_pass,
                    checkpoint=state,
                )
            rows.append({"sample": sample} | read_json(about))
    with atomic_path(runs) as temporary:
        pd.DataFrame(rows)[RUN_COLUMNS].to_csv(temporary, index=False)


def _forget(sample: int, runs: Path) -> None:
    """Remove the tables of other jobs that tell of the volume before it is made again."""
    for table in runs.parent.glob("volumes_*-*.csv"):
        first, last = map(int, table.stem.removeprefix("volumes_").split("-"))
        if table != runs and first <= sample <= last:
            table.unlink(missing_ok=True)  # the other job may forget it at the same time


def _is_made(volume: Path, about: Path, known: dict, target: list[float] | None) -> bool:
    """Whether a whole volume is there that was made as ``known``, held to the same fractions."""
    if not (volume.exists() and about.exists()):
        return False
    found = read_json(about)
    wanted = decisive(known)
    if not (found.keys() >= known.keys() and decisive(found).items() >= wanted.items()):
        return False
    held = found.get("target_fractions")
    alike = held == target if None in (held, target) else np.allclose(held, target)
    return alike and found.get("sha256") == sha256_of(volume)
