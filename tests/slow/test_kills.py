"""Fifty random kills over a whole run: the final tables are those of a quiet run.

`make test-slow` prints what was killed. The kills hit Snakemake with all that it has started, a
single job, or a single job by SIGTERM, at a random time.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from snakemake_options import ONE_THREAD

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", 50))
TABLES = ["error_rates.csv", "volume_fractions.csv", "denoisers.csv"]  # without times
OPTIONS = ["--cores", "2", "--configfile", "my.yaml", "--rerun-incomplete", "--quiet"]
COMMAND = [sys.executable, "-m", "snakemake", *OPTIONS, *ONE_THREAD]


@pytest.fixture
def configuration(tiny) -> str:
    """A run whose training, choice and volumes take some seconds each."""
    shape = {"shape": [24, 16, 16], "diameter_mean": 7, "diameter_std": 1}
    evidence = {"steps": 6, "choose": 1, "weight": 1}
    return yaml.safe_dump(
        {
            "run": {
                "materials": ["balls"],
                "cases": {"alternate": [0], "evidence": [0]},
                "samples": 6,
                "device": "cpu",
                "checkpoint_minutes": 0,
            },
            "defaults": tiny
            | {
                "train": tiny["train"] | {"steps": 300, "checkpoint_every": 10},
                "reconstruct": {"alternate": {"steps": 40}, "evidence": evidence},
            },
            "materials": {"balls": {"source": {"generator": "spheres", "spheres": shape}}},
        }
    )


def start(folder: Path, environment: dict) -> subprocess.Popen:
    with open(folder / "snakemake.out", "a") as log:
        return subprocess.Popen(
            COMMAND,
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def jobs_of(process: subprocess.Popen) -> list[int]:
    """The processes of scripts that it has started."""
    listed = subprocess.run(
        ["pgrep", "--session", str(process.pid), "--full", "snakemake/scripts"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(number) for number in listed.stdout.split()]


def kill(process: subprocess.Popen, how: str) -> bool:
    """Kill all, or one job; whether there was anything to kill."""
    jobs = jobs_of(process)
    if process.poll() is not None or (how != "all" and not jobs):
        return False
    try:
        if how == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            number = signal.SIGKILL if how == "job" else signal.SIGTERM
            os.kill(random.choice(jobs), number)
    except ProcessLookupError:
        return False
    return True


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "results" / "tables" / name).read_bytes() for name in TABLES}


def test_the_tables_after_fifty_kills(copy_workflow_to, tmp_path, configuration, clean_environment):
    """Nothing is lost, and nothing half-written is taken for finished."""
    random.seed(0)
    quiet, killed = copy_workflow_to(tmp_path / "quiet"), copy_workflow_to(tmp_path / "killed")
    for folder in (quiet, killed):
        (folder / "my.yaml").write_text(configuration)
    process = start(quiet, clean_environment)
    started = time.monotonic()
    assert process.wait(1200) == 0, (quiet / "snakemake.out").read_text()
    seconds = time.monotonic() - started
    expected = tables(quiet)
    hits, runs, starts = Counter(), 0, 0
    while sum(hits.values()) < KILLS or process.returncode != 0:
        assert starts < 4 * KILLS, (killed / "snakemake.out").read_text()[-4000:]
        process = start(killed, clean_environment)
        starts += 1
        if sum(hits.values()) < KILLS:
            how = random.choice(["all", "job", "sigterm"])
            end = time.monotonic() + random.uniform(2, min(30, seconds))
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.05)
            hits[how] += kill(process, how)
        process.wait(1200)
        subprocess.run([*COMMAND, "--unlock"], cwd=killed, env=clean_environment, check=False)
        if process.returncode == 0:
            assert tables(killed) == expected
            left = [p for p in (killed / "results").rglob("*.pt") if p.stem != "step_00000300"]
            assert not left and not list(killed.rglob(".writing-*"))
            runs += 1
            shutil.rmtree(killed / "results")
            shutil.rmtree(killed / ".snakemake")
    print(f"\n{sum(hits.values())} kills in {starts} starts: {dict(hits)}; {runs} runs ended")
    assert runs >= 1
