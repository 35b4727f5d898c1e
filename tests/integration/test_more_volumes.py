"""More volumes of a finished run: the new ones are made, and no others."""

import yaml
from snakemake_options import ONE_THREAD

from micro3diff.volumes import volumes_of


def test_two_volumes_more(clone, tiny, snakemake):
    """Within a job that was not full (2 -> 3) and by another one (3 -> 4)."""
    shape = {"shape": [24, 16, 16], "diameter_mean": 7, "diameter_std": 1}
    run = {"materials": ["balls"], "cases": {"alternate": [0]}, "device": "cpu"}
    config = {
        "run": run | {"volumes_per_job": 3},
        "defaults": tiny,
        "materials": {"balls": {"source": {"generator": "spheres", "spheres": shape}}},
    }
    folder = clone / "results" / "balls"

    def made(samples: int) -> dict[str, int]:
        """When each volume, and the model, were written."""
        config["run"]["samples"] = samples
        (clone / "my.yaml").write_text(yaml.safe_dump(config))
        options = ["--cores", "1", *ONE_THREAD, "--configfile", "my.yaml"]
        done = snakemake(clone, "results/balls/alternate_nh0/curves.csv", *options)
        assert done.returncode == 0, done.stdout
        files = [*folder.glob("*/volume_*.tif"), folder / "model" / "denoiser.json"]
        return {path.name: path.stat().st_mtime_ns for path in files}

    first, second, third = made(2), made(3), made(4)
    assert second.keys() - first.keys() == {"volume_002.tif"}
    assert third.keys() - second.keys() == {"volume_003.tif"}
    assert first.items() <= second.items() <= third.items()
    tables = [folder / "alternate_nh0" / f"volumes_{k}.csv" for k in ("000-002", "003-003")]
    assert sum(map(len, map(volumes_of, tables))) == 4
