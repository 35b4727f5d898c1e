"""Which edit makes what again: each row of the table in docs/cluster.md."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from test_dag import REPOSITORY, Planner

RUN = {
    "materials": ["spheres", "grains"],
    "cases": {"alternate": [0], "evidence": [0]},
    "samples": 25,
    "device": "cpu",
}
FIGURES = {
    "figure_2", "figure_3", "figure_5", "figure_S1", "figures_12_14", "figure_volume",
    "figure_tiled",
}  # fmt: skip


def configuration(run: dict | None = None, **materials) -> dict:
    return {"run": RUN | (run or {}), "materials": materials}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, copy_workflow_to) -> Planner:
    """A clone with the results of a finished run, as empty files."""
    clone = copy_workflow_to(tmp_path_factory.mktemp("reruns") / "clone")
    profile = yaml.safe_load((clone / "profiles" / "default" / "config.yaml").read_text())
    planner = Planner(clone, clone, rerun_triggers=profile["rerun-triggers"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snakemake.executors.touch.Executor.SLEEPING_TIME", 0.002)
        planner.finish(configuration())
    assert not planner.count(configuration())
    return planner


@pytest.fixture
def edit(finished) -> Callable[[str, str, str], None]:
    """Changes a file of the clone, and puts it back at the end."""
    before = {}

    def change(path: str, old: str, new: str) -> None:
        file = finished.folder / path
        before.setdefault(file, file.read_text())
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    yield change
    for file, text in before.items():
        file.write_text(text)


TABLES = {"error_rates", "timings", "provenance", "all"}
OF_VOLUMES = {"reconstruct", "curves", "figure_curves", "figure_3", "figure_5"} | TABLES

EDITS = {
    "a comment in a script": ("workflow/scripts/train.py", "import torch", "import torch  # !"),
    "a comment in a module": ("src/micro3diff/training.py", "import math", "import math  # !"),
    "a package's version": ("envs/torch-cpu.yaml", "diffusers=0.37.1", "diffusers=0.37.0"),
    "a resource": ("workflow/rules/denoisers.smk", "runtime=1440", "runtime=60"),
    "a figure's style": ("src/micro3diff/figures/style.py", '"font.size": ', '"font.size": 1'),
    "a rule's log": ("workflow/rules/denoisers.smk", "logs/train/", "logs/training/"),
}  # fmt: skip
CHANGES = {
    "more volumes": (configuration({"samples": 50}), OF_VOLUMES, {"spheres", "grains"}),
    "another device": (configuration({"device": "auto"}), set(), set()),
    "minutes between checkpoints": (configuration({"checkpoint_minutes": 1}), set(), set()),
    "slices per pass": (
        configuration(spheres={"reconstruct": {"slices_per_pass": 8}}), set(), set()
    ),
    "a sampler's setting of one material": (
        configuration(spheres={"reconstruct": {"evidence": {"clamp": 3}}}),
        OF_VOLUMES | {"choose", "figure_2", "figure_S1", "figure_volume", "figure_tiled"},
        {"spheres"},
    ),
    "a volume fraction of one material": (
        configuration(grains={"reconstruct": {"volume_fraction": 0.3}}),
        OF_VOLUMES | {"given", "figure_volume", "figure_S1", "figure_tiled"},
        {"grains"},
    ),
    "a shape of one material": (
        configuration(grains={"reconstruct": {"shape": [32, 32, 32]}}),
        OF_VOLUMES | {"figure_volume", "figure_S1", "figure_tiled", "reference", "score_2d"}
        | {"denoisers", "figure_denoiser"},
        {"grains"},
    ),
    "the training of one material": (
        configuration(grains={"train": {"steps": 10}}),
        OF_VOLUMES | {"train", "sample_2d", "score_2d", "denoisers", "choose", "figure_denoiser"}
        | {"figure_volume", "figure_S1", "figure_tiled"},
        {"grains"},
    ),
    "the evaluation of one material": (
        configuration(grains={"evaluate": {"max_lag": 20}}),
        {"reference", "curves", "score_2d", "denoisers", "figure_denoiser", "figure_curves"}
        | {"error_rates", "figure_5"},
        {"grains"},
    ),
    "a voxel size of one material": (
        configuration(grains={"source": {"voxel_size": 2, "unit": "nm"}}),
        OF_VOLUMES | {"source", "slices", "train", "sample_2d", "score_2d", "denoisers", "choose"}
        | {"reference", "figure_training", "figure_denoiser"} | FIGURES,
        {"grains"},
    ),
    "a title": (
        configuration(spheres={"title": "Balls"}),
        {"figure_training", "figure_S1"},
        set(),
    ),
}  # fmt: skip


RULES_MADE = {
    "more volumes": {"alternate", "evidence"},
    "a sampler's setting of one material": {"evidence"},
    "a volume fraction of one material": {"alternate", "evidence"},
    "a shape of one material": {"alternate", "evidence"},
    "the training of one material": {"alternate", "evidence"},
    "a voxel size of one material": {"alternate", "evidence"},
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_code(finished, edit, name):
    """Makes nothing again: what is to be made anew is asked for."""
    edit(*EDITS[name])
    assert not finished.count(configuration())


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_configuration(finished, name):
    """Makes what depends on it again, of the materials that it concerns."""
    config, rules, materials = CHANGES[name]
    jobs = finished.jobs(config)
    made = {job.rule.name for job in jobs}
    assert made <= rules | {"all", "provenance"} and made >= rules - FIGURES - {"all"}, made
    assert {j.wildcards.material for j in jobs if "material" in j.wildcards_dict} == materials
    changed = {j.wildcards.plane_rule for j in jobs if j.rule.name == "reconstruct"}
    assert changed == RULES_MADE.get(name, set())


FRACTION = {"volume_fraction": 0.3}
STEPS = [
    ({"reconstruct": FRACTION}, {}, {"reconstruct"}),
    ({}, {"reconstruct": FRACTION, "train": {"steps": 10}}, {"train", "reconstruct"}),
    (
        {"reconstruct": FRACTION},
        {"reconstruct": {"shape": [32] * 3}, "evaluate": {"phase": 0}},
        {"reconstruct", "choose", "curves", "reference"},
    ),
]


@pytest.mark.parametrize("before, after, made", STEPS)
def test_what_was_asked_of_the_volumes_hides_no_other_change(finished, before, after, made):
    """A request that is taken back, or that comes together with another edit."""
    finished.finish(configuration(grains=before))
    try:
        assert made <= finished.count(configuration(grains=after)).keys()
    finally:
        finished.finish(configuration())
    assert not finished.count(configuration())


def test_the_table_of_the_docs_has_these_rows():
    """And no others."""
    text = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
    section = text.split("## What is made again")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) +\|", section, re.MULTILINE)
    assert set(rows) - {"edit", "---"} == {*EDITS, *CHANGES}


@pytest.mark.parametrize("profile", [[], ["--profile", "slurm"]], ids=["plain", "slurm"])
def test_the_default_profile_is_taken(finished, edit, snakemake, profile):
    """By the plain command and by that of a cluster: a comment in a script makes nothing again."""
    edit(*EDITS["a comment in a script"])
    (finished.folder / "my.yaml").write_text(yaml.safe_dump(configuration()))
    command = ["-n", "--cores", "8", *profile, "--configfile", "my.yaml"]
    done = snakemake(finished.folder, *command)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout
    triggers = ["--rerun-triggers", "code"]  # or this would show nothing
    done = snakemake(finished.folder, *command, *triggers)
    assert re.search(r"^train +2$", done.stdout, re.MULTILINE), done.stdout


def test_the_folder_of_results_is_the_one_place(finished):
    """All outputs lie in it, so that it can be removed, moved or kept as a whole."""
    for job in finished.jobs(configuration({"materials": ["carbonate"]})):
        for file in job.output:
            assert Path(file).parts[0] == "results" and ".." not in Path(file).parts
