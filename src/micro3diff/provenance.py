"""What led to the results of a run: configuration, code, environments, seeds and checksums."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import micro3diff
from micro3diff.files import code_sha256, read_json, sha256_of
from micro3diff.volumes import volumes_of

CODE = ("Snakefile", "workflow", "src/micro3diff")  # the last as in a volume's provenance


def collect(
    config: dict,
    workflow: str | os.PathLike,
    materials: Mapping[str, Mapping],
    results: Iterable[str | os.PathLike],
) -> dict:
    """All that leads back from a volume, a table or a figure to its origin, JSON-like.

    config : the complete configuration of the run, with its seeds.
    workflow : folder of the Snakefile, whose code and environment files are hashed.
    materials : for each material the files ``source`` (JSON), ``slices``, ``model``, and the tables
        ``volumes`` of its volumes.
    results : tables and figures, which are made of these volumes.
    """
    folder = Path(workflow)
    environments = sorted((folder / "envs").glob("*.yaml"))
    return {
        "version": micro3diff.__version__,
        "commit": commit_of(folder),  # when this is written, as the next; volumes know their own
        "code_sha256": {name: code_sha256(folder / name) for name in CODE},
        "environments_sha256": {path.name: sha256_of(path) for path in environments},
        "config": config,
        "materials": {name: _material(**files) for name, files in materials.items()},
        "results_sha256": {str(path): sha256_of(path) for path in results},
    }


def _material(source: str, slices: str, model: str, volumes: Iterable[str]) -> dict:
    made = [
        {"file": str(path)} | read_json(path.with_suffix(".json"))
        for table in volumes
        for path in volumes_of(table)
    ]
    for volume in made:
        volume["code_sha256"] = volume["versions"]["code_sha256"]
    checksums = ("sha256", "model_sha256", "slices_sha256", "code_sha256")
    keys = ("file", "seed", *checksums, "settings", "device")
    return {
        "source": read_json(source),
        "slices_sha256": sha256_of(slices),
        "model_sha256": sha256_of(Path(model) / "unet"),
        "model": read_json(Path(model) / "denoiser.json"),
        "versions": [dict(pairs) for pairs in {tuple(v["versions"].items()) for v in made}],
        "volumes": [{key: volume[key] for key in keys} for volume in made],
    }


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out, with "-dirty" if files were changed.

    None without git, and for a copy of the files within another repository.
    """
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        if not top or not os.path.samefile(top, folder):
            return None
        return _git(folder, "describe", "--always", "--abbrev=40", "--dirty") or None
    except OSError:
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
