"""A user sees one line for a mistake and for a full disk, and a traceback for a bug."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import micro3diff
from micro3diff.logs import progress

SCRIPT = """
import sys
from micro3diff.errors import InputError
from micro3diff.logs import configure_logging, progress
configure_logging(sys.argv[1])

class SafetensorError(Exception):
    pass

def work():
    {statement}

work()
"""
ENOSPC = f"OSError({errno.ENOSPC}, 'No space left on device')"
EDQUOT = f"OSError({errno.EDQUOT}, 'Disk quota exceeded')"


def run(statement, log):
    """A rule's script in a process of its own."""
    source = str(Path(micro3diff.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement), str(log)],
        env=os.environ | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "statement, message",
    [
        ("raise InputError('key: found 1, expected 2')", "Error: key: found 1, expected 2"),
        (f"raise {ENOSPC}", "Error: no space left on device"),
        (f"raise {EDQUOT}", "Error: no space left on device"),
        (
            "raise SafetensorError('I/O error: No space left on device (os error 28)')",
            "Error: no space left on device",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(tmp_path, statement, message):
    """On stderr and in the log file, without a traceback, and the script fails."""
    log = tmp_path / "logs" / "rule.log"
    done = run(statement, log)
    assert done.returncode != 0
    for text in (done.stderr, log.read_text()):
        assert message in text
        assert text.count("\n") == 1 and "Traceback" not in text
    if "no space" in message:
        assert "free some space and run again; nothing half-written is left" in done.stderr


@pytest.mark.parametrize(
    "statement", ["raise ValueError('odd')", f"raise OSError({errno.EACCES}, 'odd')"]
)
def test_a_bug_has_its_traceback(tmp_path, statement):
    """On stderr and in the log file."""
    done = run(statement, tmp_path / "rule.log")
    assert done.returncode != 0
    for text in (done.stderr, (tmp_path / "rule.log").read_text()):
        assert "Error: " in text and "odd" in text
        assert "Traceback" in text and "in work" in text


def test_progress_and_warnings_reach_the_log(tmp_path):
    """A long loop can be followed in the log file of its rule, and each run starts it anew."""
    log = tmp_path / "rule.log"
    run("list(progress(range(7), 7, 'first'))", log)
    done = run(
        "list(progress(range(3), 3, 'sampling')); import warnings; warnings.warn('careful')", log
    )
    assert done.returncode == 0
    for text in (done.stderr, log.read_text()):
        assert "sampling: 3 of 3, 0 s left" in text and "careful" in text
        assert "first" not in text


def test_progress_passes_everything_on(caplog, monkeypatch):
    """One line per interval and one at the end, with the time left."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("micro3diff.logs.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="micro3diff"):
        assert list(progress(range(5), 5, "work")) == list(range(5))
    assert caplog.messages == ["work: 3 of 5, 20 s left", "work: 5 of 5, 0 s left"]
