"""Statistics along each axis against brute force, and errors that see what an average hides."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from micro3diff import directions
from micro3diff.benchmark import real as benchmark_real
from micro3diff.benchmark.real import Real
from micro3diff.directions import AXES, DirectionCase, direction_table
from micro3diff.errors import InputError
from micro3diff.evaluation import curve_table, curve_values
from micro3diff.metrics import interface, specific_surface
from micro3diff.sources import Source


def random_labels(*shape, phases=3, seed=0):
    return np.random.default_rng(seed).integers(0, phases, shape).astype(np.uint8)


def layered(shape=(32, 28, 24), phases=3, seed=0, lengths=(1, 3, 4)):
    """Smooth noise, longer along y and x than along z, cut into phases of equal volume."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), lengths, mode="wrap")
    return np.searchsorted(np.quantile(noise, np.arange(1, phases) / phases), noise).astype("uint8")


def row(table, metric, phase, axis):
    chosen = (table["metric"] == metric) & (table["phase"] == phase) & (table["axis"] == axis)
    return table[chosen].sort_values("lag")["value"].to_numpy()


def brute_force(labels, axis, periodic, test, lag):
    """Share of the segments of ``lag`` along ``axis``, voxel by voxel, for which ``test`` holds."""
    hits = places = 0
    for start in np.ndindex(labels.shape):
        line = [start[:axis] + (start[axis] + k,) + start[axis + 1 :] for k in range(lag + 1)]
        if line[-1][axis] >= labels.shape[axis] and not periodic[axis]:
            continue
        wrapped = [tuple(i % n for i, n in zip(at, labels.shape, strict=True)) for at in line]
        places += 1
        hits += test([labels[at] for at in wrapped])
    return hits / places


@pytest.mark.parametrize("periodic", [[False] * 3, [True, False, True]])
def test_every_number_of_a_volume_is_a_count(periodic):
    """Each phase, pair, axis and lag, with and without wrapping, against a count voxel by voxel."""
    labels = random_labels(4, 5, 6)
    table = direction_table(labels, "volume", 3, max_lag=3, periodic=periodic)
    assert list(table.columns) == directions.COLUMNS
    assert len(table) == 3 * (1 + 2 * 3 * 4) + 3 * 3
    for (k, axis), phase in itertools.product(enumerate(AXES), range(3)):
        s2 = [
            brute_force(labels, k, periodic, lambda s, p=phase: s[0] == s[-1] == p, lag)
            for lag in range(4)
        ]
        lp = [
            brute_force(labels, k, periodic, lambda s, p=phase: set(s) == {p}, lag)
            for lag in range(4)
        ]
        np.testing.assert_allclose(row(table, "S2", str(phase), axis), s2, rtol=1e-12)
        np.testing.assert_allclose(row(table, "LP", str(phase), axis), lp, rtol=1e-12)
    for (k, axis), pair in itertools.product(enumerate(AXES), [(0, 1), (0, 2), (1, 2)]):
        faces = brute_force(labels, k, periodic, lambda s, p=pair: set(s) == set(p), 1)
        name = f"{pair[0]}-{pair[1]}"
        np.testing.assert_allclose(row(table, "interface", name, axis), [faces], rtol=1e-12)
    for phase in range(3):
        fraction = np.mean(labels == phase)
        assert row(table, "volume_fraction", str(phase), "all") == pytest.approx([fraction])


def test_interfaces_of_a_phase_add_up_to_its_surface():
    """A face of a phase is one to exactly one other phase."""
    labels = random_labels(6, 7, 8, phases=4)
    parts = sum(interface(labels, (2, other)).sum() for other in (0, 1, 3))
    assert parts == pytest.approx(specific_surface(labels, 2))
    np.testing.assert_array_equal(interface(labels, (2, 0)), interface(labels, (0, 2)))


def test_the_mean_over_the_axes_is_the_curve_of_the_other_tables():
    """Both kinds of table tell of the same curves."""
    labels = layered()
    table = direction_table(labels, "volume", 3)
    curves = curve_table(labels, "volume", phase=2)
    for metric in ("S2", "LP"):
        mean = np.mean([row(table, metric, "2", axis) for axis in AXES], axis=0)
        np.testing.assert_allclose(mean, curve_values(curves, metric)[0], rtol=1e-12)


def test_an_axis_of_planes_is_the_mean_of_the_two_images_that_contain_it():
    """Images of different shapes, each with two axes of the volume."""
    planes = {
        "xy": random_labels(12, 10, seed=1),
        "xz": random_labels(14, 9, seed=2),
        "yz": random_labels(11, 13, seed=3),
    }
    table = direction_table(planes, "planes", 3, max_lag=3)
    of_each = {
        name: {
            metric: [
                [brute_force(image, k, [False] * 2, test, lag) for lag in range(4)]
                for k in range(2)
            ]
            for metric, test in {
                "S2": lambda s: s[0] == s[-1] == 1,
                "LP": lambda s: set(s) == {1},
            }.items()
        }
        for name, image in planes.items()
    }
    for metric in ("S2", "LP"):
        (y, x), (z, x2), (z2, y2) = (of_each[name][metric] for name in ("xy", "xz", "yz"))
        for axis, pair in {"z": (z, z2), "y": (y, y2), "x": (x, x2)}.items():
            wanted = np.mean(pair, axis=0)
            np.testing.assert_allclose(row(table, metric, "1", axis), wanted, rtol=1e-12)
    mean = np.mean([np.mean(image == 1) for image in planes.values()])
    assert row(table, "volume_fraction", "1", "all") == pytest.approx([mean])


def test_planes_of_a_volume_tell_of_its_axes():
    """All planes of a volume as images give the volume's own curves: rows are rows, not columns."""
    volume = layered((30, 30, 30))
    whole = direction_table(volume, "volume", 3, max_lag=5)
    tables = []
    for k in range(30):
        planes = {"xy": volume[k], "xz": volume[:, k], "yz": volume[:, :, k]}
        tables.append(direction_table(planes, "planes", 3, max_lag=5))
    mean = pd.concat(tables).groupby([*directions.KEYS, "lag"])["value"].mean()
    own = whole.set_index([*directions.KEYS, "lag"])["value"]
    np.testing.assert_allclose(mean.reindex(own.index), own, rtol=1e-9)


@pytest.mark.parametrize("kind", ["image", "stack"])
def test_images_that_stand_for_all_planes_give_every_axis_the_same(kind):
    """An isotropic material is known from its images alone."""
    labels = random_labels(20, 18) if kind == "image" else random_labels(3, 20, 18)
    table = direction_table(labels, kind, 3)
    curves = curve_table(labels, kind, phase=1)
    for axis in AXES:
        for metric in ("S2", "LP"):
            own = curve_values(curves, metric)[0]
            np.testing.assert_allclose(row(table, metric, "1", axis), own, rtol=1e-12)
    with pytest.raises(InputError, match=f"{kind}: found"):
        direction_table(random_labels(20), kind, 3)


def test_an_absent_phase_has_zeros():
    """A volume that has lost a phase is a row of the table with an error of 100 %."""
    table = direction_table(np.zeros((6, 6, 6), np.uint8), "volume", 2)
    assert (row(table, "S2", "1", "z") == 0).all() and row(table, "interface", "0-1", "z") == [0]


def test_connected_shares_are_of_boxes_of_one_size():
    """A plate across the middle of a long volume joins nothing from end to end of any box."""
    volume = np.zeros((8, 4, 4), np.uint8)
    volume[:, 1], volume[3] = 1, 0
    known = {"kind": "volume", "origin": {"shape": [8, 4, 4]}}
    box = directions.common_box(known, [4, 9, 4])
    assert box == [4, 4, 4]
    table = direction_table(volume, "volume", 2, box=box)
    assert row(table, "connected", "1", "z") == pytest.approx([0.5]), "of the second box"
    assert row(table, "connected", "1", "x") == pytest.approx([1])
    assert row(table, "connected", "1", "y") == pytest.approx([0])
    assert row(direction_table(volume, "volume", 2, box=[8, 4, 4]), "connected", "1", "z") == 0
    assert directions.common_box(known | {"kind": "image"}, [4, 4, 4]) is None
    assert "connected" not in set(direction_table(volume, "volume", 2)["metric"])


def cases(reference, volumes, real, count=4):
    floor = directions.direction_floor(reference, real, count, phases=3)
    curves = directions.measure_directions(volumes, "volume", phases=3)
    case = DirectionCase("rock", "evidence", 0, curves, reference, floor, n_boot=200)
    return directions.direction_errors([case]).set_index(["metric", "phase", "axis"])


def test_errors_see_layers_that_lie_the_wrong_way():
    """The mean over the axes hides it: the very reason for a table of axes."""
    reference = direction_table(layered((32, 32, 32)), "volume", 3)
    real = Real(
        "volume",
        np.stack([layered((32, 32, 32), seed=seed) for seed in range(1, 9)]),
        np.empty((8, 0), int),
    )
    right = [layered((32, 32, 32), seed=seed) for seed in range(20, 24)]
    wrong = [volume.swapaxes(0, 2) for volume in right]
    table, turned = cases(reference, right, real), cases(reference, wrong, real)
    assert list(table.reset_index()[directions.ERROR_COLUMNS].columns) == directions.ERROR_COLUMNS
    for metric, phase in itertools.product(("S2", "LP"), "012"):
        key = (metric, phase, "z")
        assert table.loc[key, "error_percent"] < 1.5 * table.loc[key, "floor_high"]
        assert turned.loc[key, "error_percent"] > 3 * turned.loc[key, "floor_high"]
    # which the mean over the axes can't tell apart
    pd.testing.assert_frame_equal(*(curve_table(volumes[0]) for volumes in (right, wrong)))
    assert (table["n_volumes"] == 4).all() and (table["floor_from"] == "8 blocks").all()
    known = table.drop("0-2", level="phase")  # phases of a smooth field that hardly touch
    assert (known["ci_low"] <= known["ci_high"]).all()
    assert (known["floor_percent"] <= known["floor_high"]).all()


def test_lineal_path_given_the_phase_leaves_the_fraction_out():
    """Half of the layers taken away: LP is half off, what is left has the lengths that it had."""
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[4:12:2] = 1  # single layers, normal to z
    half = np.where(np.arange(16)[:, None, None] < 8, labels, 0)
    reference = direction_table(labels, "volume", 2)
    real = Real("volume", np.stack([labels, half]), np.empty((2, 0), int))
    table = cases(reference, [half], real)["error_percent"]
    for axis in "zyx":
        assert table["LP", "1", axis] == pytest.approx(50)
        assert table["LP_given_phase", "1", axis] == pytest.approx(0)


def test_what_the_material_has_not_got_has_no_error():
    """Phases 0 and 2 that never touch: an error in percent of nothing is none."""
    touching = np.zeros((8, 8, 8), np.uint8)
    touching[:, :4], touching[:, 4:] = 0, 1
    reference = direction_table(touching, "volume", 3)
    real = Real("volume", touching[None], np.empty((1, 0), int))
    table = cases(reference, [random_labels(8, 8, 8)] * 2, real)
    assert np.isnan(table.loc[("interface", "0-2", "z"), "error_percent"])
    assert np.isnan(table.loc[("S2", "2", "x"), "error_percent"])
    assert table.loc[("interface", "0-1", "y"), "error_percent"] > 0
    assert np.isnan(table.loc[("interface", "0-1", "y"), "floor_percent"]), "one block tells none"


def test_phases_stay_text_in_a_file(tmp_path):
    """Phase "1" of a long table must not come back as the number 1 in one part of it."""
    table = direction_table(random_labels(4, 4, 4), "volume", 3)
    table.to_csv(tmp_path / "directions.csv", index=False)
    again = directions.read_directions(tmp_path / "directions.csv")
    assert set(again["phase"]) == {"0", "1", "2", "0-1", "0-2", "1-2"}


# Real samples


def test_few_blocks_overlap_and_say_so(tmp_path):
    """Eight blocks do not fit into this file; 25 at random places do, none of them twice."""
    volume = random_labels(20, 20, 20, phases=2)
    np.save(tmp_path / "rock.npy", volume)
    real = benchmark_real.cut_real({"crop": None}, tmp_path / "rock.npy", [12, 12, 12], 12)
    assert real.overlapping and real.samples.shape == (25, 12, 12, 12)
    assert len({tuple(corner) for corner in real.corners}) == 25
    for (z, y, x), block in zip(real.corners, real.samples, strict=True):
        np.testing.assert_array_equal(block, volume[z : z + 12, y : y + 12, x : x + 12])
    benchmark_real.write_real(tmp_path / "real.npz", real)
    assert benchmark_real.read_real(tmp_path / "real.npz").overlapping
    whole = benchmark_real.cut_real({"crop": None}, tmp_path / "rock.npy", [64, 64, 64], 64)
    assert len(whole.samples) == 1 and not whole.overlapping


def test_a_generator_has_no_need_of_overlap():
    """It makes more volumes: two blocks of each, disjoint."""
    spheres = {"shape": [16, 16, 32], "diameter_mean": 7, "diameter_std": 1}
    settings = {"generator": "spheres", "spheres": spheres}
    real = benchmark_real.cut_real(settings, None, [16] * 3, 16)
    assert not real.overlapping and len(real.samples) == 26
    settings["spheres"] = spheres | {"seed": benchmark_real.FIRST_SEED}
    first = benchmark_real.load_source(settings).labels
    np.testing.assert_array_equal(np.concatenate(real.samples[:2], axis=2), first)


def test_tiles_of_planes_keep_to_their_plane(monkeypatch, tmp_path):
    """A sample has one tile of each image, and as many samples as the smallest image has tiles."""
    planes = {
        name: np.full(shape, k, np.uint8)
        for k, (name, shape) in enumerate({"xy": (20, 30), "xz": (16, 30), "yz": (40, 20)}.items())
    }
    monkeypatch.setattr(benchmark_real, "load_source", lambda settings: Source(planes, "planes"))
    real = benchmark_real.cut_real({"planes": {"xy": "a.tif"}}, None, [64] * 3, 8)
    assert real.kind == "planes" and real.is_the_source
    assert real.samples.shape == (6, 3, 8, 8)
    for sample in real.labels():
        assert {name: set(np.unique(tile)) for name, tile in sample.items()} == {
            "xy": {0},
            "xz": {1},
            "yz": {2},
        }
    floor = directions.direction_floor(direction_table(planes, "planes", 3), real, 4, phases=3)
    assert (floor["floor_from"] == "6 images of each plane").all()


def test_an_image_is_its_own_floor():
    """All its tiles, however many volumes there are."""
    tiles = np.stack([random_labels(14, 14, phases=2, seed=seed) for seed in range(9)])
    real = Real("image", tiles, np.zeros((9, 3), int))
    reference = direction_table(tiles, "stack", 2)
    one, many = (directions.direction_floor(reference, real, n, phases=2) for n in (1, 50))
    pd.testing.assert_frame_equal(one, many)
