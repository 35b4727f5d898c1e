"""The configuration: checked against config/schema.yaml, with every default filled in.

`python -m micro3diff.config` writes config/README.md from the schema.
"""

import copy
import difflib
import functools
import itertools
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from micro3diff import IDLE, OF_THE_START
from micro3diff.errors import InputError
from micro3diff.sources import SUFFIXES, is_image
from micro3diff.sources.download import file_name as download_name

CONFIG_FOLDER = Path(__file__).resolve().parents[2] / "config"
RULES = ("alternate", "average", "evidence")
PAPER_CASES = {"alternate": [0, 1, 3, 5, 10]}
DEFAULT_CASES = {"evidence": [0]}
# The paper's diffusion, and one that begins at more noise, which `evidence` needs
PAPER_DIFFUSION = {"schedule": "linear", "prediction": "epsilon"}
DEFAULT_DIFFUSION = {"schedule": "cosine", "prediction": "v_prediction"}
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SAFE_PATH = re.compile(r"[\w./~+-]+")  # as a word of a shell
# Folders of results/ that are no material's.
RESERVED_NAMES = ("benchmarks", "downloads", "figures", "logs", "report", "tables")

TYPE_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a section of keys",
    "string": "text",
}
BOUND_WORDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def load(raw: dict) -> dict:
    """Check a configuration as read from YAML and return it as a plain dict with all defaults.

    ``run`` and ``benchmark`` have all their keys; ``materials[name]`` has all its sections: the
    defaults of the schema, under the ``defaults`` of the configuration, under the material's own
    settings. Where ``null`` stands for something that the configuration itself tells (run.cases,
    title, train.schedule, train.prediction, reconstruct.shape, evaluate.max_lag), that is filled
    in. All entries of ``materials`` are checked against the schema; files, and settings that must
    fit each other, for those in ``run.materials``.

    Raises InputError: the first problem in one line, and how many more there are.
    """
    if not raw:
        raise InputError("the configuration is empty; expected the sections run and materials")
    _raise_first(_schema_problems(raw))
    _raise_first(_name_problems(raw))
    properties = schema()["properties"]
    run = _filled(raw["run"], properties["run"])
    material_schema = properties["materials"]["additionalProperties"]
    defaults = raw.get("defaults", {})
    given = {name: _merged(defaults, own) for name, own in raw["materials"].items()}
    materials = {name: _filled(settings, material_schema) for name, settings in given.items()}
    for material in materials.values():
        for sampler in (material["check"], *(material["reconstruct"][rule] for rule in RULES)):
            if sampler["sigmas"] is None:
                del sampler["sigmas"]  # so that results of before there was this key are kept
        train = material["train"]
        diffusion = PAPER_DIFFUSION if material["case"] else DEFAULT_DIFFUSION
        train |= {key: value for key, value in diffusion.items() if train[key] is None}
    if run["cases"] is None:
        of_paper = all(materials.get(name, {}).get("case") for name in run["materials"])
        run["cases"] = copy.deepcopy(PAPER_CASES if of_paper else DEFAULT_CASES)
    benchmark = _filled(raw.get("benchmark", {}), properties["benchmark"])
    config = {"run": run, "benchmark": benchmark, "materials": materials}
    problems = [*_run_problems(config), *_benchmark_problems(config)]
    for name in run["materials"]:
        if name in materials:
            key = f"materials.{name}"
            own = raw["materials"][name]
            problems += _material_problems(key, materials[name], given[name], own, config)
    _raise_first(problems)
    for name, material in materials.items():
        _resolve(name, material)
    run["mirror"] = _user_path(run["mirror"])
    run["container"] = _user_path(run["container"])
    return config


def check_repeated_keys(files: Iterable[str | os.PathLike]) -> None:
    """InputError if a key stands twice in a section of a YAML file: the first would have no effect.

    Files that are not there, or no YAML, are for Snakemake to tell of.
    """
    for file in files:
        try:
            root = yaml.compose(Path(file).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        sections, seen = [root], set()
        while sections:
            section = sections.pop()
            if id(section) in seen:  # by an alias
                continue
            seen.add(id(section))
            if isinstance(section, yaml.SequenceNode):
                sections += section.value
            if not isinstance(section, yaml.MappingNode):
                continue
            lines: dict[str, int] = {}
            for key, value in section.value:
                sections.append(value)
                name, line = str(key.value), key.start_mark.line + 1
                if name in lines and name != "<<":
                    raise InputError(
                        f"{file}: {name} is there twice in one section (lines {lines[name]} and "
                        f"{line}), expected once; rename one or put them together"
                    )
                lines[name] = line


def cases(config: dict) -> list[tuple[str, int]]:
    """The cases of a loaded configuration: (plane rule, n_h), rule by rule."""
    return [(rule, n_h) for rule, steps in config["run"]["cases"].items() for n_h in steps]


def reconstruction_settings(material: dict, rule: str, n_h: int, steps: int | None = None) -> dict:
    """All that decides on one reconstruction, from a loaded material: a flat dict for JSON.

    Those settings that all rules share, rule, n_h, and the settings of that rule; ``steps`` in
    place of its own. Not ``slices_per_pass``, a matter of memory as the device is.
    """
    settings = material["reconstruct"]
    left_out = (*RULES, "slices_per_pass")
    common = {key: value for key, value in settings.items() if key not in left_out}
    common["periodic"] = common["periodic"] or [rule == "evidence"] * 3
    # where it is unused, a change makes no volume again
    common["natural_scatter"] = common["natural_scatter"] or not _may_scatter(settings, rule)
    own = {key: value for key, value in settings[rule].items() if key != "choose"}
    if steps is not None:
        own["steps"] = steps
        own.pop("sigmas", None)
    return copy.deepcopy(common | {"rule": rule, "n_h": n_h} | own)


def training_settings(material: dict) -> dict:
    """What of a loaded material's settings decides on its training.

    Not where the model lies that it starts from, which is an input, nor what that brings along.
    """
    idle = (*IDLE, "start", *(OF_THE_START if material["train"]["start"] else ()))
    return {key: value for key, value in material["train"].items() if key not in idle}


def choice_settings(material: dict) -> dict:
    """Settings of the volumes from which the rule choose chooses: cubes, nothing asked of them."""
    return reconstruction_settings(material, "evidence", 0) | {
        "shape": [material["slices"]["patch"]] * 3,
        "periodic": [True] * 3,
        "volume_fraction": None,
        "natural_scatter": False,
        "anchors": [],
        "whole_planes": False,
    }


def deviates_in_pairs(material: dict, rule: str) -> bool:
    """Whether the fractions of volumes of a loaded material deviate to either side in pairs."""
    settings = material["reconstruct"]
    return settings["natural_scatter"] and _may_scatter(settings, rule)


def _may_scatter(settings: dict, rule: str) -> bool:
    """Whether the fractions of volumes are held, and to none that was asked for."""
    return rule == "evidence" and settings["volume_fraction"] is None


def leaves_a_choice(material: dict, rule: str) -> bool:
    """Whether settings of a loaded material are to be chosen by reconstructing (rule choose)."""
    settings = material["reconstruct"][rule]
    return rule == "evidence" and None in (
        settings[key] for key in ("mend_below", "weight", "slab", "sharpen")
    )


@functools.cache
def schema() -> dict:
    """The content of config/schema.yaml; not to be changed."""
    return yaml.safe_load((CONFIG_FOLDER / "schema.yaml").read_text(encoding="utf-8"))


def _raise_first(problems: Iterable[str]) -> None:
    first, *more = dict.fromkeys(problems) or [""]
    if more:
        first += f" (and {len(more)} more problem{'s' if len(more) > 1 else ''})"
    if first:
        raise InputError(first)


# Defaults


def _merged(base: dict, over: dict) -> dict:
    """``over`` laid on ``base``: sections are merged, all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def _filled(value: object, schema: dict) -> object:
    """A deep copy of ``value`` with the defaults of ``schema``, in plain Python types."""
    if isinstance(value, dict):
        filled = {}
        for key, part in schema["properties"].items():
            if key in value:
                filled[key] = _filled(value[key], part)
            elif "default" in part:
                filled[key] = copy.deepcopy(part["default"])
            elif part["type"] == "object":
                filled[key] = _filled({}, part)
        return filled
    if isinstance(value, list):
        return [_filled(item, schema["items"]) for item in value]
    if isinstance(value, float) and "integer" in _types(schema):
        return int(value)  # 25.0 is a whole number in JSON schema
    return value


def _resolve(name: str, material: dict) -> None:
    """Fill in what ``null`` stands for, and drop the settings of generators that are not used."""
    patch, reconstruct = material["slices"]["patch"], material["reconstruct"]
    material["title"] = material["title"] or name
    reconstruct["shape"] = reconstruct["shape"] or [patch] * 3
    if material["evaluate"]["max_lag"] is None:
        material["evaluate"]["max_lag"] = min(patch, *reconstruct["shape"]) // 2
    material["model"] = _user_path(material["model"])
    material["train"]["start"] = _user_path(material["train"]["start"])
    material["evaluate"]["truth"] = _user_path(material["evaluate"]["truth"])
    fraction = reconstruct["volume_fraction"]
    reconstruct["volume_fraction"] = list(fraction) if isinstance(fraction, list) else fraction
    for anchor in reconstruct["anchors"]:
        anchor["image"] = _user_path(anchor["image"])
    source = material["source"]
    source["path"] = _user_path(source["path"])
    for plane, path in (source["planes"] or {}).items():
        source["planes"][plane] = _user_path(path)
    if source["isotropic"] is None:
        source["isotropic"] = not source["planes"]
    source["isotropic"] = source["isotropic"] or []
    for generator in {"spheres", "grains"} - {source["generator"]}:
        del source[generator]
    if source["sha256"]:
        source["sha256"] = source["sha256"].lower()


# Problems that the schema finds


def _is_number(checker, value: object) -> bool:
    """A number as JSON has it: no NaN and no infinity, which would pass all bounds."""
    if isinstance(value, float):
        return math.isfinite(value)
    return Draft202012Validator.TYPE_CHECKER.is_type(value, "number")


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def _schema_problems(raw: dict) -> Iterator[str]:
    for error in Validator(schema()).iter_errors(raw):
        path = _dotted(error.absolute_path)
        if error.validator == "additionalProperties":
            for key in error.instance:
                if key not in error.schema["properties"]:
                    yield _unknown_key(path, key, error.schema)
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    where = _dotted([*error.absolute_path, key])
                    yield f"{where}: missing; {_purpose(error.schema['properties'][key])}"
        else:
            yield _unexpected(path or "the configuration", error)


def _dotted(path: Iterable[str | int]) -> str:
    """``["a", "b", 0]`` as ``a.b[0]``."""
    joined = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return joined.removeprefix(".")


def _purpose(schema: dict) -> str:
    return schema["description"].split(". ")[0].rstrip(".")


def _unknown_key(path: str, key: object, schema: dict) -> str:
    valid = schema["properties"]
    inner = [name for name, part in valid.items() if key in part.get("properties", {})]
    close = [f"{name}.{key}" for name in inner] or difflib.get_close_matches(str(key), valid, n=1)
    where = f"{path}.{key}" if path else str(key)
    if close:
        return f"{where}: unknown key; did you mean {close[0]}?"
    return f"{where}: unknown key; expected one of {', '.join(valid)}"


def _unexpected(path: str, error: ValidationError) -> str:
    found, expected = error.instance, expectation(error.schema)
    message = f"{path}: found {_shown(found)}, expected {expected}"
    if found is None and "properties" in error.schema:
        keys = ", ".join(error.schema["properties"])
        return f"{message} ({keys}); fill it in or remove the line"
    if isinstance(found, str) and {"integer", "number"} & set(_types(error.schema)):
        return message + _number_hint(found)
    return message


def _number_hint(text: str) -> str:
    """How to write what YAML took for text, such as 3e-4."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    number = int(number) if number.is_integer() else number
    return f"; YAML reads this as text, write {yaml.safe_dump(number).splitlines()[0]}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        shown = f"the section {{{', '.join(map(str, value))}}}"
    elif isinstance(value, str):
        shown = f"the text {value!r}"
    else:
        shown = json.dumps(value, default=str)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def expectation(schema: dict) -> str:
    """What a value must be, in words: its title, its choices, or its type and bounds."""
    if "title" in schema:
        return schema["title"]
    if "enum" in schema:
        choices = ["null" if choice is None else str(choice) for choice in schema["enum"]]
        return f"one of {', '.join(choices)}"
    first, *others = _types(schema)
    bounds = " and ".join(f"{BOUND_WORDS[k]} {schema[k]}" for k in BOUND_WORDS if k in schema)
    words = [f"{TYPE_WORDS[first]} {bounds}".strip(), *(TYPE_WORDS[kind] for kind in others)]
    return " or ".join(words)


def _types(schema: dict) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


# Problems that the schema can't express


def _name_problems(raw: dict) -> Iterator[str]:
    """Names of materials are folders in results/, on file systems that may ignore case too."""
    names = list(raw["materials"])
    lower = Counter(str(name).lower() for name in names)
    for name in names:
        if not isinstance(name, str):
            yield f"materials: the name {name!r} is not text; put it in quotes"
        elif not SAFE_NAME.fullmatch(name):
            yield (
                f"materials: the name {name!r} does not do for a folder; use letters, digits, "
                "_ and -, beginning with a letter or digit"
            )
        elif name.lower() in RESERVED_NAMES:
            yield f"materials.{name}: results/{name.lower()} has another use; choose another name"
        elif lower[name.lower()] > 1:
            yield f"materials.{name}: another name differs in upper and lower case only; rename one"


def _run_problems(config: dict) -> Iterator[str]:
    run, materials = config["run"], config["materials"]
    for k, name in enumerate(run["materials"]):
        if name not in materials:
            close = difflib.get_close_matches(name, materials, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            yield (
                f"run.materials[{k}]: unknown material {name!r}; {hint}"
                f"materials has: {', '.join(materials) or 'nothing'}"
            )
    if not cases(config):
        yield "run.cases: found no case, expected at least one, for example {evidence: [0]}"
    if run["mirror"] and not os.path.isdir(_user_path(run["mirror"])):
        yield f"run.mirror: {_missing(run['mirror'], 'folder')}"
    if run["container"] and not os.path.isfile(_user_path(run["container"])):
        yield f"run.container: {_missing(run['container'], 'file')}"
    elif run["container"] and not SAFE_PATH.fullmatch(_user_path(run["container"])):
        yield (
            f"run.container: found {run['container']!r}, which Snakemake would hand to a shell as "
            "it is; rename it, with letters, digits and . _ - + alone"
        )
    yield from _clashes({name: materials[name] for name in run["materials"] if name in materials})


def _benchmark_problems(config: dict) -> Iterator[str]:
    benchmark, seed = config["benchmark"], config["run"]["seed"]
    if benchmark["cases"] and benchmark["seed"] == seed:
        yield (
            f"benchmark.seed: found {seed}, which is run.seed too; choose another, so that what is "
            "measured is none of the volumes of the run, which had a say in the settings"
        )
    names = [(case["rule"], case["n_h"], case["steps"]) for case in benchmark["cases"]]
    for k, name in enumerate(names):
        if name in names[:k]:
            yield (
                f"benchmark.cases[{k}]: the rule {name[0]} with n_h {name[1]} and {name[2]} steps "
                "is there twice; remove one"
            )


def _clashes(materials: dict) -> Iterator[str]:
    """Materials that would claim the same figure number or the same downloaded file."""
    by_case: dict[str, str] = {}
    by_file: dict[str, str] = {}
    for name, material in materials.items():
        case, url = material["case"], material["source"]["url"]
        if case and by_case.setdefault(case, name) != name:
            yield (
                f"materials.{name}.case: {by_case[case]} is case {case} too, and the figures are "
                "numbered by case; set the case of one of them to null (and its train.schedule and "
                "train.prediction, whose defaults go by it, if they are to stay)"
            )
        if url:
            file = download_name(url)
            other = materials[by_file.setdefault(file, name)]["source"]["url"]
            if other != url:
                yield (
                    f"materials.{name}.source.url: {by_file[file]} downloads another file of the "
                    f"same name {file}; download one of them yourself and give it as path"
                )


def _material_problems(
    key: str, material: dict, given: dict, own: dict, config: dict
) -> Iterator[str]:
    """Problems of one filled material, called ``key``, of which ``given`` was set by the user.

    own : what of that is not of ``defaults``, which may be meant for other materials.
    """
    yield from _source_problems(f"{key}.source", material["source"], own.get("source", {}))
    reconstruct, train = material["reconstruct"], material["train"]
    used = {rule for rule, steps in config["run"]["cases"].items() if steps}
    used |= given.get("reconstruct", {}).keys()
    samplers = {"check": material["check"]}
    samplers |= {f"reconstruct.{rule}": reconstruct[rule] for rule in RULES if rule in used}
    for name, sampler in samplers.items():
        sigmas = sampler.get("sigmas", [])
        if any(lower >= sigma for sigma, lower in itertools.pairwise(sigmas)):
            yield f"{key}.{name}.sigmas: found {sigmas}, expected noise levels that fall"
        if sampler["sigma_min"] >= sampler["sigma_max"]:
            yield (
                f"{key}.{name}.sigma_min: found {sampler['sigma_min']}, expected less than "
                f"sigma_max, which is {sampler['sigma_max']}"
            )
        if sampler["eta"] != 1 and sampler["variance"] == "beta":
            yield (
                f"{key}.{name}.eta: found {sampler['eta']} with variance: beta, expected 1; other "
                "values need variance: posterior"
            )
    shape = reconstruct["shape"] or [material["slices"]["patch"]] * 3
    side = min(material["slices"]["patch"], *shape)
    phase, max_lag = material["evaluate"]["phase"], material["evaluate"]["max_lag"]
    phases = _phases(material["source"])
    if phases and phase >= phases:
        yield (
            f"{key}.evaluate.phase: found {phase}, expected less than {phases}, the number of "
            "phases in source; labels count from 0"
        )
    if max_lag and max_lag >= side:
        yield (
            f"{key}.evaluate.max_lag: found {max_lag}, expected less than {side}, the shortest "
            "side of slices.patch and reconstruct.shape"
        )
    if reconstruct["output"] == "grey":
        yield from _grey_problems(key, material, config)
    truth = material["evaluate"]["truth"]
    if truth:
        yield from _image_problems(f"{key}.evaluate.truth", truth)
    yield from _request_problems(f"{key}.reconstruct", reconstruct, shape, phases)
    yield from _symmetry_problems(key, material, own.get("slices", {}))
    for name, path in _user_paths(material):
        if "{" in path or "}" in path:
            yield (
                f"{key}.{name}: found {path!r}, expected no {{ and }}, in which Snakemake has its "
                "wildcards; rename it"
            )
    patch, start = material["slices"]["patch"], "model" if material["model"] else "train.start"
    if folder := _user_path(material["model"] or train["start"]):
        if not os.path.isdir(folder):
            yield f"{key}.{start}: {_missing(folder, 'folder')}"
            return
        if not (network := _given_network(folder)):
            return  # what is wrong with it is for the job that takes it to say
        multiple, trained, timesteps = network
        trained = trained if material["model"] else patch  # a training is of the patch
        yield from _side_problems(key, material, multiple, trained, start)
        yield from _step_problems(key, samplers, config, timesteps, f"{key}.{start}")
        return  # the settings below are those of the model
    yield from _step_problems(key, samplers, config, train["timesteps"], f"{key}.train.timesteps")
    yield from _train_problems(f"{key}.train", train, own.get("train", {}))
    multiple = train["pixel_block"] * 2 ** (len(train["channels"]) - 1)
    yield from _side_problems(key, material, multiple, patch, "train.channels, train.pixel_block")


def _user_paths(material: dict) -> Iterator[tuple[str, str]]:
    """The files and folders of the user's that a material needs, by their keys."""
    url = material["source"]["url"]
    found = {
        "model": material["model"],
        "train.start": material["train"]["start"],
        "source.path": material["source"]["path"],
        "source.url": url and download_name(url),
        "evaluate.truth": material["evaluate"]["truth"],
    }
    found |= {f"source.planes.{k}": v for k, v in (material["source"]["planes"] or {}).items()}
    anchors = material["reconstruct"]["anchors"]
    found |= {f"reconstruct.anchors[{k}].image": one["image"] for k, one in enumerate(anchors)}
    yield from ((key, path) for key, path in found.items() if path)


def _step_problems(
    key: str, samplers: dict, config: dict, timesteps: int, where: str
) -> Iterator[str]:
    """Reverse steps of a material's samplers, or the benchmark's, that its model has not."""
    asked = {
        f"{key}.{name}.steps": sampler["steps"] or 0
        for name, sampler in samplers.items()
        if "sigmas" not in sampler
    }
    for k, case in enumerate(config["benchmark"]["cases"]):
        asked[f"benchmark.cases[{k}].steps"] = case["steps"]
    for name, steps in asked.items():
        if steps > timesteps:
            yield (
                f"{name}: found {steps}, expected at most {timesteps}, the time steps of the "
                f"model ({where})"
            )


def _given_network(folder: str) -> tuple[int, int, int] | None:
    """By what a given model's network shrinks an image, the side it was trained on, its time steps.

    None if the folder doesn't tell; what is wrong with it then is for the rule adopt to say.
    """

    def read(part: str, name: str) -> dict:
        place = Path(folder, part) if Path(folder, part).is_dir() else Path(folder)
        return json.loads((place / name).read_text(encoding="utf-8"))

    try:
        network = read("unet", "config.json")
        timesteps = read("scheduler", "scheduler_config.json")["num_train_timesteps"]
        own = Path(folder, "denoiser.json")
        known = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
        block, size = known.get("pixel_block", 1), network["sample_size"]
        side = known.get("patch") or block * (min(size) if isinstance(size, list) else size)
        return block * 2 ** (len(network["block_out_channels"]) - 1), int(side), int(timesteps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _side_problems(
    key: str, material: dict, multiple: int, trained: int, where: str
) -> Iterator[str]:
    """Sides that the network can't take, which shrinks an image by ``multiple``, see ``where``.

    Volumes that are larger than the images that it was ``trained`` on are denoised in windows.
    """
    patch, shape = material["slices"]["patch"], material["reconstruct"]["shape"] or []
    if patch > trained:
        yield (
            f"{key}.slices.patch: found {patch}, expected at most {trained}, the side of the "
            "images that the model was trained on"
        )
    sides = {"slices.patch": [patch], "reconstruct.shape": [n for n in shape if n <= trained]}
    for name, lengths in sides.items():
        if any(length % multiple for length in lengths):
            yield (
                f"{key}.{name}: found {', '.join(map(str, lengths))}, expected multiples of "
                f"{multiple}, by which the network shrinks an image ({where})"
            )


def _request_problems(
    key: str, reconstruct: dict, shape: list[int], phases: int | None
) -> Iterator[str]:
    """Problems of what is asked of volumes, as far as they show before the source is read."""
    fraction = reconstruct["volume_fraction"]
    if isinstance(fraction, list) and not math.isclose(sum(fraction), 1, abs_tol=1e-3):
        yield f"{key}.volume_fraction: found {fraction}, expected fractions that add up to 1"
    if phases and isinstance(fraction, list) and len(fraction) != phases:
        yield (
            f"{key}.volume_fraction: found {len(fraction)} fractions, expected {phases}, one for "
            "each phase"
        )
    if phases and phases > 2 and isinstance(fraction, float):
        yield (
            f"{key}.volume_fraction: found one number, {fraction}, but the material has {phases} "
            "phases; expected a list with the fraction of each"
        )
    places = []
    for k, anchor in enumerate(reconstruct["anchors"]):
        place = anchor["axis"], anchor["index"]
        side = shape["zyx".index(anchor["axis"])]
        if anchor["index"] >= side:
            yield (
                f"{key}.anchors[{k}].index: found {anchor['index']}, expected less than {side}, "
                f"the side of the volume along {anchor['axis']}"
            )
        if place in places:
            yield f"{key}.anchors[{k}]: {place[0]} = {place[1]} is there twice; remove one"
        places.append(place)
        yield from _image_problems(f"{key}.anchors[{k}].image", anchor["image"])


def _grey_problems(key: str, material: dict, config: dict) -> Iterator[str]:
    """Settings that can't be met where grey values are kept."""
    what = f"{key}.reconstruct.output: grey"
    needs = f"{what} needs the rule alternate or average, since evidence is for phases; set"
    if config["run"]["cases"].get("evidence"):
        yield f"{needs} run.cases, for example {{alternate: [3], evidence: []}}"
    if any(case["rule"] == "evidence" for case in config["benchmark"]["cases"]):
        yield f"{needs} benchmark.cases"
    if material["reconstruct"]["volume_fraction"] is not None:
        yield f"{what} can't be combined with volume_fraction, which is of phases; remove one"
    source = material["source"]
    if source["planes"]:
        yield (
            f"{what} can't be combined with source.planes, as the greys of separate images have no "
            "common scale; give a volume as source.path, with source.isotropic: false"
        )
    for name, default in (("generator", None), ("select", None), ("coarsen", 1)):
        if source[name] != default:
            yield f"{what} can't be combined with source.{name}, which is of labels; remove one"


def _symmetry_problems(key: str, material: dict, own: dict) -> Iterator[str]:
    """Settings that contradict each other on which planes and directions are alike."""
    source, isotropic = material["source"], material["source"]["isotropic"]
    if source["planes"] and isotropic is True:
        yield (
            f"{key}.source.isotropic: found true with an image of each plane; give one image as "
            "path, or set it to false"
        )
    if isotropic is not None and isotropic is not True and source["generator"] == "grains":
        yield f"{key}.source.isotropic: the generator grains has images of one plane; remove it"
    alike = isotropic is True or (isotropic is None and not source["planes"])
    augment = own.get("augment")
    if augment in ("dihedral", "paper") and not alike and not isotropic:
        yield (
            f"{key}.slices.augment: {augment} turns slices by 90 degrees, but no plane is "
            "isotropic; use flips or none, or name an isotropic plane in source.isotropic"
        )
    if "axes" in own and not alike:
        yield f"{key}.slices.axes: has no effect where planes differ, since all three are cut"


def _train_problems(key: str, train: dict, own: dict) -> Iterator[str]:
    for name in ("beta_start", "beta_end"):
        if name in own and train["schedule"] != "linear":
            yield (
                f"{key}.{name}: found {train[name]}, which is of the linear schedule, but the "
                f"schedule is {train['schedule']}; set schedule: linear beside it, or remove it"
            )
    levels = len(train["channels"])
    if len(train["attention"]) != levels:
        yield (
            f"{key}.attention: found {len(train['attention'])} values, expected {levels}, one for "
            "each of train.channels"
        )
    if train["schedule"] == "linear" and train["beta_start"] > train["beta_end"]:
        yield (
            f"{key}.beta_start: found {train['beta_start']}, expected at most beta_end, which is "
            f"{train['beta_end']}"
        )
    if train["zero_terminal_snr"] and train["prediction"] != "v_prediction":
        yield (
            f"{key}.prediction: found {train['prediction']}, expected v_prediction, since with "
            "zero_terminal_snr the last step has no noise to tell from a signal"
        )


def _source_problems(key: str, source: dict, given: dict) -> Iterator[str]:
    kinds = ("path", "url", "planes", "generator")
    chosen = [kind for kind in kinds if source[kind]]
    if len(chosen) != 1:
        yield (
            f"{key}: found {' and '.join(chosen) or 'none of path, url, planes and generator'}, "
            "expected exactly one of path, url, planes and generator"
        )
    for plane, path in (source["planes"] or {}).items():
        yield from _image_problems(f"{key}.planes.{plane}", path)
    if source["url"] and not source["sha256"]:
        yield (
            f"{key}.sha256: missing; a url needs the checksum of its file, as `sha256sum FILE` "
            "prints it"
        )
    if source["path"]:
        yield from _image_problems(f"{key}.path", source["path"], folder=True)
    if source["voxel_size"] and source["unit"] == "voxel":
        yield (
            f"{key}.unit: found voxel, the default, with voxel_size: {source['voxel_size']}, "
            "expected the unit that this is in, for example nm or µm"
        )
    for generator in ("spheres", "grains"):
        if generator in given and source["generator"] != generator:
            yield f"{key}.{generator}: has no effect without `generator: {generator}`"
    for axis, (start, end) in enumerate(source["crop"] or []):
        if start >= end:
            yield f"{key}.crop[{axis}]: found [{start}, {end}], expected a start below the end"
    if source["generator"]:
        for name in ("array", "segmentation", "threshold", "select", "coarsen", "phases"):
            if given.get(name) is not None:
                yield f"{key}.{name}: has no effect with a generator; remove it"
    if source["segmentation"] == "threshold" and source["threshold"] is None:
        yield f"{key}.threshold: missing; `segmentation: threshold` needs a grey value"
    if source["segmentation"] in ("none", "otsu") and source["threshold"] is not None:
        yield (
            f"{key}.threshold: has no effect with `segmentation: {source['segmentation']}`; remove "
            "one of them"
        )


def _phases(source: dict) -> int | None:
    """Number of phases, as far as the settings tell."""
    two = source["generator"] or source["select"] is not None
    return source["phases"] or (2 if two else None)


def _user_path(path: str | None) -> str | None:
    """A path as the user means it, with ~ for the home folder, and no slash at the end."""
    return path and os.path.normpath(os.path.expanduser(path))


def _image_problems(key: str, path: str, folder: bool = False) -> Iterator[str]:
    """What is wrong with a user's image, or with a folder of such, before it is read."""
    place, types = Path(_user_path(path)), ", ".join(SUFFIXES)
    if folder and place.is_dir():
        if not any(map(is_image, place.iterdir())):
            yield f"{key}: the folder {path} holds no images, expected {types}"
    elif not place.is_file():
        yield f"{key}: {_missing(path, 'file or folder' if folder else 'file')}"
    elif place.suffix.lower() not in SUFFIXES:
        yield (
            f"{key}: {path} has the type {place.suffix or '(none)'}, expected {types}; export it "
            "again as one of these"
        )


def _missing(path: str, what: str) -> str:
    place = Path.cwd()
    return f"no {what} {path!r} (looked in {place}); correct the path or put the {what} there"


# config/README.md


def readme() -> str:
    """The user's page: the hand-written head, and a table of the keys of each section."""
    head = (CONFIG_FOLDER / "README.head.md").read_text(encoding="utf-8")
    properties = schema()["properties"]
    sections = [*_sections("run", properties["run"])]
    sections += _sections("benchmark", properties["benchmark"])
    sections.append(_section("defaults", properties["defaults"], {}))
    sections.append(_section("materials", properties["materials"], {}))
    material = properties["materials"]["additionalProperties"]
    sections += _sections("materials.NAME", material)
    return "\n".join([head, *sections])


def _sections(name: str, schema: dict) -> Iterator[str]:
    """A section of the page, and those of the sections inside it."""
    inner = {k: part for k, part in schema["properties"].items() if _is_section(part)}
    keys = {k: part for k, part in schema["properties"].items() if k not in inner}
    yield _section(name, schema, keys)
    for key, part in inner.items():
        yield from _sections(f"{name}.{key}", part)


def _is_section(schema: dict) -> bool:
    return "properties" in schema and "default" not in schema


def _section(name: str, schema: dict, keys: dict) -> str:
    lines = [f"### `{name}`", "", schema["description"], ""]
    if keys:
        lines += ["| key | type | default | description |", "| --- | --- | --- | --- |"]
        lines += [_row(key, part, key in schema.get("required", [])) for key, part in keys.items()]
        lines.append("")
    return "\n".join(lines)


def _row(key: str, schema: dict, required: bool) -> str:
    kind = re.sub("^an? ", "", expectation(schema))
    default = "required" if required else f"`{_flow(schema['default'])}`"
    description = schema["description"].replace("|", "\\|")
    return f"| `{key}` | {kind} | {default} | {description} |"


def _flow(value: object) -> str:
    """A value on one line, as YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).splitlines()[0]


if __name__ == "__main__":
    (CONFIG_FOLDER / "README.md").write_text(readme(), encoding="utf-8")
    print(f"wrote {CONFIG_FOLDER / 'README.md'}")
