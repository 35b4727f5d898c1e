"""The scripts of workflow/rules/peers.smk."""

import json

import numpy as np
import pandas as pd
from test_scripts import Files, run

from micro3diff.benchmark.real import Real, write_real
from micro3diff.evaluation import curve_table, write_table
from micro3diff.volumes import write_labels

HOW = {"phase": 1, "dimension": "auto", "max_lag": 20, "along": "axes"}


def test_peer_table_takes_each_material_with_its_own_reference(tmp_path):
    """Two materials, one with two volumes; an image is compared in two dimensions, and its floor is
    that of all its tiles."""
    rng = np.random.default_rng(0)
    kinds, samples = {"balls": "volume", "rock": "image"}, {"balls": 2, "rock": 1}
    input = {key: [] for key in ("volumes", "provenance", "runs", "real", "references", "about")}
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
        ours = tmp_path / "benchmarks" / material / "beside_mcrpy"
        for sample in range(3):
            path = ours / f"volume_{sample:03d}.tif"
            write_labels(path, (rng.random((16, 16, 16)) < 0.4).astype(np.uint8))
            path.with_suffix(".json").write_text(json.dumps({"shape": [16] * 3, "wall_seconds": 1}))
        (ours / "runs.csv").write_text("sample\n0\n1\n2\n")
        input["runs"].append(ours / "runs.csv")
        real = (rng.random((5, *[16] * source.ndim)) < 0.4).astype(np.uint8)
        write_real(ours / "real.npz", Real(kind, real, np.zeros((5, 3), int)))
        input["real"].append(ours / "real.npz")
    output = tmp_path / "benchmarks" / "peers.csv"
    how = dict.fromkeys(kinds, HOW)
    run("peer_table", Files(**input), Files(output), materials=list(kinds), how=how)
    table = pd.read_csv(output)
    both = ["mcrpy 0.2.0"] * 2 + ["micro3diff evidence"] * 2
    assert list(table["material"]) == ["balls"] * 4 + ["rock"] * 4
    assert list(table["tool"]) == both * 2
    assert list(table["n_volumes"]) == [2, 2, 3, 3, 1, 1, 3, 3]
    assert list(table["wall_seconds"]) == [2.5, 2.5, 1, 1, 2, 2, 1, 1]
    assert (table["side"] == 16).all() and (table["error_percent"] < 20).all()
    floors = table.set_index(["material", "tool", "metric"])["floor_high"].unstack("tool")
    balls, rock = floors.loc["balls"], floors.loc["rock"]
    assert (balls["mcrpy 0.2.0"] > balls["micro3diff evidence"]).all()  # of two, of three
    assert (rock["mcrpy 0.2.0"] == rock["micro3diff evidence"]).all()
