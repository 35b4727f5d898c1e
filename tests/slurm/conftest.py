"""A real SLURM of one node for the tests of this folder, and Snakemake that submits to it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

CLUSTER = Path(__file__).parent / "cluster"
HERE = Path(__file__).parent
OLDER: set[str] = set()  # jobs of the tests before


def pytest_collection_modifyitems(items) -> None:
    """All tests of this folder need SLURM: `make test-slurm`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """slurmctld and slurmd on this machine, for as long as the tests run."""
    subprocess.run([CLUSTER, "stop"], check=True)
    subprocess.run([CLUSTER, "start"], check=True)
    yield
    subprocess.run(["scancel", "--user", "root"], check=False)
    subprocess.run([CLUSTER, "stop"], check=True)


@pytest.fixture(autouse=True)
def no_jobs_of_others(cluster) -> None:
    """Every test begins with an empty queue and a node that is up."""
    subprocess.run(["scancel", "--user", "root"], check=True)
    wait(lambda: not listed("PENDING,RUNNING,COMPLETING"), "an empty queue")
    OLDER.update(listed())


def wait(condition: Callable, what: str, seconds: float = 120):
    """The first true value of ``condition``, asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def listed(states: str = "all") -> list[str]:
    """The numbers of all jobs."""
    return output("squeue", "--noheader", f"--states={states}", "--format=%i").split()


def jobs(states: str = "all") -> list[dict]:
    """What SLURM knows of the jobs of this test, by the names that `scontrol show job` has for it."""
    new = [job for job in listed(states) if job not in OLDER]
    found = [output("scontrol", "show", "job", "--oneliner", job) for job in new]
    return [dict(re.findall(r"(\S+?)=(\S*)", text)) for text in found if text]


def of_rule(rule: str, states: str = "all") -> list[dict]:
    """The jobs of one rule, which Snakemake writes in their comment."""
    return [job for job in jobs(states) if re.match(f"rule_{rule}(_wild|$)", job["Comment"])]


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


class Run:
    """`snakemake --cores 8 --profile slurm ...` in a folder, in the background."""

    def __init__(self, folder: Path, environment: dict, *arguments: str):
        self.log = folder / "snakemake.out"
        self.folder = folder
        command = [sys.executable, "-m", "snakemake", "--cores", "8", "--profile", "slurm"]
        quick = ["--slurm-init-seconds-before-status-checks", "3"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*command, *quick, *map(str, arguments)],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What the terminal shows."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self, seconds: float = 400) -> int:
        """Wait for the end; the return code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end after {seconds} s:\n{self.text[-4000:]}") from None

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def submit(cluster, clean_environment) -> Iterator[Callable[..., Run]]:
    """Starts Snakemake in a folder with a configuration; ends it with the test."""
    path = f"{Path(sys.executable).parent}:{clean_environment['PATH']}"
    runs = []

    def start(folder: Path, config: dict, *arguments: str, programs: Path | str = "") -> Run:
        (folder / "my.yaml").write_text(yaml.safe_dump(config))
        environment = clean_environment | {"PATH": f"{programs}:{path}".removeprefix(":")}
        runs.append(Run(folder, environment, "--configfile", "my.yaml", *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.kill()


@pytest.fixture
def balls(tiny) -> Callable[..., dict]:
    """A configuration of seconds: small spheres, two volumes each of two cases."""

    def configuration(train: dict | None = None, samples: int = 2, **run) -> dict:
        sampler = {"steps": 4, "mend_below": 0, "weight": 1, "slab": 0}
        return {
            "run": {
                "materials": ["balls"],
                "cases": {"alternate": [0], "evidence": [0]},
                "samples": samples,
            }
            | run,
            "defaults": tiny
            | {
                "train": tiny["train"] | (train or {}),
                "reconstruct": tiny["reconstruct"] | {"evidence": sampler},
            },
            "materials": {
                "balls": {
                    "source": {
                        "generator": "spheres",
                        "spheres": {
                            "shape": [24, 16, 16],
                            "diameter_mean": 7,
                            "diameter_std": 1,
                        },
                    }
                }
            },
        }

    return configuration
