"""The settings of the rule ``evidence`` that are left open, chosen by reconstructing.

Volumes of selection seeds are compared with the material's own curves. Nothing of what is
reported is made from these seeds.
"""

import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from micro3diff.denoisers import CHOICE
from micro3diff.evaluation import (
    METRICS,
    body_diagonal,
    curve_values,
    measure,
    resolve_dimension,
    surface_per_axis,
)
from micro3diff.files import read_json, write_json
from micro3diff.metrics import error_rate
from micro3diff.reconstruction import load_for, plane_rule, read_material, run_sampler
from micro3diff.volumes import read_labels

logger = logging.getLogger(__name__)

WEIGHTS = (0.2, 1 / 3, 0.5, 0.7, 1.0, 1.4)
SLABS = (300.0, 100.0, 1000.0, 0.0)
MENDS = (0, 5)
START = {"mend": MENDS[0], "weight": 0.5, "slab": SLABS[0]}
CHOICES = tuple(START)


def search(score: Callable[[dict], float], fixed: dict) -> list[dict]:
    """Try each weight with and without mending, the other slabs with the best of these, and in the
    end the weights half-way to the neighbours of the best one.

    score : mean error of a setting, less is better.
    fixed : settings that are not to be chosen.

    Returns what was tried, ``{mend, weight, slab, error}``, the best first.
    """
    tried: dict[tuple, float] = {}

    def best(key: str, values: Sequence[float], settings: dict) -> dict:
        for value in [settings[key]] if key in fixed else values:
            candidate = settings | {key: value}
            name = tuple(candidate.values())
            if name not in tried:
                tried[name] = score(candidate)
                logger.info("%s: error %.1f %%", candidate, tried[name])
        return dict(zip(settings, min(tried, key=tried.get), strict=True))

    for mend in [fixed["mend"]] if "mend" in fixed else MENDS:
        settings = best("weight", WEIGHTS, START | fixed | {"mend": mend})
    settings = best("slab", SLABS, settings)
    if "weight" not in fixed:
        place = WEIGHTS.index(settings["weight"])
        neighbours = WEIGHTS[max(place - 1, 0) : place] + WEIGHTS[place + 1 : place + 2]
        best("weight", [math.sqrt(WEIGHTS[place] * other) for other in neighbours], settings)
    return [
        dict(zip(CHOICES, name, strict=True)) | {"error": round(tried[name], 2)}
        for name in sorted(tried, key=tried.get)
    ]


def choose(
    model: str | os.PathLike,
    *,
    settings: dict,
    volumes: int,
    precision: str,
    seed: int,
    device: torch.device,
    slices: str | os.PathLike,
    source: dict,
    reference: pd.DataFrame,
    how: dict,
    path: str | os.PathLike,
) -> None:
    """Write the choice as JSON: ``settings``, what was ``tried``, ``seeds`` and ``volumes``.

    The error is the mean of those of S2 and LP along the axes, of S2 along the body diagonals and
    of the specific surface, both held to what isotropy asks for, over ``volumes`` volumes. A choice
    that the model's folder brings along is taken, but for what ``settings`` say themselves.

    reference, how : table and settings of `evaluation.curve_table`.
    """
    fixed = {key: settings[key] for key in CHOICES if settings[key] is not None}
    shipped = Path(model) / CHOICE
    if shipped.exists():
        known = read_json(shipped)
        write_json(path, known | {"settings": known["settings"] | fixed})
        return
    material = read_material(slices, source)
    phase = how["phase"]
    images = read_labels(slices)
    isotropic = body_diagonal(images, "stack", phase, how["max_lag"])
    edges = surface_per_axis(images, "stack", phase)
    denoiser = load_for(model, settings, precision, device)
    seeds = [seed + k for k in range(volumes)]
    how = how | {"dimension": resolve_dimension(source["kind"], how["dimension"])}

    def score(candidate: dict) -> float:
        made, tried = [], settings | candidate
        for one in seeds:
            rule = plane_rule(denoiser, tried, one, material)
            labels, _ = run_sampler(rule, tried["shape"], tried, one)
            made.append(labels.numpy())
        curves = measure(made, **how)
        errors = [
            error_rate(curve_values(reference, metric)[0], curve_values(curves, metric).mean(0))
            for metric in METRICS
        ]
        diagonal = [body_diagonal(v, "volume", phase, len(isotropic) - 1) for v in made]
        errors.append(error_rate(isotropic, np.mean(diagonal, axis=0)))
        surface = np.mean([surface_per_axis(v, "volume", phase) for v in made])
        errors.append(100 * abs(surface - edges) / edges)
        return float(np.mean(errors))

    tried = search(score, fixed)
    best = {key: tried[0][key] for key in CHOICES}
    write_json(path, {"settings": best, "seeds": seeds, "volumes": volumes, "tried": tried})
