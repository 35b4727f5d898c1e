"""The literal command on a real SLURM: what is submitted, what it asks for, how it ends."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from slurm_queue import of_rule, output, processes, wait
from snakemake_options import ONE_THREAD

from micro3diff.files import read_json, sha256_of
from micro3diff.volumes import read_labels

GPU_RULES = ["train", "sample_2d", "reconstruct", "trace"]
LONG = {"steps": 100_000, "checkpoint_every": 50}


def times(job: dict) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(job["StartTime"]), datetime.fromisoformat(job["EndTime"])


def test_the_literal_command(clone, submit, balls, snakemake):
    """From a clean clone to the report; GPU jobs, and no others, have the one GPU in turn."""
    run = submit(clone, balls())
    assert run.process.args == ["snakemake", "--cores", "8", "--profile", "slurm"]
    assert run.end() == 0, run.text
    tables = sorted(path.name for path in (clone / "results" / "tables").iterdir())
    assert tables == ["denoisers.csv", "error_rates.csv", "timings.csv", "volume_fractions.csv"]
    report = clone / "results" / "report.html"
    done = snakemake(clone, "--report", report)
    assert done.returncode == 0 and report.stat().st_size > 100_000, done.stdout
    check_provenance(clone / "results")

    on_gpu = [job for rule in GPU_RULES for job in of_rule(rule)]
    assert len(on_gpu) == 5, "two cases"
    for job in on_gpu:
        assert re.search("gres[/:]gpu", job["TRES"] + job.get("TresPerJob", "")), job
        assert job["NumCPUs"] == "4", "as many as the rule's threads"
    spans = sorted(map(times, on_gpu))
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    others = [j for rule in ("source", "slices", "reference", "curves") for j in of_rule(rule)]
    assert len(others) == 5
    assert not [job for job in others if "gpu" in job["TRES"] + job.get("TresPerJob", "")]
    assert {job["NumCPUs"] for job in others} == {"1"}
    assert not list(clone.rglob(".writing-*"))


def check_provenance(results: Path) -> None:
    """results/provenance.json, also in the report, tells of every volume, table and figure."""
    known = read_json(results / "provenance.json")
    made = [*(results / "tables").iterdir(), *(results / "figures").iterdir()]
    assert len(made) == 4 + 2 * 11
    expected = {str(path.relative_to(results.parent)): sha256_of(path) for path in made}
    assert known["results_sha256"] == expected
    balls = known["materials"]["balls"]
    told = {volume["file"]: volume["sha256"] for volume in balls["volumes"]}
    volumes = list(results.glob("balls/*/volume_*.tif"))
    assert len(volumes) == 4
    assert told == {str(path.relative_to(results.parent)): sha256_of(path) for path in volumes}
    assert balls["slices_sha256"] == sha256_of(results / "balls" / "slices.tif")
    assert '"Provenance"' in (results / "report.html").read_text(encoding="utf-8")


def test_the_profile_alone_sets_the_clusters_own(clone, submit, balls):
    """Partition, constraint, GPU model, memory, also of single rules."""
    profile = clone / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text()
    for comment, setting in [
        ("# - slurm_partition='cpu'", "- slurm_partition='main'"),
        ("# - constraint='skylake'", "- constraint='big'"),
        ("# set-resources:", "set-resources:"),
        ("gpu_model: a100", "gpu_model: h100"),
    ]:
        assert comment in text
        text = text.replace(comment, setting)
    text, rules = re.subn(r"^#   (\w+: \{.*\})$", r"  \1", text, flags=re.MULTILINE)
    assert rules == 5, "all that ask for a GPU"
    profile.write_text(text)
    run = submit(clone, balls(), "--until", "train")
    assert run.end() == 0, run.text
    [train], [source] = of_rule("train"), of_rule("source")
    assert (train["Partition"], source["Partition"]) == ("gpu", "main")
    assert train["Features"] == source["Features"] == "big"
    assert "h100" in train["TresPerJob"] + train["TRES"]
    assert train["MinMemoryNode"] == "32000M" and source["MinMemoryNode"] == "8000M"
    assert (train["TimeLimit"], source["TimeLimit"]) == ("12:00:00", "01:00:00")


def test_the_profile_sets_the_account(clone, submit, balls, tmp_path, monkeypatch):
    """Without accounting SLURM takes any; a stand-in tells what accounts there are."""
    profile = clone / "profiles" / "slurm" / "config.yaml"
    account = "# - slurm_account='my_account'"
    assert account in profile.read_text()
    profile.write_text(profile.read_text().replace(account, "- slurm_account='rocks'"))
    folder = Path(tmp_path / "bin")
    folder.mkdir()
    (folder / "sacctmgr").write_text("#!/bin/sh\necho rocks\n")
    (folder / "sacctmgr").chmod(stat.S_IRWXU)
    config = balls()
    run = submit(clone, config, "--until", "source", programs=folder)
    assert run.end() == 0, run.text
    assert [job["Account"] for job in of_rule("source")] == ["rocks"]


@pytest.mark.parametrize("mistake", ["bug", "input"])
def test_a_failing_job_tells_why(clone, submit, balls, mistake):
    """Its own traceback, or its one line, is on the terminal of who has submitted it."""
    config = balls()
    if mistake == "bug":
        script = clone / "workflow" / "scripts" / "slices.py"
        script.write_text(script.read_text().replace("if __name__", "1 / 0\nif __name__"))
    else:
        (clone / "no_image.tif").write_text("no image")
        config["materials"]["balls"]["source"] = {"path": "no_image.tif"}
    run = submit(clone, config, "--retries", "0", "--until", "slices")
    assert run.end() == 1
    expected = {
        "bug": "ZeroDivisionError: division by zero",
        "input": "Error: no_image.tif: not a readable TIFF",
    }[mistake]
    assert expected in run.text
    assert "failed, SLURM status is: 'FAILED'" in run.text


def test_ctrl_c_cancels_what_was_submitted(clone, submit, balls):
    """Nothing is left in the queue, and nothing half-written in the results."""
    run = submit(clone, balls(train=LONG))
    wait(lambda: of_rule("train", "RUNNING"), "the training")
    run.interrupt()
    assert run.end() != 0
    wait(lambda: not output("squeue", "--noheader", "--states=PENDING,RUNNING"), "no job")
    assert {job["JobState"] for job in of_rule("train")} == {"CANCELLED"}
    assert not (clone / "results" / "balls" / "model").exists()


def checkpoints(clone: Path) -> list[int]:
    """Steps of the checkpoints of the training."""
    return sorted(
        int(path.stem.split("_")[1]) for path in clone.glob("results/balls/checkpoints/step_*.pt")
    )


def weights(clone: Path) -> bytes:
    return next(clone.glob("results/balls/model/unet/*.safetensors")).read_bytes()


def log_of_training(clone: Path) -> str:
    path = clone / "results" / "logs" / "train" / "balls.log"
    return path.read_text() if path.exists() else ""  # Snakemake removes it before a job starts


@pytest.fixture(scope="module")
def quiet_run(tmp_path_factory, copy_workflow_to, snakemake):
    """Makes a target in another clone, on this machine, where nobody disturbs it; the clone."""

    def run(config: dict, target: str) -> Path:
        clone = copy_workflow_to(tmp_path_factory.mktemp("quiet") / "clone")
        (clone / "config" / "config.yaml").write_text(yaml.safe_dump(config))
        done = snakemake(clone, "--cores", "1", *ONE_THREAD, "--", target)
        assert done.returncode == 0, done.stdout
        return clone

    return run


@pytest.fixture(scope="module")
def quiet(quiet_run):
    """Weights of a training with these settings that nobody disturbs."""
    known = {}

    def train(config: dict) -> bytes:
        text = yaml.safe_dump(config)
        if text not in known:
            known[text] = weights(quiet_run(config, "results/balls/model"))
        return known[text]

    return train


MEDIUM = {"steps": 600, "checkpoint_every": 20}


def reboot(job: dict) -> None:
    """The node goes down with all that runs on it, and slurmd starts as after a boot."""
    daemons = output("pgrep", "--exact", "slurmd").split()
    steps = output("pgrep", "--full", rf"^slurmstepd: \[{job['JobId']}\.").split()
    for number in {*map(int, daemons), *map(int, steps), *processes(job)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    time.sleep(25)  # SLURM takes a job that is younger for one that has not started yet
    subprocess.run(["slurmd", "-b"], check=True)


@pytest.mark.parametrize("end", ["scancel", "term", "kill", "node", "reboot", "snakemake"])
def test_a_training_that_is_killed_goes_on_by_itself(clone, submit, balls, quiet, snakemake, end):
    """However it is killed, it ends with the weights of a training that was not.

    scancel : SIGTERM, and the state CANCELLED
    term : SIGTERM that comes through to the script; SLURM queues the job again
    kill : SIGKILL of the process
    node : SLURM takes the node for lost
    reboot : the node loses all its processes and starts again
    snakemake : it is killed with its job; its lock has to be taken away before the next call
    """
    config = balls(train=MEDIUM)
    run = submit(clone, config, *ONE_THREAD, "--", "results/balls/model")
    wait(lambda: checkpoints(clone), "a checkpoint")
    [job] = of_rule("train", "RUNNING")
    if end == "scancel":
        subprocess.run(["scancel", job["JobId"]], check=True)
    elif end == "term":
        subprocess.run(["scancel", "--signal=TERM", job["JobId"]], check=True)
    elif end == "kill":
        numbers = processes(job, ".train.py")
        assert numbers
        for number in numbers:  # with the shell that waits for it, if there is one
            os.kill(number, signal.SIGKILL)
    elif end == "reboot":
        reboot(job)
    elif end == "snakemake":
        run.kill()
        subprocess.run(["scancel", job["JobId"]], check=True)
        wait(lambda: not of_rule("train", "RUNNING,COMPLETING"), "the end of the job")
        assert snakemake(clone, "--unlock").returncode == 0
        run = submit(clone, config, *ONE_THREAD, "--", "results/balls/model")
    else:
        node = ["scontrol", "update", f"nodename={job['NodeList']}"]
        subprocess.run([*node, "state=down", "reason=test"], check=True)
        subprocess.run([*node, "state=resume"], check=True)
    assert run.end() == 0, run.text
    assert "resuming at step" in log_of_training(clone)
    if end in ("term", "reboot"):
        assert len(of_rule("train")) == 1, "the same job"
        assert of_rule("train")[0]["Restarts"] == "1"
    assert weights(clone) == quiet(config)
    assert checkpoints(clone) == [MEDIUM["steps"]] and not list(clone.rglob(".writing-*"))


def test_the_time_limit_itself(clone, submit, balls):
    """Ahead of a limit of a minute, with no signal, state is written; the job is queued again."""
    train = {"steps": 1_000_000, "checkpoint_every": 900_000}
    limit = ["--set-resources", "train:runtime=1"]
    run = submit(clone, balls(train=train), *limit, "--", "results/balls/model")
    wait(lambda: checkpoints(clone), "the checkpoint")
    job = wait(lambda: [j for j in of_rule("train") if j["Restarts"] == "1"], "requeueing")[0]
    wait(lambda: "resuming at step" in log_of_training(clone), "the second start")
    run.interrupt()
    run.end()
    assert job["JobState"] in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED")


def test_a_job_of_volumes_that_is_killed_goes_on(clone, submit, balls, quiet_run):
    """SIGTERM ahead of the time limit: whole volumes are kept, and one goes on within itself."""
    table = "results/balls/alternate_nh10/volumes_000-002.csv"
    config = balls(samples=3, cases={"alternate": [10]}, checkpoint_minutes=0)
    config["defaults"]["reconstruct"] = {"alternate": {"steps": 50}}
    run = submit(clone, config, *ONE_THREAD, "--", table)
    folder = (clone / table).parent
    wait(lambda: (folder / "volume_001.pt").exists(), "a state of the second volume")
    [job] = of_rule("reconstruct", "RUNNING")
    first = (folder / "volume_000.tif").stat().st_mtime_ns
    subprocess.run(["scancel", "--signal=TERM", job["JobId"]], check=True)
    assert run.end() == 0, run.text
    assert of_rule("reconstruct")[0]["Restarts"] == "1"
    assert (folder / "volume_000.tif").stat().st_mtime_ns == first
    undisturbed = (quiet_run(config, table) / table).parent
    for name in ("volume_000", "volume_001", "volume_002"):
        one, other = folder / f"{name}.tif", undisturbed / f"{name}.tif"
        assert np.array_equal(read_labels(one), read_labels(other)), name
        passes = [read_json(path.with_suffix(".json"))["network_passes"] for path in (one, other)]
        assert passes[0] == passes[1], name
    assert not list(folder.glob("*.pt"))


def test_trainings_run_side_by_side(clone, submit, balls):
    """Of two materials, or of two seeds: without a GPU between them, none waits for the other."""
    config = balls(train=MEDIUM, materials=["balls", "again"], device="cpu")
    config["materials"]["again"] = config["materials"]["balls"] | {"train": {"seed": 1}}
    run = submit(clone, config, *ONE_THREAD, "--until", "train")
    assert run.end() == 0, run.text
    for rule in ("source", "train"):
        (a, b), (c, d) = map(times, of_rule(rule))
        assert max(a, c) < min(b, d), rule
    one, other = (
        sha256_of(clone / "results" / name / "model" / "unet") for name in ("balls", "again")
    )
    assert one != other
