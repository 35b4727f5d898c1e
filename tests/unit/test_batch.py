"""The volumes of a job: what is there is kept, unless it is not whole or of something else."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

import micro3diff
from micro3diff import batch, reconstruction
from micro3diff.batch import RUN_COLUMNS, make_volumes
from micro3diff.config import reconstruction_settings
from micro3diff.errors import InputError, Interrupted
from micro3diff.files import read_json
from micro3diff.volumes import read_labels, volume_path, volumes_of

SOURCE = {"fractions": [0.75, 0.25], "voxel_size": 0.4, "unit": "µm"}
OPEN = {"mend_below": 0.0, "weight": 1.0, "slab": 0.0, "sharpen": 0.0}


@pytest.fixture
def job(tmp_path, model_folder, material, monkeypatch):
    """Makes volumes in a folder; returns the seeds of those that it made anew."""
    slices = tmp_path / "slices.tif"
    made = []
    real = reconstruction.reconstruct

    def counted(denoiser, material, known, **where):
        made.append(known["seed"])
        real(denoiser, material, known, **where)

    monkeypatch.setattr(batch, "reconstruct", counted)

    def run(samples=3, *, first=0, folder="case", texture=0, seed=10, rule="evidence", **changes):
        source, per_pass = changes.pop("source", SOURCE), changes.pop("slices_per_pass", 64)
        made.clear()
        rng = np.random.default_rng(texture)
        tifffile.imwrite(slices, (rng.random((5, 16, 16)) < 0.25).astype(np.uint8))
        table = tmp_path / folder / f"volumes_{first:03d}-{samples - 1:03d}.csv"
        settings = reconstruction_settings(material, rule, 0)
        make_volumes(
            model_folder,
            table,
            samples=range(first, samples),
            settings=settings | (OPEN if rule == "evidence" else {}) | changes,
            precision="fp32",
            seed=seed,
            device=torch.device("cpu"),
            slices=slices,
            source=source,
            slices_per_pass=per_pass,
            seconds=0,
        )
        return list(made)

    run.folder = tmp_path / "case"
    run.model = model_folder
    return run


def test_the_table(job):
    """A row for each volume, of which it has the checksum; nothing else is left behind."""
    assert job(4, first=1) == [11, 12, 13]
    table = job.folder / "volumes_001-003.csv"
    rows = pd.read_csv(table)
    assert list(rows.columns) == RUN_COLUMNS
    assert rows["sample"].tolist() == [1, 2, 3] and rows["seed"].tolist() == [11, 12, 13]
    assert volumes_of(table) == [volume_path(table, k) for k in (1, 2, 3)]
    names = {f"volume_00{k}.{suffix}" for k in (1, 2, 3) for suffix in ("tif", "json")}
    assert {path.name for path in job.folder.iterdir()} == names | {table.name}


def test_more_volumes_are_made_and_no_others(job):
    """25 -> 50 makes 25, also where a job was not full; so does a job that was killed."""
    assert job(2) == [10, 11]
    before = volume_path(job.folder / "x", 0).stat().st_mtime_ns
    assert job(4) == [12, 13]
    assert volume_path(job.folder / "x", 0).stat().st_mtime_ns == before
    volume_path(job.folder / "x", 2).unlink()
    assert job(4) == [12] and job(3) == []


def test_a_volume_of_other_fractions_is_made_again(job):
    """As older code drew them, of a pair whose other one would not go with it."""
    assert len(job(3)) == 3
    about = volume_path(job.folder / "x", 1).with_suffix(".json")
    known = json.loads(about.read_text())
    nearly = [fraction * (1 + 1e-12) for fraction in known["target_fractions"]]
    about.write_text(json.dumps(known | {"target_fractions": nearly}))  # of another processor
    assert job(3) == []
    about.write_text(json.dumps(known | {"target_fractions": [0.7, 0.3]}))
    assert job(3) == [11]


def test_a_volume_is_kept_when_fewer_slices_go_through_the_network(job, monkeypatch):
    """What is lowered for want of memory throws no volume away, nor the state of a half one."""
    assert len(job(1)) == 1
    assert job(2, slices_per_pass=2) == [11]
    real = reconstruction.plane_rule

    def out_of_memory(*args, **options):
        denoise = real(*args, **options)
        inner = denoise.denoise

        def denoised(volume, sigma, turn):
            if sigma < 1 and options["slices_per_pass"] == 64:
                raise torch.OutOfMemoryError
            begun.append(turn)
            return inner(volume, sigma, turn)

        denoise.denoise = denoised
        return denoise

    begun = []
    monkeypatch.setattr(reconstruction, "plane_rule", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        job(3)
    half = len(begun)
    assert half and job(3, slices_per_pass=2) == [12]
    assert len(begun) == 4, "a step was made twice or left out"


def test_tables_tell_the_truth(job):
    """A table of another job whose volume was made anew is gone, so that it is made again."""
    assert len(job(4)) == 4
    assert len(job(2, clamp=3)) == 2
    assert {path.name for path in job.folder.glob("*.csv")} == {"volumes_000-001.csv"}
    assert job(4) == [10, 11]
    assert {path.name for path in job.folder.glob("*.csv")} == {"volumes_000-003.csv"}


@pytest.mark.parametrize(
    "change",
    [{"source": SOURCE | {"unit": "nm"}}, {"source": SOURCE | {"fractions": [0.7, 0.3]}}],
)
def test_a_volume_of_another_source_is_made_again(job, change):
    """Also if only its voxel size is another, which the file tells."""
    assert len(job(2)) == 2
    assert len(job(2, **change)) == 2


def test_a_state_that_is_no_longer_needed_goes(job):
    """A job may be killed after a volume is written and before its state is removed."""
    job(1)
    (job.folder / "volume_000.pt").touch()
    (job.folder / ".writing-volume_000.pt-abc.pt").touch()
    assert job(1) == []
    assert not list(job.folder.glob("*.pt")) and not list(job.folder.glob(".writing*"))


@pytest.mark.parametrize(
    "change", [{"clamp": 3}, {"seed": 11}, {"texture": 1}, {"rule": "alternate"}]
)
def test_a_volume_of_something_else_is_made_again(job, change):
    """Other settings, another seed, other slices, another rule."""
    assert len(job(2)) == 2
    assert len(job(2, **change)) == 2
    assert job(2, **change) == []


def test_a_volume_of_another_model_or_version_is_made_again(job, monkeypatch):
    """Versions of other software do not matter."""
    assert len(job(2)) == 2
    scheduler = job.model / "scheduler" / "scheduler_config.json"
    scheduler.write_text(scheduler.read_text() + "\n")
    assert len(job(2)) == 2
    weights = job.model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert len(job(2)) == 2
    monkeypatch.setattr(reconstruction.platform, "python_version", lambda: "9")
    assert job(2) == []
    monkeypatch.setattr(micro3diff, "__version__", "9")
    assert len(job(2)) == 2


def test_a_truncated_volume_is_made_again(job):
    """Whatever left it so."""
    job(2)
    path = volume_path(job.folder / "x", 1)
    path.write_bytes(path.read_bytes()[:-10])
    assert job(2) == [11]
    read_labels(path)


def test_a_missing_volume_is_named(job):
    """With what to do, since Snakemake knows of the table alone."""
    job(2)
    table = job.folder / "volumes_000-001.csv"
    volume_path(table, 1).unlink()
    with pytest.raises(InputError, match="volume_001.tif: is missing.*delete that table"):
        volumes_of(table)


@pytest.mark.parametrize("rule", ["evidence", "alternate", "average"])
def test_a_volume_goes_on_within_itself(job, monkeypatch, rule):
    """SIGTERM in the middle of a volume: its state is kept, and the rest gives the same volume."""
    quiet = {"n_h": 1, "periodic": [True, False, True], "steps": 4}
    assert job(2, folder="quiet", rule=rule, **quiet) == [10, 11]
    real, passes = reconstruction.plane_rule, []

    def rule_that_is_stopped(*args, **options):
        denoise = real(*args, **options)
        inner = denoise.denoise

        def counted(*args):
            passes.append(1)
            if len(passes) == 11:  # in the second volume
                os.kill(os.getpid(), signal.SIGTERM)
            return inner(*args)

        denoise.denoise = counted
        return denoise

    monkeypatch.setattr(reconstruction, "plane_rule", rule_that_is_stopped)
    with pytest.raises(Interrupted, match="stopped; the state in .*volume_001.pt"):
        job(2, rule=rule, **quiet)
    assert (job.folder / "volume_001.pt").exists()
    assert not (job.folder / "volumes_000-001.csv").exists()
    assert job(2, rule=rule, **quiet) == [11]
    assert len(passes) == 2 * 4 * 2, "a step was made twice or left out"
    assert not list(job.folder.glob("*.pt"))
    for sample in range(2):
        one = job.folder / f"volume_{sample:03d}.tif"
        other = job.folder.parent / "quiet" / one.name
        assert np.array_equal(read_labels(one), read_labels(other))
        cost = [read_json(p.with_suffix(".json"))["network_passes"] for p in (one, other)]
        assert cost[0] == cost[1]


def test_a_half_made_volume_does_not_go_on_with_other_code(job, monkeypatch, caplog):
    """Its provenance would name the code that ended it alone; finished volumes stay."""
    real = reconstruction.plane_rule

    def rule_that_is_stopped(*args, **options):
        denoise = real(*args, **options)
        inner = denoise.denoise

        def stopped(volume, sigma, turn):
            if args[2] == 11:
                os.kill(os.getpid(), signal.SIGTERM)
            return inner(volume, sigma, turn)

        denoise.denoise = stopped
        return denoise

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(reconstruction, "plane_rule", rule_that_is_stopped)
        job(2)
    assert (job.folder / "volume_001.pt").exists()
    monkeypatch.setattr(reconstruction, "_own_code", lambda: "other")
    assert job(2) == [11]
    assert "is of other settings" in caplog.text


def test_a_state_of_something_else_is_ignored(job, caplog):
    """Or one that is not whole."""
    job(1)
    for content, message in [(b"half", "can't be read"), (None, "is of other settings")]:
        path = job.folder / "volume_000.pt"
        if content:
            path.write_bytes(content)
        else:
            torch.save({"wanted": {}, "state": {}}, path)
        volume_path(job.folder / "x", 0).unlink()
        assert job(1) == [10]
        assert message in caplog.text and not path.exists()
