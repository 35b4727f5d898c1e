"""Writing so that nothing half-written is ever found under a final name."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it on success, remove it on failure.

    The temporary name keeps the suffix of ``path``, since writers choose their format by it. One
    that a killed job left behind is removed.
    """
    path = Path(path)
    prefix = _prepare(path)
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place on success."""
    path = Path(path)
    temporary = Path(tempfile.mkdtemp(prefix=_prepare(path), dir=path.parent))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _prepare(path: Path) -> str:
    """Make the folder of ``path`` and clear it of what killed jobs left; the temporary prefix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return remove_unfinished(path)


def remove_unfinished(path: Path) -> str:
    """Remove what killed jobs left of ``path`` under temporary names; the prefix of these."""
    prefix = f".writing-{path.name}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return prefix


def _flush(path: Path) -> None:
    """Have the content on the disk before the name is there, in case the machine goes down."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path: str | os.PathLike, skip: tuple[str, ...] = ()) -> str:
    """Hexadecimal SHA-256 of a file, or of the files of a folder by relative name.

    ``skip``: endings of the names of folders to leave out.
    """
    path = Path(path)
    if path.is_dir():
        parts = sorted(
            part
            for part in path.rglob("*")
            if part.is_file() and not any(p.name.endswith(skip) for p in part.parents if skip)
        )
        listing = "".join(f"{p.relative_to(path).as_posix()}\0{sha256_of(p)}\n" for p in parts)
        return hashlib.sha256(listing.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_sha256(path: Path) -> str:
    """Checksum of a file or folder of code, without what Python compiles there."""
    return sha256_of(path, skip=("__pycache__", ".egg-info"))


def write_json(path: str | os.PathLike, content: object) -> None:
    """Write ``content`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike) -> dict:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
