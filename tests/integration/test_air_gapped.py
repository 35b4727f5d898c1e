"""Compute nodes have no internet: all that is downloaded comes before, on the login node."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from snakemake_options import ONE_THREAD

from micro3diff.files import sha256_of

REPOSITORY = Path(__file__).parents[2]
ISOLATED = ["unshare", "--net"]
OPTIONS = ["--cores", "2", "--configfile", "my.yaml"]


@pytest.fixture
def isolated(clean_environment):
    """Runs a command in a network namespace without a route, or skips where there is none."""
    if not shutil.which("unshare") or subprocess.run([*ISOLATED, "true"], check=False).returncode:
        pytest.skip("needs the right to make a network namespace (unshare --net)")

    def run(folder, *command):
        return subprocess.run(
            [*ISOLATED, *command],
            cwd=folder,
            env=clean_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=400,
        )

    return run


def test_there_is_no_network(isolated, tmp_path):
    """Or the test below would show nothing."""
    code = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    done = isolated(tmp_path, "python3", "-c", code)
    assert "Network is unreachable" in done.stdout


@pytest.fixture
def rock(clone, tiny, tmp_path) -> Path:
    """A clone with my.yaml, whose one source is downloaded; the file lies in ``mirror`` too."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    blobs = np.kron(np.random.default_rng(0).random((24, 24)) < 0.4, np.ones((2, 2)))
    tifffile.imwrite(mirror / "rock.tif", blobs.astype(np.uint8))
    source = {"url": "https://example.org/rock.tif", "sha256": sha256_of(mirror / "rock.tif")}
    run = {"materials": ["rock"], "cases": {"evidence": [0]}, "samples": 1, "device": "cpu"}
    evidence = {"evidence": {"steps": 4, "mend_below": 0, "weight": 1, "slab": 0, "sharpen": 0}}
    config = {
        "run": run | {"mirror": str(mirror)},
        "defaults": tiny | {"reconstruct": evidence},
        "materials": {"rock": {"source": source}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    shutil.copy2(REPOSITORY / "Makefile", clone)
    (clone / ".venv").symlink_to(sys.prefix)
    return clone


def test_a_run_after_fetch_needs_no_network(rock, clean_environment, isolated, draws_in_3d):
    """`make fetch` here; then everything, to the report, in a namespace without a route."""
    installed = "--old-file=.venv/installed"  # whatever its date
    make = ["make", installed, "fetch", "CONFIG=my.yaml"]
    done = subprocess.run(
        make, cwd=rock, env=clean_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (rock / "results" / "downloads").iterdir()] == ["rock.tif"]
    assert not (rock / "results" / "rock").exists(), "nothing else is made on the login node"
    (rock.parent / "mirror" / "rock.tif").unlink()

    snakemake = [sys.executable, "-m", "snakemake"]
    done = isolated(rock, *snakemake, *OPTIONS, *ONE_THREAD)
    assert done.returncode == 0, done.stdout
    report = "results/report.html"
    done = isolated(rock, *snakemake, "--configfile", "my.yaml", "--report", report)
    assert done.returncode == 0 and (rock / report).stat().st_size > 100_000, done.stdout


def test_without_fetch_it_says_what_to_do(rock, isolated):
    """One line, and not a traceback of sockets."""
    (rock.parent / "mirror" / "rock.tif").unlink()
    done = isolated(rock, sys.executable, "-m", "snakemake", "--until", "source", *OPTIONS)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert re.search("Error: source.url: .*could not be read.*run.mirror", done.stdout), done.stdout
