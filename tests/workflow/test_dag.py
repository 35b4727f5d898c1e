"""What a run would do: the jobs of a configuration, and what stops one before it starts."""

import contextlib
import re
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    ResourceSettings,
)

from micro3diff import IDLE

REPOSITORY = Path(__file__).parents[2]
GPU_RULES = {"train", "sample_2d", "reconstruct", "trace"}
SBATCH_MESSAGE = "there is no sbatch on this machine"


class Planner:
    """Snakemake without its start-up time, which is most of a dry run's: no process, no output."""

    def __init__(self, folder: Path, repository: Path = REPOSITORY, rerun_triggers=()):
        self.folder = folder
        self.repository = repository
        self.rerun = {"rerun_triggers": RerunTrigger.parse_choices_set(rerun_triggers)}
        if not rerun_triggers:
            self.rerun = {}

    @contextlib.contextmanager
    def _dag(self, config: dict, configfiles: str | None, targets: tuple, **how) -> Iterator:
        files = [REPOSITORY / "config" / name for name in (configfiles or "").split()]
        path = sys.path[:]
        try:
            with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
                workflow = api.workflow(
                    resource_settings=ResourceSettings(cores=8),
                    config_settings=ConfigSettings(config=config, configfiles=files),
                    snakefile=self.repository / "Snakefile",
                    workdir=self.folder,
                )
                how = self.rerun | how
                yield workflow.dag(DAGSettings(targets=set(targets), **how)), workflow
        finally:
            sys.path[:] = path

    def jobs(self, config=None, configfiles=None, targets=()) -> list:
        """The jobs that `snakemake -n` would list."""
        with self._dag(config or {}, configfiles, targets) as (dag, workflow):
            dag.execute_workflow(executor="dryrun")
            return list(workflow._workflow.dag.needrun_jobs(exclude_finished=False))

    def count(self, config=None, configfiles=None, targets=()) -> Counter:
        """How many jobs of each rule `snakemake -n` would list."""
        return Counter(job.rule.name for job in self.jobs(config, configfiles, targets))

    def rules(self) -> list:
        """All rules."""
        with self._dag({}, None, ()) as (_, workflow):
            return list(workflow._workflow.rules)

    def finish(self, config: dict, targets=()) -> None:
        """Make the folder look as after a run: every file is there, empty, and recorded."""
        for job in self.jobs(config, targets=targets):
            for file in map(Path, job.output):
                path = self.folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.mkdir(exist_ok=True) if file.name == "model" else path.touch()
        with self._dag(config, None, targets, forceall=True) as (dag, _):
            dag.execute_workflow(executor="touch")


def empty_folder(folder: Path) -> Planner:
    """A working directory with the configuration and nothing else."""
    folder.mkdir()
    for name in ("config", "resources"):
        (folder / name).symlink_to(REPOSITORY / name)
    return Planner(folder)


@pytest.fixture
def planner(tmp_path) -> Planner:
    """Nothing was run yet."""
    return empty_folder(tmp_path / "run")


@pytest.fixture
def no_network(monkeypatch):
    """Any look at the network fails."""

    def refuse(*args, **options):
        raise AssertionError(f"the network was asked: {args}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


# Jobs


@pytest.mark.usefixtures("no_network")
def test_the_default_run_is_the_paper(planner):
    """Four materials, n_h in {0, 1, 3, 5, 10}, 25 volumes; and no network to find that out."""
    jobs = planner.jobs()
    count = Counter(job.rule.name for job in jobs)
    assert count["train"] == 4
    assert count["reconstruct"] == 4 * 5, "25 volumes a job"
    assert count["curves"] == 4 * 5
    assert count["fetch"] == 2
    volumes = [job.wildcards_dict for job in jobs if job.rule.name == "reconstruct"]
    assert {w["material"] for w in volumes} == {"spheres", "grains", "nmc", "carbonate"}
    assert {w["n_h"] for w in volumes} == {"0", "1", "3", "5", "10"}
    assert {w["plane_rule"] for w in volumes} == {"alternate"}
    assert {(w["first"], w["last"]) for w in volumes} == {("000", "024")}
    assert not (planner.folder / "results").exists()


def test_the_default_run_draws_the_papers_figures(planner):
    """Every figure has the number that it has in the paper, as PNG and PDF."""
    numbers = ["1", "2", "3", "4a", "4b", "4c", "4d", "5", "6", "7", "8", "9", "10", "11"]
    files = {file for job in planner.jobs() for file in job.output}
    for number in [*numbers, "12", "14", "S1"]:
        for suffix in ("png", "pdf"):
            assert f"results/figures/figure_{number}.{suffix}" in files


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("configfiles", "adopt", "train", "reconstruct"),
    [
        ("cpu.yaml demo.yaml", 1, 0, 2),
        ("cpu.yaml demo.yaml demo-train.yaml", 0, 1, 2),
        ("cpu.yaml", 0, 4, 4),
    ],
)
def test_the_small_configurations(planner, configfiles, adopt, train, reconstruct):
    """The demos need no download; config/cpu.yaml has all materials in few volumes, no GPU."""
    jobs = planner.jobs(configfiles=configfiles)
    count = Counter(job.rule.name for job in jobs)
    assert (count["adopt"], count["train"]) == (adopt, train)
    assert count["reconstruct"] == reconstruct
    assert count["fetch"] == (0 if "demo" in configfiles else 2)
    assert {job.resources["gpu"] for job in jobs if job.rule.name in GPU_RULES} == {0}


@pytest.mark.parametrize(("device", "gpus"), [("auto", 1), ("cuda", 1), ("cpu", 0)])
def test_gpu_jobs_ask_for_a_gpu(planner, device, gpus):
    """A cluster gives a GPU to those that ask for one, and only these jobs need it."""
    config = {"run": {"materials": ["spheres"], "samples": 1, "device": device}}
    asked = {job.rule.name: job.resources.get("gpu", 0) for job in planner.jobs(config)}
    assert {rule for rule in asked if rule in GPU_RULES} == GPU_RULES
    assert asked == {rule: gpus if rule in GPU_RULES else 0 for rule in asked}


def test_a_container_is_for_all_jobs(planner):
    """With the environments in it; without the setting there is none."""
    image = planner.folder / "micro3diff.sif"
    image.touch()
    config = {"run": {"materials": ["spheres"], "samples": 1}}
    images = {job.container_img_url for job in planner.jobs(config) if job.rule.name != "all"}
    assert images == {None}
    config["run"]["container"] = str(image)
    images = {job.container_img_url for job in planner.jobs(config) if job.rule.name != "all"}
    assert images == {str(image)}


def test_no_job_asks_for_more_than_eight_threads(planner):
    """`--cores 8 --profile slurm` would cut it down without a word."""
    assert max(job.threads for job in planner.jobs()) <= 8


@pytest.mark.parametrize(
    ("device", "phases", "expected"), [("cpu", 2, 24), ("cpu", 8, 68), ("auto", 8, 16)]
)
def test_large_volumes_ask_for_memory(planner, device, phases, expected):
    """On a CPU: some copies of the volume, in GB, and the network beside them."""
    (planner.folder / "rock.tif").touch()
    rock = {
        "source": {"path": "rock.tif", "phases": phases},
        "reconstruct": {"shape": [512] * 3},
    }
    config = {
        "run": {"materials": ["rock"], "samples": 1, "device": device},
        "materials": {"rock": rock},
    }
    jobs = {job.rule.name: job.resources for job in planner.jobs(config)}
    for rule in ("reconstruct", "trace"):
        assert jobs[rule].mem_mb == pytest.approx(1000 * expected, rel=0.02)
    assert jobs["figures_12_14"].mem_mb == pytest.approx(17_400, rel=0.02)


def test_a_job_that_is_tried_again_asks_for_more_memory(planner):
    """So that what ran out of it does not run out of it again; time limits stay."""
    for job in planner.jobs():
        first = dict(job.resources.items())
        job.attempt = 2
        again = dict(job.resources.items())
        if "mem_mb" in first:
            assert again["mem_mb"] == 2 * first["mem_mb"], job.rule.name
        assert again.get("runtime") == first.get("runtime")


def test_a_model_takes_the_place_of_training(planner):
    """`model:` replaces `train` by `adopt`; no loss curve is asked of it."""
    (planner.folder / "model").mkdir()
    config = {
        "run": {"materials": ["spheres", "grains"], "samples": 1},
        "materials": {"spheres": {"model": "model"}},
    }
    jobs = planner.jobs(config)
    assert [job.wildcards.material for job in jobs if job.rule.name == "adopt"] == ["spheres"]
    assert [job.wildcards.material for job in jobs if job.rule.name == "train"] == ["grains"]
    assert "results/spheres/loss.csv" not in {file for job in jobs for file in job.input}


def test_a_model_to_start_from(planner):
    """It comes before the training: another model there asks for another training."""
    (planner.folder / "mine").mkdir()
    config = {
        "run": {"materials": ["spheres"], "samples": 1},
        "materials": {"spheres": {"train": {"start": "mine"}}},
    }
    (job,) = (job for job in planner.jobs(config) if job.rule.name == "train")
    assert "mine" in job.input and "start" not in job.params.settings


def test_settings_that_decide_nothing_are_no_reason_to_train_again(planner):
    """The script takes them from the configuration, and the model tells nothing of them."""
    config = {"run": {"materials": ["spheres"], "samples": 1}}
    (job,) = (job for job in planner.jobs(config) if job.rule.name == "train")
    assert not set(IDLE) & set(job.params.settings) and "steps" in job.params.settings


def test_files_in_a_folder_are_inputs(planner):
    """The time of a folder tells nothing of a file that was written anew in it."""
    for name in (
        "start/unet/weights.safetensors",
        "images/a.tif",
        "images/notes.txt",
        "images/{old}/a.tif",
        "images/small/a.tif",
        "images/.cache/a.tif",
        "model/unet/weights.safetensors",
    ):
        path = planner.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    config = {
        "run": {"materials": ["spheres", "rock"], "samples": 1},
        "materials": {
            "spheres": {"train": {"start": "start"}},
            "rock": {"source": {"path": "images"}, "model": "model"},
        },
    }
    inputs = {job.rule.name: job.input for job in planner.jobs(config)}
    assert "start/unet/weights.safetensors" in inputs["train"]
    assert inputs["train"].start == "start"
    assert "model/unet/weights.safetensors" in inputs["adopt"] and inputs["adopt"].model == "model"
    folders = [job.input for job in planner.jobs(config, targets=("results/rock/source.tif",))]
    assert ["images", "images/a.tif"] in [list(files) for files in folders]


def test_a_title_is_no_pattern(planner):
    """Braces of a crystal's planes are none of Snakemake's wildcards."""
    config = {
        "run": {"materials": ["spheres"], "samples": 1},
        "materials": {"spheres": {"title": "Ti {0001}"}},
    }
    (job,) = (job for job in planner.jobs(config) if job.rule.name == "figure_S1")
    assert job.params.titles == ["Ti {0001}"]


def test_a_known_volume_is_read_as_a_volume(planner):
    """Also where the images that are known of it are a stack."""
    for name in ("slices.tif", "volume.tif"):
        (planner.folder / name).touch()
    rock = {
        "source": {"path": "slices.tif", "array": "stack"},
        "evaluate": {"truth": "volume.tif"},
    }
    config = {"run": {"materials": ["rock"]}, "materials": {"rock": rock}}
    jobs = planner.jobs(config, targets=("results/rock/truth.tif",))
    (job,) = (job for job in jobs if job.rule.name == "truth")
    assert job.params.settings["array"] == "auto"


def test_a_downloaded_file_is_not_fetched_again(planner):
    """With the file in results/downloads nothing asks for the network."""
    config = {"run": {"materials": ["carbonate"]}}
    target = ("results/carbonate/slices.tif",)
    assert planner.count(config, targets=target) == {"fetch": 1, "source": 1, "slices": 1}
    planner.finish(config, targets=("results/downloads/carbonate_resized.npy",))
    assert planner.count(config, targets=target) == {"source": 1, "slices": 1}


def test_peers_are_made_when_they_are_asked_for(planner):
    """Of each material a volume by MCRpy, and beside them those of the rule evidence."""
    assert "mcrpy_volume" not in planner.count()
    count = planner.count(targets=("peers",))
    assert count["mcrpy_volume"] == 4 and count["peer_table"] == 1
    assert count["reference"] == count["peer_volumes"] == count["peer_real"] == 4
    assert "reconstruct" not in count


# Reruns


FINISHED = {
    "run": {
        "materials": ["spheres", "grains"],
        "cases": {"alternate": [0, 3]},
        "samples": 25,
        "device": "cpu",
    }
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Planner:
    """The folder of a finished run: two materials, two cases, 25 volumes."""
    planner = empty_folder(tmp_path_factory.mktemp("finished") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snakemake.executors.touch.Executor.SLEEPING_TIME", 0.002)
        planner.finish(FINISHED)
    return planner


def changed(**run) -> dict:
    """The configuration of the finished run, other keys under ``run``."""
    return {"run": {**FINISHED["run"], **run}}


def test_a_finished_run_has_nothing_to_do(finished):
    """Calling Snakemake twice costs nothing."""
    assert not finished.count(FINISHED)


@pytest.mark.parametrize(("samples", "jobs"), [(26, 1), (50, 1), (51, 2)])
def test_more_samples_are_more_volumes_of_each_case(finished, samples, jobs):
    """25 volumes are kept; jobs for the new ones, and what is made of all volumes, are added."""
    made = finished.jobs(changed(samples=samples))
    first = {job.wildcards.first for job in made if job.rule.name == "reconstruct"}
    assert first == ({"025", "050"} if jobs == 2 else {"025"})
    count = Counter(job.rule.name for job in made)
    assert count["reconstruct"] == jobs * count["curves"] == jobs * 2 * 2
    assert count["figure_curves"] == 2
    others = {"error_rates", "timings", "figure_3", "figure_5", "provenance", "all"}
    assert count.keys() == {"reconstruct", "curves", "figure_curves"} | others


def test_one_more_case_leaves_the_others(finished):
    """A new n_h needs no new model and no new volume of another n_h."""
    jobs = finished.jobs(changed(cases={"alternate": [0, 3, 5]}))
    assert {j.wildcards.n_h for j in jobs if j.rule.name in ("reconstruct", "curves")} == {"5"}
    assert not {"source", "slices", "train", "sample_2d", "reference"} & {j.rule.name for j in jobs}


def test_one_more_material_leaves_the_others(finished):
    """Only tables and figures of all materials look at the finished ones again."""
    jobs = finished.jobs(changed(materials=["spheres", "grains", "carbonate"]))
    assert {j.wildcards.material for j in jobs if "material" in j.wildcards_dict} == {"carbonate"}


def test_an_evaluation_setting_makes_no_new_volume(finished):
    """Another longest lag is a matter of minutes, not of days."""
    count = finished.count(FINISHED | {"defaults": {"evaluate": {"max_lag": 20}}})
    assert not {"source", "slices", "train", "sample_2d", "reconstruct", "trace"} & count.keys()
    assert count["curves"] == 4 and count["reference"] == 2


def test_another_device_makes_nothing_again(finished):
    """A volume need not be made again when it could be made elsewhere."""
    assert not finished.count(changed(device="auto"))


def test_a_sampler_setting_is_no_reason_to_train(finished):
    """Settings of the reconstruction do not reach the model."""
    steps = {"reconstruct": {"alternate": {"steps": 500}}}
    count = finished.count(FINISHED | {"defaults": steps})
    assert "train" not in count and count["reconstruct"] == 4


# The sampler benchmark


def benchmark_config(**benchmark) -> dict:
    cases = [
        {"rule": "evidence", "steps": 5, "volumes": 2},
        {"rule": "alternate", "n_h": 3, "steps": 4, "volumes": 1},
    ]
    return {
        "run": {"materials": ["spheres", "carbonate"], "samples": 1, "device": "cpu"},
        "benchmark": {"cases": cases, **benchmark},
    }


def test_the_benchmark_is_one_target(planner):
    """Volumes and curves of every case, the floors and memorisation of every material."""
    jobs = planner.jobs(benchmark_config(), targets=("benchmark_samplers",))
    count = Counter(job.rule.name for job in jobs)
    assert count["benchmark_volumes"] == count["benchmark_curves"] == 2 * 2
    for rule in ("benchmark_real", "benchmark_floor", "memorisation", "benchmark_figure"):
        assert count[rule] == 2, rule
    assert not {"reconstruct", "curves", "error_rates"} & count.keys()
    [target] = [job for job in jobs if job.rule.name == "benchmark_samplers"]
    names = ["carbonate.png", "denoisers.csv", "memorisation.csv", "samplers.csv"]
    names += ["singles.csv", "spheres.png"]
    assert sorted(target.input) == [f"results/benchmarks/{name}" for name in names]
    volumes = {
        file: (job.params.settings["steps"], job.params.samples, job.params.seed)
        for job in jobs
        if job.rule.name == "benchmark_volumes"
        for file in job.output
    }
    assert volumes["results/benchmarks/spheres/evidence_nh0_steps5/runs.csv"] == (
        5,
        (0, 2),
        1_000_000,
    )
    assert volumes["results/benchmarks/spheres/alternate_nh3_steps4/runs.csv"][:2] == (4, (0, 1))


def test_a_known_volume_is_what_the_benchmark_measures_by(planner, tmp_path):
    """Volumes and floor are held to `evaluate.truth`, the 2D denoiser to the images it has seen."""
    for name in ("slice.tif", "volume.tif"):
        (tmp_path / name).touch()
    rock = {
        "source": {"path": str(tmp_path / "slice.tif")},
        "evaluate": {"truth": str(tmp_path / "volume.tif")},
    }
    asked = benchmark_config() | {"materials": {"rock": rock}}
    asked["run"]["materials"] = ["rock"]
    jobs = {
        job.rule.name: set(job.input)
        for job in planner.jobs(asked, targets=("benchmark_samplers",))
    }
    known = {"results/rock/truth.tif", "results/rock/truth.json"}
    assert jobs["benchmark_floor"] == known | {"results/rock/truth.npz"}
    assert "results/rock/truth.json" in jobs["benchmark_curves"]
    assert "results/rock/source.tif" in jobs["benchmark_source"]
    assert "results/benchmarks/sources.csv" in jobs["benchmark_samplers"]
    for rule in ("memorisation", "benchmark_denoiser"):
        assert "results/rock/source.tif" in jobs[rule] and not known & jobs[rule], rule


def test_the_benchmark_is_nothing_of_a_run(planner):
    """`snakemake` makes what it made before, whether there are cases or not."""
    count = planner.count(benchmark_config())
    assert not {rule for rule in count if rule.startswith("benchmark_")}


def test_a_benchmark_without_cases_says_so(planner, capsys):
    """The default configuration has none."""
    with pytest.raises(SystemExit):
        planner.jobs(benchmark_config(cases=[]), targets=("benchmark_samplers",))
    assert "Error: benchmark.cases: is empty" in capsys.readouterr().err


@pytest.mark.parametrize("isotropic", [False, ["xy"], None])
def test_a_benchmark_of_an_anisotropic_material_says_so(planner, tmp_path, capsys, isotropic):
    """Floor and errors would be of all planes at once; None is the default, with three images."""
    file = tmp_path / "rock.tif"
    file.touch()
    images = {"planes": dict.fromkeys(("xy", "xz", "yz"), str(file))}
    source = images if isotropic is None else {"path": str(file), "isotropic": isotropic}
    asked = benchmark_config() | {"materials": {"rock": {"source": source}}}
    asked["run"]["materials"] = ["rock"]
    with pytest.raises(SystemExit):
        planner.jobs(asked, targets=("benchmark_samplers",))
    assert "benchmark: rock differs from plane to plane" in capsys.readouterr().err


# Each axis by itself


def test_directions_are_a_target(planner):
    """The table of all cases and a figure of each material; nothing of it is part of a run."""
    config = {
        "run": {"materials": ["spheres", "carbonate"], "samples": 3, "device": "cpu"},
    }
    plain = planner.count(config)
    assert not {rule for rule in plain if "directions" in rule}
    jobs = planner.jobs(config, targets=("directions",))
    count = Counter(job.rule.name for job in jobs)
    assert count["directions_curves"] == plain["curves"] == 2 * 5
    for rule in ("directions_reference", "directions_floor", "benchmark_real", "figure_directions"):
        assert count[rule] == 2, rule
    assert not {"curves", "error_rates", "benchmark_volumes"} & count.keys()
    [table] = [job for job in jobs if job.rule.name == "directions_table"]
    assert list(table.output) == ["results/tables/directions.csv"]
    [floor, _] = [job for job in jobs if job.rule.name == "directions_floor"]
    assert floor.params.volumes == 3, "real samples, as many as volumes"


def test_copies_are_drawn_of_periodic_volumes(planner):
    """Those of `evidence` wrap around unless told not to, the paper's do not."""
    materials = {"materials": ["spheres"], "device": "cpu"}
    assert "figure_tiled" not in planner.count({"run": materials})
    run = {"run": materials | {"cases": {"evidence": [0]}}}
    assert planner.count(run)["figure_tiled"] == 1
    off = {"defaults": {"reconstruct": {"periodic": [False, False, False]}}}
    assert "figure_tiled" not in planner.count(run | off)
    one = {"defaults": {"reconstruct": {"periodic": [False, True, False]}}}
    assert planner.count(run | one)["figure_tiled"] == 1


# The SLURM profile, literally


def test_the_slurm_profile_prints_the_job_table(clone, snakemake):
    """`snakemake --cores 8 --profile slurm -n` from a clean clone."""
    done = snakemake(clone, "--cores", "8", "--profile", "slurm", "-n")
    assert done.returncode == 0, done.stdout
    table = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert table["reconstruct"] == "20" and table["train"] == "4"
    assert not (clone / "results").exists()


def test_the_slurm_profile_without_slurm_says_what_to_do(
    clone, snakemake, clean_environment, tmp_path
):
    """A plain message, before anything is run."""
    (tmp_path / "bin").mkdir()
    for program in ("bash", "sh", "env", "uname", "which"):  # and no sbatch, wherever that may be
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    environment = clean_environment | {"PATH": str(tmp_path / "bin")}
    done = snakemake(clone, "--cores", "8", "--profile", "slurm", env=environment)
    assert done.returncode != 0
    [line] = [line for line in done.stdout.splitlines() if SBATCH_MESSAGE in line]
    assert "login node" in line and "leave out --profile slurm" in line
    assert "Traceback" not in done.stdout
    assert not (clone / "results").exists()


# Bad configurations

BAD = {
    "unknown key": (
        {"run": {"samplse": 3}},
        "run.samplse: unknown key; did you mean samples?",
    ),
    "wrong type": (
        {"run": {"samples": "many"}},
        "run.samples: found the text 'many', expected a whole number of at least 1",
    ),
    "unknown material": (
        {"run": {"materials": ["sphres"]}},
        "run.materials[0]: unknown material 'sphres'; did you mean spheres?",
    ),
    "missing file": (
        {"run": {"materials": ["rock"]}, "materials": {"rock": {"source": {"path": "rock.tif"}}}},
        "materials.rock.source.path: no file or folder 'rock.tif'",
    ),
    "missing model": (
        {"materials": {"spheres": {"model": "models/spheres"}}},
        "materials.spheres.model: no folder 'models/spheres'",
    ),
    "negative n_h": (
        {"run": {"cases": {"alternate": [-1]}}},
        "run.cases.alternate[0]: found -1, expected a whole number of at least 0",
    ),
    "more steps than T": (
        {"materials": {"carbonate": {"reconstruct": {"alternate": {"steps": 1001}}}}},
        "materials.carbonate.reconstruct.alternate.steps: found 1001, expected at most 1000",
    ),
}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_is_one_line(planner, case, capsys):
    """It names the key, what was found and what was expected, before any job."""
    config, expected = BAD[case]
    with pytest.raises(SystemExit) as caught:
        planner.jobs(config)
    assert caught.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "Error" in line]
    assert len(lines) == 1 and lines[0].startswith(f"Error: configuration: {expected}")
    assert not (planner.folder / "results").exists()


@pytest.mark.parametrize("case", ["unknown key", "missing file"])
def test_a_bad_configuration_ends_the_command(clone, snakemake, case):
    """The line is on the terminal, without a traceback, and the exit status is not zero."""
    config, expected = BAD[case]
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(clone, "--cores", "2", "--configfile", "my.yaml")
    assert done.returncode != 0
    assert f"\nError: configuration: {expected}" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (clone / "results").exists()


# As a part of another workflow


def test_the_workflow_can_be_a_module(tmp_path, snakemake):
    """src/ is found from the Snakefile's folder, not from the outer workflow's."""
    (tmp_path / "Snakefile").write_text(
        f"configfile: {str(REPOSITORY / 'config' / 'config.yaml')!r}\n"
        "module micro3diff:\n"
        f"    snakefile: {str(REPOSITORY / 'Snakefile')!r}\n"
        "    config: config\n"
        "use rule * from micro3diff as paper_*\n"
        "rule all:\n"
        "    default_target: True\n"
        "    input: rules.paper_all.input\n"
    )
    (tmp_path / "resources").symlink_to(REPOSITORY / "resources")
    demo = REPOSITORY / "config" / "demo.yaml"
    done = snakemake(tmp_path, "-n", "--cores", "2", "--configfile", demo)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^paper_reconstruct +2$", done.stdout, re.MULTILINE)


def test_export_is_of_all_volumes(planner):
    """On demand: `all` makes nothing of it."""
    config = {"run": {"materials": ["spheres", "grains"], "cases": {"evidence": [0, 1]}}}
    assert planner.count(config, targets=("export",))["vti"] == 4
    assert "vti" not in planner.count(config)
