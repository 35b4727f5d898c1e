"""Volumes by other tools: the table that they are compared in, and MCRpy where it is installed."""

import numpy as np
import pandas as pd
import pytest

from micro3diff.errors import InputError
from micro3diff.evaluation import curve_table, measure
from micro3diff.metrics import error_rate
from micro3diff.peers import PeerVolumes, mcrpy_volume, peer_table

COLUMNS = (
    "material,tool,side,wall_seconds,metric,error_percent,ci_low,ci_high,n_volumes,"
    "floor_percent,floor_high"
).split(",")


def blobs(*shape, seed=0):
    """Labels with cubes of 4 voxels."""
    noise = np.random.default_rng(seed).random([n // 4 for n in shape])
    return np.kron(noise < 0.3, np.ones([4] * len(shape))).astype(np.uint8)


@pytest.fixture
def mcrpy():
    """MCRpy, which has an environment of its own."""
    return pytest.importorskip("mcrpy", reason="MCRpy needs numpy 1: see envs/mcrpy.yaml")


def peer(sides, seconds, reference_side=64):
    """A material, its reference from a longer cube, and volumes of these sides."""
    volumes = [blobs(*[side] * 3, seed=k) for k, side in enumerate(sides)]
    about = [
        {"tool": "other 1.0", "shape": list(volume.shape), "wall_seconds": time}
        for volume, time in zip(volumes, seconds, strict=True)
    ]
    reference, curves = curve_table(blobs(*[reference_side] * 3)), measure(volumes)
    return PeerVolumes("rock", about, curves, reference, real=curves, drawn=len(volumes))


def test_the_table_has_a_row_for_each_metric():
    """Median time, and the error of the mean curve over half the side of the volumes."""
    case = peer([16, 16, 16], [5.0, 9.0, 6.0])
    table = peer_table([case])
    assert list(table.columns) == COLUMNS
    assert list(table["metric"]) == ["S2", "LP"]
    assert (table["side"] == 16).all() and (table["n_volumes"] == 3).all()
    assert (table["wall_seconds"] == 6).all()
    for row in table.itertuples():
        curves, reference = (t[t["metric"] == row.metric] for t in (case.curves, case.reference))
        mean = curves.groupby("lag")["value"].mean().to_numpy()
        assert len(mean) == 9
        expected = error_rate(reference["value"].to_numpy()[:9], mean)
        assert row.error_percent == pytest.approx(expected)
        assert row.ci_low <= row.error_percent <= row.ci_high
        assert 0 < row.floor_percent < row.floor_high


def test_lags_end_where_the_reference_does():
    """A source that is smaller than the volumes has the shorter curve."""
    table = peer_table([peer([32], [1.0], reference_side=16)])
    assert np.isfinite(table["error_percent"]).all()


def test_the_same_volume_has_no_error():
    """Equation 24 of a volume against itself."""
    volume = blobs(32, 32, 32)
    about = [{"tool": "copy", "shape": [32, 32, 32], "wall_seconds": 0.0}]
    curves = measure([volume])
    table = peer_table([PeerVolumes("rock", about, curves, curve_table(volume), curves, drawn=1)])
    assert isinstance(table, pd.DataFrame) and (table["error_percent"] == 0).all()
    assert table[["ci_low", "ci_high", "floor_percent"]].isna().all(axis=None)


def test_mcrpy_gives_a_volume_and_its_provenance(mcrpy):
    """A few iterations: a mask, what it cost, and the same again from the same seed."""
    images = np.stack([blobs(32, 32, seed=k) for k in range(2)]) == 1
    settings = {"limit_to": 4, "max_iter": 3}
    mask, about = mcrpy_volume(images, 16, seed=1, settings=settings)
    assert mask.shape == (16, 16, 16) and mask.dtype == bool
    assert about["tool"].startswith("mcrpy ") and about["shape"] == [16, 16, 16]
    assert about["iterations"] >= 3 and about["loss"] > 0 and about["wall_seconds"] > 0
    assert {"mcrpy", "tensorflow", "numpy"} <= about["versions"].keys()
    again, _ = mcrpy_volume(images, 16, seed=1, settings=settings)
    np.testing.assert_array_equal(mask, again)


def test_mcrpy_needs_two_lags_of_pixels(mcrpy):
    """Said before MCRpy fails with a pyramid of no levels."""
    with pytest.raises(InputError, match="expected at least 16 of both"):
        mcrpy_volume(blobs(1, 64, 64) == 1, 8)
