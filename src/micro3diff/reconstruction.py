"""One job of the workflow each: 2D images, a volume, or a traced volume from a model folder."""

import functools
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

import micro3diff
from micro3diff import phases
from micro3diff.denoisers import Denoiser, load_denoiser
from micro3diff.errors import InputError
from micro3diff.files import atomic_path, code_sha256, read_json, sha256_of, write_json
from micro3diff.interruption import Checkpoint
from micro3diff.planes import Alternate, Average, Evidence, Stack
from micro3diff.samplers import karras_sigmas, sample, uniform_sigmas
from micro3diff.volumes import read_labels, write_labels

SNAPSHOTS = 6
MEND_ABOVE = 0.3  # noise level below which nothing is left to mend


def plane_rule(denoiser: Denoiser, settings: dict, seed: int, material: "Material | None" = None):
    """The 3D denoiser that a case's settings ask for; ``evidence`` needs the ``material``."""
    shared = {
        "slices_per_pass": settings["slices_per_pass"],
        "periodic": settings["periodic"],
        "seed": seed,
    }
    if settings["rule"] == "alternate":
        return Alternate(denoiser, order=settings["order"], **shared)
    if settings["rule"] == "average":
        return Average(denoiser, **shared)
    return Evidence(
        denoiser,
        **shared,
        fractions=known_fractions(denoiser, "reconstruct.evidence"),
        target=target_fractions(denoiser, settings["volume_fraction"], material.fractions),
        covariance=material.covariance,
        slab=settings["slab"],
        weight=settings["weight"],
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


def target_fractions(
    denoiser: Denoiser, volume_fraction: float | None, own: list[float]
) -> list[float]:
    """Phase fractions that ``volume_fraction``, that of phase 1, asks for; by default ``own``."""
    if volume_fraction is None:
        return own
    if denoiser.channels != 1:
        raise InputError(
            "reconstruct.evidence.volume_fraction: is the fraction of phase 1 of two, but the "
            f"model has {denoiser.channels} phases; leave it null"
        )
    return [1 - volume_fraction, volume_fraction]


@dataclass(frozen=True)
class Material:
    """What the rule ``evidence`` knows of a material besides its denoiser.

    fractions : phase fractions of the source.
    covariance : `phases.covariance` of the training slices.
    """

    fractions: list[float]
    covariance: np.ndarray


def read_material(slices: str | os.PathLike, source: dict) -> Material:
    """From the slices (TIFF) and what is known of the source (source.json)."""
    fractions = source["fractions"]
    return Material(fractions, phases.covariance(read_labels(slices), len(fractions)))


def chosen(settings: dict, choice: str | os.PathLike | None) -> dict:
    """The settings with what they leave open, if anything, from the file of rule ``choose``."""
    if not choice:
        return settings
    found = read_json(choice)["settings"]
    return {k: found[k] if v is None and k in found else v for k, v in settings.items()}


def noise_levels(denoiser: Denoiser, settings: dict) -> np.ndarray:
    """The falling noise levels that a sampler's settings ask for."""
    levels = denoiser.sigmas
    if (settings["steps"] or 0) > len(levels):
        raise InputError(
            f"{_section(settings)}.steps: found {settings['steps']}, expected at most "
            f"{len(levels)}, the time steps that the model was trained with"
        )
    if settings["spacing"] == "uniform":
        return uniform_sigmas(levels, settings["steps"])
    steps = settings["steps"] or len(levels)
    return karras_sigmas(levels, steps, settings["sigma_max"], settings["sigma_min"])


def harmonizing_steps(sigmas: np.ndarray, settings: dict) -> list[int]:
    """How often each step is repeated: n_h times, or ``mend`` times where shapes are mended."""
    n_h, mend = settings.get("n_h", 0), settings.get("mend", 0)
    mended = (sigmas < settings.get("mend_below", 0)) & (sigmas > MEND_ABOVE)
    return [max(n_h, mend) if here else n_h for here in mended]


def _section(settings: dict) -> str:
    """Where in a material's configuration a sampler's settings stand."""
    return f"reconstruct.{settings['rule']}" if "rule" in settings else "check"


def run_sampler(
    denoise,
    shape: Sequence[int],
    settings: dict,
    seed: int,
    on_step=None,
    checkpoint: Checkpoint | None = None,
) -> tuple[torch.Tensor, dict]:
    """Sample labels of ``shape`` (z, y, x) with a plane rule.

    Returns the labels, uint8 on the CPU, and what is worth knowing of the run: network passes over
    the volume, wall seconds, and the device. It goes on from the state in ``checkpoint``, if any,
    and keeps its own there.
    """
    denoiser = denoise.denoiser
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
    labels = phases.decode(values).cpu()
    seconds = time.perf_counter() - started
    return labels, {
        "shape": list(shape),
        "network_passes": denoise.network_passes,
        "wall_seconds": round(seconds, 3),
        "device": device_name(device),
    }


def _mean_code(denoiser: Denoiser, settings: dict) -> torch.Tensor:
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
            "torch": torch.__version__,
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
    checkpoint: Checkpoint | None = None,
) -> None:
    """Reconstruct one volume; write it as TIFF and its provenance as JSON.

    known : its `provenance`, whose ``settings`` leave no choice open.
    checkpoint : where the state is kept from which a later call goes on.
    """
    settings, seed = known["settings"], known["seed"]
    denoise = plane_rule(denoiser, settings, seed, material)
    labels, run = run_sampler(denoise, settings["shape"], settings, seed, checkpoint=checkpoint)
    description = known | run
    write_labels(volume, labels.numpy(), voxel_size, unit, description=description)
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
    """Sample independent 2D images (n, patch, patch) from the denoiser; write TIFF and JSON."""
    denoise = Stack(load_for(model, settings, precision, device), slices_per_pass)
    shape = (settings["images"], patch, patch)
    labels, run = run_sampler(denoise, shape, settings, seed)
    write_labels(images, labels.numpy(), axes="TYX")
    write_json(about, provenance(model, settings, seed, precision) | run)


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
) -> None:
    """Reconstruct a volume and keep snapshots of its reverse process, evenly spaced in time.

    Writes an .npz with ``noisy`` and ``denoised`` (n, z, y, x), the first channel, float16;
    ``noisy`` is scaled as a DDPM has it, to variance one; ``sigma`` (n,) and ``plane`` (n,).
    """
    material = read_material(slices, source)
    denoise = plane_rule(load_for(model, settings, precision, device), settings, seed, material)
    steps = len(noise_levels(denoise.denoiser, settings))
    wanted = set(np.linspace(0, steps - 1, SNAPSHOTS).round().astype(int).tolist())
    kept: dict[str, list] = {"noisy": [], "denoised": [], "sigma": [], "plane": []}

    def keep(step, sigma, noisy, denoised, turn):
        if step not in wanted:
            return
        kept["noisy"].append((noisy[0] / math.sqrt(1 + sigma**2)).half().cpu().numpy())
        kept["denoised"].append(denoised[0].half().cpu().numpy())
        kept["sigma"].append(sigma)
        kept["plane"].append(denoise.plane(sigma, turn))

    run_sampler(denoise, settings["shape"], settings, seed, on_step=keep)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **{key: np.array(value) for key, value in kept.items()})
