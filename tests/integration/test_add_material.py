"""Whole runs: a material that is added by YAML only, an interrupted run, and bad sources."""

import functools
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from PIL import Image
from snakemake_options import ONE_THREAD

from micro3diff.files import read_json
from micro3diff.volumes import read_labels

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
ERROR_COLUMNS = (
    "material,n_h,rule,metric,error_percent,ci_low,ci_high,n_volumes,paper_percent".split(",")
)
ERRORS = "results/tables/error_rates.csv"
RUN = {
    "materials": ["my_rock"],
    "cases": {"alternate": [], "evidence": [0]},
    "samples": 2,
    "device": "cpu",
}
# A target comes before these: behind --configfile it is taken for a second file.
OPTIONS = ["--cores", "2", *ONE_THREAD, "--configfile", "my.yaml"]


@pytest.fixture
def run(snakemake):
    """Runs `snakemake TARGETS --cores 2 --configfile my.yaml` in a folder."""
    return lambda folder, *arguments: snakemake(folder, *arguments, *OPTIONS)


def configuration(folder: Path, tiny: dict, source: dict) -> None:
    """Write ``my.yaml``: one entry, its name under run.materials, and a network for a test."""
    content = {
        "run": RUN,
        "materials": {"my_rock": {"source": source}},
        "defaults": tiny,
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(content))


def grains_of_rock(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """A grey image of blobs, 16 bit: smoothed noise."""
    noise = np.random.default_rng(seed).normal(size=shape)
    for axis in range(noise.ndim):
        noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3))
    return ((noise - noise.min()) / np.ptp(noise) * 60000).astype(np.uint16)


# A new material is one entry


def check_tables(folder: Path, material: str = "my_rock") -> pd.DataFrame:
    table = pd.read_csv(folder / ERRORS)
    assert list(table.columns) == ERROR_COLUMNS
    assert list(table["material"]) == [material] * 2
    assert list(table["metric"]) == ["S2", "LP"]
    assert (table["n_volumes"] == 2).all() and (table["n_h"] == 0).all()
    assert (table["rule"] == "evidence").all() and table["paper_percent"].isna().all()
    assert table[["error_percent", "ci_low", "ci_high"]].notna().all(axis=None)
    return table


def test_a_synthetic_image_runs_to_metrics_and_figures(clone, tiny, run, draws_in_3d):
    """A grey 16-bit TIFF: segmented, trained on, reconstructed, measured, drawn, in one command."""
    tifffile.imwrite(clone / "my_rock.tif", grains_of_rock((48, 40)))
    configuration(clone, tiny, {"path": "my_rock.tif"})
    done = run(clone)
    assert done.returncode == 0, done.stdout
    check_tables(clone)
    results = clone / "results"
    origin = read_json(results / "my_rock" / "source.json")
    assert origin["kind"] == "image" and origin["origin"]["segmentation"] == "otsu"
    volume = results / "my_rock" / "evidence_nh0" / "volume_001.tif"
    assert read_labels(volume).shape == (16, 16, 16)
    assert read_json(volume.with_suffix(".json"))["seed"] == 1
    for name in ("timings", "denoisers", "volume_fractions"):
        assert len(pd.read_csv(results / "tables" / f"{name}.csv")) >= 1
    figures = [
        *["training_my_rock", "curves_my_rock", "volume_my_rock", "denoiser_my_rock"],
        "periodic_my_rock",
        *[f"figure_{number}" for number in ("2", "3", "5", "12", "14", "S1")],
    ]
    drawn = {path.name for path in (results / "figures").iterdir() if path.stat().st_size > 1000}
    assert drawn == {f"{name}.{suffix}" for name in figures for suffix in ("png", "pdf")}
    assert not list(results.rglob(".writing-*"))
    again = run(clone, "-n")
    assert "Nothing to be done" in again.stdout, again.stdout
    report = run(clone, "--report", "results/report.html")
    assert report.returncode == 0, report.stdout
    assert (results / "report.html").stat().st_size > 100_000


def test_a_real_image_runs_to_metrics(clone, tiny, run):
    """One micrograph of a real carbonate, by its path and nothing else."""
    path = DATA / "li2018_micrographs" / "carbonate.tif"
    if not path.exists():
        pytest.skip(f"no shared data beside the repository: {path.relative_to(DATA.parent)}")
    (clone / "my_rock.tif").write_bytes(path.read_bytes())
    configuration(clone, tiny, {"path": "my_rock.tif"})
    done = run(clone, ERRORS)
    assert done.returncode == 0, done.stdout
    check_tables(clone)
    about = read_json(clone / "results" / "my_rock" / "source.json")
    assert about["kind"] == "image"
    assert about["fractions"][1] == pytest.approx(0.139, abs=0.001)
    assert len(pd.read_csv(clone / "results" / "tables" / "volume_fractions.csv")) == 1


def test_a_folder_of_png_images_runs_to_slices(clone, tiny, run):
    """A folder is a stack of independent images, of the same size."""
    (clone / "sections").mkdir()
    for k in range(3):
        image = (grains_of_rock((20, 24), seed=k) > 30000).astype(np.uint8) * 255
        Image.fromarray(image).save(clone / "sections" / f"section_{k}.png")
    configuration(clone, tiny, {"path": "sections"})
    target = "results/my_rock/slices.tif"
    done = run(clone, target)
    assert done.returncode == 0, done.stdout
    assert read_labels(clone / target).shape == (12, 16, 16)
    assert read_json(clone / "results/my_rock/source.json")["kind"] == "stack"


# An interrupted run


def test_a_killed_training_resumes(clone, tiny, run, clean_environment):
    """After a power cut the same command goes on from the last checkpoint."""
    np.save(clone / "my_rock.npy", grains_of_rock((40, 40)))
    train = tiny["train"] | {"steps": 600, "checkpoint_every": 20}
    configuration(clone, tiny | {"train": train}, {"path": "my_rock.npy"})
    target = "results/my_rock/model"
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", target, *OPTIONS],
        cwd=clone,
        env=clean_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        checkpoints = clone / "results" / "my_rock" / "checkpoints"
        deadline = time.monotonic() + 120
        while not list(checkpoints.glob("step_*.pt")) and time.monotonic() < deadline:
            assert process.poll() is None, "the run ended before its first checkpoint"
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own group, made above
        process.wait()
    reached = max(int(path.stem.removeprefix("step_")) for path in checkpoints.glob("step_*.pt"))
    assert 20 <= reached < 600
    assert not (clone / "results" / "my_rock" / "model").exists()

    locked = run(clone, target)
    assert locked.returncode != 0 and "--unlock" in locked.stdout
    assert run(clone, "--unlock").returncode == 0
    done = run(clone, target, "--rerun-incomplete")
    assert done.returncode == 0, done.stdout
    assert f"resuming at step {reached}" in done.stdout
    assert (clone / "results" / "my_rock" / "model" / "unet").is_dir()
    assert pd.read_csv(clone / "results/my_rock/loss.csv")["step"].iloc[-1] == 600
    assert not list((clone / "results").rglob(".writing-*"))


# Bad sources: one line, and nothing that the next run would take for a result


def one_phase(path: Path) -> None:
    tifffile.imwrite(path, np.full((40, 40), 7, np.uint8))


def colours(path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb")


def not_a_number(path: Path) -> None:
    image = grains_of_rock((40, 40)).astype(np.float32)
    image[3, 4] = np.nan
    tifffile.imwrite(path, image)


def truncated(path: Path) -> None:
    tifffile.imwrite(path, grains_of_rock((40, 40)))
    path.write_bytes(path.read_bytes()[:-1500])


def too_small(path: Path) -> None:
    tifffile.imwrite(path, grains_of_rock((40, 12)))


BAD_IMAGES = {
    one_phase: "my_rock.tif: every pixel is 7, expected two or more phases",
    colours: "my_rock.tif: found a colour image (shape (40, 40, 3)), expected grey values",
    not_a_number: "my_rock.tif: found 1 NaN or infinite pixels, the first at (3, 4)",
    truncated: "my_rock.tif: not a readable TIFF",
    too_small: "slices.patch: 16 is larger than the source",
}


def error_lines(output: str) -> list[str]:
    """What the rules' scripts said went wrong."""
    return [line.split("Error: ", 1)[1] for line in output.splitlines() if " Error: " in line]


@pytest.mark.parametrize("make", BAD_IMAGES, ids=lambda make: make.__name__)
def test_a_bad_image_is_one_line(make, clone, tiny, run):
    """The line names the file or key, and the run ends without a result of the failed step."""
    make(clone / "my_rock.tif")
    configuration(clone, tiny, {"path": "my_rock.tif"})
    target = "results/my_rock/slices.tif"
    done = run(clone, target)
    assert done.returncode != 0
    [line] = error_lines(done.stdout)
    assert line.startswith(BAD_IMAGES[make])
    assert (
        line
        in (clone / "results/logs" / ("slices" if make is too_small else "source"))
        .joinpath("my_rock.log")
        .read_text()
    )
    assert not (clone / target).exists()
    assert (clone / "results/my_rock/source.tif").exists() == (make is too_small)
    assert not list((clone / "results").rglob(".writing-*"))


# Downloads, from a server on this machine


@pytest.fixture
def server(tmp_path):
    """Address of a server of ``tmp_path/server``."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder
        running.shutdown()
        thread.join()


def test_a_download_is_checked(clone, tiny, run, server):
    """A file of another checksum is refused and removed; the right one becomes the source."""
    address, served = server
    content = grains_of_rock((40, 40))
    np.save(served / "my rock.npy", content)
    right = hashlib.sha256((served / "my rock.npy").read_bytes()).hexdigest()
    target = "results/my_rock/source.tif"
    url = f"{address}/my%20rock.npy"
    configuration(clone, tiny, {"url": url, "sha256": "0" * 64})
    done = run(clone, target)
    assert done.returncode != 0
    [line] = error_lines(done.stdout)
    assert line.startswith("source.sha256:") and right in line and "0" * 64 in line
    assert not list((clone / "results").rglob("my rock.npy"))
    assert not (clone / "results" / "my_rock" / "source.tif").exists()

    configuration(clone, tiny, {"url": url, "sha256": right})
    done = run(clone, target)
    assert done.returncode == 0, done.stdout
    assert (clone / "results" / "downloads" / "my rock.npy").exists()
    assert read_json(clone / "results/my_rock/source.json")["origin"]["sha256"] == right


def test_a_missing_download_says_how_else_to_get_it(clone, tiny, run, server):
    """404: the address, and that a mirror or a path will do."""
    address, _ = server
    configuration(clone, tiny, {"url": f"{address}/rock.tif", "sha256": "0" * 64})
    target = "results/my_rock/source.tif"
    done = run(clone, target)
    assert done.returncode != 0
    [line] = error_lines(done.stdout)
    assert "404" in line and "run.mirror" in line
    assert not list((clone / "results").rglob("rock.tif"))
