"""Compute nodes have no internet: all that is downloaded comes before, on the login node."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import yaml

from micro3diff.files import sha256_of

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


def test_a_run_after_fetch_needs_no_network(clone, tiny, snakemake, isolated, tmp_path):
    """`make fetch` here, everything else in a namespace without a route."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    blobs = np.kron(np.random.default_rng(0).random((24, 24)) < 0.4, np.ones((2, 2)))
    tifffile.imwrite(mirror / "rock.tif", blobs.astype(np.uint8))
    source = {"url": "https://example.org/rock.tif", "sha256": sha256_of(mirror / "rock.tif")}
    run = {"materials": ["rock"], "cases": {"evidence": [0]}, "samples": 1, "device": "cpu"}
    evidence = {"evidence": {"steps": 4, "mend_below": 0, "weight": 1, "slab": 0}}
    config = {
        "run": run | {"mirror": str(mirror)},
        "defaults": tiny | {"reconstruct": evidence},
        "materials": {"rock": {"source": source}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(clone, "--until", "fetch", *OPTIONS)
    assert done.returncode == 0, done.stdout
    (mirror / "rock.tif").unlink()
    target = "results/rock/evidence_nh0/curves.csv"

    done = isolated(clone, sys.executable, "-m", "snakemake", target, *OPTIONS)
    assert done.returncode == 0, done.stdout
    assert (clone / target).exists()
