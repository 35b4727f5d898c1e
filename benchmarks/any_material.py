"""What docs/method.md and materials.md say of sizes, given slices, fractions and their scatter.

    python benchmarks/any_material.py [scatter] [windows] [anchors] [fractions]
    python benchmarks/any_material.py large

With shipped denoisers, on a CPU, two hours in all; ``scatter`` measures real volumes too where
MICRO3DIFF_DATA names their folder, ``fractions`` the real materials whose slices are in results/
(``snakemake --cores 2 --until slices``). ``large`` looks for seams in the volume that
config/large.yaml makes.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import tifffile
import torch
from scipy.ndimage import distance_transform_edt
from scipy.optimize import brentq
from scipy.special import softmax

from micro3diff import config, phases
from micro3diff.denoisers import load_denoiser
from micro3diff.files import read_json
from micro3diff.metrics import error_rate, lineal_path, specific_surface, two_point_correlation
from micro3diff.planes import PlaneRule, Stack
from micro3diff.reconstruction import Material, plane_rule, read_material, run_sampler
from micro3diff.sources.generators import spheres
from micro3diff.volumes import read_labels
from micro3diff.windows import Windows
from micro3diff.windows import windows as spans

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "resources" / "models"
SIDE = 64
OTHERS = {  # volume fractions, from about half the odds of the natural one to twice as much
    "spheres": (0.12, 0.18, 0.28, 0.35),
    "nmc": (0.40, 0.58),
    "carbonate": (0.10, 0.20),
}
FILES = {  # label of the phase
    "berea": ("berea_sandstone/berea_public.tif", 0),
    "nmc": ("nmc_cathode/nmc1cal_public.tif", 1),
    "ketton": ("ketton_limestone/ketton_public.tif", 0),
}


def settings(name: str) -> dict:
    """Those of a volume of a shipped material, its choice filled in."""
    model = MODELS / name
    raw = {"source": {"generator": "spheres"}, "model": str(model)}  # the source decides on none
    loaded = config.load({"run": {"materials": [name]}, "materials": {name: raw}})
    plain = config.reconstruction_settings(loaded["materials"][name], "evidence", 0)
    return plain | read_json(model / "evidence.json")["settings"]


def known(name: str) -> Material:
    """What is known of a material: of the spheres by their generator, of others from results/."""
    if name == "spheres":
        return material(spheres())
    folder = ROOT / "results" / name
    return read_material(folder / "slices.tif", read_json(folder / "source.json"))


def material(labels: np.ndarray) -> Material:
    fraction = labels.mean()
    covariances = [phases.covariance(labels, 2)] * 3
    return Material([1 - fraction, fraction], covariances, labels)


def volume(
    seed: int, anchors: dict | None = None, on_step=None, name: str = "spheres", **changes
) -> np.ndarray:
    """Labels of a reconstructed volume."""
    asked = settings(name) | changes
    denoiser = load_denoiser(MODELS / name)
    rule = plane_rule(denoiser, asked, seed, known(name), anchors)
    return run_sampler(denoiser, rule, asked["shape"], asked, seed, on_step)[0].numpy()


def shape_of(labels: np.ndarray, **how) -> np.ndarray:
    """LP given the phase."""
    values = lineal_path(labels, 1, SIDE // 2 - 1, **how).values
    return values / values[0]


def scatter() -> None:
    """Predicted from 300 slices, and that of blocks of 64^3."""
    rng = np.random.default_rng(0)
    folder = os.environ.get("MICRO3DIFF_DATA")
    for name, (file, label) in FILES.items() if folder else ():
        labels = (tifffile.imread(Path(folder) / file) == label).astype(np.uint8)
        corners = rng.integers(0, np.subtract(labels.shape, (0, SIDE - 1, SIDE - 1)), (300, 3))
        slices = np.stack([labels[z, y : y + SIDE, x : x + SIDE] for z, y, x in corners])
        whole = [side // SIDE * SIDE for side in labels.shape]
        cut = labels[tuple(map(slice, whole))]
        blocks = cut.reshape([part for side in whole for part in (side // SIDE, SIDE)])
        found = blocks.mean((1, 3, 5)).ravel()
        _print_scatter(name, slices, found)
    blocks = [part.mean() for seed in range(6) for part in np.split(spheres(seed=seed)[:256], 4)]
    _print_scatter("spheres", spheres(), np.array(blocks))


def _print_scatter(name: str, slices: np.ndarray, found: np.ndarray) -> None:
    own = material(slices)
    predicted = own.scatter([SIDE] * 3) * np.sqrt(np.prod(own.fractions))
    print(f"{name}: predicted {predicted:.3f}, in {found.size} blocks {found.std(ddof=1):.3f}")


def windows() -> None:
    """Images of 160x160 as a whole and in windows, against images of the training's size."""
    denoiser, real = load_denoiser(MODELS / "spheres"), spheres()
    how = settings("spheres") | {"eta": 1.0, "steps": 40, "mend_below": 0}
    cases = {
        "whole": (denoiser, 6, (8, 160, 160)),
        "windows": (Windows(denoiser, SIDE), 6, (8, 160, 160)),
        "64x64": (denoiser, 64, (50, SIDE, SIDE)),
    }
    for name, (used, count, shape) in cases.items():
        labels = run_sampler(denoiser, Stack(used, count), shape, how, seed=5)[0].numpy()
        error = error_rate(shape_of(real, plane=(1, 2)), shape_of(labels, plane=(1, 2)))
        print(f"{name}: volume fraction {labels.mean():.3f}, LP given the phase {error:.1f} %")


def anchors() -> None:
    """Voxels that change from a given slice to its neighbours, and elsewhere."""
    given = {(0, SIDE // 2): spheres(shape=(SIDE,) * 3, seed=77)[20]}
    for lift in (0.0, 1.0, 1.5, 2.5):
        PlaneRule.LIFT = lift
        if not lift:  # put into denoised volumes alone
            PlaneRule.anchored, kept = _not_lifted(PlaneRule.anchored), PlaneRule.anchored
        for seed in range(2):
            made = volume(seed, given, mend_below=0.6, sharpen=0.0)
            change = np.mean(made != np.roll(made, -1, 0), axis=(1, 2))
            beside = change[[SIDE // 2 - 1, SIDE // 2]].mean()
            print(f"lift {lift}, seed {seed}: {beside:.3f} beside, {change.mean():.3f} on average")
        if not lift:
            PlaneRule.anchored = kept


def _not_lifted(anchored):
    return lambda rule, volume, lift=None: volume if lift else anchored(rule, volume)


def fractions() -> None:
    """Another volume fraction: held along the way, or made of a volume that is there already.

    That is by another threshold on what was denoised last (``cut``), or by the distance to its
    surfaces (``grown``). One volume's shapes differ from the next one's, so the means of four are
    compared. ``slices`` are those of the material, weighted so that they have that fraction;
    ``placed`` are spheres that were placed at it. Prints after every seed what is known by then.
    """
    for name, others in OTHERS.items():
        if name == "spheres" or (ROOT / "results" / name / "slices.tif").exists():
            _fractions(name, others)
        else:
            print(f"{name}: left out, its slices are not in results/")


def _fractions(name: str, others: Sequence[float]) -> None:
    own_material = known(name)
    images, own = own_material.images, float(own_material.fractions[1])
    curves, surfaces = defaultdict(list), defaultdict(list)
    own_slices = dict(zip((own, *others), weighted(images, (own, *others)), strict=True))
    for count, seed in enumerate(range(4, 8), 1):  # the rule was chosen on other seeds
        last = []
        natural = volume(
            seed,
            on_step=lambda step, sigma, noisy, denoised, turn, last=last: last.append(denoised[-1]),
            name=name,
            natural_scatter=False,
        )
        made = {(own, "natural"): natural}
        for wanted in others:
            made[wanted, "held"] = volume(seed, name=name, volume_fraction=wanted)
            made[wanted, "cut"] = cut(last[-1].numpy(), wanted)
            made[wanted, "grown"] = grown(natural, wanted)
        for wanted in sorted((own, *others)) if name == "spheres" else ():
            made[wanted, "placed"] = spheres(
                shape=(4 * SIDE, SIDE, SIDE), volume_fraction=wanted, seed=seed
            )
        for key, labels in made.items():
            curves[key].append(shape_of(labels))
            surfaces[key].append(specific_surface(labels, 1) / labels.mean())
        print(f"{name}, {count} seeds:")
        drawn = np.random.default_rng(0).integers(count, size=(2000, count))
        for (wanted, how), found in curves.items():
            print(
                f"  {wanted:.3f} {how}: fraction {made[wanted, how].mean():.4f} of the last, LP "
                f"given the phase {_change(curves[own, 'natural'], found, drawn)} from "
                f"natural and {_change([own_slices[wanted]], found, drawn)} from slices of that "
                f"fraction, features {_longer(curves[own, 'natural'], found):+.1f} % longer, "
                f"surface per volume {np.mean(surfaces[wanted, how]):.3f}",
                flush=True,
            )
    for wanted, found in own_slices.items():
        print(
            f"  {wanted:.3f} slices: LP given the phase "
            f"{error_rate(own_slices[own], found):.1f} % from natural, features "
            f"{_longer([own_slices[own]], [found]):+.1f} % longer"
        )


def _longer(curves: list, others: list) -> float:
    """By how much the area below LP given the phase, a mean length, is larger, in percent."""
    one, other = np.mean(curves, axis=0).sum(), np.mean(others, axis=0).sum()
    return 100 * (other - one) / one


def weighted(slices: np.ndarray, wanted: Sequence[float]) -> list[np.ndarray]:
    """LP given the phase of slices of weight exp(s * fraction), for each mean ``wanted``."""
    curves = np.array([lineal_path(image, 1, SIDE // 2 - 1).values for image in slices])
    fraction = slices.mean((1, 2))

    def mean(strength: float, values: np.ndarray):
        return softmax(strength * fraction) @ values

    found = []
    for one in wanted:
        strength = brentq(lambda s, one=one: mean(s, fraction) - one, -1000, 1000)
        found.append(mean(strength, curves))
    return [values / values[0] for values in found]


def _change(curves: list, others: list, drawn: np.ndarray) -> str:
    """The error of one mean against another, with its interval over the same seeds.

    One curve alone is known for certain.
    """
    one, other = np.array(curves if len(curves) > 1 else curves * len(others)), np.array(others)
    change = error_rate(one.mean(0), other.mean(0))
    resampled = [error_rate(one[which].mean(0), other[which].mean(0)) for which in drawn]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return f"{change:.1f} % ({low:.1f} to {high:.1f})"


def cut(denoised: np.ndarray, wanted: float) -> np.ndarray:
    """Another threshold, by which the wanted fraction is above it."""
    return (denoised > np.quantile(denoised, 1 - wanted)).astype(np.uint8)


def grown(labels: np.ndarray, wanted: float) -> np.ndarray:
    """All surfaces moved alike: the phase is what is nearest to it, up to the wanted fraction."""
    outside = distance_transform_edt(labels == 0) - distance_transform_edt(labels == 1)
    outside += 1e-3 * np.random.default_rng(0).random(labels.shape)  # equal distances
    return (outside <= np.quantile(outside, wanted)).astype(np.uint8)


def large() -> None:
    """The volume in windows: its errors, and how much changes where windows end."""
    made, real = read_labels("results/large/evidence_nh0/volume_000.tif"), spheres()
    print(f"volume fraction {made.mean():.4f}, of the source {real.mean():.4f}")
    for measure in (two_point_correlation, lineal_path):
        curves = [measure(labels, 1, SIDE // 2).values for labels in (real, made)]
        print(f"{measure.__name__}: {error_rate(*curves):.1f} %")
    for axis, side in enumerate(made.shape):
        change = np.mean(made != np.roll(made, 1, axis), axis=tuple({0, 1, 2} - {axis}))
        ends = {end % side for part, _ in spans(side, SIDE) for end in (part.start, part.stop)}
        there, elsewhere = change[sorted(ends)], np.delete(change, sorted(ends))
        print(
            f"along {'zyx'[axis]}: {there.mean():.4f} of the voxels change at {len(there)} ends of "
            f"windows (at most {there.max():.4f}), {elsewhere.mean():.4f} elsewhere (standard "
            f"deviation {elsewhere.std():.4f}, at most {elsewhere.max():.4f})"
        )


if __name__ == "__main__":
    torch.set_num_threads(2)
    default = (scatter, windows, anchors, fractions)
    parts = {part.__name__: part for part in (*default, large)}
    for name in sys.argv[1:] or [part.__name__ for part in default]:
        parts[name]()
