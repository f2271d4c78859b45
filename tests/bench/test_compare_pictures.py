"""Pictures of a comparison, read back as pixels, and the choice of the crop."""

import sys

import numpy as np
import pytest
from PIL import Image

from nint.bench.compare.asked import Comparison
from nint.bench.compare.pictures import write_pictures
from nint.bench.compare.table import comparison_table
from nint.bench.execute import run_all
from nint.bench.store import Store
from nint.plots.style import COLOURS, FIELD_COLOURS, head, new_figure
from nint.plots.zoom import choose_crop

SAMPLERS = ["nint", "int", "uniform", "full"]


def table_of(**changes):
    asked = {
        "inputs": ("sample:camera",),
        "signal_options": {"max_side": 32},
        "samplers": tuple(SAMPLERS),
        "size": "2x16",
        "steps": 20,
        "seeds": 2,
        "checkpoints": (5, 20),
        "settings": {"lr": 1e-3},
    }
    return comparison_table(Comparison(**(asked | changes)))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A real comparison of four samplers: its folder, its table and its pictures."""
    folder = tmp_path_factory.mktemp("compare")
    table = table_of()
    run_all(table.specs, Store(folder))
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "matplotlib.pyplot", None)
    try:
        return folder, table, write_pictures(table, Store(folder))
    finally:
        patch.undo()


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def reds(image):
    return (image[..., 0] > 160) & (image[..., 1] < 100) & (image[..., 2] < 100)


def test_every_picture_is_written(drawn):
    folder, _, written = drawn
    field = "siren_size=2x16"
    assert [path.name for path in written] == [
        "curves-psnr.png",
        "curves-ssim.png",
        f"reconstructions-{field}.png",
        f"selection-{field}.png",
    ]
    assert all(path.parent == folder and pixels(path).std() > 5 for path in written)


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_curves_have_every_sampler_in_its_colour(drawn, metric):
    image = pixels(drawn[0] / f"curves-{metric}.png")
    for sampler in SAMPLERS:
        colour = [int(COLOURS[sampler][i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(image - colour).max(axis=-1) <= 12).sum() > 200, sampler


def parts(mask):
    """(start, end) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return list(zip(edges[::2], edges[1::2], strict=True))


def test_the_red_points_are_those_that_were_selected(drawn, tmp_path):
    folder, table, _ = drawn
    name = "selection-siren_size=2x16.png"
    (tmp_path / "runs.jsonl").write_bytes((folder / "runs.jsonl").read_bytes())
    keys = {spec.sampler: spec.key for spec in table.specs if spec.seed == 0}
    # The same picture with every point selected shows where its panels lie.
    for path in (folder / "runs").rglob("step-*.npz"):
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with np.load(path) as file:
            np.savez(copy, **{**file, "selected": np.arange(32 * 32)})
    write_pictures(table, Store(tmp_path))
    everything, red = reds(pixels(tmp_path / name)), reds(pixels(folder / name))
    rows, columns = parts(everything.any(axis=1)), parts(everything.any(axis=0))
    assert (len(rows), len(columns)) == (4, 3)  # samplers; steps 1, 5 and 20
    for sampler, (top, bottom) in zip(SAMPLERS, rows, strict=True):
        for step, (left, right) in zip((1, 5, 20), columns, strict=True):
            with np.load(folder / "runs" / keys[sampler] / f"step-{step:06d}.npz") as file:
                wanted = np.isin(np.arange(32 * 32), file["selected"]).reshape(32, 32)
            centres = (np.arange(32) + 0.5) / 32
            down, across = top + (centres * (bottom - top)).astype(int), left + (centres * (right - left)).astype(int)
            assert np.array_equal(red[np.ix_(down, across)], wanted), (sampler, step)


def test_reconstructions_have_the_box_and_the_original(drawn):
    folder, *_ = drawn
    image = pixels(folder / "reconstructions-siren_size=2x16.png")
    yellow = (image[..., 0] > 200) & (image[..., 1] > 180) & (image[..., 2] < 90)
    columns = yellow.any(axis=0)
    assert int((np.diff(columns.astype(int)) == 1).sum()) == 1 + len(SAMPLERS)


def test_failed_runs_and_missing_snapshots_are_left_out(drawn, tmp_path):
    folder, table, _ = drawn
    lines = (folder / "runs.jsonl").read_text().splitlines()
    (tmp_path / "runs.jsonl").write_text("\n".join([lines[0].replace('"error": null', '"error": "bad day"'), *lines[1:]]) + "\n")
    names = [path.name for path in write_pictures(table, Store(tmp_path))]  # a folder without snapshots
    assert names == ["curves-psnr.png", "curves-ssim.png"]


def test_several_inputs_have_their_own_reconstructions_and_share_their_curves(tmp_path):
    table = table_of(inputs=("sample:camera", "sample:coins"), samplers=("uniform",), steps=2, seeds=1, checkpoints=(2,))
    run_all(table.specs, Store(tmp_path))
    names = {path.name for path in write_pictures(table, Store(tmp_path))}
    places = [f"sample_{name}-siren_size=2x16.png" for name in ("camera", "coins")]
    assert names == {"curves-psnr.png", "curves-ssim.png", *(f"{kind}-{p}" for kind in ("reconstructions", "selection") for p in places)}


# ---------------------------------------------------------------- crop


def slow_crop(target, images, side):
    """Every window, one by one."""
    best, where = -1.0, None
    for top in range(target.shape[0] - side + 1):
        for left in range(target.shape[1] - side + 1):
            window = slice(top, top + side), slice(left, left + side)
            spread = np.std([np.abs(image[window].astype(float) - target[window]).mean() for image in images])
            if spread > best + 1e-9:
                best, where = spread, (top, left)
    return where


@pytest.mark.parametrize("shape", [(36, 50), (50, 36, 3)])
def test_the_crop_is_where_the_errors_differ_most(shape):
    rng = np.random.default_rng(1)
    target = rng.integers(0, 256, shape, dtype=np.uint8)
    images = [np.clip(target + rng.normal(0, 1 + 20 * rng.random(shape)), 0, 255).astype(np.uint8) for _ in range(4)]
    top, left, side = choose_crop(target, images)
    assert side == 9
    assert (top, left) == slow_crop(target, images, side)


def test_the_crop_finds_a_planted_difference_and_not_a_shared_error():
    target = np.zeros((40, 40), np.uint8)
    good, bad = target.copy(), target.copy()
    good[:10, :10] = bad[:10, :10] = 255  # both fail here
    bad[25:35, 20:30] = 120  # only one fails here
    assert choose_crop(target, [good, bad]) == (25, 20, 10)
    assert choose_crop(target, [good])[:2] == (0, 0)


def test_the_crop_of_a_small_image_fits():
    target = np.zeros((5, 30), np.uint8)
    top, left, side = choose_crop(target, [target + 1, target + 2])
    assert side == 5
    assert top == 0
    assert left + side <= 30


def test_networks_stand_beside_each_other_where_one_sampler_trains_them(tmp_path):
    table = table_of(samplers=("uniform",), fields=("siren:size=2x16", "ffn:size=2x16"), seeds=1, steps=8, checkpoints=(4, 8))
    run_all(table.specs, Store(tmp_path))
    written = write_pictures(table, Store(tmp_path))
    assert [path.name for path in written] == ["curves-psnr.png", "curves-ssim.png", "reconstructions-uniform.png", "selection-uniform.png"]
    curves = pixels(tmp_path / "curves-psnr.png")
    for field in ("siren", "ffn"):
        colour = [int(FIELD_COLOURS[field][i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(curves - colour).max(axis=-1) <= 12).sum() > 200, field


def test_a_heading_that_is_longer_than_its_picture_goes_on_in_the_next_line():
    figure = new_figure(4, 3)
    head(figure, "Last reconstructions, siren:size=5x256,first_bias=0.1; the box is where the error is largest")
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert "\n" in figure._suptitle.get_text() and box.x0 >= 0 and box.x1 <= figure.bbox.width
