"""One job of the workflow each: 2D images, a volume, or a traced volume from a model folder."""

import functools
import itertools
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats.qmc import Halton

import micro3diff
from micro3diff import SEEDS_OF_A_RUN, phases, windows
from micro3diff.denoisers import Denoiser, load_denoiser
from micro3diff.errors import InputError
from micro3diff.files import atomic_path, code_sha256, read_json, sha256_of, write_json
from micro3diff.given import of_each
from micro3diff.interruption import Checkpoint
from micro3diff.planes import SLICES_PER_PASS, Alternate, Average, Evidence, Stack
from micro3diff.samplers import karras_sigmas, sample, uniform_sigmas
from micro3diff.slices import PLANES, read_slices, write_slices
from micro3diff.volumes import write_labels

SNAPSHOTS = 6
MEND_ABOVE = 0.3  # noise level below which nothing is left to mend


def plane_rule(
    denoiser: Denoiser,
    settings: dict,
    seed: int,
    material: "Material | None" = None,
    anchors: dict | None = None,
    *,
    slices_per_pass: int = SLICES_PER_PASS,
):
    """The 3D denoiser that a case's settings ask for.

    The ``material`` is what the fractions and the rule ``evidence`` need; ``anchors`` are labels by
    (axis, index); ``slices_per_pass`` is for `windows.for_shape`.
    """
    whole = settings["whole_planes"]
    any_size, count = windows.for_shape(denoiser, settings["shape"], slices_per_pass, whole)
    shared = {
        "slices_per_pass": count,
        "periodic": settings["periodic"],
        "target": target_fractions(settings, material, seed),
        "tilt": fraction_tilt(settings, material, denoiser.fractions),
        "anchors": {
            place: denoiser.encode(torch.from_numpy(labels)[None])[0].to(denoiser.device)
            for place, labels in (anchors or {}).items()
        },
        "seed": seed,
    }
    if settings["rule"] == "alternate":
        return Alternate(any_size, order=settings["order"], **shared)
    if settings["rule"] == "average":
        return Average(any_size, **shared)
    return Evidence(
        any_size,
        **shared,
        fractions=known_fractions(denoiser, "reconstruct.evidence"),
        covariances=material.covariances,
        slab=settings["slab"],
        weight=settings["weight"],
        sharpen=settings["sharpen"],
        clamp=settings["clamp"],
        blend=settings["blend"],
        alternate_below=max(settings["alternate_below"], settings["mend_below"]),
    )


def known_fractions(denoiser: Denoiser, key: str) -> list[float]:
    """Phase fractions of the training slices; ``key`` is the setting that needs them."""
    if denoiser.fractions is None:
        raise InputError(
            f"{key}: needs the phase fractions of the training slices, which the model does not "
            "tell; add `fractions` to its denoiser.json"
        )
    return denoiser.fractions


def target_fractions(settings: dict, material: "Material | None", seed: int) -> list[float] | None:
    """Phase fractions that a volume is held to; None leaves them to the denoiser.

    Those of ``volume_fraction``, if it is set; otherwise, with the rule evidence, the material's
    own, with the scatter that they have in nature.
    """
    wanted = settings["volume_fraction"]
    if wanted is not None:
        return of_each(wanted)
    if settings["rule"] != "evidence":
        return None
    if not settings["natural_scatter"]:
        return material.fractions
    return drawn_fractions(material.fractions, material.scatter(settings["shape"]), seed)


def fraction_tilt(
    settings: dict, material: "Material | None", learned: Sequence[float] | None
) -> list[float] | None:
    """What `PlaneRule` tilts the phases' odds by for a ``volume_fraction`` that is set.

    For a phase's fraction to become t in place of p, the log-odds of a region of one phase rise by
    log(t / p). Such a region has `Material.integral_range` pixels, which share that alike. Phases
    that lose have none: they give way to those that gain.

    learned : fractions of the slices that the denoiser was trained on, which it makes by itself;
        None takes the material's, of which crops may have a little more or less, or none at all.
    """
    if settings["volume_fraction"] is None:
        return None
    wanted = of_each(settings["volume_fraction"])
    together = material.integral_range()
    own_fractions = learned if learned and all(learned) else material.fractions
    pairs = zip(wanted, own_fractions, strict=True)
    return [max(math.log(new / own), 0) / together for new, own in pairs]


def drawn_fractions(fractions: Sequence[float], scatter: float, seed: int) -> list[float]:
    """Phase fractions of the volume of a seed, normal around ``fractions``.

    scatter : see `phases.fraction_scatter`.

    An even seed and the next one deviate by the same to either side, so the mean over such pairs
    is ``fractions``. The first two of a run (`SEEDS_OF_A_RUN`) do not deviate; those that follow
    are spread evenly over the distribution (Halton's sequence).
    """
    mean = np.array(fractions)
    values, vectors = np.linalg.eigh(np.diag(mean) - np.outer(mean, mean))  # one value is 0
    root = vectors[:, 1:] * np.sqrt(values[1:].clip(0))
    pair, second = divmod(seed % SEEDS_OF_A_RUN, 2)
    place = np.full(len(mean) - 1, 0.5)
    if pair:
        place = np.array([radical_inverse(pair, base) for base in Halton(len(place)).base])
        place[0] /= 2  # the other half is that of the second ones
    deviation = scatter * root @ (-ndtri(place) if second else ndtri(place))
    # cut on both sides alike, so that the mean over the volumes stays that of the material
    deviation = deviation.clip(-0.75 * mean, 0.75 * mean)
    most = mean.argmax()
    deviation[most] -= deviation.sum()
    # the largest phase takes up the rest: all deviate less where that is more than 3/4 of it
    deviation *= min(1.0, 0.75 * mean[most] / max(abs(deviation[most]), 1e-12))
    return (mean + deviation).tolist()


def radical_inverse(number: int, base: int) -> float:
    """The digits of a number mirrored at the point, 0..1: a term of Halton's sequence."""
    inverse, unit = 0.0, 1.0
    while number:
        number, digit = divmod(number, base)
        unit /= base
        inverse += digit * unit
    return inverse


@dataclass(frozen=True, eq=False)
class Material:
    """What is known of a material besides its denoiser.

    fractions : phase fractions of the source.
    covariances : `phases.covariance` of the training slices along z, y and x.
    images : slices, (n, y, x), of whose size the integral range is.
    """

    fractions: list[float]
    covariances: Sequence[np.ndarray]
    images: np.ndarray

    def scatter(self, shape: Sequence[int]) -> float:
        """`phases.fraction_scatter` of volumes of a shape."""
        return phases.fraction_scatter(self.covariances, shape)

    def integral_range(self) -> float:
        """`phases.integral_range` of slices, the mean over the planes."""
        pairs = itertools.combinations(self.covariances, 2)
        side = self.images.shape[1:]
        return float(np.mean([phases.integral_range(pair, side) for pair in pairs]))


def read_material(slices: str | os.PathLike, source: dict) -> Material:
    """From the slices (TIFF) and what is known of the source (source.json)."""
    fractions, images = source["fractions"], read_slices(slices)
    if not isinstance(images, dict):
        covariances = [phases.covariance(images, len(fractions))] * 3
        return Material(fractions, covariances, images)
    seen: dict[int, list] = {0: [], 1: [], 2: []}  # each axis lies in two planes
    for plane, part in images.items():
        for side, axis in enumerate(sorted({0, 1, 2} - {PLANES[plane]})):
            seen[axis].append(phases.covariance(part, len(fractions), side))
    covariances = [np.mean(seen[axis], axis=0) for axis in range(3)]
    return Material(fractions, covariances, images["xy"])


def chosen(settings: dict, choice: str | os.PathLike | None) -> dict:
    """The settings with what they leave open, if anything, from the file of rule ``choose``."""
    if not choice:
        return settings
    found = read_json(choice)["settings"]
    return {k: found[k] if v is None and k in found else v for k, v in settings.items()}


def noise_levels(denoiser: Denoiser, settings: dict) -> np.ndarray:
    """The falling noise levels that a sampler's settings ask for.

    Where shapes are to be mended and they pass over all levels of that, one is added.
    """
    sigmas = _grid(denoiser.sigmas, settings)
    below = settings.get("mend_below", 0) if settings.get("mend", 0) else 0
    if not MEND_ABOVE < below < sigmas[0] or mended(sigmas, settings).any():
        return sigmas
    # near the upper end, since a repeated step replaces the noise down to the next level
    added = MEND_ABOVE + 0.8 * (below - MEND_ABOVE)
    return np.sort([*sigmas, added])[::-1]


def _grid(levels: np.ndarray, settings: dict) -> np.ndarray:
    """``steps`` noise levels out of a model's own, or those that are asked for."""
    if asked := settings.get("sigmas"):
        return np.unique(np.clip(asked, levels[0], levels[-1]))[::-1]
    if (settings["steps"] or 0) > len(levels):
        raise InputError(
            f"{_section(settings)}.steps: found {settings['steps']}, expected at most "
            f"{len(levels)}, the time steps that the model was trained with"
        )
    if settings["spacing"] == "uniform":
        return uniform_sigmas(levels, settings["steps"])
    steps = settings["steps"] or len(levels)
    return karras_sigmas(levels, steps, settings["sigma_max"], settings["sigma_min"])


def mended(sigmas: np.ndarray, settings: dict) -> np.ndarray:
    """At which noise levels shapes are mended."""
    return (sigmas < settings.get("mend_below", 0)) & (sigmas > MEND_ABOVE)


def harmonizing_steps(sigmas: np.ndarray, settings: dict) -> list[int]:
    """How often each step is repeated: n_h times, or ``mend`` times where shapes are mended."""
    n_h, mend = settings.get("n_h", 0), settings.get("mend", 0)
    return [max(n_h, mend) if here else n_h for here in mended(sigmas, settings)]


def _section(settings: dict) -> str:
    """Where in a material's configuration a sampler's settings stand."""
    return f"reconstruct.{settings['rule']}" if "rule" in settings else "check"


def run_sampler(
    denoiser: Denoiser,
    denoise,
    shape: Sequence[int],
    settings: dict,
    seed: int,
    on_step=None,
    checkpoint: Checkpoint | None = None,
) -> tuple[torch.Tensor, dict]:
    """Sample labels of ``shape`` (z, y, x) with the plane rule ``denoise`` of a denoiser.

    Returns the labels, uint8 on the CPU, and what is worth knowing of the run: network passes over
    the volume, wall seconds, and the device. It goes on from the state in ``checkpoint``, if any,
    and keeps its own there.
    """
    device = denoiser.device
    sigmas = noise_levels(denoiser, settings)
    started = time.perf_counter()
    state = checkpoint.load() if checkpoint else None
    if state:
        denoise.network_passes = state["network_passes"]
        started -= state["seconds"]

    def keep(state: dict) -> None:
        cost = {"network_passes": denoise.network_passes, "seconds": time.perf_counter() - started}
        checkpoint.keep(state | cost)

    values = sample(
        denoise,
        sigmas,
        (denoiser.channels, *shape),
        torch.Generator(device).manual_seed(seed),
        n_h=harmonizing_steps(sigmas, settings),
        variance=settings["variance"],
        eta=settings["eta"],
        eta_above=settings["eta_above"],
        start=_mean_code(denoiser, settings) if settings["start"] == "mean" else None,
        harmonize_plane=settings.get("harmonize_plane", "change"),
        on_step=on_step,
        state=state,
        keep=keep if checkpoint else None,
    )
    labels = denoiser.decode(values).cpu()
    seconds = time.perf_counter() - started
    return labels, {
        "shape": list(shape),
        "network_passes": denoise.network_passes,
        "wall_seconds": round(seconds, 3),
        "device": device_name(device),
    }


def _mean_code(denoiser: Denoiser, settings: dict) -> torch.Tensor:
    if denoiser.grey:
        return denoiser.encode(torch.tensor([denoiser.grey["mean"]])).view(-1, 1, 1, 1)
    fractions = known_fractions(denoiser, f"{_section(settings)}.start: mean")
    return phases.expectation(torch.tensor(fractions)).view(-1, 1, 1, 1)


def device_name(device: torch.device) -> str:
    """What the reader of a timing wants to know of the machine."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU with {threads} thread{'s' if threads > 1 else ''}"


def provenance(model: str | Path, settings: dict, seed: int, precision: str, **inputs) -> dict:
    """What led to a result: seed, settings, checksums of the model and of ``inputs``, versions."""
    return {
        "seed": seed,
        "settings": settings,
        "precision": precision,
        "model_sha256": sha256_of(Path(model) / "unet"),
        "model_settings_sha256": [
            sha256_of(path)
            for path in (Path(model) / "scheduler", Path(model) / "denoiser.json")
            if path.exists()
        ],
        **inputs,
        "versions": {
            "micro3diff": micro3diff.__version__,
            "code_sha256": _own_code(),
            "torch": str(torch.__version__),
            "diffusers": diffusers.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


@functools.cache
def _own_code() -> str:
    return code_sha256(Path(micro3diff.__file__).parent)


def decisive(known: dict) -> dict:
    """What of a `provenance` decides on the result: all but the versions of other software."""
    return {k: v for k, v in known.items() if k != "versions"} | {
        "micro3diff": known["versions"]["micro3diff"]
    }


def load_for(model, settings: dict, precision: str, device: torch.device) -> Denoiser:
    """The denoiser of a model folder as a sampler's settings want it."""
    return load_denoiser(model, device, clip=settings["clip"], precision=precision)


def reconstruct(
    denoiser: Denoiser,
    material: Material,
    known: dict,
    *,
    volume: str | os.PathLike,
    about: str | os.PathLike,
    voxel_size: float | None,
    unit: str,
    anchors: dict | None = None,
    slices_per_pass: int = SLICES_PER_PASS,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Reconstruct one volume; write it as TIFF and its provenance as JSON.

    anchors, slices_per_pass : see `plane_rule`.
    known : its `provenance`, whose ``settings`` leave no choice open.
    checkpoint : where the state is kept from which a later call goes on.
    """
    settings, seed = known["settings"], known["seed"]
    denoise = plane_rule(
        denoiser, settings, seed, material, anchors, slices_per_pass=slices_per_pass
    )
    shape = settings["shape"]
    labels, run = run_sampler(denoiser, denoise, shape, settings, seed, checkpoint=checkpoint)
    description = known | {"target_fractions": denoise.target} | run
    how = {"description": description, "threshold": denoiser.threshold}
    write_labels(volume, labels.numpy(), voxel_size, unit, **how)
    where = {"axes": "ZYX", "voxel_size": voxel_size, "unit": unit}
    write_json(about, description | where | {"sha256": sha256_of(volume)})
    if checkpoint:
        checkpoint.remove()


def sample_images(
    model: str | os.PathLike,
    *,
    patch: int,
    settings: dict,
    precision: str,
    slices_per_pass: int,
    seed: int,
    device: torch.device,
    images: str | os.PathLike,
    about: str | os.PathLike,
) -> None:
    """Sample independent 2D images (n, patch, patch) from the denoiser; write TIFF and JSON.

    Of a denoiser that tells planes apart, as many of each plane, see `slices.write_slices`.
    """
    denoiser = load_for(model, settings, precision, device)
    planes = denoiser.planes or (None,)
    shape = (math.ceil(settings["images"] / len(planes)), patch, patch)
    made, runs = {}, []
    for number, plane in enumerate(planes):
        denoise = Stack(denoiser, slices_per_pass, shown=plane)
        labels, run = run_sampler(denoiser, denoise, shape, settings, seed + number)
        made[plane] = labels.numpy()
        runs.append(run)
    write_slices(images, made if denoiser.planes else made[None], denoiser.threshold)
    seconds = round(sum(run["wall_seconds"] for run in runs), 3)
    run = runs[0] | {"shape": [len(planes) * shape[0], patch, patch], "wall_seconds": seconds}
    write_json(about, provenance(model, settings, seed, precision) | run)


def snapshots(steps: int) -> set[int]:
    """The reverse steps of which `trace` keeps a snapshot, about evenly spaced."""
    wanted = np.linspace(0, steps - 1, SNAPSHOTS).round().astype(int)
    if steps > SNAPSHOTS and len({*(wanted % 3).tolist()}) == 1:
        wanted[1:-1] += np.arange(1, SNAPSHOTS - 1) % 3  # so that alternating planes are seen to
    return set(wanted.tolist())


def trace(
    model: str | os.PathLike,
    *,
    settings: dict,
    precision: str,
    seed: int,
    device: torch.device,
    path: str | os.PathLike,
    slices: str | os.PathLike,
    source: dict,
    anchors: dict | None = None,
    slices_per_pass: int = SLICES_PER_PASS,
) -> None:
    """Reconstruct a volume and keep snapshots of its reverse process, evenly spaced in time.

    Writes an .npz with ``noisy`` and ``denoised`` (n, z, y, x), the first channel, float16;
    ``noisy`` is scaled as a DDPM has it, to variance one; ``sigma`` (n,) and ``plane`` (n,).
    """
    material = read_material(slices, source)
    denoiser = load_for(model, settings, precision, device)
    denoise = plane_rule(
        denoiser, settings, seed, material, anchors, slices_per_pass=slices_per_pass
    )
    steps = len(noise_levels(denoiser, settings))
    wanted = snapshots(steps)
    kept: dict[str, list] = {"noisy": [], "denoised": [], "sigma": [], "plane": []}

    def keep(step, sigma, noisy, denoised, turn):
        if step not in wanted:
            return
        kept["noisy"].append((noisy[0] / math.sqrt(1 + sigma**2)).half().cpu().numpy())
        kept["denoised"].append(denoised[0].half().cpu().numpy())
        kept["sigma"].append(sigma)
        kept["plane"].append(denoise.plane(sigma, turn))

    run_sampler(denoiser, denoise, settings["shape"], settings, seed, on_step=keep)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **{key: np.array(value) for key, value in kept.items()})
