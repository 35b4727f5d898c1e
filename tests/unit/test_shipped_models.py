"""The models in resources/models: the files, what the cards say, and that they sample."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from micro3diff import config
from micro3diff.denoisers import CHOICE, load_denoiser
from micro3diff.files import read_json, sha256_of
from micro3diff.phases import channels_of
from micro3diff.reconstruction import sample_images
from micro3diff.volumes import read_labels

REPOSITORY = Path(__file__).parents[2]
MODELS = REPOSITORY / "resources" / "models"
FOLDERS = sorted(path for path in MODELS.iterdir() if path.is_dir())
PROVENANCE = yaml.safe_load((MODELS / "provenance.yaml").read_text(encoding="utf-8"))
SUFFIXES = {".md", ".json", ".safetensors"}  # a pickle could run code when it is loaded
LARGEST_MODEL, LARGEST_SUM = 12e6, 60e6  # bytes, so that a clone stays quick

each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture(scope="module")
def model_cards():
    """tools/model_cards.py, which is a script and in no package."""
    path = REPOSITORY / "tools" / "model_cards.py"
    spec = importlib.util.spec_from_file_location("model_cards", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_papers_materials_are_there():
    """Each with its provenance, and no provenance without a model."""
    names = [folder.name for folder in FOLDERS]
    assert {"spheres", "grains", "nmc", "carbonate"} <= set(names)
    assert sorted(PROVENANCE) == names


@each_model
def test_files(folder):
    """Safetensors, JSON and a card, and nothing else."""
    assert {path.suffix for path in files(folder)} == SUFFIXES
    assert not list(folder.rglob(".*"))
    assert sum(path.stat().st_size for path in files(folder)) <= LARGEST_MODEL


def test_size_of_all():
    assert sum(path.stat().st_size for path in files(MODELS)) <= LARGEST_SUM


@each_model
def test_card(folder, model_cards):
    """It names origin, licence and errors, and is what the script makes of the files beside it."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    about, errors = PROVENANCE[folder.name], read_json(folder / "facts.json")["errors"]
    assert front["library_name"] == "diffusers" and front["tags"]
    assert front["license"] == about["license"]
    assert front["license"] != "other" or front["license_name"]
    for words in (about["data"], about["rights"], *about["cite"], *about["limits"]):
        assert words in text
    assert all(f"| {model_cards.error(errors[metric])} |" in text for metric in ("S2", "LP"))
    assert f"resources/models/{folder.name}" in text
    assert text == model_cards.card(folder, about)


@each_model
def test_the_configuration_of_a_card_loads(folder, tmp_path, monkeypatch):
    """Laid over config.yaml, with an image of the user's where it asks for one."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    for name in ("my_image.tif", "my_volume.tif"):
        (tmp_path / name).touch()
    (tmp_path / "resources").symlink_to(REPOSITORY / "resources")
    monkeypatch.chdir(tmp_path)
    raw = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    raw = config._merged(raw, yaml.safe_load(example))
    (name,) = config.load(raw)["run"]["materials"]
    assert name == folder.name


@each_model
def test_errors_are_of_the_shipped_weights(folder):
    check = read_json(folder / "facts.json")["check"]
    assert check["model_sha256"] == sha256_of(folder / "unet")


@each_model
def test_a_choice_is_complete(folder):
    """Settings of the rule evidence that a model brings along are keys of the configuration."""
    if not (folder / CHOICE).exists():
        pytest.skip("it brings none")
    settings = read_json(folder / CHOICE)["settings"]
    raw = {"source": {"generator": "spheres"}, "reconstruct": {"evidence": settings}}
    loaded = config.load({"run": {"materials": ["any"]}, "materials": {"any": raw}})
    assert None not in settings.values()
    assert not config.leaves_a_choice(loaded["materials"]["any"], "evidence")


@each_model
def test_it_samples_all_its_phases(folder, tmp_path):
    """In a few steps; how well, its card says."""
    denoiser = load_denoiser(folder)
    phases = len(denoiser.fractions)
    patch = read_json(folder / "denoiser.json")["patch"]
    assert denoiser.channels == channels_of(phases)
    settings = {"images": 6, "steps": 8, "start": "mean", "variance": "posterior"}
    raw = {"source": {"generator": "spheres"}, "check": settings}
    loaded = config.load({"run": {"materials": ["any"]}, "materials": {"any": raw}})
    sample_images(
        folder,
        patch=patch,
        settings=loaded["materials"]["any"]["check"],
        precision="fp32",
        slices_per_pass=4,
        seed=0,
        device=torch.device("cpu"),
        images=tmp_path / "images.tif",
        about=tmp_path / "images.json",
    )
    labels = read_labels(tmp_path / "images.tif")
    assert labels.shape == (6, patch, patch), "two of each plane, where it tells them apart"
    assert list(np.unique(labels)) == list(range(phases))


# The script that ships them


def test_the_table_of_the_readme(model_cards):
    assert model_cards.table() in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def results(tmp_path, model_cards):
    """The files of a run that are shipped, as results/nmc."""
    folder, shipped = tmp_path / "results" / "nmc", MODELS / "nmc"
    model_cards.shutil.copytree(shipped, folder / "model")
    (folder / "model" / ".snakemake_timestamp").touch()
    (folder / "model" / "facts.json").unlink()
    return folder


def test_shipping(results, model_cards, tmp_path, monkeypatch):
    """The model is copied, its numbers go to facts.json, local file names do not."""
    facts = read_json(MODELS / "nmc" / "facts.json")
    given = {"source": {"url": "https://example.org/a.tif", "sha256": "0" * 64, "select": 1}}
    model_cards.write_json(results / "check_2d.json", facts["check"])
    model_cards.write_json(results / "source.json", {"origin": {"file": "copy.tif"}})
    table = model_cards.pd.DataFrame.from_dict(facts["errors"], orient="index")
    table.rename_axis("metric").to_csv(results / "check_2d.csv")
    monkeypatch.setattr(model_cards, "read_labels", lambda path: np.zeros((5, 64, 64), np.uint8))
    (results / CHOICE).write_text('{"settings": {"weight": 0.5}}')
    target = tmp_path / "shipped" / "nmc"
    model_cards.ship(results, target, given)
    made = read_json(target / "facts.json")
    assert made["errors"] == facts["errors"] and made["check"] == facts["check"]
    assert made["source"] == given["source"] and made["slices"] == [5, 64, 64]
    assert not list(target.rglob(".*"))
    assert "`{weight: 0.5}`" in model_cards.card(target, PROVENANCE["nmc"])


def test_a_model_that_was_given_is_not_shipped(results, model_cards, tmp_path):
    """It would take the place of one that was trained, without its training."""
    about = results / "model" / "denoiser.json"
    known = {key: value for key, value in read_json(about).items() if key != "train"}
    model_cards.write_json(about, known | {"adopted": True})
    target = tmp_path / "shipped"
    target.mkdir()
    (target / "README.md").touch()
    with pytest.raises(model_cards.InputError, match="was given, not trained"):
        model_cards.ship(results, target, {"source": {}})
    assert (target / "README.md").exists()


def test_a_check_of_another_model_is_refused(results, model_cards):
    model_cards.write_json(results / "check_2d.json", {"model_sha256": "0" * 64})
    with pytest.raises(model_cards.InputError, match="another model"):
        model_cards.collect(results, {"source": {}})
