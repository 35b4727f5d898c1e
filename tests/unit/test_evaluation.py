"""Tables against the metrics they are made of, and intervals against repeated experiments."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from micro3diff import evaluation
from micro3diff.errors import InputError
from micro3diff.evaluation import Case
from micro3diff.metrics import error_rate, lineal_path, two_point_correlation

DATA = Path(__file__).parents[3] / "shared" / "data"


def random_labels(*shape, seed=0, fraction=0.4):
    return (np.random.default_rng(seed).random(shape) < fraction).astype(np.uint8)


def values(table, metric):
    return evaluation.curve_values(table, metric)[0]


def test_curves_of_a_volume_are_the_metrics():
    """A 3D table holds S2 and LP of the volume, S2 along the directions asked for."""
    labels = random_labels(8, 9, 10)
    table = evaluation.curve_table(labels, max_lag=3, along="radial")
    assert list(table.columns) == ["metric", "lag", "value"]
    s2 = two_point_correlation(labels, max_lag=3, along="radial")
    np.testing.assert_array_equal(values(table, "S2"), s2.values)
    np.testing.assert_array_equal(values(table, "LP"), lineal_path(labels, max_lag=3).values)


@pytest.mark.parametrize("along", ["axes", "diagonals", "radial"])
def test_a_volume_in_2d_is_the_mean_over_its_slices(along):
    """For materials known from images, each family of planes counts alike."""
    labels = random_labels(6, 7, 8)
    s2, lp = [], []
    for axis in range(3):
        slices = np.moveaxis(labels, axis, 0)
        curves = [two_point_correlation(s, max_lag=3, along=along).values for s in slices]
        s2.append(np.mean(curves, axis=0))
        lp.append(np.mean([lineal_path(s, max_lag=3).values for s in slices], axis=0))
    table = evaluation.curve_table(labels, dimension=2, along=along)
    np.testing.assert_allclose(values(table, "S2"), np.mean(s2, axis=0), rtol=1e-12)
    np.testing.assert_allclose(values(table, "LP"), np.mean(lp, axis=0), rtol=1e-12)


def test_a_stack_is_judged_by_its_images():
    """Images of a stack are independent: nothing is measured across them, few images suffice."""
    images = random_labels(2, 12, 14)
    table = evaluation.curve_table(images, kind="stack")
    per_image = evaluation.measure(images, kind="image")
    assert table["lag"].max() == 6
    for metric in evaluation.METRICS:
        mean = evaluation.curve_values(per_image, metric).mean(axis=0)
        np.testing.assert_allclose(values(table, metric), mean, rtol=1e-12)


def test_planes_are_judged_by_the_mean_of_their_images():
    """An image of each plane, of different shapes, over the lags that all of them have."""
    planes = {
        "xy": random_labels(12, 14),
        "xz": random_labels(9, 14, seed=1),
        "yz": random_labels(9, 12, seed=2),
    }
    table = evaluation.curve_table(planes, "planes")
    assert table["lag"].max() == 4
    per_image = evaluation.measure(planes.values(), kind="image", max_lag=4)
    for metric in evaluation.METRICS:
        mean = evaluation.curve_values(per_image, metric).mean(axis=0)
        np.testing.assert_allclose(values(table, metric), mean, rtol=1e-12)
    pd.testing.assert_frame_equal(evaluation.reference_table(planes, "planes", 1), table)
    with pytest.raises(InputError, match="found 2, but the labels of the material are 0, 1"):
        evaluation.reference_table(planes, "planes", 2)
    with pytest.raises(InputError, match="evaluate.dimension: found 3 .*'planes'"):
        evaluation.curve_table(planes, "planes", dimension=3)


@pytest.mark.parametrize("along", ["axes", "diagonals", "radial"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_periodic_volume_has_no_place_of_its_own(along, dimension):
    """Moved around its wrapping axis a volume has the same curves; read as cut out, it has not."""
    labels = random_labels(8, 9, 10)
    moved = np.roll(labels, 3, axis=1)
    how = {"dimension": dimension, "along": along, "max_lag": 3}
    wraps = [
        evaluation.curve_table(v, periodic=[False, True, False], **how) for v in (labels, moved)
    ]
    pd.testing.assert_frame_equal(*wraps)
    cut = [evaluation.curve_table(v, **how) for v in (labels, moved)]
    assert np.abs(cut[0]["value"] - cut[1]["value"]).max() > 1e-4


def test_the_source_decides_the_dimension():
    """Volumes are judged in 3D, images in 2D, unless the user says otherwise."""
    assert evaluation.resolve_dimension("volume") == 3
    assert evaluation.resolve_dimension("volume", 2) == 2
    assert evaluation.resolve_dimension("image") == evaluation.resolve_dimension("stack") == 2
    with pytest.raises(InputError, match="evaluate.dimension: found 3 .*'image'"):
        evaluation.curve_table(random_labels(8, 8), kind="image", dimension=3)
    with pytest.raises(InputError, match="stack: found 2 dimensions; expected 3"):
        evaluation.curve_table(random_labels(8, 8), kind="stack")


def test_measure_takes_one_volume_at_a_time():
    """A generator is enough, and samples are numbered in its order."""
    volumes = [random_labels(6, 6, 6, seed=seed) for seed in range(3)]
    table = evaluation.measure((v for v in volumes), phase=0, max_lag=2)
    assert list(table.columns) == ["sample", "metric", "lag", "value"]
    curves = evaluation.curve_values(table, "LP")
    assert curves.shape == (3, 3)
    np.testing.assert_array_equal(curves[2], lineal_path(volumes[2], 0, 2).values)
    with pytest.raises(InputError, match="samples: found none"):
        evaluation.measure([])


def test_tables_survive_the_csv(tmp_path):
    """What is read back is what was written, to the last bit."""
    table = evaluation.measure([random_labels(7, 7, 7)] * 2)
    evaluation.write_table(tmp_path / "curves.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "curves.csv"), table)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.csv"]


def test_missing_lags_are_named():
    """A damaged table does not become a NaN in the results."""
    table = evaluation.measure([random_labels(7, 7, 7)] * 2)
    is_s2 = table["metric"] == "S2"
    for damaged in (table.drop(index=1), table[~is_s2], table[~is_s2 | (table["lag"] != 1)]):
        with pytest.raises(InputError, match="S2 is missing"):
            evaluation.curve_values(damaged, "S2")


def test_the_interval_covers_the_error():
    """The 95 % interval holds the true error in nearly 95 of 100 repeated experiments."""
    rng = np.random.default_rng(0)
    reference = np.exp(-np.arange(8) / 3)
    truth = 1.3 * reference
    inside = 0
    for seed in range(200):
        amplitude = rng.normal(1, 0.2, size=(25, 1))
        error, low, high = evaluation.bootstrap_error(reference, amplitude * truth, 500, seed=seed)
        assert low <= error <= high
        inside += low <= error_rate(reference, truth) <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_samples_that_deviate_to_either_side_are_drawn_in_pairs():
    """What cancels in their mean is none of its uncertainty; what differs between pairs is.

    Drawn one by one, the scatter of the fractions gives an interval that no run would ever fill.
    """
    rng = np.random.default_rng(0)
    reference, pairs = np.exp(-np.arange(8) / 3), 12
    scatter = np.repeat([0, *rng.normal(0, 0.2, pairs - 1)], 2) * np.tile([1, -1], pairs)
    curves = (1.1 + scatter)[:, None] * reference
    error, low, high = evaluation.bootstrap_error(reference, curves, in_pairs=True)
    assert error == pytest.approx(10) and [low, high] == pytest.approx([10, 10])
    _, low, high = evaluation.bootstrap_error(reference, curves)
    assert high - low > 5
    mine = rng.normal(0, 0.05, (2 * pairs, 1)) * reference
    inside = evaluation.bootstrap_error(reference, curves + mine, in_pairs=True)
    alone = evaluation.bootstrap_error(reference, 1.1 * reference + mine)
    assert inside[2] - inside[1] == pytest.approx(alone[2] - alone[1], rel=0.5)
    for odd in (3, 5):  # the last one is alone
        error, low, high = evaluation.bootstrap_error(reference, curves[:odd], in_pairs=True)
        assert low <= error <= high and high > low


def test_the_interval_is_reproducible_and_needs_two_samples():
    """The same seed gives the same interval; one volume says nothing about the spread."""
    reference, curves = np.ones(4), np.random.default_rng(0).random((5, 6))
    first = evaluation.bootstrap_error(reference, curves)
    assert first == evaluation.bootstrap_error(reference, curves)
    assert first[0] == error_rate(reference, curves.mean(axis=0))
    error, low, high = evaluation.bootstrap_error(reference, curves[:1])
    assert error > 0 and np.isnan([low, high]).all()


def two_cases():
    reference = evaluation.curve_table(random_labels(12, 12, 12, seed=9))
    volumes = [random_labels(12, 12, 12, seed=seed) for seed in range(4)]
    return [
        Case("spheres", "alternate", 10, evaluation.measure(volumes), reference, "I"),
        Case("my_rock", "evidence", 0, evaluation.measure(volumes[:1], max_lag=4), reference),
    ]


def test_error_table_has_the_contract_columns():
    """error_rates.csv is read by others: its columns are fixed."""
    cases = two_cases()
    table = evaluation.error_table(cases)
    assert ",".join(table.columns) == (
        "material,n_h,rule,metric,error_percent,ci_low,ci_high,n_volumes,paper_percent"
    )
    assert table["metric"].tolist() == ["S2", "LP"] * 2
    assert table["n_volumes"].tolist() == [4, 4, 1, 1]
    assert table["paper_percent"].tolist()[:2] == [1.88, 4.56]
    assert table["paper_percent"][2:].isna().all() and table["ci_low"][2:].isna().all()
    mean = evaluation.curve_values(cases[0].curves, "LP").mean(axis=0)
    expected = error_rate(values(cases[0].reference, "LP"), mean)
    assert table["error_percent"][1] == expected
    assert list(evaluation.error_table([]).columns) == list(table.columns)


def test_volume_fraction_table():
    """Volume fractions are those of the voxels, with the spread between volumes."""
    table = evaluation.volume_fraction_table(two_cases())
    fractions = [random_labels(12, 12, 12, seed=seed).mean() for seed in range(4)]
    assert table["mean"].tolist() == pytest.approx([np.mean(fractions), fractions[0]])
    assert table["std"][0] == pytest.approx(np.std(fractions, ddof=1))
    assert np.isnan(table["std"][1])
    assert table["n_volumes"].tolist() == [4, 1]
    assert table["reference"][0] == pytest.approx(random_labels(12, 12, 12, seed=9).mean())
    assert table["asked"].isna().all()


@pytest.mark.parametrize(
    ("wanted", "phase", "asked"), [(0.3, 1, 0.3), (0.3, 0, 0.7), ([0.2, 0.5, 0.3], 2, 0.3)]
)
def test_the_fraction_that_was_asked_is_of_the_phase_that_was_measured(wanted, phase, asked):
    """One number is phase 1's; the original's fraction stays beside it."""
    case = dataclasses.replace(two_cases()[0], volume_fraction=wanted, phase=phase)
    table = evaluation.volume_fraction_table([case])
    assert table["asked"][0] == pytest.approx(asked)
    assert table["reference"][0] != pytest.approx(asked)


def test_timing_table():
    """Times are medians over the volumes, relative to 2D generation of as many pixels."""
    runs = [
        {"wall_seconds": s, "network_passes": 1000, "device": d, "shape": [8, 4, 4]}
        for s, d in [(10.0, "cpu"), (30.0, "cuda"), (14.0, "cpu")]
    ]
    volumes = {("spheres", "alternate", 0): runs, ("my_rock", "evidence", 3): runs[:1]}
    images = {
        "spheres": {"wall_seconds": 7.0, "shape": [8, 4, 4]},
        "my_rock": {"wall_seconds": 2.5, "shape": [2, 4, 4]},
    }
    table = evaluation.timing_table(volumes, images)
    assert ",".join(table.columns) == (
        "material,rule,n_h,n_volumes,seconds_median,seconds_2d,relative_time,network_passes,device"
    )
    assert table["seconds_median"].tolist() == [14, 10]
    assert table["seconds_2d"].tolist() == [7, 10]
    assert table["relative_time"].tolist() == [2, 1]
    assert table["device"].tolist() == ["cpu, cuda", "cpu"]
    assert table["network_passes"].tolist() == [1000, 1000]


def test_images_of_the_material_itself_score_well():
    """Half of a real stack scores near the other half, and its inverse badly."""
    file = DATA / "nmc_cathode" / "nmc1cal_public.tif"
    if not file.exists():
        pytest.skip(f"needs the real volume {file.name}, which is not beside the repository")
    labels = pytest.importorskip("tifffile").imread(file)[:, :64, :64] == 1
    reference = evaluation.curve_table(labels[::4], kind="stack")
    same = evaluation.score_images(labels[2::4], reference)
    other = evaluation.score_images(~labels[2::4], reference)
    assert same["metric"].tolist() == ["S2", "LP"]
    assert (same["error_percent"] < 2).all() and (other["error_percent"] > 10).all()
    assert (same["ci_low"] <= same["ci_high"]).all()
    assert same["n_images"][0] == len(labels[2::4])
    assert same["volume_fraction"][0] == pytest.approx(labels[2::4].mean())
    assert same["reference_volume_fraction"][0] == pytest.approx(labels[::4].mean())


def test_a_reference_without_the_phase_is_refused():
    """Said before training: error rates relative to nothing would be found out at the very end."""
    with pytest.raises(InputError, match=r"evaluate.phase: found 2, .* are 0, 1; choose"):
        evaluation.reference_table(random_labels(6, 6, 6), "volume", phase=2)


def test_a_thin_source_has_fewer_lags(caplog):
    """A few sections of a block are a source too; the error rate is over the common lags."""
    reference = evaluation.reference_table(random_labels(6, 40, 40), "volume", phase=1, max_lag=12)
    assert reference.loc[reference["metric"] == "S2", "lag"].tolist() == [0, 1, 2, 3]
    assert "of the lags up to 12, it is compared at those up to 3 only" in caplog.text
    curves = evaluation.measure([random_labels(30, 30, 30)], max_lag=12)
    table = evaluation.error_table([Case("my_rock", "evidence", 0, curves, reference)])
    assert table["error_percent"].notna().all()


def test_the_diagonal_of_planes_is_the_mean_of_their_images():
    sizes = {"xy": (12, 14), "xz": (9, 14), "yz": (9, 12)}
    planes = {name: random_labels(*size, seed=k) for k, (name, size) in enumerate(sizes.items())}
    expected = [evaluation.body_diagonal(image, "image", 1, 4) for image in planes.values()]
    found = evaluation.body_diagonal(planes, "planes", 1, 4)
    np.testing.assert_allclose(found, np.mean(expected, axis=0))


def test_the_worst_plane_is_told():
    """A denoiser of several planes is as good as its worst."""
    slices = {p: random_labels(8, 12, 12, seed=k) for k, p in enumerate(("yz", "xz", "xy"))}
    table = evaluation.score_planes(slices | {"xz": 1 - slices["xz"]}, slices, n_boot=10)
    assert table["plane"].tolist() == ["xz", "xz"] and (table["error_percent"] > 10).all()


def test_images_are_scored_by_the_phase():
    slices = random_labels(8, 12, 12)
    scores = evaluation.score_planes(slices, slices, phase=0, n_boot=10)
    assert scores["error_percent"].max() == pytest.approx(0, abs=1e-9)
    assert scores["volume_fraction"][0] == pytest.approx(1 - slices.mean())


def test_a_phase_may_be_in_one_plane_alone():
    """It is missing where no plane shows it."""
    one = np.eye(12, dtype=np.uint8)
    evaluation.reference_table({"xy": one, "xz": one, "yz": 2 * one}, "planes", 2)
