"""The conda environment of each rule lists what its script imports, in the versions of the lock.

Snakemake's own environment shows through a rule's, so a missing package goes unnoticed until the
workflow runs on a machine where it is missing there too. Hence the imports are followed here, from
function to function, without running anything.
"""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
SRC = REPOSITORY / "src"
PACKAGES = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "torch": "pytorch",
    "vtkmodules": "vtk",
    "yaml": "pyyaml",
}
PYPI = {"pytorch-cpu": "torch", "pytorch-gpu": "torch"}
VARIANTS = ["torch-cpu.yaml", "torch-cuda.yaml"]  # of the environment TORCH
# MCRpy does not run with the lock's numpy.
LOCKS = {"mcrpy.yaml": {"mcrpy": "0.2.0", "tensorflow": "2.15.1", "numpy": "1.26.4"}}


# Which packages does a script import?


@functools.cache
def module_file(name: str) -> Path | None:
    """File of a module of the library; None for the modules of others."""
    stem = SRC.joinpath(*name.split("."))
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.exists()), None)


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def run_when_imported(node: ast.AST):
    """The nodes of a module without the insides of functions and of `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        if not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from run_when_imported(child)


def imported_names(nodes) -> dict[str, tuple[str, str | None]]:
    """Name in the code -> (module, name in that module or None for the module itself)."""
    names = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.split(".")[0]
                names[alias.asname or module] = (module, None)
                names[alias.name] = (alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = (inner, None) if module_file(inner) else (node.module, alias.name)
                names[alias.asname or alias.name] = target
    return names


class Imports:
    """Follows the imports of a script into the library; ``packages`` are those of others."""

    def __init__(self, script: Path):
        self.packages: set[str] = set()
        self.seen: set = set()
        nodes = list(ast.walk(tree(script)))
        self._follow(nodes, imported_names(nodes), {})

    def _follow(self, nodes, names: dict, functions: dict) -> None:
        """Import all that ``nodes`` import, and look into the functions that they name."""
        for module, _ in imported_names(nodes).values():
            self._import(module)
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in functions:
                self._function(*functions[node.id])
            elif isinstance(node, ast.Name) and node.id in names:
                self._function(*names[node.id])
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module, name = names.get(node.value.id, ("", ""))
                if name is None:
                    self._function(module, node.attr)

    def _import(self, module: str) -> None:
        if not module_file(module):
            self.packages.add(module.split(".")[0])
            return
        parts = module.split(".")
        for name in (".".join(parts[: k + 1]) for k in range(len(parts))):
            if name not in self.seen:
                self.seen.add(name)
                nodes = list(run_when_imported(tree(module_file(name))))
                self._follow(nodes, *self._scope(name))

    def _function(self, module: str, name: str | None) -> None:
        file = module_file(module)
        if not file or name is None or (module, name) in self.seen:
            return
        self.seen.add((module, name))
        names, functions = self._scope(module)
        if name not in functions and name in names:  # passed on from another module
            self._function(*names[name])
        for node in tree(file).body:
            if getattr(node, "name", None) == name:
                nodes = list(ast.walk(node))
                self._follow(nodes, names | imported_names(nodes), functions)

    def _scope(self, module: str) -> tuple[dict, dict]:
        body = tree(module_file(module))
        functions = {n.name: (module, n.name) for n in body.body if hasattr(n, "name")}
        return imported_names(run_when_imported(body)), functions


def packages_of(script: Path) -> set[str]:
    """Names of the conda packages that a script imports directly or through the library."""
    found = Imports(script).packages - set(sys.stdlib_module_names)
    return {PACKAGES.get(name, name) for name in found}


# What does an environment give?


def environment(file: Path) -> dict[str, str]:
    """Package -> version of an environment file; the version is empty where there is none."""
    entries = []
    for entry in yaml.safe_load(file.read_text())["dependencies"]:
        entries += entry["pip"] if isinstance(entry, dict) else [entry]
    split = [re.split("=+", entry) for entry in entries]
    return {name: version[0] if version else "" for name, *version in split}


def given(file: Path) -> set[str]:
    """The packages of an environment file, whatever device they are built for."""
    return {re.sub("^pytorch-.*", "pytorch", name) for name in environment(file)}


def rule_files() -> list[tuple[str, str | None, str | None]]:
    """Name, script and environment file of each rule."""
    found = []
    for path in [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow/rules").glob("*.smk"))]:
        for block in re.split(r"^(?=rule )", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if name := re.match(r"rule (\w+):", block):
                script = re.search(r'script:\s*"\.\./scripts/(.+?)"', block)
                conda = re.search(r'conda:\s*(?:"\.\./\.\./envs/(.+?)"|TORCH\b)', block)
                files = [None] if not conda else [conda[1]] if conda[1] else VARIANTS
                found += [(name[1], script and script[1], file) for file in files]
    return found


TARGETS = {"all", "benchmark_samplers", "directions", "export", "peers"}
RULES = [rule for rule in rule_files() if rule[0] not in TARGETS]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def test_every_rule_has_an_environment():
    """And every environment has a rule."""
    assert len(RULES) > 20
    used = {conda for _, _, conda in RULES}
    assert used == {path.name for path in ENVIRONMENTS}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule[0]}-{rule[2]}")
def test_an_environment_has_what_the_script_imports(rule):
    """No package leaks in from Snakemake's own environment."""
    name, script, conda = rule
    needed = packages_of(REPOSITORY / "workflow" / "scripts" / script)
    missing = needed - given(REPOSITORY / "envs" / conda)
    assert not missing, f"envs/{conda} lacks {sorted(missing)}, which {script} imports"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_has_nothing_that_no_script_imports(path):
    """Except for what other packages need to do their part."""
    indirect = {"python", "imagecodecs", "safetensors", "vtk", "mesalib"}
    if path.name == "mcrpy.yaml":  # MCRpy comes from PyPI and needs a scipy of its time
        indirect |= {"pip", "scipy"}
    scripts = [script for _, script, conda in RULES if conda == path.name]
    used = set().union(*(packages_of(REPOSITORY / "workflow/scripts" / s) for s in scripts))
    assert given(path) - indirect <= used


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_has_the_versions_of_the_lock(path):
    """The same numbers come out with conda and with requirements.txt."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    lock = dict(re.findall(r"^([\w.-]+)==(.+)$", "\n".join(lines), re.MULTILINE))
    lock |= LOCKS.get(path.name, {})
    content = yaml.safe_load(path.read_text())
    assert content["channels"] == ["conda-forge"]
    for name, version in environment(path).items():
        if name == "python":
            assert version == "3.11"
        elif name not in ("mesalib", "pip"):  # not of the lock
            locked = lock[PYPI.get(name, name)]
            assert version and f"{locked}.".startswith(f"{version}."), f"{name}: {locked}"


def test_the_variants_of_torch_differ_in_the_device_alone():
    """What was shown to run with one of them runs with the other."""
    cpu, cuda = (environment(REPOSITORY / "envs" / name) for name in VARIANTS)
    assert cpu.pop("pytorch-cpu") == cuda.pop("pytorch-gpu")
    assert cpu == cuda


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import os.path as p\nimport numpy as np\nfrom PIL import Image", {"numpy", "pillow"}),
        ("from micro3diff.config import load", {"jsonschema", "pyyaml"}),
        ("from micro3diff import phases\nphases.decode(0)", {"numpy", "pytorch"}),
        ("from micro3diff.sources import read_source\nread_source('', '')", {"numpy", "tifffile"}),
        (
            "from micro3diff.sources import load_source\nload_source({})",
            {"numpy", "tifffile", "pillow", "scikit-image"},
        ),
    ],
)
def test_imports_are_followed_into_called_functions(tmp_path, code, packages):
    """A function that imports what it needs when it is called counts where it is called."""
    script = tmp_path / "script.py"
    script.write_text(code)
    assert packages_of(script) == packages
