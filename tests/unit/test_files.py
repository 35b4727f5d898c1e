"""Nothing half-written is ever found under a final name."""

import errno
import hashlib
import os

import pytest

from micro3diff.files import atomic_folder, atomic_path, read_json, sha256_of, write_json


def test_a_file_appears_whole(tmp_path):
    """In a new folder, with the suffix kept meanwhile, replacing what was there."""
    path = tmp_path / "new" / "data.csv"
    for text in ("first", "second"):
        with atomic_path(path) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".csv"
            assert temporary != path
            temporary.write_text(text)
        assert path.read_text() == text
        assert os.listdir(path.parent) == ["data.csv"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path, error, existing):
    """A full disk or an interrupt: no temporary file, the old file untouched."""
    path = tmp_path / "data.csv"
    if existing:
        path.write_text("old")
    with pytest.raises(type(error)), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == (["data.csv"] if existing else [])
    assert not existing or path.read_text() == "old"


def test_what_a_killed_job_left_is_removed(tmp_path):
    """The next one that writes the same file does so; it touches nobody else's."""
    (tmp_path / ".writing-data.csv-abc.csv").write_text("half")
    (tmp_path / ".writing-model-abc").mkdir()
    (tmp_path / ".writing-data.csv.gz-abc.gz").write_text("another file, being written")
    with atomic_path(tmp_path / "data.csv") as temporary:
        temporary.write_text("whole")
    with atomic_folder(tmp_path / "model"):
        pass
    assert sorted(os.listdir(tmp_path)) == [".writing-data.csv.gz-abc.gz", "data.csv", "model"]


def test_permissions_follow_the_umask(tmp_path):
    """Results can be read by whom the user lets read, unlike temporary files."""
    old = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(old)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_a_folder_appears_whole(tmp_path):
    """A folder that was there is replaced, not merged; a failure leaves it as it was."""
    folder = tmp_path / "new" / "model"
    for name in ("a", "b"):
        with atomic_folder(folder) as temporary:
            (temporary / name).write_text(name)
            assert not (folder / name).exists()
        assert os.listdir(folder) == [name]
    with pytest.raises(OSError), atomic_folder(folder) as temporary:
        (temporary / "c").write_text("half")
        raise OSError(errno.ENOSPC, "full")
    assert os.listdir(folder) == ["b"] and os.listdir(folder.parent) == ["model"]


def test_sha256(tmp_path):
    """Of a file as sha256sum has it; of a folder by names and contents, wherever it lies."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"x" * 100)
    assert sha256_of(tmp_path / "a" / "x") == hashlib.sha256(b"x" * 100).hexdigest()
    (tmp_path / "b" / "inner").mkdir(parents=True)
    (tmp_path / "b" / "x").write_bytes(b"x" * 100)
    (tmp_path / "b" / "inner").rmdir()
    whole = sha256_of(tmp_path / "a")
    assert sha256_of(tmp_path / "b") == whole
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert sha256_of(tmp_path / "b") != whole
    (tmp_path / "b" / "y").rename(tmp_path / "b" / "x")
    (tmp_path / "b" / "x").write_bytes(b"z" * 100)
    assert sha256_of(tmp_path / "b") != whole


def test_json_round_trip(tmp_path):
    """Units are not always ASCII."""
    content = {"unit": "µm", "shape": [1, 2], "none": None}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"bad": object()})
    assert read_json(tmp_path / "a.json") == content
    assert os.listdir(tmp_path) == ["a.json"]
