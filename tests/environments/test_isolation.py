"""Every step runs in an environment that holds only what its own file lists."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from snakemake_options import ONE_THREAD

from micro3diff.files import sha256_of

HERE = Path(__file__).parent
pytestmark = pytest.mark.environments


@pytest.fixture(scope="session")
def conda(tmp_path_factory, clean_environment) -> dict[str, str]:
    """The environment of a shell with a stand-in for conda, which makes virtual environments."""
    path = f"{HERE}:{Path(sys.executable).parent}:{clean_environment['PATH']}"
    cache = HERE.parents[1] / ".pytest_cache" / "environments"
    return clean_environment | {"PATH": path, "CONDA_STANDIN_CACHE": str(cache)}


@pytest.fixture
def configuration(clone, tiny) -> Path:
    """All rules of a run, in seconds: training, choice, two rules, tables, figures, a benchmark."""
    shape = {"shape": [24, 16, 16], "diameter_mean": 7, "diameter_std": 1}
    config = {
        "run": {
            "materials": ["balls"],
            "cases": {"alternate": [0], "evidence": [0]},
            "samples": 1,
            "device": "cpu",
        },
        "benchmark": {"cases": [{"rule": "average", "steps": 4, "volumes": 1}]},
        "defaults": tiny | {"reconstruct": {"evidence": {"steps": 4, "choose": 1}}},
        "materials": {"balls": {"source": {"generator": "spheres", "spheres": shape}}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    return clone


def run(clone: Path, environment: dict, *arguments: str) -> subprocess.CompletedProcess:
    command = ["snakemake", "--cores", "2", "--sdm", "conda", *ONE_THREAD]
    return subprocess.run(
        [sys.executable, "-m", *command, "--configfile", "my.yaml", "--", *arguments],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1500,
    )


def test_each_step_runs_in_its_own_environment(configuration, conda, draws_in_3d):
    """The whole chain; no package leaks in from Snakemake's environment."""
    done = run(configuration, conda, "all", "benchmark_samplers")
    assert done.returncode == 0, done.stdout[-6000:]
    assert (configuration / "results" / "tables" / "error_rates.csv").exists()
    assert (configuration / "results" / "benchmarks" / "balls.png").exists()
    used = sorted(p.name for p in (configuration / ".snakemake" / "conda").glob("*.yaml"))
    assert len(used) == 4, "sources, torch, metrics, figures"


def test_what_is_not_made_but_brought(clone, tiny, conda):
    """A download, here from a mirror, and a model."""
    (clone / "mirror").mkdir()
    image = clone / "mirror" / "rock.tif"
    tifffile.imwrite(image, (np.random.default_rng(0).random((48, 48)) < 0.4).astype(np.uint8))
    source = {"url": "https://example.org/rock.tif", "sha256": sha256_of(image)}
    config = {
        "run": {"materials": ["rock"], "mirror": "mirror", "device": "cpu"},
        "defaults": tiny,
        "materials": {"rock": {"source": source, "model": "resources/models/spheres"}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    done = run(clone, conda, "results/rock/model")
    assert done.returncode == 0, done.stdout[-6000:]
    jobs = set(re.findall(r"^(?:local)?rule (\w+):", done.stdout, re.MULTILINE))
    assert {"fetch", "source", "adopt"} <= jobs


@pytest.mark.slow
def test_the_peer_runs_in_its_own_environment(configuration, conda):
    """MCRpy and the tensorflow of its time, with a volume of 16 voxels a side."""
    rules = configuration / "workflow" / "rules" / "peers.smk"
    rules.write_text(rules.read_text().replace("MCRPY_SIDE = 32", "MCRPY_SIDE = 16"))
    done = run(configuration, conda, "peers")
    assert done.returncode == 0, done.stdout[-6000:]
    assert (configuration / "results" / "benchmarks" / "peers.csv").exists()


def test_a_package_that_is_not_listed_is_missed(configuration, conda):
    """Although Snakemake's own environment has it: the test above can fail."""
    script = configuration / "workflow" / "scripts" / "source.py"
    text = script.read_text()
    script.write_text(text.replace("if __name__", "import pandas\n\nif __name__"))
    done = run(configuration, conda, "results/balls/source.tif")
    assert done.returncode != 0
    assert "imports pandas, which its environment does not list" in done.stdout


def test_the_profile_takes_conda_where_there_is_one(clone, conda, clean_environment, snakemake):
    """And asks for nothing of it elsewhere."""
    plan = ["--cores", "8", "--profile", "slurm", "-n"]
    for environment, expected in ((conda, True), (clean_environment, False)):
        done = snakemake(clone, *plan, env=environment)
        assert done.returncode == 0, done.stdout
        assert ("envs/torch-cuda.yaml will be created" in done.stdout) == expected, done.stdout


def test_the_container_has_all_environments(clone, conda):
    """The recipe is made of the same files, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--containerize", "apptainer"],
        cwd=clone,
        env=conda,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = {line.removeprefix("#").strip() for line in done.stdout.splitlines()}
    used = {p.name for p in (clone / "envs").glob("*.yaml")} - {"torch-cpu.yaml"}
    assert "Bootstrap: docker" in lines
    for name in used:
        assert f"source: envs/{name}" in lines
        packages = (clone / "envs" / name).read_text().split("dependencies:")[1].splitlines()
        assert {line.strip() for line in packages} <= lines | {""}, name
