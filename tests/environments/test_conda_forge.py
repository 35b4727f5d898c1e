"""The versions that the environment files pin exist on conda-forge; needs the internet."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

ENVIRONMENTS = Path(__file__).parents[2] / "envs"
PINS = sorted(
    {
        pin
        for path in ENVIRONMENTS.glob("*.yaml")
        for pin in yaml.safe_load(path.read_text())["dependencies"]
        if isinstance(pin, str) and "=" in pin  # pip's own list is pip's
    }
)
pytestmark = pytest.mark.environments


def versions(package: str) -> list[str]:
    """All versions of a package on conda-forge."""
    url = f"https://api.anaconda.org/package/conda-forge/{package}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["versions"]
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 404:
            return []
        pytest.skip(f"anaconda.org can't be reached: {error}")


def is_there(pin: str, known: list[str]) -> bool:
    wanted = pin.partition("=")[2]
    return any(version == wanted or version.startswith(f"{wanted}.") for version in known)


@pytest.mark.parametrize("pin", PINS)
def test_the_version_is_on_conda_forge(pin):
    assert is_there(pin, versions(pin.partition("=")[0]))


def test_a_pin_is_a_prefix_of_whole_numbers():
    assert is_there("vtk=9.7", ["9.6.1", "9.7.0"])
    assert not is_there("vtk=9.7", ["9.70.0", "19.7.0"])
