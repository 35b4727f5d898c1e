"""What SLURM says of its jobs, for the tests of this folder."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

OLDER: set[str] = set()  # jobs of the tests before


def wait(condition: Callable, what: str, seconds: float = 600):
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
    """What SLURM knows of the jobs of this test, by the names of `scontrol show job`."""
    new = [job for job in listed(states) if job not in OLDER]
    found = [output("scontrol", "show", "job", "--oneliner", job) for job in new]
    return [dict(re.findall(r"(\S+?)=(\S*)", text)) for text in found if text]


def of_rule(rule: str, states: str = "all") -> list[dict]:
    """The jobs of one rule, which Snakemake writes in their comment."""
    return [job for job in jobs(states) if re.match(f"rule_{rule}(_wild|$)", job["Comment"])]


def processes(job: dict, name: str = "") -> list[int]:
    """The processes of a running job that have ``name`` in their command line."""
    listed = output("scontrol", "listpids", job["JobId"]).splitlines()[1:]
    numbers = {int(line.split()[0]) for line in listed if line.split()[0].isdigit()}
    return sorted(number for number in numbers if number > 1 and name in command_of(number))


def command_of(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # it has ended
        return ""


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
