"""Every command of README.md works as it stands there, up to running its jobs."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "config" / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SHELLS = ("", "sh", "bash", "shell", "console")
# Words that a page may use for the reader's own things: `<material>`, MY_FOLDER, path/to/...
PLACEHOLDER = re.compile(r"<\w[\w -]*>|\b[A-Z][A-Z_]{2,}\b(?!=)|path/to/|\.\.\.")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fenced(page: Path, languages: tuple[str, ...]) -> list[str]:
    """The contents of the fenced blocks of a page in one of the languages."""
    if not page.exists():
        return []
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    return [content for language, content in blocks if language in languages]


def commands(page: Path) -> list[str]:
    """The shell commands of a page that begin with `snakemake` or `make`."""
    lines = "".join(fenced(page, SHELLS)).replace("\\\n", " ").splitlines()
    lines = [line.removeprefix("$ ").strip() for line in lines]
    return [line for line in lines if re.match(r"(\S*/)?(snakemake|make)\b", line)]


def all_commands() -> list:
    """Each command once, with the page where it is found first."""
    found = {command: page.relative_to(REPOSITORY) for page in PAGES for command in commands(page)}
    return [pytest.param(command, id=f"{page}: {command}") for command, page in found.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, copy_workflow_to) -> Path:
    """A clone in which the configuration files and images that the pages show do exist."""
    clone = copy_workflow_to(tmp_path_factory.mktemp("readme") / "clone")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy2(REPOSITORY / name, clone)
    (clone / "my_rock.tif").touch()
    for settings in (clone / "config").glob("*.yaml"):
        for name in set(re.findall(r"\bdata/\S+\.\w+", settings.read_text(encoding="utf-8"))):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).touch()
    my = "run: {materials: [my_rock]}\nmaterials: {my_rock: {source: {path: my_rock.tif}}}\n"
    (clone / "my.yaml").write_text(my)
    return clone


def test_the_commands_are_found(tmp_path):
    """Comments, prompts and continued lines do not hide a command from this test."""
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\n$ make demo  # spheres\nsnakemake --cores 8 \\\n  --profile slurm\n```\n"
        "```yaml\nmake: no\n```\n```\n.venv/bin/snakemake -n\ncd here\n```\n"
    )
    found = [shlex.split(command, comments=True) for command in commands(page)]
    assert found == [
        ["make", "demo"],
        ["snakemake", "--cores", "8", "--profile", "slurm"],
        [".venv/bin/snakemake", "-n"],
    ]


@pytest.mark.parametrize("command", all_commands())
def test_a_command_works(command, folder, snakemake, clean_environment):
    """`snakemake` plans its jobs, or lists or reports; so do the `snakemake` commands of `make`."""
    if match := PLACEHOLDER.search(shlex.join(shlex.split(command, comments=True))):
        pytest.skip(f"{match[0]} is for the reader to fill in")
    program, *arguments = shlex.split(command, comments=True)
    if Path(program).name == "make":
        done = subprocess.run(
            ["make", "-n", *arguments],
            cwd=folder,
            env=clean_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            if re.search(r"snakemake\b.* --cores", line) and "--report" not in line:
                done = snakemake(folder, *shlex.split(line)[1:], "-n")
                assert done.returncode == 0, done.stdout
        return
    done = snakemake(folder, *arguments, *([] if "--report" in arguments else ["-n"]))
    if "--report" in arguments:  # there is nothing to report yet, which Snakemake says
        assert "Missing" in done.stdout or done.returncode == 0, done.stdout
        assert "unrecognized arguments" not in done.stdout
    else:
        assert done.returncode == 0, done.stdout
    assert not os.path.exists(folder / "results")


def test_pictures_and_links_of_the_pages_exist():
    """A page with a broken picture is the first thing that a visitor would see."""
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
