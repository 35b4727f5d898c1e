"""SIGTERM ends a computation without loss, and SLURM is asked to go on only where it should be."""

import os
import signal
import threading

import pytest
import torch

from micro3diff import interruption
from micro3diff.errors import Interrupted
from micro3diff.interruption import Checkpoint, requeue, seconds_left, stop, stop_noticed

STATE = {"volume": torch.arange(3.0), "step": 4}


def test_sigterm_is_noticed_and_no_longer_than_asked():
    """The handler of before is back afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    with stop_noticed() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def on_ctrl_c():
    """What Ctrl-C does: may be set, and is put back."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_noticed_and_the_second_one_ends_all(on_ctrl_c, capsys):
    """State is kept as for SIGTERM, unless the user can't wait for it."""
    on_ctrl_c(signal.default_int_handler)
    with stop_noticed() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked() and "Ctrl-C again stops at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_is_ignored_stays_so(on_ctrl_c):
    """As in the background of a shell script."""
    on_ctrl_c(signal.SIG_IGN)
    with stop_noticed() as asked:
        signal.raise_signal(signal.SIGINT)
        assert not asked()


def test_a_thread_may_compute_too():
    """Signals are not its business."""
    found = []

    def compute():
        with stop_noticed() as asked:
            found.append(asked())

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_state_comes_back(tmp_path):
    """It is written when it is time to, and removed at the end."""
    path = tmp_path / "new" / "volume.pt"
    Checkpoint(path, {"seed": 1}, seconds=1000).keep(STATE)
    assert not path.exists()
    checkpoint = Checkpoint(path, {"seed": 1}, seconds=0)
    assert checkpoint.load() is None
    checkpoint.keep(STATE)
    found = Checkpoint(path, {"seed": 1}).load()
    assert torch.equal(found["volume"], STATE["volume"]) and found["step"] == 4
    checkpoint.remove()
    assert not path.exists()


def test_a_state_runs_no_code(tmp_path, caplog):
    """A pickle that somebody put there is not opened."""

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    path = tmp_path / "volume.pt"
    torch.save({"wanted": {}, "state": Evil()}, path)
    assert Checkpoint(path, {}).load() is None
    assert "can't be read and is ignored" in caplog.text
    assert not (tmp_path / "owned").exists()


def test_a_stop_keeps_the_state(tmp_path, slurm):
    """However recent the last one is."""
    path = tmp_path / "volume.pt"
    with pytest.raises(Interrupted, match="volume.pt is kept; run the same command again"):
        Checkpoint(path, {}, asked=lambda: True, seconds=1000).keep(STATE)
    assert Checkpoint(path, {}).load()["step"] == 4


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins for SLURM's commands; returns a function that sets the state and the comment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def script(name, text):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    def set_job(shown="RUNNING rule_train_wildcards_spheres", refused=False):
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        script("squeue", f'echo "$@" > {tmp_path}/asked; echo "{shown}"')
        refusal = "echo 'Requested operation is disabled' >&2; exit 1" if refused else ""
        script("scontrol", f'echo "$@" > {tmp_path}/requeued; {refusal}')
        return tmp_path / "requeued"

    return set_job


def test_a_running_job_of_snakemake_is_queued_again(slurm):
    """SIGTERM came ahead of the time limit."""
    called = slurm()
    with pytest.raises(Interrupted, match="step 3 is kept; the job is queued again"):
        stop("step 3")
    assert called.read_text() == "requeue 17\n"


@pytest.mark.parametrize(
    "shown",
    [
        "CANCELLED rule_train_wildcards_spheres",
        "COMPLETING rule_train_wildcards_spheres",
        "TIMEOUT rule_train_wildcards_spheres",
        "RUNNING (null)",
        "RUNNING my own script",
        "",
    ],
)
def test_other_jobs_are_not_queued_again(slurm, shown):
    """Neither one that was cancelled nor one in which a user has started Snakemake."""
    called = slurm(shown)
    assert not requeue() and not called.exists()


def test_a_refusal_is_told(slurm, caplog):
    """Then Snakemake's retries have to do."""
    slurm(refused=True)
    with pytest.raises(Interrupted, match="run the same command again"):
        stop("step 3")
    assert "SLURM does not queue the job again: Requested operation is disabled" in caplog.text


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        ("1-02:03:04", 93784),
        ("23:59:59", 86399),
        ("2:05", 125),
        ("0:00", 0),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_seconds_left(slurm, shown, seconds):
    """As squeue writes the time that is left."""
    assert seconds_left() is None, "no job of SLURM"
    slurm(shown)
    assert seconds_left() == seconds


@pytest.fixture
def asked_at(slurm, monkeypatch):
    """Whether a job is asked to stop, by the second and what SLURM says is left then."""

    def ask(*times: tuple[float, str]) -> list[bool]:
        found, now = [], [0.0]
        monkeypatch.setattr(interruption.time, "monotonic", lambda: now[0])
        slurm(times[0][1])
        with stop_noticed() as asked:
            for second, left in times:
                now[0] = second
                slurm(left)
                found.append(asked())
        return found

    return ask


def test_a_time_limit_is_noticed_ahead(asked_at):
    """Two minutes, in which state is written; later if the limit was extended meanwhile."""
    assert asked_at((0, "10:00"), (479, "2:01"), (481, "1:59")) == [False, False, True]
    assert asked_at((0, "10:00"), (481, "32:00"), (2281, "2:00")) == [False, False, True]


def test_a_short_time_is_used(asked_at):
    """A job of less than two minutes would stop as soon as it began, for ever."""
    assert asked_at((0, "1:00"), (40, "0:20"), (46, "0:14")) == [False, False, True]


def test_without_a_limit_nothing_stops(slurm):
    slurm("UNLIMITED")
    with stop_noticed() as asked:
        assert not asked()
