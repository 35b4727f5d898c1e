"""The commit that a run's provenance names."""

import shutil
import subprocess

import pytest

from micro3diff.provenance import commit_of


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_copy_within_another_repository_has_no_commit(tmp_path):
    """The commit there is of something else."""
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "Snakefile").touch()
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "outer"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert len(commit_of(tmp_path)) == 40
    assert commit_of(tmp_path / "copy") is None
