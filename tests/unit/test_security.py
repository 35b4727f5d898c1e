"""Hostile input: nothing of it is executed, and nothing is written outside the results."""

import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from micro3diff import config
from micro3diff.denoisers import load_denoiser
from micro3diff.errors import InputError
from micro3diff.sources import load_source
from micro3diff.sources.download import fetch, file_name
from micro3diff.training import Trainer, resume

REPOSITORY = Path(__file__).parents[2]


class Evil:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def mark(tmp_path):
    """The file that would be there if code of the input had run."""
    path = tmp_path / "owned"
    yield path
    assert not path.exists()


def test_the_evil_is_evil(tmp_path):
    """Or the tests below would show nothing."""
    pickle.loads(pickle.dumps(Evil(tmp_path / "owned")))
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "name", ["../rock", "a/b", "..", ".", "/tmp/rock", "rock\n", "$(touch owned)", "a;b", "", "-x"]
)
def test_a_materials_name_stays_in_the_results(name):
    """It becomes a folder and a part of commands."""
    raw = {"run": {"materials": [name]}, "materials": {name: {"source": {"path": "a.tif"}}}}
    with pytest.raises(InputError, match="does not do for a folder"):
        config.load(raw)


def with_container(path: Path) -> dict:
    path.touch()
    raw = {
        "run": {"materials": ["rock"], "container": str(path)},
        "materials": {"rock": {"source": {"generator": "spheres"}}},
    }
    return config.load(raw)


@pytest.mark.parametrize("name", ["a;touch${IFS}owned;.sif", "$(id).sif", "a b.sif", "a'.sif"])
def test_a_containers_name_is_a_plain_word(tmp_path, name):
    """Snakemake puts it into its command of apptainer without quotes."""
    assert with_container(tmp_path / "micro3diff-1.0.sif")
    with pytest.raises(InputError, match="run.container: found .* to a shell"):
        with_container(tmp_path / name)


@pytest.mark.parametrize("end", ["..", "%2e%2e", ".", "a/%2e%2e", "%2F..", "..%2F..%2F.."])
def test_a_url_stays_in_the_downloads(end):
    """Whatever its last part says after decoding."""
    with pytest.raises(InputError, match="does not end with a file name"):
        file_name(f"https://example.org/{end}")


def test_a_url_with_an_encoded_path_is_a_plain_name():
    assert file_name("https://example.org/..%2F..%2Fetc%2Fpasswd") == "passwd"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.tif", "a.tif"])
def test_only_the_web_is_downloaded_from(url):
    """A configuration from somebody else reads no file of this machine by a URL."""
    raw = {
        "run": {"materials": ["rock"]},
        "materials": {"rock": {"source": {"url": url, "sha256": "0" * 64}}},
    }
    with pytest.raises(InputError, match="source.url"):
        config.load(raw)


def test_a_download_is_checked(tmp_path):
    """Another content than was asked for is not kept."""
    (tmp_path / "rock.tif").write_bytes(b"evil")
    with pytest.raises(InputError, match="sha256"):
        fetch("https://example.org/rock.tif", "0" * 64, tmp_path / "to" / "rock.tif", tmp_path)
    assert not (tmp_path / "to" / "rock.tif").exists()


def test_images_run_no_code(tmp_path, mark):
    """An NPY of objects is a pickle."""
    np.save(tmp_path / "image.npy", np.array([Evil(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="image.npy"):
        load_source({"path": str(tmp_path / "image.npy")})


def test_models_run_no_code(model_folder, mark):
    """A folder with weights as a pickle, in place of safetensors."""
    unet = model_folder / "unet"
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"weight": Evil(mark)}, unet / "diffusion_pytorch_model.bin")
    with pytest.raises(InputError, match="no readable diffusers 2D model"):
        load_denoiser(model_folder)


def test_models_name_no_code(model_folder, mark):
    """Nor does its description choose classes or files elsewhere."""
    index = model_folder / "model_index.json"
    index.write_text(json.dumps({"_class_name": ["os", "system"], "unet": ["os", "system"]}))
    load_denoiser(model_folder)


def test_checkpoints_run_no_code(tmp_path, mark, toy_slices, train_settings, caplog):
    """One that somebody put there is ignored."""
    torch.save({"settings": Evil(mark)}, tmp_path / "step_00000010.pt")
    trainer = Trainer(toy_slices, 2, train_settings, torch.device("cpu"))
    resume(trainer, tmp_path)
    assert trainer.step == 0 and "can't be read and is ignored" in caplog.text


def test_no_command_is_made_of_text():
    """No rule has a shell command, and no code hands a string to a shell."""
    rules = [REPOSITORY / "Snakefile", *(REPOSITORY / "workflow").rglob("*.smk")]
    code = [*(REPOSITORY / "src").rglob("*.py"), *(REPOSITORY / "workflow").rglob("*.py")]
    assert len(rules) > 5 and len(code) > 30
    for path in rules:
        assert not re.search(r"^\s*(shell|run):", path.read_text(), re.MULTILINE), path
    for path in code + rules:
        assert not re.search(
            r"shell=True|os\.system|os\.popen|[^.\w]eval\(|[^.\w]exec\(", path.read_text()
        )
