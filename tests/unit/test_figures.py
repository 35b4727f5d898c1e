"""Figures: every family is drawn, in both formats, and bad input is named."""

import html
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from micro3diff.benchmark.errors import ERRORS
from micro3diff.directions import direction_table, measure_directions
from micro3diff.errors import InputError
from micro3diff.figures import camera, samplers, style, views, volumes
from micro3diff.figures.curves import _draw_cases, plot_curves
from micro3diff.figures.denoiser import describe, plot_denoiser
from micro3diff.figures.diffusion import plot_diffusion_cubes, plot_diffusion_sections, read_trace
from micro3diff.figures.directions import plot_directions
from micro3diff.figures.errors import headline, plot_errors
from micro3diff.figures.panels import MOST_PIXELS, paint, pick, sections, sheet, show_image
from micro3diff.figures.timing import plot_timing
from micro3diff.figures.training_data import plot_training_data
from micro3diff.figures.volumes import plot_gallery, plot_harmonizing, plot_tiled, plot_volume

REPOSITORY = Path(__file__).parents[2]
CAPTIONS = REPOSITORY / "workflow" / "report"


@pytest.fixture
def opengl():
    """Skips a test that draws in 3D where that can't be done."""
    try:
        views.check_rendering()
    except InputError as error:
        pytest.skip(str(error))


needs_opengl = pytest.mark.usefixtures("opengl")


def ball(side: int = 12) -> np.ndarray:
    z, y, x = np.indices((side, side, side)) - (side - 1) / 2
    return (z**2 + y**2 + x**2 < (side / 3) ** 2).astype(np.uint8)


def drawn(stem: Path) -> bool:
    """Both formats are there, with their signatures, and nothing half-written beside them."""
    png, pdf = Path(f"{stem}.png").read_bytes(), Path(f"{stem}.pdf").read_bytes()
    leftovers = list(stem.parent.glob(".writing-*"))
    return png.startswith(b"\x89PNG") and pdf.startswith(b"%PDF") and not leftovers


# Style


def test_text_in_a_pdf_is_truetype_and_the_same_data_give_the_same_file(tmp_path):
    """Journals refuse Type 3 fonts; a date inside would make every rerun a change."""

    @style.styled
    def plot(paths):
        figure = style.new_figure(2, 1)
        figure.subplots().set_title("text")
        style.save(figure, paths)

    plot(tmp_path / "a")
    plot([tmp_path / "b.pdf"])
    assert drawn(tmp_path / "a")
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in content and b"/Type3" not in content
    assert content == (tmp_path / "b.pdf").read_bytes()


def test_a_failed_figure_leaves_no_file(tmp_path, monkeypatch):
    """A figure that could not be written must not be mistaken for a finished one."""

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        style.save(style.new_figure(1, 1), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_missing_columns_and_empty_tables_are_named():
    """The message says which table and column, as the table was written by another step."""
    with pytest.raises(InputError, match="timings: columns n_h are missing; found: rule"):
        style.require_columns(pd.DataFrame({"rule": []}), ["rule", "n_h"], "timings")
    with pytest.raises(InputError, match="no rows"):
        style.require_columns(pd.DataFrame({"rule": []}), ["rule"], "timings")


def test_harmonizing_steps_are_named_where_they_mean_something():
    """n_h = 0 is a case of ``alternate`` but not worth a word for the other rules."""
    assert style.case_name("alternate", 0) == "alternate, $n_h$ = 0"
    assert style.case_name("evidence", 0) == "evidence"


TITLES = ["price $x^{ $", "$S_2$ of rock", "5 $ a kg, 6 $ a day", "two\nlines"]


@pytest.mark.parametrize("title", TITLES)
def test_any_title_is_drawn(tmp_path, title, caplog):
    """Dollars make a formula of what is one, and no traceback of what is none."""
    figure = style.new_figure(3, 2)
    shown = figure.suptitle(title)
    style.save(figure, tmp_path / "figure.png")
    assert shown.get_parse_math() is not title.startswith("price")
    assert not caplog.text


def panel_heights(figure) -> list[float]:
    figure.draw_without_rendering()
    return [axes.get_position().height for axes in figure.axes]


@pytest.mark.parametrize("title", ["Sand", "Grains drawn by Laguerre tessellation, 32 pixels"])
def test_long_titles_leave_room_for_volumes(tmp_path, monkeypatch, title):
    """They are broken into lines; upright in one, they would shrink the volumes to dots."""
    kept = []
    monkeypatch.setattr(volumes, "save", lambda figure, paths: kept.append(figure))
    plot_gallery([(title, [ball(8)] * 3)] * 2, tmp_path / "gallery")
    assert min(panel_heights(kept[0])) > 0.3


def test_long_names_do_not_run_into_each_other(monkeypatch):
    """Names of many materials below the bars are slanted."""
    kept = []
    monkeypatch.setattr("micro3diff.figures.errors.save", lambda figure, paths: kept.append(figure))
    for names in (["one", "two"], ["a_material_of_long_name", "another_of_these"] * 2):
        table = pd.DataFrame(
            {"material": f"{name}_{k}", "n_h": 0, "rule": "evidence", "metric": metric}
            | {"error_percent": 3.0, "ci_low": 2.0, "ci_high": 4.0}
            for k, name in enumerate(names)
            for metric in ("S2", "LP")
        )
        plot_errors(table, "unused")
    rotated = [{text.get_rotation() for text in f.axes[0].get_xticklabels()} for f in kept]
    assert rotated == [{0.0}, {30.0}]


def test_one_case_alone_has_an_axis(tmp_path, recwarn):
    """A single number of passes is no range of a logarithmic axis."""
    columns = {"rule": "evidence", "n_h": 0, "steps": 4, "passes": 10.0, "seconds": 1.0}
    numbers = {"error_percent": 3.0, "ci_low": 2.0, "ci_high": 4.0, "n_volumes": 2}
    floor = {"floor_percent": 1.0, "floor_high": 2.0, "model2d_percent": np.nan}
    table = pd.DataFrame(
        {"material": "one", **columns, "metric": metric, **numbers, **floor} for metric in ERRORS
    )
    samplers.plot_samplers(table, tmp_path / "one")
    assert not recwarn.list


# Camera and panels


def test_a_large_micrograph_takes_no_more_memory_than_is_shown():
    """Colours of 6000 x 6000 pixels alone would be beyond the memory of a figure's job."""
    axes = Figure().subplots()
    show_image(axes, np.eye(3 * MOST_PIXELS, MOST_PIXELS, dtype=np.uint8))
    assert axes.images[0].get_array().shape == (MOST_PIXELS, -(-MOST_PIXELS // 3), 3)
    # what is drawn over it counts its pixels
    assert axes.images[0].get_extent() == [-0.5, MOST_PIXELS - 0.5, 3 * MOST_PIXELS - 0.5, -0.5]


def test_the_camera_looks_along_one_direction_with_z_upwards():
    """The triad, the cubes of figure 14 and the rendered views share one projection."""
    axes = np.stack([camera.RIGHT, camera.UP, camera.TOWARDS_VIEWER])
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert np.allclose(camera.project([0, 0, 1])[0], 0) and camera.project([0, 0, 1])[1] > 0
    left, right, bottom, top = camera.frame((2, 3, 4), margin=0)
    corners = camera.project(np.array(list(np.ndindex(2, 2, 2))) * (4, 3, 2))
    assert np.allclose([left, right], [corners[:, 0].min(), corners[:, 0].max()])
    assert np.allclose([bottom, top], [corners[:, 1].min(), corners[:, 1].max()])


def test_sections_are_the_middle_planes():
    """xy is normal to axis 0, xz to axis 1 and yz to axis 2."""
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    planes = sections(volume)
    assert (planes["xy"] == volume[2]).all()
    assert (planes["xz"] == volume[:, 2]).all()
    assert (planes["yz"] == volume[:, :, 3]).all()
    with pytest.raises(InputError, match="shape"):
        sections(volume[0])


def test_a_sheet_holds_each_chosen_image_once():
    """The first and the last image are shown, places without an image stay blank."""
    images = np.arange(5)[:, None, None] / 4 * np.ones((5, 4, 4))
    page = sheet(images, rows=3, columns=2, gap=1)
    assert page.shape == (16, 11)
    values = page[1:5, 1:5], page[1:5, 6:10], page[11:15, 1:5]
    assert [float(v.mean()) for v in values] == [0.0, 0.25, 1.0]
    assert np.isnan(page[12:, 7:]).all()
    assert pick(301, 3).tolist() == [0, 150, 300] and pick(2, 5).tolist() == [0, 1]


def test_a_phase_has_its_colour_whatever_else_is_in_the_picture():
    """Two phases are black and white; of three, a picture without the third keeps the colours."""
    assert paint(np.array([0, 1]), 2).tolist() == [[0, 0, 0], [1, 1, 1]]
    three = paint(np.array([0, 1, 2]), 3)
    assert (paint(np.array([0, 1]), 3) == three[:2]).all()
    assert len({tuple(colour) for colour in three}) == 3
    assert paint(np.array([200]), 201).shape == (1, 3), "more labels than colours"


# Views


@needs_opengl
def test_a_view_shows_the_phase_inside_its_outline():
    """The picture fits the camera's frame, is not blank and shows the phase that is asked for."""
    picture = views.render(ball(), size=120)
    left, right, bottom, top = camera.frame((12, 12, 12))
    assert picture.dtype == np.uint8 and max(picture.shape) == 120
    assert picture.shape[1] / picture.shape[0] == pytest.approx(
        (right - left) / (top - bottom), 0.02
    )
    assert (picture[0, 0] == 255).all()
    red, _, blue = picture[60, picture.shape[1] // 2].astype(int)
    assert red > blue  # the sand colour of the phase, in the middle
    red, _, blue = views.render(ball(), inverted=True, size=120)[60, 60].astype(int)
    assert blue > red


@needs_opengl
def test_a_view_of_more_phases_shows_all_but_the_first():
    """A ball half of phase 1 and half of phase 2 has both colours, and nothing of phase 0."""
    labels = ball()
    labels[..., 6:] *= 2
    picture = views.render(labels, size=120, phases=3).astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    assert (red - blue > 20).mean() > 0.02, "sand"
    assert (blue - red > 20).mean() > 0.02, "blue"
    one = views.render((labels == 1).astype(np.uint8), size=120).astype(int)
    assert (one[..., 2] - one[..., 0] > 20).mean() == 0


@needs_opengl
def test_a_volume_without_the_phase_is_an_empty_box():
    """A volume that has lost its phase is a result to be seen, not a crash."""
    picture = views.render(np.zeros((6, 6, 6), np.uint8), size=80)
    assert 0 < (picture.min(axis=2) < 200).mean() < 0.2


@needs_opengl
def test_a_large_volume_is_thinned(monkeypatch):
    """Memory of a view is bounded, whatever the volume; the shape stays."""
    whole = views.render(ball(24), size=100).astype(int)
    monkeypatch.setattr(views, "MAX_VOXELS", 12**3)
    thinned = views.render(ball(24), size=100).astype(int)
    assert np.abs(whole - thinned).mean() < 15


def test_only_volumes_have_views():
    """A stack of one image or an empty array is refused before anything is drawn."""
    with pytest.raises(InputError, match="expected a volume"):
        views.render(np.zeros((4, 4), np.uint8))


def test_no_opengl_is_one_line_that_says_what_to_install(monkeypatch):
    """VTK ends the whole process where OpenGL is missing; users get a message instead."""
    monkeypatch.setattr(views, "_TRIAL", "raise SystemExit(1)")
    views.check_rendering.cache_clear()
    try:
        with pytest.raises(InputError, match="install libegl1"):
            views.render(ball())
    finally:
        views.check_rendering.cache_clear()


# Training data and volumes


@needs_opengl
@pytest.mark.parametrize("shape", [(30, 8, 8), (8, 8, 30), (8, 8, 8)])
def test_training_data_of_a_volume(tmp_path, shape):
    """Standing bars, lying bars and cubes each have a layout."""
    labels = np.random.default_rng(0).integers(0, 2, shape, dtype=np.uint8)
    plot_training_data(labels, "volume", labels[:, :8, :8], tmp_path / "f", title="Cubes")
    assert drawn(tmp_path / "f")


def test_training_data_of_images(tmp_path):
    """A micrograph with more than two phases, and a stack of fewer images than places."""
    labels = np.random.default_rng(0).integers(0, 3, (40, 30), dtype=np.uint8)
    plot_training_data(labels, "image", labels[None, :8, :8], tmp_path / "image")
    plot_training_data(labels[None], "stack", labels[None, :8, :8], tmp_path / "stack")
    assert drawn(tmp_path / "image") and drawn(tmp_path / "stack")
    planes = {"xy": labels, "xz": labels[:10], "yz": labels[:10, :20]}
    plot_training_data(planes, "planes", labels[None, :8, :8], tmp_path / "planes", title="Rock")
    assert drawn(tmp_path / "planes")
    with pytest.raises(InputError, match="unknown kind 'film'"):
        plot_training_data(labels, "film", labels[None], tmp_path / "film")


@needs_opengl
def test_volumes(tmp_path):
    """Figures 2, 7 and S1, also with cases of unequal numbers of samples."""
    plot_volume(ball(), tmp_path / "volume", inverted=True)
    plot_harmonizing({"alternate, n_h = 0": ball(), "evidence": ball(8)}, tmp_path / "cases")
    plot_gallery([("rock", [ball(), ball()]), ("sand", [ball()])], tmp_path / "gallery")
    assert all(drawn(tmp_path / name) for name in ("volume", "cases", "gallery"))
    with pytest.raises(InputError, match="no volume"):
        plot_gallery([("rock", [])], tmp_path / "none")


@needs_opengl
def test_sections_of_a_grey_volume_show_its_greys(tmp_path, monkeypatch):
    """Not its two phases alone, which are what the 3D view shows."""
    greys = np.random.default_rng(0).integers(0, 256, (8, 9, 10), dtype=np.uint8)
    shown = []
    monkeypatch.setattr(volumes, "save", lambda figure, _: shown.extend(figure.axes))
    plot_volume(greys, tmp_path / "volume", threshold=127)
    plot_harmonizing({"evidence": greys}, tmp_path / "cases", threshold=127)
    assert len(shown) == 8
    for panel, section in zip(shown, 2 * [None, *sections(greys).values()], strict=True):
        if section is not None:
            picture = panel.get_images()[0].get_array()
            np.testing.assert_array_equal(picture, paint(section, None))
    viewed = []
    monkeypatch.setattr(volumes, "draw_view", lambda _, labels, **how: viewed.append(labels))
    plot_tiled(greys, [True, False, False], tmp_path / "copies", threshold=127)
    np.testing.assert_array_equal(viewed[0], np.tile(greys > 127, (2, 1, 1)))
    picture = shown[8 + 2].get_images()[0].get_array()
    np.testing.assert_array_equal(picture, paint(np.tile(greys, (2, 1, 1))[:, 4], None))


def test_training_data_and_samples_of_greys_show_them(tmp_path, monkeypatch):
    """Not their two phases: what a grey denoiser learns of is seen in its greys alone."""
    greys = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    painted = []

    def seen(values, phases):
        painted.append((len(np.unique(values)), phases))
        return paint(values, phases)

    monkeypatch.setattr("micro3diff.figures.panels.paint", seen)
    plot_training_data(greys[0], "image", greys, tmp_path / "image", threshold=99.5)
    plot_denoiser(None, greys, greys[:1], SCORES, tmp_path / "samples", grey=True)
    assert painted == [(64, None), (192, None), (64, None), (64, None)]
    assert drawn(tmp_path / "image") and drawn(tmp_path / "samples")
    np.testing.assert_array_equal(paint(np.uint8([0, 51, 255]), None)[:, 0], [0, 0.2, 1])


@needs_opengl
def test_volumes_of_three_phases_and_unequal_sides(tmp_path):
    """Every figure of volumes, each with a legend of its phases."""
    labels = np.random.default_rng(0).integers(0, 3, (12, 8, 6), dtype=np.uint8)
    plot_volume(labels, tmp_path / "volume")
    plot_harmonizing({"evidence": labels}, tmp_path / "cases")
    plot_gallery([("rock", [labels]), ("sand", [ball()])], tmp_path / "gallery")
    assert all(drawn(tmp_path / name) for name in ("volume", "cases", "gallery"))


@needs_opengl
def test_copies_lie_along_the_periodic_axes(tmp_path, monkeypatch):
    """Only there does the volume go on; an axis that does not wrap has one copy and no tick."""
    labels = np.random.default_rng(0).integers(0, 3, (4, 5, 6), dtype=np.uint8)
    shown = {}

    def keep(figure, paths):
        shown["ticks"] = [(list(p.get_xticks()), list(p.get_yticks())) for p in figure.axes[1:]]
        shown["sizes"] = [p.images[0].get_array().shape[:2] for p in figure.axes[1:]]
        style.save(figure, paths)

    monkeypatch.setattr("micro3diff.figures.volumes.save", keep)
    plot_tiled(labels, [False, True, True], tmp_path / "copies")
    assert drawn(tmp_path / "copies")
    assert shown["sizes"] == [(10, 12), (4, 12), (4, 10)]  # xy, xz, yz: rows, columns
    assert shown["ticks"] == [([5.5], [4.5]), ([5.5], []), ([4.5], [])]
    with pytest.raises(InputError, match="periodic along none"):
        plot_tiled(labels, [False] * 3, tmp_path / "none")


# Curves, errors, timings


def curves(samples: int) -> pd.DataFrame:
    rows = [
        {"sample": s, "metric": m, "lag": lag, "value": 0.3 * 0.8**lag + 0.01 * s}
        for s in range(samples)
        for m in ("S2", "LP")
        for lag in range(6)
    ]
    return pd.DataFrame(rows)


def test_a_rule_has_one_colour_in_all_figures():
    """Whichever others are beside it; cases of the same rule have a colour each."""
    table = pd.DataFrame({"sample": 0, "metric": "S2", "lag": [0, 1], "value": [0.3, 0.2]})

    def drawn(*names):
        axes = Figure().subplots()
        _draw_cases(axes, dict.fromkeys(names, table), "S2", 1.0)
        return [line.get_color() for line in axes.get_lines()]

    colours = [style.RULE_COLOURS[rule] for rule in ("evidence", "alternate")]
    assert drawn("evidence", style.case_name("alternate", 0)) == colours
    assert len({*drawn(style.case_name("alternate", 0), style.case_name("alternate", 3))}) == 2


def test_curves(tmp_path):
    """One volume has no spread; lags may be lengths; many cases fit."""
    reference = curves(1).drop(columns="sample")
    plot_curves(reference, {"evidence": curves(1)}, tmp_path / "one")
    many = {f"alternate, n_h = {n}": curves(3) for n in range(8)}
    plot_curves(reference, many, tmp_path / "many", unit="nm", voxel_size=398)
    assert drawn(tmp_path / "one") and drawn(tmp_path / "many")
    with pytest.raises(InputError, match="curves of evidence: columns sample"):
        plot_curves(reference, {"evidence": reference}, tmp_path / "none")


def test_a_phase_that_has_vanished_keeps_the_colours(tmp_path, monkeypatch):
    """The material has three phases, whether its volumes have them or not."""
    seen = []
    monkeypatch.setattr(volumes, "draw_view", lambda *_, phases, **__: seen.append(phases))
    plot_harmonizing({"evidence": ball(8)}, tmp_path / "cases", phases=3)
    plot_gallery([("rock", [ball(8)] * 2), ("sand", [ball(8)])], tmp_path / "gallery", [3, 2])
    assert seen == [3, 3, 3, 2]


def test_directions(tmp_path):
    """A row of panels for each phase, of one volume or of several, also in lengths."""
    volumes = np.random.default_rng(0).integers(0, 3, (3, 8, 8, 8), dtype=np.uint8)
    reference = direction_table(volumes[0], "volume", 3)
    several = measure_directions(volumes, "volume", phases=3)
    plot_directions(reference, several, tmp_path / "several", "Rock", unit="nm", voxel_size=20)
    plot_directions(reference, several[several["sample"] == 0], tmp_path / "one")
    assert drawn(tmp_path / "several") and drawn(tmp_path / "one")
    with pytest.raises(InputError, match="curves along the axes: columns sample"):
        plot_directions(reference, reference, tmp_path / "none")


def errors(cases, paper=1.88) -> pd.DataFrame:
    rows = [
        {"material": material, "n_h": n_h, "rule": rule, "metric": metric, "error_percent": 5.0,
         "ci_low": 4.0, "ci_high": 7.0, "n_volumes": 3, "paper_percent": paper}
        for material, rule, n_h in cases
        for metric in ("S2", "LP")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_errors_show_each_rule_at_its_greatest_n_h():
    """Figure 5 is about the headline cases; the others are in the table."""
    table = errors([("spheres", "alternate", n) for n in (0, 3, 10)] + [("spheres", "evidence", 0)])
    shown = headline(table)
    assert sorted(set(shown["name"])) == ["alternate, $n_h$ = 10", "evidence"]
    assert len(shown) == 4


@pytest.mark.parametrize("paper", [1.88, np.nan])
def test_errors(tmp_path, paper):
    """One material or several, with and without the paper's figures and intervals."""
    one = errors([("my_rock", "evidence", 0)], paper).assign(ci_low=np.nan, ci_high=np.nan)
    plot_errors(one, tmp_path / "one")
    names = ("a", "b", "c", "d")
    several = errors([(m, r, 0) for m in names for r in ("alternate", "average")], paper)
    plot_errors(several, tmp_path / "several")
    assert drawn(tmp_path / "one") and drawn(tmp_path / "several")


def test_timing(tmp_path):
    """Lines over n_h, rules without harmonizing beside them, and one point alone."""
    cases = [("alternate", 0), ("alternate", 3), ("average", 0), ("evidence", 0)]
    rows = [
        {"material": material, "rule": rule, "n_h": n_h, "n_volumes": 2, "seconds_median": 4.0,
         "seconds_2d": 2.0, "relative_time": 2.0, "network_passes": 50, "device": "cpu"}
        for material in ("a", "b")
        for rule, n_h in cases
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    plot_timing(table, tmp_path / "all")
    unknown = table.tail(1).assign(seconds_2d=np.nan, relative_time=np.nan, n_volumes=1)
    plot_timing(unknown, tmp_path / "one")
    assert drawn(tmp_path / "all") and drawn(tmp_path / "one")


# Reverse process and denoiser


@pytest.mark.parametrize("volumes", [25, 1])
def test_samplers(tmp_path, volumes):
    """A panel for each metric, also where there is no interval, no 2D error and no floor."""
    cases = [("evidence", 0, 50), ("evidence", 0, 120), ("alternate", 0, 100), ("average", 0, 150)]
    rows = [
        {
            "rule": rule,
            "n_h": n_h,
            "passes": passes,
            "seconds": 0.25 * passes,
            "metric": metric,
            "error_percent": 5.0 + k,
            "ci_low": np.nan if volumes == 1 else 5.5 + k,
            "ci_high": np.nan if volumes == 1 else 7.0 + k,
            "n_volumes": volumes,
            "floor_high": 4.0 if volumes > 1 else np.nan,
            "model2d_percent": 2.0 if metric in ("S2", "LP") and volumes > 1 else np.nan,
        }
        for k, (rule, n_h, passes) in enumerate(cases)
        for metric in samplers.LABELS
    ]
    assert samplers.LABELS.keys() == ERRORS.keys()
    samplers.plot_samplers(pd.DataFrame(rows), tmp_path / "samplers", "Spheres")
    assert drawn(tmp_path / "samplers")
    with pytest.raises(InputError, match="floor_high"):
        samplers.plot_samplers(pd.DataFrame(rows).drop(columns="floor_high"), tmp_path / "none")


def test_cases_of_fewer_volumes_are_hollow(tmp_path, monkeypatch):
    """The band is the floor of the most volumes, which a case of a single one needn't keep to."""
    shared = {"rule": "alternate", "n_h": 0, "metric": "S2", "ci_low": np.nan, "ci_high": np.nan}
    shared |= {"error_percent": 5.0, "model2d_percent": np.nan, "seconds": 5.0}
    cases = [(10, 25, 4.0), (30, 1, 4.0), (90, 1, 9.0)]  # the second: tiles of an image
    table = pd.DataFrame(
        [shared | {"passes": p, "n_volumes": n, "floor_high": floor} for p, n, floor in cases]
    )
    kept = []
    monkeypatch.setattr(samplers, "save", lambda figure, _: kept.append(figure))
    samplers.plot_samplers(table, tmp_path / "samplers")
    samplers.plot_samplers(table[:1], tmp_path / "samplers")
    lines = kept[0].axes[0].get_lines()
    assert kept[1].axes[0].child_axes[0].get_xlabel() == "Time (s), 0.5 s a pass"
    samplers.plot_samplers(table.assign(floor_high=60.0), tmp_path / "samplers")
    assert kept[2].axes[0].get_ylim()[1] > 60, "a floor above all points is seen"
    hollow = [line for line in lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[30, 90]]
    names = [[text.get_text() for text in f.legends[0].get_texts()][1:] for f in kept[:2]]
    assert names == [
        ["real volumes, 97.5 %", "fewer than 25 volumes"],
        ["real volumes, 97.5 %"],
    ]


def write_trace(path: Path, count: int = 8, **changed) -> Path:
    noise = np.random.default_rng(0).normal(size=(count, 6, 7, 8))
    arrays = {
        "noisy": noise.astype(np.float16),
        "denoised": np.tanh(noise).astype(np.float16),
        "sigma": np.geomspace(40, 0.05, count),
        "plane": np.array((["yz", "xz", "xy", "all"] * count)[:count]),
    }
    np.savez(path, **{**arrays, **changed})
    return path


@pytest.mark.parametrize("count", [1, 8])
def test_reverse_process(tmp_path, count):
    """Figures 12 and 14, for planes in turn and all at once, also of a single snapshot."""
    trace = write_trace(tmp_path / "trace.npz", count)
    plot_diffusion_sections(trace, tmp_path / "sections")
    plot_diffusion_cubes(trace, tmp_path / "cubes")
    assert drawn(tmp_path / "sections") and drawn(tmp_path / "cubes")


def test_a_trace_keeps_its_first_and_last_snapshot(tmp_path):
    """The noise and the result are what the figure is about."""
    run = read_trace(write_trace(tmp_path / "trace.npz"), wanted=3)
    assert len(run.sigma) == 3
    assert run.sigma[0] == pytest.approx(40) and run.sigma[-1] == pytest.approx(0.05)


def test_what_is_not_a_trace_is_named(tmp_path):
    """A missing, corrupt or odd file gives one line with its name."""
    (tmp_path / "corrupt.npz").write_bytes(b"PK\x03\x04 cut short")
    odd = write_trace(tmp_path / "odd.npz", sigma=np.ones(3))
    for path, message in (
        (tmp_path / "missing.npz", "missing.npz: not a readable trace"),
        (tmp_path / "corrupt.npz", "corrupt.npz: not a readable trace"),
        (odd, "odd.npz: expected snapshots"),
    ):
        with pytest.raises(InputError, match=message):
            read_trace(path)


SCORES = pd.DataFrame(
    {
        "metric": ["S2", "LP"],
        "error_percent": [10.5, np.nan],
        "ci_low": [8.1, np.nan],
        "ci_high": [12.4, np.nan],
        "volume_fraction": [0.205, 0.205],
        "reference_volume_fraction": [0.225, 0.225],
    }
)


def test_scores_in_words():
    """Users judge the 2D model by this line; what is not known is said so."""
    assert describe(SCORES) == (
        "$S_2$ error 10.5 % (8.10 to 12.4); $LP$ error not known; volume fraction 0.205, real 0.225"
    )
    assert describe(SCORES[["metric", "error_percent"]].head(1)) == "$S_2$ error 10.5 %"
    of_planes = SCORES[["metric", "error_percent"]].head(1).assign(plane="yz")
    assert describe(of_planes) == "$S_2$ error 10.5 % in yz"


def test_denoiser(tmp_path):
    """A model that was trained here, and one that was given and so has no loss."""
    images = np.random.default_rng(0).integers(0, 2, (9, 8, 8), dtype=np.uint8)
    loss = pd.DataFrame({"step": range(1, 40), "loss": np.linspace(1, 0.1, 39)})
    plot_denoiser(loss, images, images[:5], SCORES, tmp_path / "trained")
    plot_denoiser(None, images, images[:1], SCORES, tmp_path / "given")
    assert drawn(tmp_path / "trained") and drawn(tmp_path / "given")


# Captions of the report


SETTINGS = {"slices": {"patch": 64}, "train": {"steps": 5000}, "evaluate": {"phase": 2}}
CONFIG = {
    "run": {
        "materials": ["spheres", "my_rock_", "given", "layers"],
        "cases": {"alternate": [], "evidence": [0]},
        "samples": 7,
        "seed": 3,
    },
    "materials": {
        "spheres": {
            "case": "I", "title": "Spheres", "source": {"generator": "spheres"}, **SETTINGS,
        },
        "my_rock_": {"title": "my_rock_", "source": {"path": "data/my_rock.tif"}, **SETTINGS},
        "given": {
            "title": "given",
            "source": {"url": "https://a.org/b%20c.npy"},
            "model": "models/rock",
            **SETTINGS,
        },
        "layers": {
            "title": "Layers",
            "source": {"path": None, "planes": {"xy": "a.tif", "xz": "b.tif", "yz": "b.tif"}},
            **SETTINGS,
        },
    },
}  # fmt: skip


def rendered(path: Path, **snakemake) -> str:
    """A caption as the report makes it: jinja, then reStructuredText; warnings are errors."""
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 comes with Snakemake")
    core = pytest.importorskip("docutils.core", reason="docutils comes with snakemake[reports]")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    job = SimpleNamespace(config=CONFIG) if not snakemake else SimpleNamespace(**snakemake)
    text = environment.from_string(path.read_text(encoding="utf-8")).render(snakemake=job)
    body = core.publish_parts(
        text, writer="html", settings_overrides={"halt_level": 2, "report_level": 5}
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body["html_body"]))


CAPTION_JOBS = [
    ("training_data", "figure_training", "figure_1", "case I"),
    ("training_data", "figure_training", "training_my_rock", "where the training images"),
    ("2d_denoiser", "figure_denoiser", "denoiser_my_rock", "my_rock"),
    ("volumes", "figure_volume", "figure_7", "case II"),
    ("volumes", "figure_volume", "volume_x", "(rule evidence with n h = 0)"),
    ("volumes", "figure_volume", "volume_my_rock", "my_rock"),
    ("volumes", "figure_2", None, "harmonizing steps (figure 2 of the paper; my_rock )"),
    ("volumes", "figure_S1", None, "Several volumes"),
    ("volumes", "figure_tiled", "my_rock", "beside itself ( my_rock , rule evidence"),
    ("directions", "figure_directions", "my_rock", "Each axis by itself ( my_rock )"),
    ("directions", "directions_table", None, "floor_from"),
    ("correlation_functions", "figure_curves", "figure_4c", "4.56 % and 1.26 %"),
    ("correlation_functions", "figure_curves", "curves_my_rock", "my_rock"),
    ("time_and_error", "figure_3", None, "straight line"),
    ("time_and_error", "figure_5", None, "hatched bars"),
    (
        "reverse_process",
        "figures_12_14",
        None,
        "( my_rock , rule evidence with n h = 0), from",
    ),
    ("error_rates", "error_rates", None, "paper_percent"),
    ("volume_fractions", "error_rates", None, "reference"),
    ("timings", "timings", None, "seconds_2d"),
    ("denoisers", "denoisers", None, "volume fractions"),
    ("provenance", "provenance", None, "checksums"),
]


@pytest.mark.parametrize(("name", "rule", "figure", "expected"), CAPTION_JOBS)
def test_captions(name, rule, figure, expected):
    """A caption that does not render makes the whole report fail, after hours of work."""
    wildcards = SimpleNamespace(figure=figure, material=figure) if figure else SimpleNamespace()
    params = SimpleNamespace(inverted=True, title="Rock", case=("evidence", 0))
    text = rendered(
        CAPTIONS / f"{name}.rst",
        rule=rule,
        wildcards=wildcards,
        params=params,
        input=["results/my_rock/trace.npz"],
        config=CONFIG,
    )
    assert expected in text


@pytest.mark.parametrize(
    "text",
    [
        ".. include:: {secret}",
        "x\n\n.. raw:: html\n   :file: {secret}\n\n   secret",
        "`link <javascript:alert(secret)>`_",
        "a_ |b| ``c`` :raw:`d` 1. \\",
    ],
)
def test_text_of_the_configuration_is_no_markup(tmp_path, text):
    """It is shown as it is: a title can bring neither a file nor a script into the report."""
    (tmp_path / "secret").write_text("<b>root:x:0:0</b>")
    text = text.format(secret=tmp_path / "secret")
    hostile = {
        "a": {"title": text, "source": {"path": text}, **SETTINGS},
        "b": {"title": text, "source": {"url": f"https://a.org/{text}"}, "model": text, **SETTINGS},
    }
    config = {"run": CONFIG["run"] | {"materials": ["a", "b"]}, "materials": hostile}
    shown = html.escape(" ".join(text.split()), quote=False)
    for name, times in (("workflow", 2), ("training_data", 1)):
        found = rendered(
            CAPTIONS / f"{name}.rst",
            config=config,
            wildcards=SimpleNamespace(figure="training_a"),
            params=SimpleNamespace(title=text),
        )
        assert "root:x:0:0" not in found
        assert found.count(shown) >= times, found


@pytest.mark.parametrize("loss", [[], "loss.csv"])
def test_a_caption_tells_of_the_loss_where_there_is_one(loss):
    """A model that was given has none."""
    job = {"wildcards": SimpleNamespace(figure="denoiser_a"), "input": SimpleNamespace(loss=loss)}
    assert ("training loss" in rendered(CAPTIONS / "2d_denoiser.rst", **job)) == bool(loss)


def test_every_caption_is_tested():
    """So that a new caption is not forgotten."""
    names = {path.stem for path in CAPTIONS.glob("*.rst")}
    assert names == {name for name, *_ in CAPTION_JOBS} | {"workflow"}


def test_the_description_says_what_was_run():
    """The first page of the report, from the configuration with its defaults."""
    text = rendered(CAPTIONS / "workflow.rst")
    for words in (
        "Spheres I generated: spheres",
        "my_rock_ none file: my_rock.tif",
        "downloaded: b%20c.npy",
        "given: rock",
        "an image of each plane: xy, xz, yz",
        "64 pixels wide",
        "trained for 5000 steps 2",
        "trained for 5000 steps",
        "7 volumes of each",
        "with seed 3",
        "the rule evidence with n h = 0.",
    ):
        assert words in text
