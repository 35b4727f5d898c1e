"""The configuration: defaults, and one line that names the key for everything that is wrong."""

import copy
import inspect
import json
import re
import subprocess
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator

from micro3diff import config
from micro3diff.choice import CHOICES
from micro3diff.errors import InputError

PAPER = yaml.safe_load((config.CONFIG_FOLDER / "config.yaml").read_text(encoding="utf-8"))
URL = "https://example.org/data/rock.tif"
SHA256 = "0a" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with the files that the configurations of the tests name."""
    for name in ("my_rock.tif", "data/foam.tif", "models/my_rock/model_index.json", "note.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def minimal(**changes) -> dict:
    """The smallest configuration, with keys of ``my_rock`` set: ``slices__patch=32``."""
    raw = {
        "run": {"materials": ["my_rock"]},
        "materials": {"my_rock": {"source": {"path": "my_rock.tif"}}},
    }
    for dotted, value in changes.items():
        put(raw["materials"]["my_rock"], dotted.split("__"), value)
    return raw


def put(raw: dict, keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        raw = raw.setdefault(key, {})
    raw[keys[-1]] = value


def message(raw: object) -> str:
    with pytest.raises(InputError) as caught:
        config.load(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_schema_is_valid():
    """The schema follows its standard, and its defaults follow the schema."""
    Draft202012Validator.check_schema(config.schema())
    paper = config.load(PAPER)
    Draft202012Validator(config.schema()).validate(paper)


def test_every_key_has_a_description_and_a_default():
    """A key without a default would be missing from the filled configuration."""

    def check(path: str, schema: dict) -> None:
        for key, part in schema["properties"].items():
            assert part["description"], f"{path}.{key}"
            if "properties" in part and "default" not in part:
                check(f"{path}.{key}", part)
            else:
                assert "default" in part or key in schema.get("required", []), f"{path}.{key}"

    properties = config.schema()["properties"]
    check("run", properties["run"])
    check("benchmark", properties["benchmark"])
    check("benchmark.cases", properties["benchmark"]["properties"]["cases"]["items"])
    check("defaults", properties["defaults"])
    check("materials.*", properties["materials"]["additionalProperties"])


def test_readme_is_up_to_date():
    """config/README.md documents the schema as it is."""
    text = (config.CONFIG_FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == config.readme(), "run: python -m micro3diff.config"


def test_readme_tables_are_well_formed():
    """A | in a description would shift the columns."""
    rows = [line for line in config.readme().splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)


def test_readme_examples_load(folder):
    """What the user's page tells people to write works when laid over config.yaml."""
    page = (config.CONFIG_FOLDER / "README.head.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert len(examples) >= 5
    for name in ("anode", "top", "side", "separator", "top_section", "foam"):
        (folder / f"{name}.tif").touch()
    (folder / "resources").symlink_to(config.CONFIG_FOLDER.parent / "resources")
    for text in examples:
        example = yaml.safe_load(text)
        raw = config._merged(copy.deepcopy(PAPER), example)
        if "run" not in example and "materials" in example:
            raw["run"]["materials"] = list(example["materials"])
        config.load(raw)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({}, ("cosine", "v_prediction")),
        ({"schedule": None, "prediction": "epsilon"}, ("cosine", "epsilon")),
        ({"schedule": "linear", "beta_end": 0.02}, ("linear", "v_prediction")),
    ],
)
def test_diffusion_of_materials_that_the_paper_has_not(train, expected):
    """They are made by ``evidence``, which begins at more noise than the paper's schedule has."""
    materials = PAPER["materials"] | minimal(train=train)["materials"]
    loaded = config.load({"run": {"materials": ["my_rock", "spheres"]}, "materials": materials})
    for name, diffusion in [("my_rock", expected), ("spheres", ("linear", "epsilon"))]:
        found = loaded["materials"][name]["train"]
        assert (found["schedule"], found["prediction"]) == diffusion


def test_what_a_start_brings_along_trains_nothing_again():
    """Nor is the place of it a setting; the number of steps is."""
    start = config.CONFIG_FOLDER.parent / "resources" / "models" / "nmc"
    one, other, longer = (
        config.training_settings(
            config.load(minimal(train={"start": str(start)} | more))["materials"]["my_rock"]
        )
        for more in ({}, {"schedule": "linear", "channels": [8] * 4}, {"steps": 9})
    )
    assert one == other != longer and not {"start", "schedule", "channels"} & one.keys()
    fresh = config.training_settings(config.load(minimal())["materials"]["my_rock"])
    assert {"schedule", "channels"} <= fresh.keys()


def test_paper_configuration():
    """The default configuration repeats the paper's four cases and numbers."""
    paper = config.load(PAPER)
    materials = paper["materials"]
    assert {name: m["case"] for name, m in materials.items()} == {
        "spheres": "I",
        "grains": "II",
        "nmc": "III",
        "carbonate": "IV",
    }
    assert config.cases(paper) == [("alternate", n_h) for n_h in (0, 1, 3, 5, 10)]
    assert paper["run"]["samples"] == 25
    for material in materials.values():
        train, alternate = material["train"], material["reconstruct"]["alternate"]
        assert (train["steps"], train["batch"], train["learning_rate"]) == (50000, 32, 3e-4)
        assert (train["timesteps"], train["beta_start"], train["beta_end"]) == (1000, 1e-4, 1e-2)
        assert (train["schedule"], train["prediction"]) == ("linear", "epsilon")
        assert (alternate["steps"], alternate["variance"]) == (None, "beta")
        assert material["slices"]["augment"] == "dihedral"
        assert material["reconstruct"]["shape"] == [64, 64, 64]
    crop = materials["nmc"]["source"]["crop"]
    assert [end - start for start, end in crop] == [64, 64, 300]
    assert materials["nmc"]["slices"]["axes"] == ["x"]


def test_minimal_material_is_complete():
    """A source is enough; the result is plain and safe to hand to Snakemake."""
    raw = minimal()
    before = copy.deepcopy(raw)
    loaded = config.load(raw)
    rock = loaded["materials"]["my_rock"]
    assert raw == before
    assert json.loads(json.dumps(loaded)) == loaded
    assert config.cases(loaded) == [("evidence", 0)]
    assert rock["title"] == "my_rock"
    assert rock["source"]["path"] == "my_rock.tif"
    assert "spheres" not in rock["source"]
    assert rock["evaluate"]["max_lag"] == 32
    rock["reconstruct"]["shape"].append(1)
    rock["train"]["channels"].append(1)
    assert config.load(raw)["materials"]["my_rock"]["train"]["channels"] == [64, 128, 256, 256]


def test_defaults_lie_between_schema_and_material():
    """schema < defaults < material, key by key; lists are replaced."""
    raw = minimal(train__steps=7)
    raw["defaults"] = {
        "train": {"steps": 5, "batch": 4, "channels": [8, 16], "attention": [False, True]}
    }
    train = config.load(raw)["materials"]["my_rock"]["train"]
    assert (train["steps"], train["batch"], train["timesteps"]) == (7, 4, 1000)
    assert train["channels"] == [8, 16]


def test_null_takes_a_default_back():
    """A laid-over configuration can turn a url into a path."""
    raw = minimal(source__url=None, source__sha256=None)
    assert config.load(raw)["materials"]["my_rock"]["source"]["url"] is None


def test_generator_settings_are_filled():
    """The settings of the generator that is used, and no others."""
    raw = minimal(source={"generator": "spheres", "spheres": {"volume_fraction": 0.3}})
    source = config.load(raw)["materials"]["my_rock"]["source"]
    assert source["spheres"]["volume_fraction"] == 0.3
    assert source["spheres"]["shape"] == [300, 64, 64]
    assert "grains" not in source


def test_sizes_follow_patch_and_shape():
    """What null stands for is filled in from the other settings."""
    raw = minimal(slices__patch=32)
    rock = config.load(raw)["materials"]["my_rock"]
    assert (rock["reconstruct"]["shape"], rock["evaluate"]["max_lag"]) == ([32] * 3, 16)
    raw = minimal(reconstruct__shape=[128, 64, 24])
    rock = config.load(raw)["materials"]["my_rock"]
    assert (rock["reconstruct"]["shape"], rock["evaluate"]["max_lag"]) == ([128, 64, 24], 12)


def test_whole_numbers_become_int():
    """25.0 is a whole number in JSON schema, but range() wants an int."""
    raw = minimal(source__crop=[[0.0, 64.0], [0, 64]])
    raw["run"]["samples"] = 25.0
    loaded = config.load(raw)
    assert isinstance(loaded["run"]["samples"], int)
    crop = loaded["materials"]["my_rock"]["source"]["crop"]
    assert isinstance(crop[0][1], int)


def test_home_folder(folder, monkeypatch):
    """~ means the home folder, as in a shell."""
    monkeypatch.setenv("HOME", str(folder))
    raw = minimal(source__path="~/my_rock.tif", model="~/models/my_rock/")
    rock = config.load(raw)["materials"]["my_rock"]
    assert rock["source"]["path"] == f"{folder}/my_rock.tif"
    assert rock["model"] == f"{folder}/models/my_rock"


def test_unselected_materials_may_be_incomplete():
    """The library may name files that are elsewhere, but no wrong keys."""
    raw = minimal()
    raw["materials"]["other"] = {"source": {"path": "elsewhere.tif"}}
    raw["materials"]["empty"] = {}
    config.load(raw)
    raw["materials"]["other"]["sorce"] = {}
    assert message(raw) == "materials.other.sorce: unknown key; did you mean source?"


def test_reconstruction_settings():
    """One flat dict holds what a reconstruction depends on, and nothing else."""
    rock = config.load(minimal(reconstruct__alternate__order="random"))["materials"]["my_rock"]
    settings = config.reconstruction_settings(rock, "alternate", 3)
    assert settings["rule"] == "alternate"
    assert settings["n_h"] == 3
    assert settings["shape"] == [64, 64, 64]
    assert "slices_per_pass" not in settings
    assert settings["order"] == "random"
    assert "weight" not in settings
    evidence = config.reconstruction_settings(rock, "evidence", 0)
    assert (evidence["steps"], evidence["spacing"], evidence["start"]) == (30, "karras", "mean")


def test_cases_go_rule_by_rule_and_skip_empty_ones():
    """An empty list is how a laid-over configuration switches a rule off."""
    raw = minimal()
    raw["run"]["cases"] = {"evidence": [0], "average": [], "alternate": [10, 0]}
    assert config.cases(config.load(raw)) == [("alternate", 10), ("alternate", 0), ("evidence", 0)]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("slices.pach", 64, "slices.pach: unknown key; did you mean patch?"),
        ("patch", 64, "patch: unknown key; did you mean slices.patch?"),
        ("train.qqq", 1, "train.qqq: unknown key; expected one of steps, batch"),
        ("train.steps", "many", "train.steps: found the text 'many', expected a whole number"),
        ("train.steps", True, "train.steps: found true, expected a whole number of at least 1"),
        ("train.steps", 0, "train.steps: found 0, expected a whole number of at least 1"),
        ("train.steps", None, "train.steps: found nothing (null), expected a whole number"),
        ("train.learning_rate", "3e-4", "YAML reads this as text, write 0.0003"),
        ("train.learning_rate", "1e-5", "YAML reads this as text, write 1.0e-05"),
        ("train.learning_rate", float("nan"), "train.learning_rate: found NaN, expected a number"),
        ("train.ema", 1, "train.ema: found 1, expected a number of at least 0 and below 1"),
        ("train", None, "train: found nothing (null), expected a section of keys (steps, batch"),
        ("train", [1], "train: found [1], expected a section of keys"),
        ("train.schedule", "linea", "found the text 'linea', expected one of linear, cosine"),
        ("train.channels", [8, "x"], "train.channels[1]: found the text 'x', expected a whole"),
        ("train.channels", [], "train.channels: found [], expected a list of whole numbers"),
        ("train.channels", [8, 16], "train.attention: found 4 values, expected 2"),
        ("train.beta_end", 0.02, "train.beta_end: found 0.02, which is of the linear schedule"),
        (
            "train",
            {"schedule": "cosine", "beta_start": 0.001},
            "train.beta_start: found 0.001, which is of the linear schedule",
        ),
        (
            "train",
            {"schedule": "linear", "beta_start": 0.5},
            "train.beta_start: found 0.5, expected at most beta_end",
        ),
        (
            "train",
            {"zero_terminal_snr": True, "prediction": "epsilon"},
            "train.prediction: found epsilon, expected v_predict",
        ),
        ("slices.patch", 60, "slices.patch: found 60, expected multiples of 8"),
        ("slices.axes", ["x", "w"], "slices.axes[1]: found the text 'w', expected one of x, y, z"),
        ("slices.axes", ["x", "x"], 'slices.axes: found ["x", "x"], expected a list of diff'),
        ("reconstruct.shape", [64, 64], "reconstruct.shape: found [64, 64], expected a list of 3"),
        ("reconstruct.shape", [64, 99, 60], "reconstruct.shape: found 64, 60, expected multi"),
        ("reconstruct.evidence.steps", 1001, "reconstruct.evidence.steps: found 1001, expected at"),
        ("reconstruct.alternate.steps", 1001, "reconstruct.alternate.steps: found 1001, expected"),
        ("check.steps", 1001, "check.steps: found 1001, expected at most 1000, the time steps"),
        ("train.timesteps", 20, "reconstruct.evidence.steps: found 30, expected at most 20"),
        ("reconstruct.alternate.eta", 0.5, "reconstruct.alternate.eta: found 0.5 with"),
        ("check.sigma_min", 50, "check.sigma_min: found 50, expected less than sigma_max"),
        (
            "check.sigmas",
            [9, 9, 1],
            "check.sigmas: found [9, 9, 1], expected noise levels that fall",
        ),
        ("evaluate.max_lag", 64, "evaluate.max_lag: found 64, expected less than 64"),
        ("case", "V", "case: found the text 'V', expected one of I, II, III, IV, null"),
        ("model", "models/none", "model: no folder 'models/none' (looked in "),
        (
            "source",
            {},
            "source: found none of path, url, planes and generator, expected exactly one",
        ),
        ("source.url", "rock.tif", "source.url: found the text 'rock.tif', expected an address"),
        ("source.url", "https://example.org/", "expected an address that begins with http://"),
        ("source", {"url": URL}, "source.sha256: missing; a url needs the checksum"),
        ("source.sha256", "abc", "source.sha256: found the text 'abc', expected a SHA-256"),
        ("source.generator", "spheres", "source: found path and generator, expected exactly one"),
        ("source.path", "none.tif", "source.path: no file or folder 'none.tif' (looked in "),
        (
            "source.path",
            "models",
            "source.path: the folder models holds no images, expected .tif, ",
        ),
        (
            "source.path",
            "note.txt",
            "source.path: note.txt has the type .txt, expected .tif, .tiff",
        ),
        ("evaluate.truth", "note.txt", "evaluate.truth: note.txt has the type .txt, expected .tif"),
        (
            "source.voxel_size",
            12,
            "source.unit: found voxel, the default, with voxel_size: 12",
        ),
        ("source.grains", {}, "source.grains: has no effect without `generator: grains`"),
        ("source.crop", [[0, 64]], "source.crop: found [[0, 64]], expected a list of pairs"),
        ("source.crop", [[0, 64], [0, -1]], "source.crop[1][1]: found -1, expected a whole"),
        ("source.crop", [[0, 64], [9, 9]], "source.crop[1]: found [9, 9], expected a start below"),
        ("source.crop", "all", "source.crop: found the text 'all', expected a list of pairs"),
        ("source.segmentation", "threshold", "source.threshold: missing; `segmentation: thresh"),
        ("source.select", [], "source.select: found [], expected a label, a list of"),
        ("source.select", 1.5, "source.select: found 1.5, expected a label, a list of"),
        (
            "source",
            {"planes": {"xy": "a", "xz": "b"}},
            "source.planes.yz: missing; Image with rows z and columns y",
        ),
        (
            "source",
            {
                "planes": {"xy": "no.tif", "xz": "my_rock.tif", "yz": "my_rock.tif"},
                "isotropic": ["xy"],
            },
            "source.planes.xy: no file 'no.tif'",
        ),
        ("source.isotropic", ["xy", "xz"], 'found ["xy", "xz"], expected true, false, a list with'),
        (
            "reconstruct.volume_fraction",
            [0.5, 0.2, 0.2],
            "found [0.5, 0.2, 0.2], expected fractions that add up to 1",
        ),
        ("reconstruct.volume_fraction", 1.5, "volume_fraction: found 1.5, expected a number betw"),
        (
            "reconstruct.anchors",
            [{"axis": "x", "index": 64, "image": "my_rock.tif"}],
            "reconstruct.anchors[0].index: found 64, expected less than 64, the side of the vol",
        ),
        (
            "reconstruct.anchors",
            [{"axis": "x", "index": 3, "image": "my_rock.tif"}] * 2,
            "reconstruct.anchors[1]: x = 3 is there twice; remove one",
        ),
        (
            "reconstruct.anchors",
            [{"axis": "x", "index": 3, "image": "no.tif"}],
            "reconstruct.anchors[0].image: no file 'no.tif'",
        ),
        ("reconstruct.output", "grey", "output: grey needs the rule alternate or average"),
        ("evaluate.truth", "no.tif", "evaluate.truth: no file 'no.tif'"),
        ("source.select", [1, "b"], "source.select[1]: found the text 'b', expected a whole"),
    ],
)
def test_bad_material(key, value, expected):
    """Everything that can be wrong in a material is told with its full key."""
    raw = minimal(**{key.replace(".", "__"): value})
    found = message(raw)
    assert found.startswith("materials.my_rock.")
    assert expected in found
    assert "more problem" not in found or key in ("train.timesteps",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"slices__patch": 60}, "slices.patch: found 60, expected multiples of 8, by which the"),
        (
            {"slices__patch": 96},
            "slices.patch: found 96, expected at most 64, the side of the imag",
        ),
        ({"reconstruct__shape": [64, 50, 99]}, "reconstruct.shape: found 64, 50, expected multip"),
    ],
)
def test_sides_that_a_given_model_can_not_take(changes, expected):
    """As for one that would be trained; of a larger side there is no 2D check."""
    model = str(config.CONFIG_FOLDER.parent / "resources" / "models" / "spheres")
    assert expected in message(minimal(model=model, **changes))
    config.load(minimal(model=model, reconstruct__shape=[96, 80, 65]))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("run.materials", ["my_rok"], "run.materials[0]: unknown material 'my_rok'; did you mean "),
        ("run.materials", ["q"], "run.materials[0]: unknown material 'q'; materials has: my_rock"),
        ("run.materials", [], "run.materials: found [], expected a list of different names"),
        ("run.materials", ["my_rock"] * 2, "run.materials: found ["),
        ("run.materials", [1], "run.materials[0]: found 1, expected text"),
        ("run", {}, "run.materials: missing; Materials to reconstruct"),
        ("run.cases", {"alternative": [0]}, "run.cases.alternative: unknown key; did you mean alt"),
        ("run.cases", {"alternate": [0, -1]}, "run.cases.alternate[1]: found -1, expected a whole"),
        ("run.cases", {"alternate": 10}, "run.cases.alternate: found 10, expected a list of"),
        ("run.cases", {"alternate": [1, 1]}, "run.cases.alternate: found [1, 1], expected a list"),
        ("run.cases", {"alternate": [0.5]}, "run.cases.alternate[0]: found 0.5, expected a whole"),
        ("run.cases", {}, "run.cases: found no case, expected at least one"),
        ("run.cases", {"alternate": []}, "run.cases: found no case, expected at least one"),
        ("run.samples", 0, "run.samples: found 0, expected a whole number of at least 1"),
        ("run.device", "gpu", "run.device: found the text 'gpu', expected one of auto, cpu, cuda"),
        ("run.mirror", "none", "run.mirror: no folder 'none' (looked in "),
        ("runs", {}, "runs: unknown key; did you mean run?"),
        ("defaults", None, "defaults: found nothing (null), expected a section of keys (slices"),
        ("defaults.train", {"stepz": 1}, "defaults.train.stepz: unknown key; did you mean steps?"),
        ("defaults.source", {}, "defaults.source: unknown key; expected one of slices, train"),
        ("materials", None, "materials: found nothing (null), expected a section of keys"),
        ("materials.my_rock", None, "materials.my_rock: found nothing (null), expected a section"),
        (
            "materials.my_rock",
            {},
            "materials.my_rock.source: found none of path, url, planes and generator",
        ),
        ("materials.a b", {}, "materials: the name 'a b' does not do for a folder"),
        ("materials.../up", {}, "materials: the name '../up' does not do for a folder"),
        ("materials.up\n", {}, r"materials: the name 'up\n' does not do for a folder"),
        ("materials.Tables", {}, "materials.Tables: results/tables has another use"),
        ("materials.MY_ROCK", {}, "another name differs in upper and lower case only"),
    ],
)
def test_bad_run(key, value, expected):
    """Everything that can be wrong outside a material is told with its full key."""
    raw = minimal()
    put(raw, key.split(".", 1), value)
    assert expected in message(raw)


def test_benchmark_defaults():
    """Without the section there are no cases; a case needs a rule and steps."""
    assert config.load(minimal())["benchmark"] == {"cases": [], "seed": 1}
    raw = minimal()
    raw["benchmark"] = {"cases": [{"rule": "evidence", "steps": 50}]}
    benchmark = config.load(raw)["benchmark"]
    assert benchmark["cases"] == [{"rule": "evidence", "n_h": 0, "steps": 50, "volumes": 25}]
    assert benchmark["seed"] == 1


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([{"rule": "evidence"}], "benchmark.cases[0].steps: missing; Reverse steps"),
        ([{"rule": "evidense", "steps": 5}], "benchmark.cases[0].rule: found the text 'evidense'"),
        ([{"rule": "average", "step": 5, "steps": 5}], "cases[0].step: unknown key; did you mean"),
        ([{"rule": "average", "steps": 1001}], "cases[0].steps: found 1001, expected at most 1000"),
        ([{"rule": "average", "steps": 9}] * 2, "benchmark.cases[1]: the rule average with n_h 0"),
        ({}, "benchmark.cases: found the section {}, expected a list of sections with the keys"),
    ],
)
def test_bad_benchmark(cases, expected):
    """Said before the first volume."""
    raw = minimal()
    raw["benchmark"] = {"cases": cases}
    assert expected in message(raw)


def test_benchmark_seeds_are_not_those_of_the_run():
    """Whoever tries settings looks at the run's volumes, which are then no independent test."""
    raw = minimal()
    raw["run"]["seed"] = 1
    config.load(raw)
    raw["benchmark"] = {"cases": [{"rule": "evidence", "steps": 50}]}
    assert message(raw).startswith("benchmark.seed: found 1, which is run.seed too")
    raw["benchmark"]["seed"] = 2
    config.load(raw)


def test_evidence_of_greys_is_refused_in_a_benchmark_too():
    """It would take greys for probabilities, without a word."""
    raw = minimal(reconstruct__output="grey")
    raw["run"]["cases"] = {"alternate": [0], "evidence": []}
    raw["benchmark"] = {"cases": [{"rule": "alternate", "steps": 50}]}
    config.load(raw)
    raw["benchmark"] = {"cases": [{"rule": "evidence", "steps": 50}]}
    assert "output: grey needs the rule alternate or average" in message(raw)
    assert "set benchmark.cases" in message(raw)


@pytest.mark.parametrize("key", CHOICES)
def test_a_setting_that_is_left_open_asks_for_a_choice(key):
    """Else it would reach the sampler as null."""
    settled = dict.fromkeys(CHOICES, 1)
    for settings, expected in ((settled, False), (settled | {key: None}, True)):
        material = config.load(minimal(reconstruct__evidence=settings))["materials"]["my_rock"]
        assert config.leaves_a_choice(material, "evidence") == expected


def test_what_a_rule_does_not_use_is_no_reason_to_make_its_volumes_again():
    """Nor is the scatter of the fractions, where they are asked for."""

    def settings(rule, **changes):
        raw = minimal(**{f"reconstruct__{key}": value for key, value in changes.items()})
        return config.reconstruction_settings(config.load(raw)["materials"]["my_rock"], rule, 0)

    for rule, asked in (("alternate", {}), ("evidence", {"volume_fraction": 0.3})):
        assert settings(rule, **asked) == settings(rule, natural_scatter=False, **asked)
    assert settings("evidence") != settings("evidence", natural_scatter=False)


def test_reconstruction_settings_of_a_benchmark_case():
    """A case's steps stand in place of the rule's."""
    rock = config.load(minimal())["materials"]["my_rock"]
    assert config.reconstruction_settings(rock, "evidence", 0, steps=7)["steps"] == 7
    assert config.reconstruction_settings(rock, "evidence", 0)["steps"] == 30
    listed = minimal(reconstruct__evidence__sigmas=[9, 3, 1], train__timesteps=20)
    rock = config.load(listed)["materials"]["my_rock"]
    assert config.reconstruction_settings(rock, "evidence", 0)["sigmas"] == [9, 3, 1]
    assert "sigmas" not in config.reconstruction_settings(rock, "evidence", 0, steps=7)


def test_settings_are_those_of_before_there_was_a_list_of_noise_levels():
    """Where there is none: results are kept by their settings."""
    rock = config.load(minimal())["materials"]["my_rock"]
    assert "sigmas" not in config.reconstruction_settings(rock, "evidence", 0)
    assert "sigmas" not in rock["check"]


@pytest.mark.parametrize("raw", [None, {}])
def test_empty_configuration(raw):
    """An empty file is no traceback."""
    assert message(raw).startswith("the configuration is empty")


def test_missing_section():
    """The sections that must be there are asked for by name."""
    assert message({"run": {"materials": ["a"]}}).startswith("materials: missing; The library")


def test_name_that_is_no_text():
    """YAML reads unquoted names such as 12 or yes as something else."""
    raw = minimal()
    raw["materials"][12] = {"source": {"path": "my_rock.tif"}}
    assert message(raw) == "materials: the name 12 is not text; put it in quotes"


def test_key_that_is_no_text():
    """The same inside a material."""
    assert "train.12: unknown key" in message(minimal(train={12: 1}))


def test_further_problems_are_counted():
    """The first problem is told, and how many there are."""
    raw = minimal(slices__patch=-1, train__steps=0)
    assert message(raw).endswith("(and 1 more problem)")
    raw["run"]["samples"] = 0
    assert message(raw).endswith("(and 2 more problems)")


def test_model_replaces_training_settings():
    """With a model, the limits of the network that would be trained do not hold."""
    config.load(minimal(model="models/my_rock", slices__patch=60, train__timesteps=10))


def test_a_model_to_start_from_replaces_the_network():
    """Its own sides and time steps count, and slices may be larger than its training's."""
    start = str(config.CONFIG_FOLDER.parent / "resources" / "models" / "spheres")
    other = {"train__channels": [8] * 6, "train__timesteps": 10}
    config.load(minimal(train__start=start, slices__patch=72, **other))
    expected = "slices.patch: found 60, expected multiples of 8, by which the network shrinks an"
    assert expected in message(minimal(train__start=start, slices__patch=60))
    expected = "materials.my_rock.train.start: no folder 'no/model' (looked in "
    assert expected in message(minimal(train__start="no/model"))


@pytest.mark.parametrize("key", ["model", "train__start"])
def test_a_models_own_time_steps_bound_the_samplers(key):
    """Told before a training, not by the sampler after it."""
    model = str(config.CONFIG_FOLDER.parent / "resources" / "models" / "spheres")
    name = key.replace("__", ".")
    expected = "materials.my_rock.check.steps: found 2000, expected at most 1000, the time steps of"
    found = message(minimal(check__steps=2000, **{key: model}))
    assert expected in found and f"(materials.my_rock.{name})" in found


@pytest.mark.parametrize("name", ["a {x}.tif", "a}.tif"])
def test_braces_in_a_path_are_told(tmp_path, name):
    """Snakemake would take them for wildcards and name neither the key nor the file."""
    (tmp_path / name).touch()
    found = message(minimal(source__path=str(tmp_path / name)))
    assert "materials.my_rock.source.path: found " in found and "rename it" in found
    address = {"url": "https://example.org/rock%7B1%7D.tif", "sha256": "0" * 64}
    assert "source.url: found 'rock{1}.tif'" in message(minimal(source=address))


def test_rule_that_is_not_run_needs_no_steps():
    """A short schedule for one rule is no error because of the defaults of another."""
    raw = minimal(train__timesteps=40)
    raw["run"]["cases"] = {"alternate": [0]}
    config.load(raw)


def test_source_settings_without_effect():
    """Settings that would be ignored are told, since the user meant something by them."""
    raw = minimal(source__segmentation="otsu", source__threshold=100)
    assert "source.threshold: has no effect with `segmentation: otsu`" in message(raw)
    raw = minimal(source={"generator": "spheres", "select": 1})
    assert "source.select: has no effect with a generator" in message(raw)
    config.load(minimal(source__threshold=100))


def test_generator_settings_are_arguments():
    """The section of a generator has the keys and defaults of its function."""
    generators = pytest.importorskip("micro3diff.sources.generators")
    for name in ("spheres", "grains"):
        raw = minimal(source={"generator": name})
        filled = config.load(raw)["materials"]["my_rock"]["source"][name]
        parameters = inspect.signature(getattr(generators, name)).parameters
        defaults = {key: parameter.default for key, parameter in parameters.items()}
        assert {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()} == filled


def test_phase_that_cannot_be_there():
    """Phase 2 of a two-phase material would give empty curves after hours."""
    raw = minimal(source__select=2, evaluate__phase=2)
    assert "evaluate.phase: found 2, expected less than 2" in message(raw)


def test_a_case_belongs_to_one_material():
    """Figures are numbered by case."""
    raw = minimal(case="I")
    raw["materials"]["b"] = {"case": "I", "source": {"generator": "spheres"}}
    config.load(raw)
    raw["run"]["materials"].append("b")
    assert message(raw).startswith("materials.b.case: my_rock is case I too")


def test_downloads_of_one_name():
    """results/downloads holds one file of a name."""
    raw = minimal(source={"url": URL, "sha256": SHA256.upper()})
    raw["materials"]["b"] = {"source": {"url": URL, "sha256": SHA256}}
    raw["run"]["materials"].append("b")
    assert config.load(raw)["materials"]["my_rock"]["source"]["sha256"] == SHA256
    raw["materials"]["b"]["source"]["url"] = "https://example.org/other/rock.tif"
    assert message(raw).startswith("materials.b.source.url: my_rock downloads another file")


def test_download_name():
    """An address is unquoted, and what is not the path is left out."""
    url = "https://example.org/b/c%20d.tif?download=1"
    assert config.download_name(url) == "c d.tif"
    config.load(minimal(source={"url": url, "sha256": SHA256}))


def test_imports_are_light():
    """The configuration is read in Snakemake's own environment, many times."""
    heavy = "torch numpy scipy pandas porespy pyvista matplotlib tifffile diffusers"
    code = f"import sys, micro3diff.config; print([m for m in {heavy.split()} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(config.CONFIG_FOLDER.parent / "src")},
    )
    assert found.stdout.strip() == "[]"


def test_cases_left_out_depend_on_the_materials():
    """The paper's cases are run as in the paper; with any other material `evidence` is the rule."""
    raw = minimal()
    raw["materials"]["balls"] = {"case": "I", "source": {"generator": "spheres"}}
    raw["run"] = {"materials": ["balls"]}
    assert config.load(raw)["run"]["cases"] == {"alternate": [0, 1, 3, 5, 10]}
    raw["run"] = {"materials": ["balls", *minimal()["run"]["materials"]]}
    assert config.load(raw)["run"]["cases"] == {"evidence": [0]}


def test_a_key_that_is_there_twice(folder):
    """As after copying an entry: YAML would keep the last alone, without a word."""
    twice = "materials:\n  a: {model: b}\n  c:\n    case: I\n  a: {model: d}\n"
    (folder / "my.yaml").write_text(twice)
    expected = r"my.yaml: a is there twice in one section \(lines 2 and 5\), expected once"
    with pytest.raises(InputError, match=expected):
        config.check_repeated_keys(["my.yaml"])
    (folder / "my.yaml").write_text("run: {samples: 1, samples: 3}")
    with pytest.raises(InputError, match=r"samples is there twice .*\(lines 1 and 1\)"):
        config.check_repeated_keys(["my.yaml"])
    (folder / "my.yaml").write_text(twice.replace("  a: {model: d}", "  d: {a: 1, c: &x [1]}"))
    (folder / "bad.yaml").write_text("a: [")
    (folder / "self.yaml").write_text("a: &a {b: *a}")
    config.check_repeated_keys(["my.yaml", "bad.yaml", "none.yaml", "self.yaml"])


def test_one_fraction_of_three_phases():
    """It says nothing of the other two."""
    raw = minimal(source__phases=3, reconstruct={"volume_fraction": 0.3})
    assert "reconstruct.volume_fraction: found one number, 0.3, but the material has" in message(
        raw
    )
    config.load(minimal(source__phases=3, reconstruct={"volume_fraction": [0.2, 0.3, 0.5]}))


def test_planes_that_contradict_each_other():
    """What is alike and what is turned must fit, before anything is read."""
    planes = {"planes": dict.fromkeys(("xy", "xz", "yz"), "my_rock.tif")}
    raw = minimal(source=planes | {"isotropic": True})
    assert "source.isotropic: found true with an image of each plane" in message(raw)
    raw = minimal(source=planes, slices={"augment": "dihedral"})
    assert "slices.augment: dihedral turns slices by 90 degrees, but no plane is" in message(raw)
    raw = minimal(source=planes, slices={"axes": ["z"]})
    assert "slices.axes: has no effect where planes differ" in message(raw)
    loaded = config.load(minimal(source=planes))["materials"]["my_rock"]
    assert loaded["source"]["isotropic"] == []
    shared = minimal(source=planes) | {
        "defaults": {"slices": {"augment": "dihedral", "axes": ["z"]}}
    }
    config.load(shared)  # what other materials of the run may need
    raw = minimal(source=planes | {"isotropic": ["xz"]}, slices={"augment": "dihedral"})
    assert config.load(raw)["materials"]["my_rock"]["source"]["isotropic"] == ["xz"]
    assert config.load(minimal())["materials"]["my_rock"]["source"]["isotropic"] is True


def test_settings_are_chosen_whatever_is_asked_of_volumes():
    """A choice belongs to the model: a large or anchored volume would cost hours and change it."""
    asked = {"shape": [256, 64, 64], "volume_fraction": 0.4, "periodic": [False] * 3}
    asked["whole_planes"] = True
    rock = config.load(minimal(reconstruct=asked))["materials"]["my_rock"]
    plain = config.load(minimal())["materials"]["my_rock"]
    assert config.choice_settings(rock) == config.choice_settings(plain)
    assert config.choice_settings(rock)["shape"] == [64, 64, 64]
