"""A disk that is full, or that can't be written: nothing half-written is taken for finished."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from snakemake_options import ONE_THREAD
from tifffile import imread

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


@pytest.fixture(scope="module")
def run_in(tiny, snakemake):
    """Runs a small material to its curves in a folder, on one thread."""
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

    def run(folder: Path):
        (folder / "my.yaml").write_text(yaml.safe_dump(config))
        return snakemake(folder, TARGET, *ONE_THREAD, *OPTIONS)

    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, copy_workflow_to, run_in) -> dict[str, bytes]:
    """The results of a run in a folder of its own, with space."""
    folder = copy_workflow_to(tmp_path_factory.mktemp("undisturbed") / "clone")
    done = run_in(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return files(folder / "results" / "balls")


def files(folder: Path) -> dict[str, bytes]:
    """Results that other steps use, by name: the voxels of images, since files tell of times."""
    read = {".tif": lambda path: imread(path).tobytes(), ".csv": Path.read_bytes}
    kept = [p for p in folder.rglob("*") if p.is_file() and p.suffix in read]
    return {str(path.relative_to(folder)): read[path.suffix](path) for path in kept}


@pytest.mark.parametrize("kilobytes", [40, 300])
def test_a_full_disk(clone, disk, run_in, undisturbed, kilobytes):
    """It fails wherever the space ends; with more space, the rest is made, as on an empty disk."""
    disk(f"size={kilobytes}k")
    done = run_in(clone)
    assert done.returncode != 0
    assert "o space left on device" in done.stdout, done.stdout[-3000:]
    assert not list((clone / "results").rglob(".writing-*"))
    disk("size=100M")
    done = run_in(clone)
    assert done.returncode == 0, done.stdout[-3000:]
    after = files(clone / "results" / "balls")
    assert after.keys() == undisturbed.keys()
    for name in after:
        if not Path(name).name.startswith("volumes_"):  # that table tells of the time they took
            assert after[name] == undisturbed[name], name


def test_a_folder_that_cannot_be_written(clone, disk, run_in):
    """It fails at once, and the next run begins where this one could not."""
    disk("ro")
    done = run_in(clone)
    assert done.returncode != 0 and "Read-only file system" in done.stdout
    disk("rw")
    assert not files(clone / "results")
    assert run_in(clone).returncode == 0
