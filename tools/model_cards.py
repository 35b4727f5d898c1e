#!/usr/bin/env python3
"""Ship trained denoisers: copy them to resources/models/ and write their model cards.

After a run, in the folder that holds its results/, with the configuration files of the run:

    PYTHONPATH=src python tools/model_cards.py spheres nmc --configfile config/cpu.yaml

This copies results/<material>/model to resources/models/<material>, with evidence.json if there is
one, and what the run knows of the model to facts.json there. What no run knows, the origin and
licence of the images, has to be in resources/models/provenance.yaml first. Without names, only the
cards are written again from these files. The table of README.md is printed. So no number is typed
by hand.
"""

import argparse
import json
import math
import shutil
import struct
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from micro3diff.denoisers import CHOICE
from micro3diff.errors import InputError
from micro3diff.files import read_json, sha256_of, write_json
from micro3diff.volumes import read_labels

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = REPOSITORY / "resources" / "models"
FACTS = "facts.json"
CARD = """\
---
{front}
---
<!-- Written by tools/model_cards.py; change facts.json or ../provenance.yaml and run it. -->

# 2D denoiser: {title}

A diffusion model of 2D images of {patch}x{patch} pixels with {phases} phases, from which
Micro3Diff makes 3D volumes. A U-Net in diffusers layout with {weights:,} weights ({size}), which
sees blocks of {block}x{block} pixels as channels.

## Training data

{data}

- Licence of the images: {rights}
- Source: {source}
- Training slices: {count} of {height}x{width} pixels{slicing}; phase fractions {fractions}
{cite}
## Training

| `train` | value |
| --- | --- |
{train}

## Error in 2D

{images} images sampled from this model against its training slices: the area between the curves in
percent, with its 95 % interval over the images (a bootstrap; as an error can't be negative, it lies
too high near zero). Seed {seed}, {steps} steps, start `{start}`, variance `{variance}`.

| S2 | LP | fraction of the phase | in the slices |
| --- | --- | --- | --- |
| {s2} | {lp} | {fraction:.3f} | {reference:.3f} |

## Use

In a configuration file of Micro3Diff, say `my.yaml`:

```yaml
run:
  materials: [{name}]
materials:
  {name}:
    model: resources/models/{name}{image}
```

and, on a computer without a GPU, `snakemake --cores 2 --configfile config/cpu.yaml my.yaml`, where
`config/cpu.yaml` sets how the model is sampled. In Python, `micro3diff.denoisers.load_denoiser`
takes the folder.
{choice}
## Limits

- A small model for trying things out, not the paper's. Shapes that it draws wrong will be wrong
  in the volume.
- It knows one material at one pixel size. Images of other sides than {patch} pixels are
  possible, but little was measured on them (docs/method.md).
{limits}

## Licence

Of the weights: {license}.
"""


def collect(results: Path, given: dict) -> dict:
    """What a run knows of its model: ``results`` of a material, ``given`` its configuration."""
    check = read_json(results / "check_2d.json")
    if sha256_of(results / "model" / "unet") != check["model_sha256"]:
        raise InputError(f"{results}: its 2D check was made with another model; run it again")
    scores = pd.read_csv(results / "check_2d.csv").set_index("metric")
    return {
        "source": origin(read_json(results / "source.json")["origin"], given["source"]),
        "slices": list(read_labels(results / "slices.tif").shape),
        "slicing": given.get("slices", {}),
        "isotropic": given["source"].get("isotropic", True),
        "check": {key: check[key] for key in ("seed", "settings", "model_sha256", "versions")},
        "errors": scores.to_dict("index"),
    }


def origin(found: dict, given: dict) -> dict:
    """The source of the images: a generator, or a public file, whatever copy of it was read."""
    if "generator" in found:
        return {"generator": found["generator"]} | found["settings"]
    file = given if "url" in given else found
    names = ("url", "file", "sha256")
    return {key: file[key] for key in names if key in file} | {
        key: given[key] for key in ("crop", "select", "coarsen") if key in given
    }


def ship(results: Path, folder: Path, given: dict) -> None:
    """Copy the model of a material to ``folder``, with what the run knows of it."""
    description = read_json(results / "model" / "denoiser.json")
    if "train" not in description:
        raise InputError(f"{results}: its model was given, not trained; ship what it was made from")
    facts = collect(results, given)
    shutil.rmtree(folder, ignore_errors=True)
    # Snakemake's mark of its own folders is no part of a model
    ignore = shutil.ignore_patterns(".snakemake_timestamp")
    shutil.copytree(results / "model", folder, ignore=ignore)
    if (results / CHOICE).exists():
        shutil.copy(results / CHOICE, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    write_json(folder / FACTS, facts)


def safetensors(folder: Path) -> Path:
    """The file of weights of a model."""
    return folder / "unet" / "diffusion_pytorch_model.safetensors"


def count_weights(path: Path) -> int:
    """Number of weights in a safetensors file, from its header."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(math.prod(part["shape"]) for key, part in header.items() if key != "__metadata__")


def size(folder: Path) -> str:
    """Size of the weights of a model."""
    return f"{safetensors(folder).stat().st_size / 1e6:.1f} MB"


def error(row: dict) -> str:
    """An error rate with its interval, in percent."""
    return f"{row['error_percent']:.1f} ({row['ci_low']:.1f} to {row['ci_high']:.1f})"


def flow(value: object) -> str:
    """A value as YAML on one line."""
    shown = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf)
    return shown.removesuffix("\n...\n").strip()


def choice(folder: Path) -> str:
    """The settings of the rule evidence that a model brings along, if it does."""
    if not (folder / CHOICE).exists():
        return ""
    settings = flow(read_json(folder / CHOICE)["settings"])
    return f"\nThe rule `evidence` takes its settings from `{CHOICE}`: `{settings}`.\n"


def image(name: str, description: dict, isotropic: bool | list[str]) -> str:
    """The line of a configuration that names the user's image, if config.yaml names none."""
    if name in configuration([])["materials"]:
        return ""
    planes, phases = description["planes"], len(description["fractions"])
    source = {"path": "my_volume.tif" if planes else "my_image.tif"}
    source |= {"phases": phases} if phases > 2 else {}
    source |= {"isotropic": isotropic} if planes else {}
    return f"\n    source: {flow(source)}"


def card(folder: Path, about: dict) -> str:
    """The model card of a folder, whose entry in provenance.yaml is ``about``."""
    facts, description = read_json(folder / FACTS), read_json(folder / "denoiser.json")
    check, errors, train = facts["check"], facts["errors"], description["train"]
    front = {key: about[key] for key in ("license", "license_name") if key in about} | {
        "library_name": "diffusers",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["micro3diff", "microstructure", "materials-science", folder.name],
    }
    slicing = flow(facts["slicing"]).strip("{}")
    return CARD.format(
        name=folder.name,
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        title=about["title"],
        patch=description["patch"],
        phases=len(description["fractions"]),
        weights=count_weights(safetensors(folder)),
        size=size(folder),
        block=description["pixel_block"],
        data=about["data"],
        rights=about["rights"],
        source="; ".join(f"`{key}`: {flow(value)}" for key, value in facts["source"].items()),
        count=facts["slices"][0],
        height=facts["slices"][1],
        width=facts["slices"][2],
        slicing=f" (`slices`: {slicing})" if slicing else "",
        fractions=", ".join(f"{fraction:.3f}" for fraction in description["fractions"]),
        cite="".join(f"- Cite: {work}\n" for work in about["cite"]),
        train="\n".join(f"| `{key}` | {flow(value)} |" for key, value in train.items()),
        images=errors["S2"]["n_images"],
        **{key: check["settings"][key] for key in ("steps", "start", "variance")},
        seed=check["seed"],
        s2=error(errors["S2"]),
        lp=error(errors["LP"]),
        fraction=errors["S2"]["volume_fraction"],
        reference=errors["S2"]["reference_volume_fraction"],
        limits="\n".join(f"- {limit}" for limit in about["limits"]),
        choice=choice(folder),
        image=image(folder.name, description, facts["isotropic"]),
        license=about.get("license_name", about["license"]),
    )


def provenance() -> dict:
    """What no run knows of the models, by their names."""
    return yaml.safe_load((MODELS / "provenance.yaml").read_text(encoding="utf-8"))


def table() -> str:
    """The models as the table in README.md has them."""
    rows = ["| model | material | size | 2D error S2 | LP |", "| --- | --- | --- | --- | --- |"]
    for name, about in provenance().items():
        folder = MODELS / name
        errors = read_json(folder / FACTS)["errors"]
        rows.append(
            f"| [`{name}`](resources/models/{name}) | {about['title']} | {size(folder)} "
            f"| {error(errors['S2'])} | {error(errors['LP'])} |"
        )
    return "\n".join(rows)


def configuration(files: list[str]) -> dict:
    """config/config.yaml with other configuration files laid over it, as Snakemake does."""
    config: dict = {}
    for file in [REPOSITORY / "config" / "config.yaml", *map(Path, files)]:
        update_config(config, yaml.safe_load(file.read_text(encoding="utf-8")))
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("materials", nargs="*", help="those to copy from the results")
    parser.add_argument("--results", default="results", type=Path, help="folder of the run")
    parser.add_argument("--configfile", nargs="*", default=[], help="those of the run")
    chosen = parser.parse_args()
    materials = configuration(chosen.configfile)["materials"]
    for name in chosen.materials:
        if name not in materials or name not in provenance():
            parser.error(f"{name} is not in the configuration or not in provenance.yaml")
        ship(chosen.results / name, MODELS / name, materials[name])
    for name, about in provenance().items():
        (MODELS / name / "README.md").write_text(card(MODELS / name, about), encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
