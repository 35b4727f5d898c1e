"""The settings of the rule ``evidence`` that are left open, chosen by reconstructing.

Volumes of selection seeds are compared with the material's own curves. Nothing of what is
reported is made from these seeds.
"""

import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from micro3diff.denoisers import CHOICE
from micro3diff.evaluation import (
    METRICS,
    body_diagonal,
    curve_values,
    measure,
    reference_table,
    resolve_dimension,
    surface_per_axis,
)
from micro3diff.files import read_json, sha256_of, write_json
from micro3diff.interruption import SECONDS, Checkpoint, stop_noticed
from micro3diff.metrics import error_rate
from micro3diff.planes import SLICES_PER_PASS
from micro3diff.reconstruction import (
    decisive,
    load_for,
    plane_rule,
    provenance,
    read_material,
    run_sampler,
)

logger = logging.getLogger(__name__)

WEIGHTS = tuple(3 ** (k / 2) for k in (-2, -1, 0, 1))
SLABS = (300.0, 100.0, 1000.0, 0.0)
MENDED = (0.0, 0.6, 1.5)
SHARPENED = (0.7, 1.0)
MENDED_SHARPENED = (0.0, 0.6, 1.0, 1.5)
START = {"mend_below": MENDED[0], "weight": WEIGHTS[0], "slab": SLABS[0], "sharpen": 0.0}
CHOICES = tuple(START)
SCREENED = 4  # volumes of a setting that is tried
HOPELESS = 2.0  # times the least error of a first volume: settings beyond get no other
FINALISTS = 4  # settings that are tried with all volumes


def search(score: Callable[[dict, int], float], fixed: dict, volumes: int) -> list[dict]:
    """Try a few settings with `SCREENED` volumes, then the best of them with all.

    First each weight with each mending, then the other slabs with the best of these, then the
    weights half-way to the neighbours of the best one, then the best one sharpened, with
    more mendings, as what sharpens also roughens, and the best of all sharpened more. A setting
    whose first volume is `HOPELESS` is left at that.

    score : mean error of a setting over that many volumes, less is better.
    fixed : settings that are not to be chosen.

    Returns what was tried, ``{mend_below, weight, slab, sharpen, error, volumes}``, the best first.
    """
    screened = min(SCREENED, volumes)
    firsts: list[float] = []
    tried: dict[tuple, float] = {}
    hopeless: dict[tuple, float] = {}

    def named(values: tuple) -> dict:
        return dict(zip(CHOICES, values, strict=True))

    def best() -> dict:
        return named(min(tried, key=tried.get))

    def allowed(key: str, values: Sequence[float]) -> Sequence[float]:
        return [fixed[key]] if key in fixed else values

    def try_out(key: str, values: Sequence[float], settings: dict) -> None:
        for value in allowed(key, values):
            candidate = settings | {key: value}
            name = tuple(candidate.values())
            if name in tried or name in hopeless:
                continue
            firsts.append(score(candidate, 1))
            if firsts[-1] > HOPELESS * min(firsts):
                hopeless[name] = firsts[-1]
                logger.info("%s: error %.1f %% of one volume", candidate, hopeless[name])
            else:
                tried[name] = score(candidate, screened)
                logger.info("%s: error %.1f %% of %d volumes", candidate, tried[name], screened)

    for mended in allowed("mend_below", MENDED):
        try_out("weight", WEIGHTS, START | fixed | {"mend_below": mended})
    try_out("slab", SLABS, best())
    if "weight" not in fixed:
        place = WEIGHTS.index(best()["weight"])
        neighbours = WEIGHTS[max(place - 1, 0) : place] + WEIGHTS[place + 1 : place + 2]
        try_out("weight", [math.sqrt(WEIGHTS[place] * other) for other in neighbours], best())
    if "sharpen" not in fixed:
        plain = best()
        for mended in allowed("mend_below", MENDED_SHARPENED):
            try_out("sharpen", SHARPENED[:1], plain | {"mend_below": mended})
        try_out("sharpen", SHARPENED[1:], best())

    finals = {}
    for name in sorted(tried, key=tried.get)[:FINALISTS]:
        candidate = named(name)
        finals[name] = score(candidate, volumes) if volumes > screened else tried[name]
        logger.info("%s: error %.1f %% of %d volumes", candidate, finals[name], volumes)
    others = {name: error for name, error in tried.items() if name not in finals}
    return [
        named(name) | {"error": round(error, 2), "volumes": count}
        for errors, count in ((finals, volumes), (others, screened), (hopeless, 1))
        for name, error in sorted(errors.items(), key=lambda item: item[1])
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
    labels: np.ndarray,
    phase: int,
    path: str | os.PathLike,
    slices_per_pass: int = SLICES_PER_PASS,
    seconds: float = SECONDS,
) -> None:
    """Write the choice as JSON: ``settings``, what was ``tried``, ``seeds`` and ``volumes``.

    The error is the mean of those of S2 and LP along the axes, of S2 along the body diagonals and
    of the specific surface, both held to what isotropy asks for, over up to ``volumes`` volumes
    (see `search`), which are of the same seeds for each setting; of an anisotropic material, of
    which that can't be asked, of S2 and LP alone. A choice that the model's folder brings along is
    taken, but for what ``settings`` say themselves. The volumes are held to the fractions that are
    asked for or the source's, without scatter, which would hide what the settings do.

    The volumes are kept every ``seconds``, so a choice that was killed goes on where it was.

    labels : of the source; ``source``: what is known of it (source.json).
    """
    fixed = {key: settings[key] for key in CHOICES if settings[key] is not None}
    shipped = Path(model) / CHOICE
    if shipped.exists():
        known = read_json(shipped)
        write_json(path, known | {"settings": known["settings"] | fixed})
        return
    settings = settings | {"natural_scatter": False}
    material = read_material(slices, source)
    how = {"phase": phase, "dimension": resolve_dimension(source["kind"], "auto")}
    how["max_lag"] = min(settings["shape"]) // 2
    reference = reference_table(labels, source["kind"], **how)
    how["max_lag"] = int(reference["lag"].max())  # a source may be thinner
    alike = source["isotropic"] is True
    isotropic = body_diagonal(labels, source["kind"], phase, how["max_lag"])
    edges = surface_per_axis(labels, source["kind"], phase)
    denoiser = load_for(model, settings, precision, device)
    seeds = [seed + k for k in range(volumes)]

    made_by = provenance(model, settings, seed, precision, slices=sha256_of(slices))
    # settings can't be compared by volumes of different code
    wanted = decisive(made_by) | {"code_sha256": made_by["versions"]["code_sha256"]}
    wanted |= {"device": device.type, "fractions": source["fractions"]}
    known: dict[str, list] = {}  # volumes of a setting

    def score(candidate: dict, count: int) -> float:
        tried = settings | candidate
        made = known.setdefault(json.dumps(candidate), [])
        for one in seeds[len(made) : count]:
            rule = plane_rule(denoiser, tried, one, material, slices_per_pass=slices_per_pass)
            labels, _ = run_sampler(denoiser, rule, tried["shape"], tried, one)
            made.append(labels)
            checkpoint.keep(known)
        made = [labels.numpy() for labels in made[:count]]
        curves = measure(made, **how)
        errors = [
            error_rate(curve_values(reference, metric)[0], curve_values(curves, metric).mean(0))
            for metric in METRICS
        ]
        if not alike:
            return float(np.mean(errors))
        diagonal = [body_diagonal(v, "volume", phase, len(isotropic) - 1) for v in made]
        errors.append(error_rate(isotropic, np.mean(diagonal, axis=0)))
        surface = np.mean([surface_per_axis(v, "volume", phase) for v in made])
        errors.append(100 * abs(surface - edges) / edges)
        return float(np.mean(errors))

    with stop_noticed() as asked:
        checkpoint = Checkpoint(Path(path).with_suffix(".pt"), wanted, asked, seconds)
        known |= checkpoint.load() or {}
        tried = search(score, fixed, volumes)
    best = {key: tried[0][key] for key in CHOICES}
    write_json(path, {"settings": best, "seeds": seeds, "volumes": volumes, "tried": tried})
    checkpoint.remove()
