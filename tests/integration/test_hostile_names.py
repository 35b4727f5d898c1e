"""Names in a configuration from somebody else are names in a run, and no commands."""

from urllib.parse import quote

import numpy as np
import pytest
import tifffile
import yaml

from micro3diff.files import sha256_of

NAME = "-a b';touch owned;\"$(touch owned)`touch owned`&|>owned.tif"


@pytest.mark.parametrize("kind", ["url", "path"])
def test_a_files_name_is_no_command(clone, tiny, snakemake, kind):
    """Of a download, whose name becomes that of a result, and of an image."""
    (clone / "mirror").mkdir()
    blobs = np.kron(np.random.default_rng(0).random((24, 24)) < 0.4, np.ones((2, 2)))
    tifffile.imwrite(clone / "mirror" / "plain.tif", blobs.astype(np.uint8))
    image = (clone / "mirror" / "plain.tif").rename(clone / "mirror" / NAME)
    source = {
        "url": {"url": f"https://example.org/{quote(NAME)}", "sha256": sha256_of(image)},
        "path": {"path": f"mirror/{NAME}"},
    }[kind]
    config = {
        "run": {"materials": ["rock"], "mirror": "mirror", "device": "cpu"},
        "defaults": tiny,
        "materials": {"rock": {"source": source, "title": NAME}},
    }
    (clone / "my.yaml").write_text(yaml.safe_dump(config))
    options = ["--cores", "1", "--configfile", "my.yaml"]
    done = snakemake(clone, "results/rock/slices.tif", *options)
    assert done.returncode == 0, done.stdout
    assert (clone / "results" / "rock" / "slices.tif").exists()
    names = {path.name for path in clone.rglob("*owned*")}
    assert names <= {NAME, f"{NAME}.log"}, names
