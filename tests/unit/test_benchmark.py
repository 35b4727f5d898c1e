"""The sampler benchmark: analytic curves, floors against repeated draws, copies that are found."""

import math

import numpy as np
import pandas as pd
import pytest
import tifffile

from micro3diff import config
from micro3diff.benchmark import denoisers, errors, memorisation
from micro3diff.benchmark.real import Real, cut_real, read_real, write_real
from micro3diff.evaluation import curve_table, curve_values, score_images
from micro3diff.metrics import error_rate, specific_surface, two_point_correlation
from micro3diff.slices import TRANSFORMS
from micro3diff.sources import Source, load_source, settings_like
from micro3diff.volumes import read_labels, volume_path

HOW = {"phase": 1, "dimension": "auto", "max_lag": 6, "along": "axes"}


def random_labels(*shape, seed=0, fraction=0.4):
    return (np.random.default_rng(seed).random(shape) < fraction).astype(np.uint8)


def values(table, metric):
    return curve_values(table, metric)[0]


def smooth_labels(shape, seed=0, width=2.0):
    """A thresholded isotropic Gaussian field, periodic."""
    noise = np.fft.fftn(np.random.default_rng(seed).normal(size=shape))
    squares = sum(k**2 for k in np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij"))
    field = np.fft.ifftn(noise * np.exp(-2 * (math.pi * width) ** 2 * squares)).real
    return (field > 0).astype(np.uint8)


# Curves


def test_curves_of_a_volume_are_the_metrics():
    """Each row of the table is what the metric of that name says."""
    labels = random_labels(14, 15, 16)
    table = errors.benchmark_curves(labels, max_lag=6)
    diagonal = two_point_correlation(labels, 1, 6, along="diagonals")
    np.testing.assert_array_equal(values(table, "S2_diagonal"), diagonal.values)
    np.testing.assert_array_equal(values(table, "volume_fraction"), [labels.mean()])
    np.testing.assert_allclose(values(table, "surface"), [specific_surface(labels) / 3])
    assert set(table["metric"]) == {"S2", "LP", "S2_diagonal", "surface", "volume_fraction"}


def test_images_and_volumes_of_random_pixels_compare():
    """Of independent pixels all is known, in 2D as in 3D: S2 = p^2, surface = 2 p (1 - p)."""
    p = 0.3
    volume = errors.benchmark_curves(random_labels(40, 40, 40, fraction=p), max_lag=8)
    stack = errors.benchmark_curves(random_labels(60, 40, 40, fraction=p), "stack", max_lag=8)
    image = errors.benchmark_curves(random_labels(300, 300, fraction=p), "image", max_lag=8)
    for table in (volume, stack, image):
        expected = [p, *[p**2] * 8]
        np.testing.assert_allclose(values(table, "S2_diagonal"), expected, atol=0.01)
        np.testing.assert_allclose(values(table, "surface"), 2 * p * (1 - p), atol=0.01)
        np.testing.assert_allclose(values(table, "volume_fraction"), p, atol=0.01)


def test_the_diagonal_of_slices_is_that_of_their_volume():
    """In an isotropic volume S2 depends on distance only, so slices tell the body diagonals."""
    labels = smooth_labels((96, 96, 96))
    body = values(errors.benchmark_curves(labels, max_lag=10), "S2_diagonal")
    planar = values(errors.benchmark_curves(labels, "stack", max_lag=10), "S2_diagonal")
    assert len(planar) == len(body) == 11
    np.testing.assert_allclose(planar, body, atol=0.004)
    in_plane = two_point_correlation(labels, 1, 10, along="diagonals", plane=(1, 2)).values
    assert np.abs(in_plane - body).max() > 0.02  # without regard to the distances


def test_diagonals_of_small_images_reach_as_far_as_they_can():
    """Nothing is extrapolated beyond the corner of an image."""
    table = errors.benchmark_curves(random_labels(5, 10, 10), "stack", max_lag=9)
    reach = len(values(table, "S2_diagonal")) - 1
    assert reach * math.sqrt(3) <= 9 * math.sqrt(2) < (reach + 1) * math.sqrt(3)


# Errors


def test_errors_of_metrics():
    """LP given the phase forgets the volume fraction; single numbers are relative differences."""
    reference = np.array([0.5, 0.3, 0.1])
    assert errors.given_phase_error(reference, 0.8 * reference) == pytest.approx(0)
    assert error_rate(reference, 0.8 * reference) == pytest.approx(20)
    steeper = np.array([0.2, 0.06, 0.0])
    expected = error_rate(reference / 0.5, steeper / 0.2)
    both = errors.given_phase_error(reference, np.stack([reference, steeper]))
    assert both == pytest.approx([0, expected])
    assert np.isfinite(errors.given_phase_error(reference, np.zeros(3)))
    assert errors.relative_error(np.array([0.2]), np.array([[0.1], [0.3], [0.2]])) == pytest.approx(
        [50, 50, 0]
    )


def test_the_floor_is_the_error_of_as_many_real_samples():
    """Against the half-normal law of a mean of n independent numbers."""
    n_pool, shape = 400, (6, 6, 6)
    pool = np.stack([random_labels(*shape, seed=seed) for seed in range(n_pool)])
    reference = errors.benchmark_curves(pool.reshape(-1, *shape[1:])[: 6 * 6], max_lag=2)
    fractions = pool.mean(axis=(1, 2, 3))
    reference.loc[reference["metric"] == "volume_fraction", "value"] = fractions.mean()
    real = Real("volume", pool, np.empty((n_pool, 0), int))
    floors = errors.floor_table(reference, real, "volume", HOW | {"max_lag": 2}, [4, 100])
    found = floors[floors["metric"] == "volume_fraction"].set_index("n_volumes")
    for n in (4, 100):
        relative = 100 * fractions.std() / math.sqrt(n) / fractions.mean()
        assert found.loc[n, "floor_percent"] == pytest.approx(0.6745 * relative, rel=0.08)
        assert found.loc[n, "floor_high"] == pytest.approx(2.2414 * relative, rel=0.08)


def test_an_image_is_its_own_floor():
    """Its tiles are drawn as many as there are, whatever the number of volumes."""
    tiles = np.stack([random_labels(14, 14, seed=seed) for seed in range(9)])
    reference = errors.benchmark_curves(tiles, "stack", max_lag=6)
    real = Real("image", tiles, np.zeros((9, 3), int))
    floors = errors.floor_table(reference, real, "image", HOW, [1, 50])
    one, many = (floors[floors["n_volumes"] == n]["floor_percent"].to_list() for n in (1, 50))
    assert one == many and len(one) == len(errors.ERRORS)
    # the mean over all tiles is the reference, up to the interpolated diagonal's few lags
    assert max(one) < 10
    single = Real("image", tiles[:1], np.zeros((1, 3), int))
    assert errors.floor_table(reference, single, "image", HOW, [5])["floor_high"].isna().all()


def test_sampler_table_has_the_contract_columns():
    """samplers.csv is read by others: its columns are fixed, its rows one per metric."""
    made = [random_labels(14, 14, 14, seed=seed) for seed in range(4)]
    source = random_labels(14, 14, 40, seed=9)
    reference = errors.benchmark_curves(source, **HOW)
    pool = Real("volume", np.stack(made), np.empty((4, 0), int))
    case = errors.SamplerCase(
        "balls",
        "evidence",
        0,
        50,
        runs=pd.DataFrame({"network_passes": [9, 9, 9, 12], "wall_seconds": [1, 2, 4, 9]}),
        curves=errors.measure_samples(made, "volume", "volume", HOW),
        reference=reference,
        floors=errors.floor_table(reference, pool, "volume", HOW, [4]),
        scores=pd.DataFrame({"metric": ["S2", "LP"], "error_percent": [1.5, 2.5]}),
        n_boot=200,
    )
    table = errors.sampler_table([case])
    assert ",".join(table.columns) == (
        "material,rule,n_h,steps,passes,seconds,metric,error_percent,ci_low,ci_high,n_volumes,"
        "floor_percent,floor_high,model2d_percent"
    )
    assert table["metric"].tolist() == [
        "S2", "LP", "LP_given_phase", "S2_diagonal", "volume_fraction", "specific_surface",
    ]  # fmt: skip
    assert (table["passes"] == 9).all() and (table["seconds"] == 3).all()
    assert (table["n_volumes"] == 4).all()
    assert table["model2d_percent"].tolist()[:2] == [1.5, 2.5]
    assert table["model2d_percent"][2:].isna().all()
    assert (table["ci_low"] <= table["ci_high"]).all()
    rows = table.set_index("metric")["error_percent"]
    mean = np.mean([v.mean() for v in made])
    assert rows["volume_fraction"] == pytest.approx(100 * abs(mean / source.mean() - 1))
    surface = np.mean([specific_surface(v) for v in made])
    expected = 100 * abs(surface / specific_surface(source) - 1)
    assert rows["specific_surface"] == pytest.approx(expected)
    singles = errors.single_table([case]).set_index("metric").loc["volume_fraction"]
    each = sorted(100 * abs(v.mean() / source.mean() - 1) for v in made)
    assert singles["first_percent"] == pytest.approx(100 * abs(made[0].mean() / source.mean() - 1))
    found = singles[["min_percent", "median_percent", "max_percent"]].tolist()
    assert found == pytest.approx([each[0], np.mean(each[1:3]), each[3]])


# Real samples


def test_blocks_of_a_cropped_file_are_of_the_whole(tmp_path):
    """Each block is where its corner says, counted from the crop; none overlaps another."""
    whole = np.arange(20 * 17 * 24).reshape(20, 17, 24) % 2
    whole[:, :, 12:] = 1 - whole[:, :, 12:]
    tifffile.imwrite(tmp_path / "rock.tif", whole.astype(np.uint8))
    settings = {"path": None, "array": "volume", "crop": [[4, 12], [0, 17], [8, 24]]}
    real = cut_real(settings, tmp_path / "rock.tif", [8, 8, 8], 8)
    assert (real.kind, real.is_the_source, real.samples.shape) == ("volume", False, (12, 8, 8, 8))
    seen = np.zeros(whole.shape, int)
    for corner, sample in zip(real.corners + [4, 0, 8], real.samples, strict=True):
        place = tuple(slice(c, c + 8) for c in corner)
        np.testing.assert_array_equal(sample, whole[place])
        seen[place] += 1
    assert seen.max() == 1
    write_real(tmp_path / "real.npz", real)
    again = read_real(tmp_path / "real.npz")
    assert again.kind == "volume"
    np.testing.assert_array_equal(again.samples, real.samples)
    np.testing.assert_array_equal(again.corners, real.corners)


@pytest.mark.parametrize(("start", "outside"), [(32, 7), (33, 7), (31, 0)])
def test_blocks_of_a_coarsened_crop_are_not_held_back(tmp_path, start, outside):
    """Corners count coarse voxels, as crops do; one that starts inside of one overlaps it."""
    path = tmp_path / "rock.npy"
    np.save(path, smooth_labels((64, 64, 64)))
    settings = {"path": path, "crop": [[start, 64]] * 3, "coarsen": 2}
    real = cut_real(settings, path, [16] * 3, 16)
    own = real.corners.tolist().index([0, 0, 0])
    numbered = np.stack([np.full((16, 16, 16), k, np.uint8) for k in range(8)])
    source = load_source(settings).labels
    images, _ = memorisation.held_back(Real("volume", numbered, real.corners), source, ["z"], 500)
    held = {int(image.max()) for image in images}
    assert len(held) == outside and own not in held


def test_real_blocks_have_the_phases_of_the_crop(tmp_path, caplog):
    """What lies around it, such as label 0 outside of a sample, shifts no phase and is no block."""
    path, crop = tmp_path / "rock.npy", [[8, 40]] * 3
    labels = np.zeros((48, 48, 48), np.uint8)
    labels[8:40, 8:40, 8:40] = 1 + random_labels(32, 32, 32)
    np.save(path, labels)
    settings = {"path": path, "crop": crop, "phases": 2}
    settings = settings_like(settings, load_source(settings).origin)
    real = cut_real(settings, path, [16] * 3, 16)
    assert real.samples.shape == (8, 16, 16, 16)
    assert "Real samples are of source.crop" in caplog.text
    for (z, y, x), block in zip(real.corners + 8, real.samples, strict=True):
        np.testing.assert_array_equal(block, labels[z : z + 16, y : y + 16, x : x + 16] - 1)
    np.save(path, np.where(labels == 0, 2, labels))
    assert len(cut_real(settings, path, [16] * 3, 16).samples) == 27, "no other label, all of it"


def test_tiles_of_an_image(tmp_path):
    """A single micrograph has its disjoint tiles, blocks no larger than it is."""
    image = random_labels(20, 27)
    tifffile.imwrite(tmp_path / "image.tif", image)
    real = cut_real({"crop": None}, tmp_path / "image.tif", [8] * 3, 8)
    assert real.is_the_source and real.samples.shape == (6, 8, 8)
    for (_, y, x), tile in zip(real.corners, real.samples, strict=True):
        np.testing.assert_array_equal(tile, image[y : y + 8, x : x + 8])
    large = cut_real({"crop": None}, tmp_path / "image.tif", [64] * 3, 64)
    np.testing.assert_array_equal(large.samples[0], image)


def test_a_large_image_has_the_floor_of_all_its_tiles(tmp_path):
    """Of some of them, the floor would be how far these are from the image, and too high."""
    np.save(tmp_path / "image.npy", random_labels(8 * 16, 8 * 16))
    real = cut_real({"crop": None}, tmp_path / "image.npy", [8] * 3, 8)
    assert real.drawn(25) == len(real.samples) == 256


@pytest.mark.parametrize("coarsen", [1, 2])
def test_tiles_of_a_cropped_image_are_of_the_crop(tmp_path, coarsen):
    """A bar of text below a micrograph is none of its material; tiles hide their own place."""
    image = np.vstack([random_labels(50, 50), np.ones((14, 50), np.uint8)])
    tifffile.imwrite(tmp_path / "image.tif", image)
    settings = {"path": tmp_path / "image.tif", "crop": [[2, 50], [1, 49]], "coarsen": coarsen}
    settings |= {"phases": 2, "array": "auto"}
    settings = settings_like(settings, load_source(settings).origin)
    real = cut_real(settings, settings["path"], [8] * 3, 8)
    source = load_source(settings).labels
    assert real.is_the_source and real.samples.shape == ((6 // coarsen) ** 2, 8, 8)
    tiles, boxes = memorisation.held_back(real, source, [])
    for tile, box in zip(tiles, boxes, strict=True):
        np.testing.assert_array_equal(tile, source[None][box][0])


def test_images_of_a_cropped_stack_are_of_the_crop(tmp_path):
    """As those of a single micrograph."""
    images = random_labels(3, 20, 20)
    np.save(tmp_path / "images.npy", images)
    settings = {"array": "stack", "crop": [[1, 3], [0, 14], [2, 16]]}
    real = cut_real(settings, tmp_path / "images.npy", [8] * 3, 8)
    np.testing.assert_array_equal(real.samples, images[1:, :14, 2:16])
    assert real.is_the_source and real.corners.tolist() == [[0, 0, 0], [1, 0, 0]]


def test_generators_give_other_samples_of_the_same_settings():
    """At least 25, not among the source's own; images in groups of a volume's planes."""
    spheres = {"shape": [48, 16, 16], "diameter_mean": 6, "diameter_std": 1, "seed": 0}
    real = cut_real({"generator": "spheres", "spheres": spheres}, None, [16] * 3, 16)
    assert real.kind == "volume" and real.samples.shape == (27, 16, 16, 16)
    assert len({sample.tobytes() for sample in real.samples}) == 27 and not real.corners.size
    grains = {"images": 5, "size": 16, "grain_sizes": [4, 7], "seed": 0}
    real = cut_real({"generator": "grains", "grains": grains}, None, [2, 1, 1], 16)
    assert real.kind == "stack" and real.samples.shape == (25, 4, 16, 16)


# Memorisation


def brute_force(query, training, window):
    top, left = ((side - window) // 2 for side in query.shape)
    middle = query[top : top + window, left : left + window]
    return min(
        np.mean(one != image[y : y + window, x : x + window])
        for one in (TRANSFORMS[name](middle) for name in TRANSFORMS)
        for image in training
        for y in range(image.shape[0] - window + 1)
        for x in range(image.shape[1] - window + 1)
    )


@pytest.mark.parametrize("labels", [2, 3])
def test_distances_are_those_of_all_places(labels, monkeypatch):
    """The transforms against a plain search, with blocks smaller than the training set."""
    monkeypatch.setattr(memorisation, "_AT_ONCE", 300)
    rng = np.random.default_rng(0)
    training = rng.integers(0, labels, (4, 13, 12))
    queries = rng.integers(0, labels, (5, 11, 10))
    found = memorisation.nearest_distances(queries, training, window=5)
    assert found == pytest.approx([brute_force(query, training, 5) for query in queries])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copy_is_found(name):
    """A training slice that is shifted, turned and a little changed has that little distance."""
    training = random_labels(6, 30, 30)
    query = TRANSFORMS[name](training[4, 3:27, 5:29]).copy()
    assert memorisation.nearest_distances([query], training, 16) == 0
    query[10, 10:14] ^= 1
    assert memorisation.nearest_distances([query], training, 16) == pytest.approx(4 / 256)
    other = random_labels(24, 24, seed=3)
    assert memorisation.nearest_distances([other], training, 16) > 0.2


def test_a_hidden_place_does_not_count():
    """What overlaps it neither; a place beside it does."""
    image = random_labels(40, 40)
    tile = image[8:24, 16:32]
    own = (slice(0, 1), slice(8, 24), slice(16, 32))
    without = memorisation.nearest_distances([tile], image[None], 16, [own])
    assert without > 0.2
    beside = image.copy()
    beside[24:, :16] = tile
    assert memorisation.nearest_distances([tile], beside[None], 16, [own]) == 0
    touching = image.copy()
    touching[8:24, :16] = tile
    assert memorisation.nearest_distances([tile], touching[None], 16, [own]) == 0
    whole = (slice(0, 1), slice(0, 40), slice(0, 40))
    assert np.isnan(memorisation.nearest_distances([tile], image[None], 16, [whole])).all()
    outside = (slice(0, 1), slice(-30, -14), slice(0, 16))
    assert memorisation.nearest_distances([tile], image[None], 16, [outside]) == 0


def test_held_back_planes_are_outside_of_the_source():
    """Blocks that share a voxel with the source are no held-back ones."""
    source = np.zeros((8, 8, 16), np.uint8)
    corners = np.array([[0, 0, 8], [7, 0, 0], [-8, 0, 0], [0, 8, 0], [0, 0, 15]])
    samples = np.stack([np.full((8, 8, 8), k, np.uint8) for k in range(5)])
    images, hidden = memorisation.held_back(Real("volume", samples, corners), source, ["x", "z"])
    assert {int(image.max()) for image in images} == {2, 3}
    assert len(images) == memorisation.QUERIES and set(hidden) == {None}
    inside = Real("volume", samples[:1], corners[:1])
    assert memorisation.held_back(inside, source, ["z"]) == ([], [])


def test_held_back_planes_are_normal_to_the_axes():
    """A denoiser that has seen one family of planes is asked about that one."""
    sample = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None], (6, 6, 6))
    real = Real("volume", sample[None], np.empty((1, 0), int))
    planes, _ = memorisation.held_back(real, sample, ["z"])
    assert all(np.ptp(plane) == 0 for plane in planes)
    planes, _ = memorisation.held_back(real, sample, ["x"])
    assert all(np.ptp(plane, axis=0).min() == 5 for plane in planes)


def test_memorisation_table():
    """A denoiser that repeats its slices is told from one that does not."""
    slices = random_labels(10, 20, 20)
    real = Real("stack", random_labels(3, 8, 20, 20, seed=1), np.empty((3, 0), int))
    copies = [slices[:, ::-1], slices[::-1]]  # volumes, of whose planes a third are slices
    table = memorisation.memorisation_table(
        slices[:4, ::-1], copies, slices, slices, real, ["z"], "balls", window=10
    )
    assert ",".join(table.columns) == "material,kind,n,median,low5,min"
    assert table["kind"].tolist() == ["generated", "volume", "held back"]
    assert table["n"].tolist() == [4, 64, 64]
    assert table["median"][0] == 0 and table["min"][2] > 0.15
    assert table["min"][1] == 0 and table["median"][1] > 0.15
    assert (table["min"] <= table["low5"]).all() and (table["low5"] <= table["median"]).all()


def test_memorisation_compares_windows_of_one_size():
    """Small real images would be found sooner by chance, and hide that the generated are copies."""
    slices = random_labels(10, 20, 20)
    generated = random_labels(4, 20, 20, seed=2)
    real = Real("stack", random_labels(3, 8, 6, 6, seed=1), np.empty((3, 0), int))
    table = memorisation.memorisation_table(
        generated, random_labels(1, 20, 20, 20), slices, slices, real, ["z"], "balls", window=12
    )
    assert table["median"].tolist()[0] == np.median(
        memorisation.nearest_distances(generated[:, 7:13, 7:13], slices)
    )


def test_tiles_of_a_micrograph_are_held_against_the_rest_of_it():
    """Crops of the training set are unknown, so the micrograph stands for them."""
    image = random_labels(48, 48)
    corners = np.array([(0, y, x) for y in (0, 24) for x in (0, 24)])
    tiles = np.stack([image[y : y + 24, x : x + 24] for _, y, x in corners])
    real = Real("image", tiles, corners)
    volumes = random_labels(1, 24, 24, 24)
    table = memorisation.memorisation_table(tiles, volumes, tiles[:1], image, real, [], "rock", 16)
    assert table["n"].tolist() == [4, 64, 4]
    assert table["median"][0] == 0 and table["min"][2] > 0.2


# Volumes


def test_measure_runs_reads_the_volumes_of_the_table(tmp_path):
    """Volumes that lie there from a longer table are passed over."""
    from micro3diff.volumes import write_labels

    runs = tmp_path / "runs.csv"
    pd.DataFrame({"sample": [0, 1]}).to_csv(runs, index=False)
    for sample in range(3):
        write_labels(volume_path(runs, sample), random_labels(14, 14, 14, seed=sample))
    table = errors.measure_runs(runs, "volume", HOW)
    expected = [random_labels(14, 14, 14, seed=sample).mean() for sample in range(2)]
    assert curve_values(table, "volume_fraction")[:, 0] == pytest.approx(expected)
    assert read_labels(volume_path(runs, 2)).shape == (14, 14, 14)


def test_benchmark_configuration():
    """config/benchmarks.yaml follows the schema, with the seeds apart from the run's."""
    import yaml

    raw = yaml.safe_load((config.CONFIG_FOLDER / "benchmarks.yaml").read_text(encoding="utf-8"))
    filled = config._filled(raw["benchmark"], config.schema()["properties"]["benchmark"])
    assert filled["seed"] == 1
    assert {"rule": "evidence", "n_h": 0, "steps": 30, "volumes": 25} in filled["cases"]
    assert not list(config._benchmark_problems({"benchmark": filled, "run": {"seed": 0}}))


# Denoisers


def test_real_images_pass_for_those_of_a_denoiser():
    """Images of the same material lie within the floor, those of another do not."""
    how = {"phase": 1, "max_lag": 6, "along": "axes"}
    slices = smooth_labels((120, 32, 32), seed=1, width=0.7)
    blocks = np.stack([smooth_labels((32, 32, 32), seed=k, width=0.7) for k in range(2, 12)])
    real = Real("volume", blocks, np.empty((10, 0), int))
    reference = curve_table(slices, "stack", **how)
    for width, same in [(0.7, True), (1.4, False)]:
        images = smooth_labels((40, 32, 32), seed=9, width=width)
        scores = score_images(images, reference, n_boot=50, **how)
        table = denoisers.denoiser_table(scores, slices, slices, real, ["z"], "blobs", how)
        assert (table["n_images"] == 40).all() and (table["floor_percent"] > 0).all()
        assert ((table["error_percent"] < table["floor_high"]) == same).all()


def test_volumes_are_judged_in_the_dimension_of_their_material():
    """In 2D if it was seen in images; the directions of S2 tell the difference."""
    labels, how = random_labels(14, 15, 16), HOW | {"along": "radial"}
    found = errors.measure_samples([labels], "volume", "stack", how)
    expected = errors.benchmark_curves(labels, **how | {"dimension": 2})
    pd.testing.assert_frame_equal(found.drop(columns="sample"), expected)


def test_images_are_held_to_the_known_volume():
    """The error is in percent of the volume, not of the images."""
    volume, images = random_labels(14, 14, 14), random_labels(9, 14, 14, seed=1, fraction=0.6)
    reference = errors.benchmark_curves(volume, **HOW)
    table = errors.source_table(reference, Source(images, "stack"), "rock", HOW)
    found = table.set_index("metric")["error_percent"]
    assert found["volume_fraction"] == pytest.approx(100 * (images.mean() / volume.mean() - 1))


def test_tiles_of_a_micrograph_are_drawn_as_many_as_there_are():
    """However many images the denoiser made: there are no others."""
    image, how = random_labels(28, 28), {"phase": 1, "max_lag": 6, "along": "axes"}
    corners = np.array([(0, y, x) for y in (0, 14) for x in (0, 14)])
    tiles = np.stack([image[y : y + 14, x : x + 14] for _, y, x in corners])
    real, floors = Real("image", tiles, corners), []
    for n in (1, 50):
        scores = pd.DataFrame({"metric": ["S2", "LP"], "error_percent": 1.0, "n_images": n})
        table = denoisers.denoiser_table(scores, tiles, image, real, [], "rock", how)
        floors.append(table["floor_percent"])
    assert floors[0].equals(floors[1])
    # held to the micrograph, of which crops may have more or less
    denser = np.maximum(tiles, random_labels(*tiles.shape, seed=2))
    table = denoisers.denoiser_table(scores, denser, image, real, [], "rock", how)
    assert table["floor_percent"].equals(floors[0])
