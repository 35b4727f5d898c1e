"""What the tests of scripts, rules and whole runs share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
WORKFLOW = ("Snakefile", "slurm", "workflow", "src", "config", "envs", "profiles")

# A denoiser of a few hundred weights that learns nothing, in a second.
TINY = {
    "slices": {"patch": 16, "count": 12},
    "train": {
        "steps": 20,
        "batch": 4,
        "channels": [8, 8],
        "attention": [False, False],
        "layers": 1,
        "timesteps": 50,
        "checkpoint_every": 10,
    },
    "check": {"images": 4, "steps": 4},
    "reconstruct": {"evidence": {"steps": 4}, "alternate": {"steps": 4}},
    "evaluate": {"bootstrap": 50},
}


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the Snakefile."""
    return REPOSITORY


@pytest.fixture(scope="session")
def tiny() -> dict:
    """Settings of the section `defaults` for a run of seconds; not to be changed."""
    return TINY


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of the workflow without results, as from `git clone`."""
    return copy_workflow(tmp_path / "clone")


@pytest.fixture(scope="session")
def copy_workflow_to() -> Callable[[Path], Path]:
    """For fixtures of a wider scope than `clone`."""
    return copy_workflow


def copy_workflow(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in WORKFLOW:
        path = REPOSITORY / name
        if path.is_dir() and not path.is_symlink():
            skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, folder / name, symlinks=True, ignore=skip)
        else:
            shutil.copy2(path, folder / name, follow_symlinks=False)
    (folder / "resources").symlink_to(REPOSITORY / "resources")  # read only, and large
    return folder


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """The environment of a user's shell, in which nothing but the Snakefile knows of src/."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SNAKEMAKE"))}
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return kept | threads


@pytest.fixture(scope="session")
def snakemake(clean_environment) -> Callable[..., subprocess.CompletedProcess]:
    """Runs `snakemake ARGUMENTS` in a folder; its output goes to ``stdout``, errors included."""

    def run(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
            **{"env": clean_environment} | options,
        )

    return run


@pytest.fixture(scope="session")
def draws_in_3d() -> None:
    """Skips tests of figures where there is no OpenGL."""
    from micro3diff.errors import InputError
    from micro3diff.figures import views

    try:
        views.check_rendering()
    except InputError as error:
        pytest.skip(str(error))
