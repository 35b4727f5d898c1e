"""Batches: thousands of volumes are planned in seconds and are hundreds of jobs."""

import resource
from collections import Counter

import yaml
from test_dag import REPOSITORY, empty_folder

CASES = {"alternate": [0, 1, 3, 5, 10]}


def configuration(**run) -> dict:
    names = [f"rock_{k}" for k in range(10)]
    return {
        "run": {"materials": names, "cases": CASES, "samples": 100} | run,
        "materials": {name: {"source": {"generator": "spheres"}} for name in names},
    }


def processor_seconds() -> float:
    """Of all commands that have ended, however busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_five_thousand_volumes(tmp_path, snakemake, clone):
    """10 materials x 5 n_h x 100 volumes: `snakemake -n` in under 20 s, and these jobs."""
    (clone / "my.yaml").write_text(yaml.safe_dump(configuration()))
    before = processor_seconds()
    done = snakemake(clone, "--cores", "8", "-n", "--quiet", "--configfile", "my.yaml")
    assert done.returncode == 0, done.stdout
    assert processor_seconds() - before < 20, "the wall's, where nothing else runs"
    jobs = empty_folder(tmp_path / "run").jobs(configuration())
    count = Counter(job.rule.name for job in jobs)
    told = {rule: count[rule] for rule in ("reconstruct", "curves", "train")}
    assert told == {"reconstruct": 200, "curves": 50, "train": 10}
    text = " ".join((REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8").split())
    jobs_of = ", ".join(f"{number} of `{rule}`" for rule, number in told.items())
    others = sum(count.values()) - sum(told.values())
    assert (
        f"5,000 volumes, are {jobs_of.replace('200 of', '200 jobs of')} and {others} others" in text
    )
    made = [range(*job.params.samples) for job in jobs if job.rule.name == "reconstruct"]
    assert sum(map(len, made)) == 5000


def test_the_number_of_volumes_in_a_job_is_a_setting(tmp_path):
    """The last job makes what is left."""
    planner = empty_folder(tmp_path / "run")
    config = configuration(volumes_per_job=30, materials=["rock_0"], cases={"evidence": [0]})
    jobs = [j for j in planner.jobs(config) if j.rule.name == "reconstruct"]
    assert sorted(job.params.samples for job in jobs) == [(0, 30), (30, 60), (60, 90), (90, 100)]


def test_seeds_of_a_training_run_side_by_side(tmp_path):
    """An entry for each; nothing of the one waits for the other."""
    source = {"source": {"generator": "spheres"}}
    config = {
        "run": {"materials": ["one", "two"], "cases": {"evidence": [0]}, "samples": 1},
        "materials": {"one": source, "two": source | {"train": {"seed": 1}}},
    }
    jobs = empty_folder(tmp_path / "run").jobs(config)
    seeds = {
        j.wildcards.material: j.params.settings["seed"] for j in jobs if j.rule.name == "train"
    }
    assert seeds == {"one": 0, "two": 1}
    for job in jobs:
        if job.rule.name in ("train", "reconstruct"):
            other = {"one": "two", "two": "one"}[job.wildcards.material]
            assert not [file for file in job.input if f"/{other}/" in file]
