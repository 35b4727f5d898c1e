"""A real SLURM of one node for the tests of this folder, and Snakemake that submits to it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from slurm_queue import OLDER, listed, wait

CLUSTER = Path(__file__).parent / "cluster"
HERE = Path(__file__).parent
QUICK = "slurm-init-seconds-before-status-checks: 3"


def pytest_collection_modifyitems(items) -> None:
    """All tests of this folder need SLURM: `make test-slurm`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """slurmctld and slurmd on this machine, for as long as the tests run."""
    # what a shell starts in the background ignores Ctrl-C, and so would Snakemake below it
    signal.signal(signal.SIGINT, signal.default_int_handler)
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


class Run:
    """`snakemake --cores 8 --profile slurm` in a folder, in the background."""

    def __init__(self, folder: Path, environment: dict, *arguments: str):
        self.log = folder / "snakemake.out"
        self.folder = folder
        command = ["snakemake", "--cores", "8", "--profile", "slurm"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
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

    def end(self, seconds: float = 900) -> int:
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
    """Starts Snakemake in a clone with its config/config.yaml; ends it with the test.

    The profile is the clone's, with one line more: SLURM is asked often how the jobs are.
    """
    path = f"{Path(sys.executable).parent}:{clean_environment['PATH']}"
    runs = []

    def start(folder: Path, config: dict, *arguments: str, programs: Path | str = "") -> Run:
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
        profile = folder / "profiles" / "slurm" / "config.yaml"
        if QUICK not in profile.read_text():
            profile.write_text(f"{QUICK}\n{profile.read_text()}")
        environment = clean_environment | {"PATH": f"{programs}:{path}".removeprefix(":")}
        runs.append(Run(folder, environment, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.kill()


@pytest.fixture
def balls(tiny) -> Callable[..., dict]:
    """A configuration of seconds: small spheres, two volumes each of two cases."""

    def configuration(train: dict | None = None, samples: int = 2, **run) -> dict:
        sampler = {"steps": 4, "mend_below": 0, "weight": 1, "slab": 0, "sharpen": 0}
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
