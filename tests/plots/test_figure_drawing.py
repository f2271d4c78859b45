"""What the pictures of the figures show, read back from their pixels."""

import numpy as np
import pytest
from PIL import Image

from nint.plots.gallery import Row, Tile, best_of, write_gallery
from nint.plots.kernel import KernelView, write_kernel
from nint.plots.moments import Moment, write_moments
from nint.plots.shape_view import shaded
from nint.plots.solids import Solid, write_solids
from nint.plots.sound import Sound, spectrogram, write_sounds
from nint.plots.trends import Cost, Trends, mean_curve, write_trends
from nint.signals.samples.shapes import sphere


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float64) / 255


def where(picture, colour, tolerance=0.08):
    """Rows and columns of the pixels of about a colour."""
    return np.nonzero((np.abs(picture - np.asarray(colour)) < tolerance).all(-1))


# ---------------------------------------------------------------- Fig. 1


def test_chosen_points_are_red_where_they_were_chosen(tmp_path):
    grey = np.full((20, 20, 3), 128, np.uint8)
    upper_half = np.arange(200)
    path = tmp_path / "moments.png"
    write_moments([Moment("a", grey, upper_half, "10 dB"), Moment("b", grey, np.arange(0))], "title", path)
    picture = pixels(path)
    height, width = picture.shape[:2]
    rows, columns = np.nonzero((picture[..., 0] > 0.6) & (picture[..., 1] < 0.4) & (picture[..., 2] < 0.4))
    assert columns.max() < 0.55 * width  # nothing was chosen at the second moment
    assert rows.min() > height / 2  # and the reconstruction above is not painted
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert wide / tall == pytest.approx(2, rel=0.05)
    assert len(rows) == pytest.approx(tall * wide, rel=0.02)


def test_names_that_are_not_utf_8_are_drawn(tmp_path):
    grey = np.full((20, 20, 3), 128, np.uint8)
    odd, shown = "caf\udce9.png", "caf\N{REPLACEMENT CHARACTER}.png"
    for name in (odd, shown):
        write_moments([Moment(name, grey, np.arange(9), name)], name, tmp_path / f"{name == odd}.png")
    assert np.array_equal(pixels(tmp_path / "True.png"), pixels(tmp_path / "False.png"))


# ---------------------------------------------------------------- galleries


def test_a_gallery_enlarges_the_part_that_differs(tmp_path):
    target = np.zeros((32, 32, 3), np.uint8)
    good, bad = target.copy(), target.copy()
    bad[20:28, 4:12] = (0, 200, 0)
    path = tmp_path / "gallery.png"
    crops = write_gallery([Row("", target, [Tile("original", target), Tile("good", good), Tile("bad", bad, "9 dB")])], "t", path)
    assert crops == [(20, 4, 8)]
    picture = pixels(path)
    rows, columns = where(picture, (0, 200 / 255, 0))
    assert columns.min() > picture.shape[1] * 0.6  # only in the third column
    tall = np.ptp(rows[rows > picture.shape[0] * 0.55])
    assert tall > 0.3 * picture.shape[0]  # the whole enlarged tile is of this colour


def test_a_long_row_goes_on_below(tmp_path):
    target = np.zeros((16, 16), np.uint8)
    row = Row("x", target, [Tile(str(k), target) for k in range(5)], crop=(0, 0, 8))
    write_gallery([row], "t", tmp_path / "wide.png")
    write_gallery([row], "t", tmp_path / "folded.png", columns=3)
    wide, folded = pixels(tmp_path / "wide.png"), pixels(tmp_path / "folded.png")
    assert folded.shape[0] > 1.7 * wide.shape[0] and folded.shape[1] < 0.7 * wide.shape[1]
    assert len(where(folded, (0, 0, 0))[0]) == pytest.approx(len(where(wide, (0, 0, 0))[0]), rel=0.1)


def test_the_best_is_what_a_reader_sees_as_best():
    assert best_of([30.001, 29.0, 30.004]) == [True, False, True]
    assert best_of([0.2, 0.1], larger=False) == [False, True]
    assert best_of([None, 1.0]) == [False, False]


# ---------------------------------------------------------------- Fig. 2


def test_regions_are_boxed_where_they_lie(tmp_path):
    image = np.full((64, 64), 255, np.uint8)
    view = KernelView("now", [np.eye(9), np.eye(9)], np.ones((64, 64)))
    path = write_kernel(image, [(8, 8), (48, 40)], [view], "t", tmp_path / "kernel.png")
    picture = pixels(path)
    picture = picture[:, : picture.shape[1] // 4]
    rows, columns = where(picture, (0.84, 0.07, 0.07), 0.1)
    assert np.ptp(rows) > 0.4 * picture.shape[0] and np.ptp(columns) > 0.4 * picture.shape[1]


def test_each_moment_has_a_row_of_its_own(tmp_path):
    image = np.full((16, 16), 200, np.uint8)
    view = KernelView("now", [np.eye(9)], np.ones((16, 16)))
    one = pixels(write_kernel(image, [(8, 8)], [view], "t", tmp_path / "one.png"))
    two = pixels(write_kernel(image, [(8, 8)], [view, view], "t", tmp_path / "two.png"))
    assert two.shape[0] > 1.7 * one.shape[0] and two.shape[1] == one.shape[1]
    yellow = (0.993, 0.906, 0.144)  # the largest value of the colour map: nine squares of each patch
    assert len(where(two, yellow)[0]) == pytest.approx(2 * len(where(one, yellow)[0]), rel=0.2)


# ---------------------------------------------------------------- Fig. 4


def test_a_mean_of_curves_goes_on_to_the_end_of_the_slowest():
    curves = [[{"x": x, "m": 2.0 * x} for x in (1, 3, 5)], [{"x": x, "m": 4.0 * x} for x in (2, 4, 6)], [{"x": 0.0, "m": None}]]
    x, mean, deviation = mean_curve(curves, "x", "m")
    assert x[0] == 2 and x[-1] == 6
    both = x <= 5
    np.testing.assert_allclose(mean[both], 3.0 * x[both])
    np.testing.assert_allclose(mean[~both], (10.0 + 4.0 * x[~both]) / 2)  # the first has ended and keeps its 10
    np.testing.assert_allclose(deviation[both], 2.0 * x[both] / 2**0.5)
    assert not len(mean_curve([[{"x": 1.0}]], "x", "m")[0])


def test_a_single_curve_is_drawn_as_it_is():
    x, mean, deviation = mean_curve([[{"x": 1, "m": 2.0}, {"x": 7, "m": 3.0}]], "x", "m")
    assert (x.tolist(), mean.tolist(), deviation.tolist()) == ([1, 7], [2, 3], [0, 0])


def test_trends_draw_each_sampler_in_its_colour(tmp_path):
    rows = [{"training_seconds": float(s), "flops": 1e9 * s, "ssim": 0.1 * s} for s in range(1, 9)]
    costs = (Cost("training_seconds", "seconds", end=5.0), Cost("flops", "GFLOP", 1e9))
    runs = {"nint": [rows], "int": [[r | {"ssim": r["ssim"] / 2} for r in rows]]}
    path = write_trends([Trends("ssim", runs)], costs, "t", tmp_path / "t.png")
    picture = pixels(path)
    for colour in ((0xD5 / 255, 0x5E / 255, 0), (0, 0x72 / 255, 0xB2 / 255)):
        _, columns = where(picture, colour, 0.05)
        assert columns.min() < 0.2 * picture.shape[1] and columns.max() > 0.9 * picture.shape[1]


# ---------------------------------------------------------------- Fig. 6


def test_a_tone_lies_at_its_frequency():
    rate = 8000
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    frequencies, times, power = spectrogram(tone, rate)
    assert frequencies[power.mean(1).argmax()] == pytest.approx(1000, abs=rate / 256)
    assert 0 < times[0] < times[-1] < 1


def test_errors_are_drawn_in_the_colour_of_the_sampler(tmp_path):
    tone = np.sin(np.arange(400) / 5).astype(np.float32)
    path = write_sounds(Sound("original", tone), [Sound("nint", 0.5 * tone, "nint", "3 dB")], 8000, "t", tmp_path / "s.png")
    picture = pixels(path)
    rows, columns = where(picture, (0xD5 / 255, 0x5E / 255, 0), 0.1)
    assert columns.min() > picture.shape[1] / 2
    assert np.ptp(rows) > picture.shape[0] / 3  # both the waveform and its error


# ---------------------------------------------------------------- Fig. 7


def test_a_sphere_is_a_disc_lit_from_above():
    ball = sphere(1.0, 3)
    picture = shaded(ball.vertices, ball.faces, 100, 2.0)
    assert picture[..., 3].sum() == pytest.approx(np.pi * 25**2, rel=0.03)
    assert picture[50, 50, 3] == 1 and picture[5, 5, 3] == 0
    assert picture[35, 45, :3].mean() > picture[68, 60, :3].mean()


def test_the_nearer_of_two_faces_hides_the_other():
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    near, far = (np.column_stack([square, np.full(4, depth)]) for depth in (1.0, -1.0))
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    colours = np.repeat([[0.9, 0.0, 0.0], [0.0, 0.9, 0.0]], 4, axis=0)
    for order in ([near, far], [far, near]):
        own = colours if order[0] is near else colours[::-1]
        picture = shaded(np.concatenate(order), np.concatenate([faces, faces + 4]), 60, 2.0, own, azimuth=0, elevation=0)
        assert picture[30, 30, 0] > 0.5 and picture[30, 30, 1] == 0
        assert (picture[20:40, 20:40, 3] == 1).all()  # no holes


def test_faces_that_are_turned_away_are_not_drawn():
    triangle = np.array([[-1, -1, 0], [1, -1, 0], [0, 1, 0]], float)
    seen, hidden = (shaded(triangle, np.array([face]), 40, 2.0, azimuth=0, elevation=0) for face in ([0, 1, 2], [0, 2, 1]))
    assert seen[..., 3].sum() == pytest.approx(200, rel=0.1) and hidden[..., 3].sum() == 0


def test_a_turn_of_half_a_circle_shows_the_other_side():
    triangle = np.array([[0.2, -1, 0], [1, -1, 0], [1, 1, 0]], float)
    front = shaded(triangle, np.array([[0, 1, 2]]), 40, 2.0, azimuth=0, elevation=0)
    back = shaded(triangle, np.array([[0, 2, 1]]), 40, 2.0, azimuth=180, elevation=0)
    np.testing.assert_allclose(front[..., 3], back[:, ::-1, 3], atol=0.55)
    assert front[:, 20:, 3].sum() > 10 and front[:, :20, 3].sum() == 0


def test_distances_are_painted_below(tmp_path):
    ball = sphere(0.4, 3)
    distances = np.where(ball.vertices[:, 0] > 0, 1.0, 0.0)
    solids = [Solid("truth", ball.vertices, ball.faces), Solid("nint", ball.vertices, ball.faces, distances, "IoU 1")]
    picture = pixels(write_solids(solids, 0.5, "t", tmp_path / "s.png", azimuth=0))
    half = picture.shape[0] // 2
    yellow = (picture[..., 0] > picture[..., 2] + 0.3) & (picture[..., 1] > picture[..., 2] + 0.3)
    assert yellow[half:, picture.shape[1] // 2 :].sum() > 1000 and not yellow[:half].any()
