"""A disk that is full, or that can't be written: nothing half-written is taken for finished."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from snakemake_options import ONE_THREAD

TARGET = "results/balls/evidence_nh0/curves.csv"
OPTIONS = ["--cores", "2", "--rerun-incomplete", "--configfile", "my.yaml"]


@pytest.fixture
def disk(clone) -> Iterator[Callable[[str], None]]:
    """A file system of its own for the results; call it with mount options. Needs root."""
    results = clone / "results"
    results.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100M", "tmpfs", str(results)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(results)], check=True)

    yield remount
    subprocess.run(["umount", "--lazy", str(results)], check=True)


@pytest.fixture
def run(clone, tiny, snakemake):
    """Runs a small material to its curves, on one thread."""
    shape = {"shape": [24, 16, 16], "diameter_mean": 7, "diameter_std": 1}
    evidence = {"evidence": {"steps": 4, "mend_below": 0, "weight": 1, "slab": 0, "sharpen": 0}}
    config = {
        "run": {
            "materials": ["balls"],
            "cases": {"evidence": [0]},
            "samples": 2,
            "device": "cpu",
        },
        "defaults": tiny | {"reconstruct": evidence},
        "materials": {"balls": {"source": {"generator": "spheres", "spheres": shape}}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    return lambda *arguments: snakemake(clone, *arguments, *ONE_THREAD, *OPTIONS)


def files(folder: Path) -> dict[str, bytes]:
    """Results that other steps use, by name."""
    kept = [p for p in folder.rglob("*") if p.is_file() and p.suffix in (".tif", ".csv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.mark.parametrize("kilobytes", [40, 300])
def test_a_full_disk(clone, disk, run, copy_workflow_to, kilobytes):
    """It fails wherever the space ends; with more space, the rest is made, as on an empty disk."""
    disk(f"size={kilobytes}k")
    done = run(TARGET)
    assert done.returncode != 0
    assert "o space left on device" in done.stdout, done.stdout[-3000:]
    assert not list((clone / "results").rglob(".writing-*"))
    disk("size=100M")
    done = run(TARGET)
    assert done.returncode == 0, done.stdout[-3000:]
    after = files(clone / "results" / "balls")
    done = run(TARGET, "--forceall")
    assert done.returncode == 0, done.stdout[-3000:]
    times = "training_time.tsv"
    again = files(clone / "results" / "balls")
    for name in after.keys() - {times}:
        if "volumes_" not in name and "volume_" not in name:  # these tell of the time they took
            assert after[name] == again[name], name


def test_a_folder_that_cannot_be_written(clone, disk, run):
    """It fails at once, and the next run begins where this one could not."""
    disk("ro")
    done = run(TARGET)
    assert done.returncode != 0 and "Read-only file system" in done.stdout
    disk("rw")
    assert not files(clone / "results")
    assert run(TARGET).returncode == 0
