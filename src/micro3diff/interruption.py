"""Long computations that are stopped and go on where they were.

SLURM ends a job at its time limit; ahead of it, state is written and the job queued again. So it is
on SIGTERM, where that comes through: of SLURM's signals, those ahead of SIGKILL may reach the task
alone, which is Snakemake, and none of its children. Whoever runs the same command again continues
from that state. Ctrl-C on a terminal does the same.
"""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from micro3diff.errors import Interrupted
from micro3diff.files import atomic_path, remove_unfinished

logger = logging.getLogger(__name__)

SECONDS = 300.0  # between two states of a volume that are written
AHEAD = 120.0  # seconds ahead of its time limit at which a SLURM job stops


@contextmanager
def stop_noticed() -> Iterator[Callable[[], bool]]:
    """Within it SIGTERM and Ctrl-C do not kill; it yields a function that tells whether to stop.

    That is if one came, or if the time limit of a SLURM job is near (`limit_noticed`). The second
    Ctrl-C kills. Signals reach the main thread alone; in another one, they are left as they are.
    """
    came, near = threading.Event(), limit_noticed()

    def asked() -> bool:
        return came.is_set() or near()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def notice(number: int, _) -> None:
        came.set()
        if number == signal.SIGINT:
            signal.signal(number, before[number])
            print("stopping after this step; Ctrl-C again stops at once", file=sys.stderr)

    signals = (signal.SIGTERM, signal.SIGINT)
    # one that is ignored, as in the background of a shell script, stays so
    signals = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, notice) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def limit_noticed() -> Callable[[], bool]:
    """A function that tells whether the time limit of the SLURM job that this is in is near.

    That is `AHEAD` of it, or when three quarters of a short time are over. SLURM is asked at the
    start and then again, as a limit may have been extended.
    """
    left = seconds_left()
    if left is None:
        return lambda: False
    ahead, end = min(AHEAD, left / 4), time.monotonic() + left

    def near() -> bool:
        nonlocal end
        if time.monotonic() < end - ahead:
            return False
        if (left := seconds_left()) is not None:
            end = time.monotonic() + left
        return time.monotonic() >= end - ahead

    return near


def seconds_left() -> float | None:
    """Seconds to the time limit of the SLURM job that this is in; None where there is none."""
    # days-hours:minutes:seconds
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", _shown_of_job("%L"))
    if found is None:  # UNLIMITED, NOT_SET, INVALID, or no job
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((24 * days + hours) * 60 + minutes) * 60 + seconds)


def stop(what: str) -> None:
    """End the computation: ask SLURM to start the job again, raise `Interrupted`."""
    then = "the job is queued again" if requeue() else "run the same command again to continue"
    raise Interrupted(f"stopped; {what} is kept; {then}")


def requeue() -> bool:
    """Have SLURM queue the job again if this is one that Snakemake submitted and that is running.

    Then it stops ahead of the time limit. A job that was cancelled is not RUNNING any more and
    stays cancelled. Returns whether SLURM agreed.
    """
    if not shutil.which("scontrol"):
        return False
    # state and comment; the comment of Snakemake's jobs begins with rule_
    shown = _shown_of_job("%T %k").split()
    if len(shown) < 2 or shown[0] != "RUNNING" or not shown[1].startswith("rule_"):
        return False
    command = ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        logger.warning("SLURM does not queue the job again: %s", done.stderr.strip())
    return done.returncode == 0


def _shown_of_job(wanted: str) -> str:
    """What squeue shows, in its --format, of the SLURM job that this is in; nothing without one."""
    job = os.environ.get("SLURM_JOB_ID")
    if not (job and shutil.which("squeue")):
        return ""
    command = ["squeue", "--noheader", f"--jobs={job}", f"--format={wanted}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


class Checkpoint:
    """The state of one computation in a file, for `micro3diff.samplers.sample`.

    wanted : what the computation is of, JSON-like; a state of something else is ignored.
    asked : tells whether to stop, see `stop_noticed`.
    seconds : between two writes.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        wanted: dict,
        asked: Callable[[], bool] = lambda: False,
        seconds: float = SECONDS,
    ):
        self.path = Path(path)
        self.wanted = wanted
        self.asked = asked
        self.seconds = seconds
        self.written = time.monotonic()

    def load(self) -> dict | None:
        """The state to continue from; None if there is none that is whole and of this very one."""
        if not self.path.exists():
            return None
        try:
            found = load_state(self.path)
            same = found["wanted"] == self.wanted
        except Exception as error:  # a truncated file fails in many ways
            logger.warning(
                "checkpoint %s can't be read and is ignored (%s)", self.path, summary(error)
            )
            return None
        if not same:
            logger.warning("checkpoint %s is of other settings or code and is ignored", self.path)
            return None
        return found["state"]

    def keep(self, state: dict) -> None:
        """Write ``state`` if it is time to; `Interrupted` if it is asked to stop."""
        asked = self.asked()
        if not asked and time.monotonic() - self.written < self.seconds:
            return
        save_state(self.path, {"wanted": self.wanted, "state": state})
        self.written = time.monotonic()
        if asked:
            stop(f"the state in {self.path}")

    def remove(self) -> None:
        """Forget the state, of a computation that has ended."""
        self.path.unlink(missing_ok=True)
        remove_unfinished(self.path)


def save_state(path: str | os.PathLike, state: dict) -> None:
    """Write tensors and plain values atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        torch.save(state, file)


def load_state(path: str | os.PathLike, device: torch.device | str = "cpu") -> dict:
    """What `save_state` wrote; runs no code from the file."""
    return torch.load(path, map_location=device, weights_only=True)


def summary(error: Exception) -> str:
    """An exception in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
