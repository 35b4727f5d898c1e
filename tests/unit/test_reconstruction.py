"""Reconstruction keeps its contract: volume and provenance from a model, seed and settings."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats.qmc import Halton

from micro3diff import batch, phases, reconstruction
from micro3diff.batch import make_volumes
from micro3diff.config import reconstruction_settings
from micro3diff.denoisers import build_scheduler, build_unet, load_denoiser, save_denoiser
from micro3diff.errors import InputError
from micro3diff.files import sha256_of
from micro3diff.planes import Alternate, Average, Evidence
from micro3diff.reconstruction import (
    Material,
    chosen,
    drawn_fractions,
    fraction_tilt,
    harmonizing_steps,
    noise_levels,
    plane_rule,
    radical_inverse,
    read_material,
    run_sampler,
    sample_images,
    snapshots,
    trace,
)
from micro3diff.slices import PLANES, cut_planes, read_slices, write_slices
from micro3diff.sources import Source
from micro3diff.volumes import (
    read_description,
    read_labels,
    read_values,
    read_voxel_size,
    volume_path,
    write_labels,
)
from micro3diff.windows import Windows

FRACTIONS = [0.7, 0.3]

CPU = torch.device("cpu")
MATERIAL = Material(
    [0.75, 0.25],
    [0.7 * 0.8 ** np.arange(11)] * 3,
    (np.random.default_rng(0).random((20, 16, 16)) < 0.25).astype(np.uint8),
)
SOURCE = {"fractions": MATERIAL.fractions, "voxel_size": 0.4, "unit": "µm"}
# what would be chosen by reconstructing
CHOICE = {"mend_below": 0.0, "weight": 1.0, "slab": 0.0, "sharpen": 0.0}


def settings_of(material, rule, n_h=0):
    """The settings of a case, with what would be chosen."""
    settings = reconstruction_settings(material, rule, n_h)
    return settings | (CHOICE if rule == "evidence" else {})


@pytest.fixture
def slices(tmp_path):
    """Training slices with some structure."""
    path = tmp_path / "slices.tif"
    noise = np.random.default_rng(0).random((4, 8, 8))
    tifffile.imwrite(path, np.kron(noise < 0.25, np.ones((1, 2, 2))).astype(np.uint8))
    return path


@pytest.fixture
def job(tmp_path, model_folder, material, slices):
    """Reconstruct a volume; returns its path and its provenance."""

    def run_job(
        name="volume", rule="evidence", n_h=0, seed=1, model=model_folder, per_pass=64, **changes
    ):
        table = tmp_path / "results" / name / "volumes_000-000.csv"
        make_volumes(
            model,
            table,
            samples=range(1),
            settings=settings_of(material, rule, n_h) | changes,
            precision="fp32",
            seed=seed,
            device=CPU,
            slices=slices,
            source=SOURCE,
            slices_per_pass=per_pass,
        )
        path = volume_path(table, 0)
        return path, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    return run_job


@pytest.mark.parametrize(
    "rule, n_h, passes",
    [("alternate", 0, 4), ("alternate", 2, 12), ("average", 1, 24), ("evidence", 0, 12)],
)
def test_volume_and_provenance(job, model_folder, material, rule, n_h, passes):
    """uint8 labels of the shape, axes and voxel size; JSON with all that led to it."""
    path, about = job(rule=rule, n_h=n_h, **({"alternate_below": 0} if rule == "evidence" else {}))
    labels = read_labels(path)
    assert labels.dtype == np.uint8 and labels.shape == (8, 12, 16)
    assert set(np.unique(labels)) <= {0, 1}
    assert read_voxel_size(path) == (0.4, "µm")
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "ZYX"
    assert about["seed"] == 1 and about["network_passes"] == passes
    assert about["model_sha256"] == sha256_of(model_folder / "unet")
    assert about["settings"] | {"rule": rule, "n_h": n_h, "shape": [8, 12, 16]} == about["settings"]
    assert set(about["settings"]) >= set(reconstruction_settings(material, rule, n_h))
    assert {"micro3diff", "torch", "numpy", "python"} <= set(about["versions"])
    assert about["wall_seconds"] > 0 and about["device"].startswith("CPU")
    assert (about["axes"], about["voxel_size"], about["unit"]) == ("ZYX", 0.4, "µm")
    assert read_description(path).items() <= about.items()


@pytest.mark.parametrize("rule", ["alternate", "average", "evidence"])
def test_seeds(job, rule):
    """The same seed gives the same file but for the wall time; another seed another volume."""
    one, same, other = (
        read_labels(job(name, rule, seed=seed)[0])
        for name, seed in [("one", 1), ("same", 1), ("other", 2)]
    )
    assert np.array_equal(one, same)
    assert 0.05 < (one != other).mean()


def test_mending(job, model_folder, material):
    """Repeats where little noise is left, but for the last of it; there the planes alternate."""
    settings = settings_of(material, "evidence") | {"mend": 3, "mend_below": 1.5}
    assert harmonizing_steps(np.array([9.0, 1.5, 1.4, 0.5, 0.3, 0.1]), settings) == [
        0,
        0,
        3,
        3,
        0,
        0,
    ]
    assert harmonizing_steps(np.ones(2), settings | {"mend_below": 0, "n_h": 2}) == [2, 2]
    assert harmonizing_steps(np.ones(2), settings | {"n_h": 4}) == [4, 4]
    denoiser = load_denoiser(model_folder)
    assert plane_rule(denoiser, settings, 0, MATERIAL).alternate_below == 1.5
    assert plane_rule(denoiser, settings | {"mend_below": 0}, 0, MATERIAL).alternate_below == 0.6
    levels = noise_levels(denoiser, settings)
    passes = sum(
        (1 + n_h) * (3 if sigma >= 1.5 else 1)
        for sigma, n_h in zip(levels, harmonizing_steps(levels, settings), strict=True)
    )
    mended = job(mend=3, mend_below=1.5)[1]["network_passes"]
    assert mended == passes > job(mend_below=0)[1]["network_passes"]


def test_mending_in_few_steps(model_folder, material):
    """A grid that passes over all levels at which shapes are mended gets one there, no other."""
    denoiser = load_denoiser(model_folder)
    settings = settings_of(material, "evidence") | {"mend": 3, "mend_below": 0.6}
    settings |= {"sigmas": [9.0, 0.63, 0.29, 0.1]}
    levels = noise_levels(denoiser, settings)
    assert levels.tolist() == pytest.approx([9.0, 0.63, 0.54, 0.29, 0.1])
    assert harmonizing_steps(levels, settings) == [0, 0, 3, 0, 0]
    for kept in (
        {"mend": 0},
        {"mend_below": 0},
        {"mend_below": 0.3},
        {"mend_below": 0.64},  # one is there
        {"mend_below": 9.5},
        {"sigmas": [0.29, 0.1], "mend_below": 0.6},  # starts below
    ):
        asked = settings | kept
        assert noise_levels(denoiser, asked).tolist() == asked["sigmas"]


def test_slices_per_pass_does_not_change_the_volume(job):
    """A volume that must go through the network in parts is the same one."""
    whole, parts = (read_labels(job(f"v{n}", per_pass=n)[0]) for n in (64, 3))
    assert (whole != parts).mean() < 0.01  # rounding may decide a voxel on the edge


def test_failure_leaves_nothing_behind(job, tmp_path, monkeypatch):
    """A size that does not fit, and a full disk."""
    with pytest.raises(InputError, match="multiples of 2"):
        job(shape=[8, 8, 9])
    assert not [path for path in tmp_path.glob("results/**/*") if path.is_file()]

    def no_space(path, *args, **kwargs):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", no_space)
    with pytest.raises(OSError):
        job()
    assert not [path for path in tmp_path.glob("results/**/*") if path.is_file()]


def test_more_steps_than_the_model_has(job):
    """Found before any step: one line with both numbers."""
    with pytest.raises(InputError, match="steps: found 51, expected at most 50"):
        job(steps=51)
    with pytest.raises(InputError, match="steps: found 51"):
        job(rule="alternate", steps=51)


def test_noise_levels(model_folder, material):
    """All the model's own unless fewer are asked for; Karras' within the asked range."""
    denoiser = load_denoiser(model_folder)
    alternate = reconstruction_settings(material, "alternate", 0)
    found = noise_levels(denoiser, alternate | {"steps": None})
    assert np.array_equal(found, denoiser.sigmas[::-1])
    karras = {"spacing": "karras", "sigma_max": 5.0, "sigma_min": 0.2}
    found = noise_levels(denoiser, alternate | karras | {"steps": 6})
    assert len(found) == 6 and found[[0, -1]] == pytest.approx([5.0, 0.2])
    assert len(noise_levels(denoiser, alternate | karras | {"steps": None})) == 50
    listed = alternate | karras | {"sigmas": [5, 2, 0.5]}
    assert noise_levels(denoiser, listed).tolist() == [5, 2, 0.5], "the list has the last word"
    cut = noise_levels(denoiser, listed | {"sigmas": [2e6, 1e6, 2]})
    assert cut.tolist() == [denoiser.sigmas[-1], 2], "to the model's range"


def test_settings_reach_the_rule(model_folder, material):
    """Each key of the configuration is what the rule works with."""
    denoiser = load_denoiser(model_folder)
    settings = reconstruction_settings(material, "evidence", 0) | CHOICE
    changes = {"weight": 0.9, "blend": 0.3, "alternate_below": 0.2}
    changes["periodic"] = (True, False, True)
    settings_given = settings | changes | {"slab": 70}
    rule = plane_rule(denoiser, settings_given, 3, MATERIAL, slices_per_pass=5)
    assert type(rule) is Evidence and rule.fractions == [0.7, 0.3]
    assert rule.slices_per_pass == 5
    assert {key: getattr(rule, key) for key in changes} == changes
    held = plane_rule(denoiser, settings | {"volume_fraction": 0.4}, 0, MATERIAL)
    assert rule.target != [0.75, 0.25] and held.target == [0.6, 0.4]
    # of phase 1; the other one loses; from what the network makes by itself
    gain = np.log(0.4 / 0.3) / MATERIAL.integral_range()
    assert rule.slope is None and float(held.slope) == pytest.approx(gain / 2)
    for unknown in (None, [1.0, 0.0]):
        gain = np.log(0.4 / 0.25) / MATERIAL.integral_range()
        tilt = fraction_tilt(settings | {"volume_fraction": 0.4}, MATERIAL, unknown)
        assert tilt == pytest.approx([0, gain])
    even = plane_rule(denoiser, settings | {"natural_scatter": False}, 0, MATERIAL)
    assert even.target == [0.75, 0.25]
    assert rule.covariances is MATERIAL.covariances and rule.slab == 70
    settings = reconstruction_settings(material, "alternate", 0)
    rule = plane_rule(denoiser, settings | {"order": "random"}, seed=3)
    assert type(rule) is Alternate and (rule.order, rule.seed) == ("random", 3)
    settings = reconstruction_settings(material, "evidence", 0) | CHOICE
    rule = plane_rule(denoiser, settings | {"clamp": 3.0, "sharpen": 0.4}, 3, MATERIAL)
    assert rule.sharpen == 0.4 and rule.doubt == pytest.approx(1 / (1 + np.exp(3)))
    settings = reconstruction_settings(material, "average", 0)
    rule = plane_rule(denoiser, settings | {"periodic": (True, False, False)}, 7)
    assert type(rule) is Average and (rule.periodic, rule.seed) == ((True, False, False), 7)
    large = settings | {"shape": [32, 32, 32]}
    assert plane_rule(denoiser, large | {"whole_planes": True}, 0).denoiser is denoiser
    assert type(plane_rule(denoiser, large | {"whole_planes": False}, 0).denoiser) is Windows


def test_settings_reach_the_sampler(model_folder, material, monkeypatch):
    """Each key of the configuration is what the sampler works with; it starts around the mean."""
    seen = {}

    def sampled(denoise, sigmas, shape, generator, **options):
        seen.update(options)
        return torch.zeros(shape)

    monkeypatch.setattr(reconstruction, "sample", sampled)
    changes = {"variance": "beta", "eta": 0.3, "eta_above": 0.7, "harmonize_plane": "stay"}
    settings = reconstruction_settings(material, "alternate", 0) | changes | {"start": "mean"}
    rule = SimpleNamespace(network_passes=0)
    run_sampler(load_denoiser(model_folder), rule, [4] * 3, settings, 0)
    assert {key: seen[key] for key in changes} == changes
    assert seen["start"].item() == pytest.approx(2 * FRACTIONS[1] - 1)


def test_a_resumed_volume_cost_what_all_its_parts_did(model_folder, material):
    settings = reconstruction_settings(material, "alternate", 0)
    state = {"step": 3, "turn": 3, "volume": torch.zeros(1, 8, 8, 8), "seconds": 1000.0}
    state |= {"generator": torch.Generator().get_state(), "network_passes": 3}
    kept = SimpleNamespace(load=lambda: state, keep=lambda state: None)
    denoiser = load_denoiser(model_folder)
    rule = plane_rule(denoiser, settings, 0)
    _, run = run_sampler(denoiser, rule, [8] * 3, settings, 0, checkpoint=kept)
    assert run["network_passes"] == 4 and 1000 < run["wall_seconds"] < 1100


def test_the_integral_range_is_the_mean_over_the_planes():
    """Of an anisotropic material each plane has another."""
    covariances = [0.5 ** np.arange(11), 0.8 ** np.arange(11), 0.9 ** np.arange(11)]
    found = Material([0.75, 0.25], covariances, MATERIAL.images).integral_range()
    each = [
        phases.integral_range([covariances[k] for k in plane], (16, 16))
        for plane in ((0, 1), (0, 2), (1, 2))
    ]
    assert found == pytest.approx(np.mean(each))


def test_the_volume_fraction_is_reached(job, monkeypatch):
    """Another fraction without retraining, from a denoiser that was trained on 0.3."""

    class Knowing:
        """A denoiser that knows the fraction and the voxel's own value, and no more."""

        def __init__(self, denoiser):
            self.denoiser = denoiser
            self.odds = np.log(denoiser.fractions[1] / denoiser.fractions[0]) / 2

        def __getattr__(self, name):
            return getattr(self.denoiser, name)

        def __call__(self, noisy, sigma, plane):
            return torch.tanh(self.odds + noisy / sigma**2)

    real = batch.load_for
    monkeypatch.setattr(batch, "load_for", lambda *args: Knowing(real(*args)))
    settings = {
        "natural_scatter": False,
        "alternate_below": 0,
        "sigma_min": 0.3,
        "steps": 50,
        "shape": [24, 24, 24],
    }
    for wanted, expected in ((None, 0.25), (0.15, 0.15), (0.6, 0.6)):  # 0.25: the source's
        path, _ = job(f"volume{wanted}", volume_fraction=wanted, **settings)
        assert read_labels(path).mean() == pytest.approx(expected, abs=0.02)


def test_a_choice_fills_what_is_open(tmp_path):
    """Only what the configuration leaves open, and nothing without a choice."""
    path = tmp_path / "evidence.json"
    path.write_text('{"settings": {"weight": 0.7, "slab": 300.0}, "tried": []}')
    settings = {"weight": None, "slab": 50.0, "volume_fraction": None}
    assert chosen(settings, path) == settings | {"weight": 0.7}
    assert chosen(settings, []) == settings


def test_a_model_that_does_not_know_its_fractions(job, model_folder):
    """One line that names what needs them; the paper's rule runs."""
    (model_folder / "denoiser.json").unlink()
    with pytest.raises(InputError, match="reconstruct.evidence: needs the phase fractions"):
        job()
    with pytest.raises(InputError, match="reconstruct.alternate.start: mean"):
        job(rule="alternate", start="mean")
    job(rule="alternate", start="noise")


def test_images(tmp_path, model_folder, material):
    """2D samples: a stack of independent images, which other images do not change."""
    stacks = {}
    for name, chunk in [("one", 64), ("two", 2)]:
        path = tmp_path / f"{name}.tif"
        sample_images(
            model_folder,
            patch=16,
            settings=material["check"],
            precision="fp32",
            slices_per_pass=chunk,
            seed=0,
            device=CPU,
            images=path,
            about=path.with_suffix(".json"),
        )
        stacks[name] = read_labels(path)
        about = json.loads(path.with_suffix(".json").read_text())
        assert about["network_passes"] == 4 and about["seed"] == 0
    assert stacks["one"].shape == (3, 16, 16)
    assert (stacks["one"] != stacks["two"]).mean() < 0.01
    assert not np.array_equal(stacks["one"][0], stacks["one"][1])


@pytest.mark.parametrize("rule", ["alternate", "evidence"])
def test_trace(tmp_path, model_folder, material, slices, rule):
    """Snapshots from the first step to the last; noisy ones at a DDPM's variance of one."""
    path = tmp_path / "trace.npz"
    trace(
        model_folder,
        settings=settings_of(material, rule) | {"steps": 20},
        precision="fp32",
        seed=0,
        device=CPU,
        path=path,
        slices=slices,
        source=SOURCE,
    )
    with np.load(path) as found:
        assert set(found) == {"noisy", "denoised", "sigma", "plane"}
        assert found["noisy"].shape == found["denoised"].shape == (6, 8, 12, 16)
        assert (np.diff(found["sigma"]) < 0).all()
        assert found["noisy"][0].std() == pytest.approx(1, abs=0.1)
        assert np.abs(found["denoised"]).max() <= 1
        assert set(found["plane"]) <= {"yz", "xz", "xy", "all"}
        if rule == "alternate":
            planes = ["yz", "xz", "xy"]
            steps = np.linspace(0, 19, 6).round().astype(int)
            assert found["plane"].tolist() == [planes[step % 3] for step in steps]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("trace")] == ["trace.npz"]


def test_fractions_scatter_as_in_nature():
    """Successive seeds cover the distribution evenly: right mean and spread from few volumes."""
    for fractions in ([0.775, 0.225], [0.5, 0.3, 0.2]):
        drawn = np.array([drawn_fractions(fractions, 0.1, 1_000_000 + k) for k in range(25)])
        np.testing.assert_allclose(drawn.sum(1), 1)
        np.testing.assert_allclose(drawn.mean(0), fractions, atol=0.01)
        expected = 0.1 * np.sqrt(np.multiply(fractions, np.subtract(1, fractions)))
        np.testing.assert_allclose(drawn.std(0), expected, rtol=0.25)
    assert drawn_fractions([0.7, 0.3], 0.0, 5) == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize("fractions", [[0.775, 0.225], [0.5, 0.3, 0.2], [0.9, 0.06, 0.03, 0.01]])
def test_a_few_volumes_have_the_fractions_of_the_material(fractions):
    """Of any run the first one, and any even number; yet no two pairs are alike."""
    for first in (0, 1_000_000, 2_000_000, 5_000_000):
        assert drawn_fractions(fractions, 0.1, first) == pytest.approx(fractions)
    drawn = np.array([drawn_fractions(fractions, 0.1, 3_000_000 + k) for k in range(64)])
    for count in (2, 4, 8, 64):
        np.testing.assert_allclose(drawn[:count].mean(0), fractions)
    assert len(np.unique(drawn[2:].round(9), axis=0)) == 62


@pytest.mark.parametrize("fractions", [[0.9915, 0.0085], [0.01, 0.01, 0.98]])
def test_volumes_of_a_rare_phase_have_its_fraction_on_average(fractions):
    """What can't be less than nothing is not made up for by more elsewhere."""
    drawn = np.array([drawn_fractions(fractions, 0.16, 1_000_000 + k) for k in range(600)])
    np.testing.assert_allclose(drawn.sum(1), 1)
    np.testing.assert_allclose(drawn.mean(0), fractions, rtol=0.03)
    assert (drawn > 0).all()


def test_a_rare_phase_takes_no_scatter_from_the_others():
    """What is cut is its own."""
    drawn = np.array([drawn_fractions([0.55, 0.449, 0.001], 0.06, k) for k in range(600)])
    assert drawn[:, 0].std() == pytest.approx(0.06 * np.sqrt(0.55 * 0.45), rel=0.05)


def test_the_place_of_a_seed_is_found_without_those_before_it():
    """Halton's sequence, at seeds of which scipy would draw billions first."""
    expected = Halton(2, scramble=False).fast_forward(1_000).random(20)
    found = [[radical_inverse(1_000 + k, base) for base in (2, 3)] for k in range(20)]
    np.testing.assert_array_equal(found, expected)
    assert 0.1 < drawn_fractions([0.775, 0.225], 0.1, 2**31 * 1_000_000 + 2**18 + 1)[1] < 0.4


@pytest.mark.parametrize("count", [4, 5, 8])
def test_no_phase_gets_less_than_nothing(count):
    """Of many phases that scatter a lot, the one that takes what the others leave has enough."""
    drawn = np.array([drawn_fractions([1 / count] * count, 0.3, k) for k in range(600)])
    assert (drawn > 0).all() and drawn.sum(1) == pytest.approx(1)
    assert drawn.mean(0) == pytest.approx(1 / count, abs=0.005)


def test_a_material_knows_each_axis(tmp_path):
    """From slices of three planes: the axis that changes slowest has the longest correlation."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.standard_normal((64, 64, 64)), (1, 2, 4), mode="wrap")
    source = Source((field > 0).astype(np.uint8), "volume", [])
    write_slices(tmp_path / "slices.tif", cut_planes(source, 32, count=60))
    found = read_material(tmp_path / "slices.tif", {"fractions": [0.5, 0.5]})
    z, y, x = (covariance[4] for covariance in found.covariances)
    assert z < y < x and found.images.shape == (20, 32, 32)


@pytest.fixture
def planes_model(tmp_path, train_settings):
    """The folder of an untrained denoiser that tells planes apart."""
    torch.manual_seed(0)
    description = {"pixel_block": 1, "fractions": FRACTIONS, "planes": list(PLANES), "patch": 16}
    unet = build_unet(train_settings, 16, 2, planes=3)
    save_denoiser(tmp_path / "planes", unet, build_scheduler(train_settings), description)
    return tmp_path / "planes"


def test_everything_at_once(planes_model, material):
    """A box, periodic, at a set fraction, with a given slice, of a material of three planes."""
    denoiser = load_denoiser(planes_model)
    settings = reconstruction_settings(material, "evidence", 0) | CHOICE
    settings |= {"shape": [24, 16, 40], "periodic": [True, False, True], "volume_fraction": 0.4}
    given = (np.random.default_rng(1).random((24, 40)) < 0.4).astype(np.uint8)
    denoise = plane_rule(denoiser, settings, 3, MATERIAL, {(1, 5): given})
    labels, run = run_sampler(denoiser, denoise, settings["shape"], settings, 3)
    assert labels.shape == (24, 16, 40) and np.array_equal(labels[:, 5], given)
    assert type(denoise.denoiser) is Windows and run["shape"] == [24, 16, 40]
    assert abs(labels.float().mean().item() - 0.4) < 0.05


def test_images_of_each_plane(planes_model, material, tmp_path):
    """As many of each; the network is told which, so that they differ."""
    sample_images(
        planes_model,
        patch=16,
        settings=material["check"] | {"images": 6},
        precision="fp32",
        slices_per_pass=4,
        seed=0,
        device=torch.device("cpu"),
        images=tmp_path / "images.tif",
        about=tmp_path / "images.json",
    )
    found = read_slices(tmp_path / "images.tif")
    assert {plane: len(part) for plane, part in found.items()} == dict.fromkeys(PLANES, 2)
    assert (found["yz"] != found["xz"]).mean() > 0.2, "of other noise"


def test_grey_volumes(tmp_path, train_settings, material):
    """Grey values come out, and metrics find two phases in them."""
    torch.manual_seed(0)
    description = {"pixel_block": 1, "grey": {"mean": 90.0, "threshold": 100.0}, "patch": 16}
    unet = build_unet(train_settings, 16, 2)
    save_denoiser(tmp_path / "grey", unet, build_scheduler(train_settings), description)
    denoiser = load_denoiser(tmp_path / "grey")
    settings = reconstruction_settings(material, "alternate", 1) | {"start": "mean"}
    given = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    denoise = plane_rule(denoiser, settings, 0, MATERIAL, {(2, 0): given})
    greys, _ = run_sampler(denoiser, denoise, settings["shape"], settings, 0)
    assert len(greys.unique()) > 20 and np.array_equal(greys[:, :, 0], given)
    write_labels(tmp_path / "volume.tif", greys.numpy(), threshold=denoiser.threshold)
    assert np.array_equal(read_labels(tmp_path / "volume.tif"), greys.numpy() > 100)
    assert np.array_equal(read_values(tmp_path / "volume.tif"), greys.numpy())


@pytest.mark.parametrize("steps", [1, 4, 6, 7, 14, 16, 31, 46, 50, 1000])
def test_snapshots_show_that_planes_alternate(steps):
    """From the first step to the last, about evenly, and not always on the same of three planes."""
    found = sorted(snapshots(steps))
    assert len(found) == min(steps, 6) and (found[0], found[-1]) == (0, steps - 1)
    assert len({step % 3 for step in found}) > 1 or steps == 1
    assert steps <= 6 or max(np.diff(found)) <= (steps - 1) / 5 + 2.5
