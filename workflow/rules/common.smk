"""What the rules share: the checked configuration, names, and the figures of each material."""

import math
import re
import shutil
import sys
import time
from pathlib import Path

# the Snakefile's folder, also when this workflow is a module of another one
sys.path.insert(0, str(Path(workflow.current_basedir).parents[1] / "src"))

from micro3diff import SEEDS_OF_A_RUN
from micro3diff.config import (
    RULES,
    cases,
    check_repeated_keys,
    choice_settings,
    deviates_in_pairs,
    download_name,
    leaves_a_choice,
    load,
    reconstruction_settings,
    training_settings,
)
from micro3diff.errors import InputError
from micro3diff.sources import SUFFIXES


def stop(message):
    """End with one line that a user can act on, without Snakemake's lines around it."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(1)


try:
    check_repeated_keys(workflow.configfiles)
    settings = load(config)
except InputError as error:
    stop(f"configuration: {error}")

config.update(settings)  # with all defaults, for the scripts and the report
RUN = settings["run"]
MATERIALS = {name: settings["materials"][name] for name in RUN["materials"]}
CASES = cases(settings)
SAMPLES = RUN["samples"]
BENCHMARK = settings["benchmark"]
STARTED = time.time()
GPUS = 0 if RUN["device"] == "cpu" else 1
TORCH = f"../../envs/torch-{'cuda' if GPUS else 'cpu'}.yaml"
VOLUMES_PER_JOB = RUN["volumes_per_job"]
DOWNLOADS = {
    download_name(material["source"]["url"]): material["source"]
    for material in MATERIALS.values()
    if material["source"]["url"]
}
TRAINED = [name for name, material in MATERIALS.items() if not material["model"]]
ADOPTED = [name for name, material in MATERIALS.items() if material["model"]]


if RUN["container"]:

    containerized: RUN["container"]


def one_of(names):
    """A wildcard constraint: one of these names and no other."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    material=one_of(MATERIALS),
    plane_rule=one_of(RULES),
    n_h=r"\d+",
    first=r"\d\d\d+",
    last=r"\d\d\d+",
    steps=r"\d+",


def case_folder(plane_rule, n_h):
    """Folder of a case within its material's folder."""
    return f"{plane_rule}_nh{n_h}"


def volume_tables(material, plane_rule, n_h, samples=SAMPLES):
    """The tables beside which the first ``samples`` volumes of a case lie, one of each job."""
    folder = f"results/{material}/{case_folder(plane_rule, n_h)}"
    return [
        f"{folder}/volumes_{first:03d}-{min(first + VOLUMES_PER_JOB, SAMPLES) - 1:03d}.csv"
        for first in range(0, samples, VOLUMES_PER_JOB)
    ]


def content_of(folder, pattern="**/*"):
    """The files in a folder, whose own time tells of no change in them; none of a file."""
    inside = sorted(Path(folder).glob(pattern)) if folder else []
    names = [str(p.relative_to(folder)) for p in inside if p.is_file()]
    # nothing hidden; braces would be taken for wildcards
    shown = [name for name in names if not re.search(r"(^|/)\.|[{}]", name)]
    return [f"{folder}/{name}" for name in shown]


def source_file(wildcards):
    """The file or files of a material's source, a folder first; none for a generated one."""
    source = MATERIALS[wildcards.material]["source"]
    if source["url"]:
        return f"results/downloads/{download_name(source['url'])}"
    if source["planes"]:
        return sorted(set(source["planes"].values()))
    path = source["path"]
    inside = content_of(path, "*")  # images of subfolders are not read
    images = [name for name in inside if name.lower().endswith(SUFFIXES)]
    return [path, *images] if path else []


def source_settings(wildcards):
    """The settings by which a material's source is read."""
    material = MATERIALS[wildcards.material]
    grey = {"grey": True} if material["reconstruct"]["output"] == "grey" else {}
    return {**material["source"], **grey}


# Materials that are seen in 2D and whose volume is known.
KNOWN_IN_3D = [name for name in MATERIALS if MATERIALS[name]["evaluate"]["truth"]]


def truth_settings(wildcards):
    """The settings by which a material's known volume is read: as its source."""
    material = MATERIALS[wildcards.material]
    other = {"url": None, "planes": None, "generator": None, "crop": None}
    other["array"] = "auto"  # of the source, which may be a stack
    return {
        **material["source"],
        **other,
        "isotropic": True,
        "path": material["evaluate"]["truth"],
    }


def known(wildcards, kind):
    """The labels of a material, or what is known of them: of its truth, if there is one."""
    name = "truth" if wildcards.material in KNOWN_IN_3D else "source"
    return (
        f"results/{wildcards.material}/{name}.{'tif' if kind == 'labels' else 'json'}"
    )


def real_samples(wildcards):
    """Real samples of a material; of its truth, if there is one."""
    if wildcards.material in KNOWN_IN_3D:
        return f"results/{wildcards.material}/truth.npz"
    return f"results/benchmarks/{wildcards.material}/real.npz"


def given_of(material):
    """The file of rule given, if anything is asked of a material's volumes."""
    asked = MATERIALS[material]["reconstruct"]
    if asked["anchors"] or asked["volume_fraction"] is not None:
        return f"results/{material}/given.npz"
    return []


def given_file(wildcards):
    """`given_of` the wildcards' material."""
    return given_of(wildcards.material)


def reconstruction(wildcards):
    """Settings of a case's volumes."""
    material = MATERIALS[wildcards.material]
    return reconstruction_settings(material, wildcards.plane_rule, int(wildcards.n_h))


def more_each_attempt(memory):
    """Memory in MB, or a function of the wildcards: a job that is tried again asks for more."""

    def asked(wildcards, attempt):
        return attempt * (memory(wildcards) if callable(memory) else memory)

    return asked


def volume_mb(material, bytes_a_voxel=None):
    """Memory in MB that grows with a volume: on a CPU that of its tensors, two phases or more."""
    asked = MATERIALS[material]["reconstruct"]["volume_fraction"]
    listed = len(asked) if isinstance(asked, list) else 2
    phases = MATERIALS[material]["source"]["phases"] or listed
    bytes_a_voxel = bytes_a_voxel or (150 if phases == 2 else 60 * phases)
    voxels = math.prod(MATERIALS[material]["reconstruct"]["shape"])
    return voxels * bytes_a_voxel // 10**6


def curves_mb(wildcards):
    """Memory in MB of a job that measures volumes; all distances at once take more."""
    radial = MATERIALS[wildcards.material]["evaluate"]["along"] == "radial"
    grows = volume_mb(wildcards.material, bytes_a_voxel=100) if radial else 0
    return max(8000, 1000 + grows)


def curves_minutes(wildcards):
    """Time limit of a job that measures the volumes of a case; at 512^3 one takes some minutes."""
    voxels = math.prod(MATERIALS[wildcards.material]["reconstruct"]["shape"])
    return 120 + SAMPLES * voxels // 15_000_000


def sampling_mb(wildcards):
    """Memory in MB of a job that makes volumes; on a GPU they lie there."""
    material = dict(wildcards.items()).get("material", SHOWCASE)
    return 16000 if GPUS else max(16000, 4000 + volume_mb(material))


# What a reconstruction needs, whatever its case; `choice_file` comes on top.
RECONSTRUCTION_INPUTS = {
    "model": "results/{material}/model",
    "slices": "results/{material}/slices.tif",
    "source": "results/{material}/source.json",
}
# Seeds of the first volume of each kind; those from which settings are chosen are not reported.
FIRST_SEED = SEEDS_OF_A_RUN * RUN["seed"]
SELECTION_SEED = FIRST_SEED + 900_000
BENCHMARK_SEED = SEEDS_OF_A_RUN * BENCHMARK["seed"]


def choice_of(material, plane_rule):
    """The file of rule choose, if a plane rule's settings leave something open."""
    if leaves_a_choice(MATERIALS[material], plane_rule):
        return f"results/{material}/evidence.json"
    return []


def choice_file(wildcards):
    """`choice_of` the wildcards' material and plane rule."""
    return choice_of(wildcards.material, wildcards.plane_rule)


def measurement(material):
    """The settings that curves depend on."""
    settings = MATERIALS[material]["evaluate"]
    return {key: settings[key] for key in ("phase", "dimension", "max_lag", "along")}


def shown_cases():
    """The case with the most harmonizing steps of each plane rule, to be drawn and compared."""
    return list(
        {case[0]: case for case in sorted(CASES, key=lambda case: case[1])}.values()
    )


def best_case():
    """The case that stands for a material where one volume is shown."""
    shown = dict(shown_cases())
    plane_rule = "evidence" if "evidence" in shown else next(iter(shown))
    return plane_rule, shown[plane_rule]


# Figures are named after the paper's; materials that are none of its cases use their own name.
PAPER_FIGURES = {
    "training": {
        "I": "figure_1",
        "II": "figure_6",
        "III": "figure_8",
        "IV": "figure_10",
    },
    "curves": {
        "I": "figure_4a",
        "II": "figure_4b",
        "III": "figure_4c",
        "IV": "figure_4d",
    },
    "volume": {"II": "figure_7", "III": "figure_9", "IV": "figure_11"},
    "denoiser": {},
}


def figure_materials(kind):
    """Figure name -> material, for a kind of figure that every material has."""
    numbers = PAPER_FIGURES[kind]
    return {
        numbers.get(material["case"], f"{kind}_{name}"): name
        for name, material in MATERIALS.items()
    }


def of_figure(kind, pattern):
    """Input function: ``pattern`` for the material that a figure of this kind shows."""
    names = figure_materials(kind)
    return lambda w: pattern.format(material=names[w.figure])


def material_of(kind):
    """Param function: the configuration of the material that a figure of this kind shows."""
    names = figure_materials(kind)
    return lambda w: MATERIALS[names[w.figure]]


def first_volume(case):
    """Pattern of the table of a case's first volume, the material left open."""
    return volume_tables("{material}", *case, samples=1)[0]


def figure_files(name):
    """Both formats of a figure."""
    return [f"results/figures/{name}.{suffix}" for suffix in ("png", "pdf")]


def report_figure(category, name="{figure}", **labels):
    """The files of a figure rule, its PNG in the report."""
    png, pdf = figure_files(name)
    caption = f"../report/{category.lower().replace(' ', '_')}.rst"
    return [report(png, caption=caption, category=category, labels=labels), pdf]


# The material that stands for all where the paper shows case I alone.
SHOWCASE = next(
    (n for n, m in MATERIALS.items() if m["case"] == "I"), next(iter(MATERIALS))
)
# Its case that is drawn step by step.
SHOWN_RULE, SHOWN_N_H = min(CASES, key=lambda case: case[1])


def is_periodic(name):
    """Whether the volume that stands for a material is periodic along some axis."""
    return any(reconstruction_settings(MATERIALS[name], *best_case())["periodic"])


def is_anisotropic(name):
    """Whether a material is known to differ from plane to plane."""
    source = MATERIALS[name]["source"]
    return bool(source.get("planes")) or source.get("isotropic") not in (None, True)


FIGURES = [
    file
    for name in [
        *[name for kind in PAPER_FIGURES for name in figure_materials(kind)],
        *[f"figure_{number}" for number in ("2", "3", "5", "12", "14", "S1")],
        *[f"periodic_{name}" for name in MATERIALS if is_periodic(name)],
        *[f"directions_{name}" for name in MATERIALS if is_anisotropic(name)],
    ]
    for file in figure_files(name)
]
TABLES = [
    f"results/tables/{name}.csv"
    for name in ("error_rates", "timings", "denoisers", "volume_fractions")
]


# The sampler benchmark: every material in each of its cases.
BENCHMARK_CASES = [
    {"material": name, **case} for name in MATERIALS for case in BENCHMARK["cases"]
]


def benchmark_cases():
    """Those cases, of which there have to be some."""
    if not BENCHMARK_CASES:
        stop(
            "benchmark.cases: is empty, so that there is nothing to compare; "
            "see config/benchmarks.yaml"
        )
    return BENCHMARK_CASES


def benchmark_folder(case):
    """Folder of the volumes of a benchmark case."""
    folder = case_folder(case["rule"], case["n_h"])
    return f"results/benchmarks/{case['material']}/{folder}_steps{case['steps']}"


def first_case(name):
    """The benchmark case of a material that stands first, whose slices are looked at too."""
    return next(case for case in benchmark_cases() if case["material"] == name)


def benchmark_settings(wildcards):
    """Settings of a benchmark case's volumes."""
    return reconstruction_settings(
        MATERIALS[wildcards.material],
        wildcards.plane_rule,
        int(wildcards.n_h),
        int(wildcards.steps),
    )


def benchmark_volumes(wildcards):
    """How many volumes a benchmark case has."""
    name = (wildcards.plane_rule, int(wildcards.n_h), int(wildcards.steps))
    for case in BENCHMARK["cases"]:
        if (case["rule"], case["n_h"], case["steps"]) == name:
            return case["volumes"]
    stop(f"benchmark.cases: no rule {name[0]} with n_h {name[1]} and {name[2]} steps")


def training_time(name):
    """Snakemake's benchmark of a material's training; of a model that was given, there is none."""
    return f"results/{name}/training_time.tsv" if name in TRAINED else []


def benchmark_results(wildcards):
    """What the benchmark is run for: its tables and a figure of each material."""
    benchmark_cases()
    for name in MATERIALS:
        if is_anisotropic(name):
            stop(
                f"benchmark: {name} differs from plane to plane (source.planes or "
                "source.isotropic), expected a material that is alike in all: leave it out of "
                "run.materials, and run `snakemake directions` for its errors along each axis"
            )
    tables = ["samplers.csv", "singles.csv", "denoisers.csv", "memorisation.csv"]
    tables += ["sources.csv"] if KNOWN_IN_3D else []
    names = [*tables, *(f"{name}.png" for name in MATERIALS)]
    return [f"results/benchmarks/{name}" for name in names]


def tell_failures(since):
    """Print the tracebacks that are in the SLURM logs of failed jobs alone.

    A job that fails before its script begins, for want of a package, has an empty log of its own,
    and `show-failed-logs` stops there. ``since`` tells this run's logs from older ones.
    """

    def new(folder):
        paths = sorted(Path(folder).rglob("*.log"))
        recent = [path for path in paths if path.stat().st_mtime >= since]
        return {path: path.read_text("utf-8", "replace") for path in recent}

    own = new("results/logs").values()
    for path, text in new(".snakemake/slurm_logs").items():
        said = re.search(r"^Traceback .*?(?=^RuleException)", text, re.S | re.M)
        if said and not any(said[0].strip() in log for log in own):
            print(f"\n{path}:\n{said[0]}", file=sys.stderr)


def require_sbatch():
    """Say what to do where jobs are to go to SLURM but there is none."""
    if workflow.executor_plugin.name == "slurm" and not shutil.which("sbatch"):
        stop(
            "--profile slurm submits jobs with sbatch, but there is no sbatch on this machine. "
            "Run the same command on a login node of the cluster, or leave out --profile slurm "
            "to run on this machine."
        )
