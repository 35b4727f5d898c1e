"""Open settings are chosen by what comes nearest to the material, and a choice is kept."""

import json

import numpy as np
import pytest
import tifffile
import torch

from micro3diff import choice, reconstruction
from micro3diff.benchmark.errors import ERRORS, benchmark_curves
from micro3diff.choice import choose, search
from micro3diff.config import reconstruction_settings
from micro3diff.evaluation import curve_values
from micro3diff.files import read_json


def bowl(mend_below, weight, slab, sharpen):
    """Least at weight 1 and slab 100, sharpened most and mended a lot; without that, a little."""
    wanted = 1.0 if sharpen else 0.6
    others = abs(weight - 1) + abs(np.log((slab + 1) / 101)) / 10 + 0.01 * (1 - sharpen)
    return 2 + others + 0.01 * abs(mend_below - wanted)


def test_search_finds_the_best_without_trying_all():
    """One after the other; each setting is screened once, the best few are tried with all volumes,
    and the best comes first."""
    scored = []

    def score(settings, volumes):
        if volumes > 1:
            scored.append((*settings.items(), volumes))
        return bowl(**settings)

    tried = search(score, {}, 6)
    assert tried[0] == {
        "mend_below": 1.0,
        "weight": 1.0,
        "slab": 100.0,
        "sharpen": 1.0,
        "error": 2.0,
        "volumes": 6,
    }
    assert len(scored) == len(set(scored)) == 22 + 4 and len(tried) == 22
    assert [row["volumes"] for row in tried] == [6] * 4 + [4] * 18
    assert [row["error"] for row in tried] == sorted(row["error"] for row in tried)


def test_hopeless_settings_get_no_second_volume():
    """Twice the least error of a first volume; they come last, however good they say they are."""
    counts = {}

    def score(settings, volumes):
        counts.setdefault(settings["weight"], set()).add(volumes)
        return {1 / 3: 1.0, 1.0: 3.0}.get(settings["weight"], 1.9) / volumes

    tried = search(score, {"slab": 100.0, "mend_below": 0.6, "sharpen": 0.0}, 8)
    assert counts[1.0] == {1} and counts[1 / 3] == {1, 4, 8}
    assert tried[0]["weight"] == 1 / 3
    assert (tried[-1]["weight"], tried[-1]["error"], tried[-1]["volumes"]) == (1.0, 3.0, 1)


def test_all_volumes_decide():
    """Not the few of the screening, which may be far off by chance."""

    def score(settings, volumes):
        lucky = volumes == 4 and settings["weight"] == 1 / 3
        return bowl(**settings) - 9 * lucky

    assert search(score, {"slab": 100.0, "mend_below": 0.6}, 4)[0]["weight"] == 1 / 3
    assert search(score, {"slab": 100.0, "mend_below": 0.6}, 5)[0]["weight"] != 1 / 3


def test_search_refines_the_weight():
    """Between the coarse weights too, also beside the last of them."""
    for wanted in (0.4, 0.8, 1.4):
        best = search(lambda settings, _, w=wanted: abs(np.log(settings["weight"] / w)), {}, 2)[0]
        assert best["weight"] == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize(
    "fixed", [{"weight": 1.0}, {"slab": 0.0}, {"mend_below": 1.0}, {"sharpen": 0.0}]
)
def test_search_leaves_the_users_settings(fixed):
    """What the configuration sets is not varied."""
    (key, value), *_ = fixed.items()
    assert {row[key] for row in search(lambda settings, _: bowl(**settings), fixed, 2)} == {value}


@pytest.fixture
def job(tmp_path, model_folder, material, monkeypatch):
    """Choose with volumes that are noise of the asked weight, so that the best one is known."""
    slices = tmp_path / "slices.tif"
    rng = np.random.default_rng(0)
    tifffile.imwrite(
        slices, (rng.random((8, 16, 16)) < 0.577).astype(np.uint8), photometric="minisblack"
    )

    def sampled(denoiser, rule, shape, settings, seed):
        assert rule.weight == settings["weight"] and rule.slab == settings["slab"]
        assert rule.target == [0.423, 0.577]  # the source's, without scatter
        run_job.made += 1
        if run_job.made == run_job.killed_at:
            raise KeyboardInterrupt
        noise = np.random.default_rng(seed).random(shape) + 0.05 * (settings["mend_below"] != 0.6)
        return torch.from_numpy((noise < rule.weight).astype(np.uint8)), {}

    monkeypatch.setattr(choice, "run_sampler", sampled)
    labels = (rng.random((32, 32, 32)) < 0.577).astype(np.uint8)
    settings = reconstruction_settings(material, "evidence", 0) | {"shape": [16, 16, 16]}

    def run_job(**changes):
        path = tmp_path / "results" / "evidence.json"
        choose(
            model_folder,
            settings=settings | changes,
            volumes=2,
            precision="fp32",
            seed=900_000,
            device=torch.device("cpu"),
            slices=slices,
            source={"kind": "volume", "isotropic": True, "fractions": [0.423, 0.577]},
            labels=labels,
            phase=1,
            path=path,
            seconds=0,
        )
        return read_json(path)

    run_job.made, run_job.killed_at = 0, None
    return run_job


def test_choose(job):
    """The weight that gives the material's fraction wins, over the seeds that are stated."""
    found = job()
    assert found["settings"]["weight"] == 3**-0.5 and found["settings"]["mend_below"] == 0.6
    assert found["seeds"] == [900_000, 900_001] and len(found["tried"]) == 22
    assert job(weight=0.5)["settings"]["weight"] == 0.5


def test_a_killed_choice_goes_on(job, monkeypatch):
    """With the volumes that it has, unless other code made them: those can't be compared."""
    whole = job()
    volumes = job.made
    for code, expected in (("this", volumes), ("other", volumes + 9)):
        monkeypatch.setattr(reconstruction, "_own_code", lambda: "this")
        job.made, job.killed_at = 0, 10
        with pytest.raises(KeyboardInterrupt):
            job()
        monkeypatch.setattr(reconstruction, "_own_code", lambda code=code: code)
        job.made, job.killed_at = 9, None
        assert job() == whole and job.made == expected


def test_a_models_own_choice_is_taken(job, model_folder):
    """Without any reconstruction; the configuration still goes first."""
    chosen = {"mend_below": 0.0, "weight": 0.9, "slab": 10.0, "sharpen": 0.0}
    shipped = {"settings": chosen, "seeds": [1], "tried": []}
    (model_folder / "evidence.json").write_text(json.dumps(shipped))
    assert job() == shipped
    assert job(slab=0.0)["settings"] == chosen | {"slab": 0.0}


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize("isotropic, kind", [(True, "volume"), ([], "volume"), (True, "image")])
def test_what_the_error_is_made_of(
    tmp_path, model_folder, material, monkeypatch, isotropic, kind, phase
):
    """Of the phase that is measured; of diagonals and surface only where planes are alike.

    All of the source itself: crops of a small micrograph may have less of the phase than it has.
    """
    rng = np.random.default_rng(0)
    source = (24,) * (3 if kind == "volume" else 2)
    images, labels, made = (
        (rng.random(shape) < fraction).astype(np.uint8)
        for shape, fraction in [((8, 16, 16), 0.2), (source, 0.4), ((16,) * 3, 0.5)]
    )
    tifffile.imwrite(tmp_path / "slices.tif", images, photometric="minisblack")
    monkeypatch.setattr(choice, "run_sampler", lambda *_: (torch.from_numpy(made), {}))
    fixed = {"mend_below": 0.0, "weight": 1.0, "slab": 0.0, "sharpen": 0.0}
    choose(
        model_folder,
        settings=reconstruction_settings(material, "evidence", 0) | {"shape": [16] * 3} | fixed,
        volumes=1,
        precision="fp32",
        seed=0,
        device=torch.device("cpu"),
        slices=tmp_path / "slices.tif",
        source={"kind": kind, "isotropic": isotropic, "fractions": [0.6, 0.4]},
        labels=labels,
        phase=phase,
        path=tmp_path / "evidence.json",
    )
    how = {"phase": phase, "max_lag": 8, "dimension": labels.ndim}
    reference = benchmark_curves(labels, kind, **how)
    found = benchmark_curves(made, **how)
    expected = []
    for metric in ["S2", "LP", *(["S2_diagonal", "specific_surface"] if isotropic else [])]:
        name, error = ERRORS[metric]
        expected.append(error(*(curve_values(table, name)[0] for table in (reference, found))))
    error = read_json(tmp_path / "evidence.json")["tried"][0]["error"]
    assert error == pytest.approx(np.mean(expected), abs=0.006)
