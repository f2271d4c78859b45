import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.solids import box_distance, is_watertight, mesh_volume, sphere_distance, torus_distance

from nint.errors import UsageError
from nint.fitting import fit
from nint.mesh import Cloud, Mesh
from nint.signals import open as opening
from nint.signals.open import layout_from_json, open_signal
from nint.signals.samples.shapes import box, sphere, torus
from nint.signals.shape.files import read_shape, write_mesh
from nint.signals.shape.layout import ShapeLayout
from nint.signals.shape.signal import ShapeSignal, load_shape

pytest.importorskip("igl", reason="needs libigl")

DATA = Path(__file__).parents[3] / "../shared/data/meshes"


def ball_cloud(n=3000):
    points = np.random.default_rng(0).normal(size=(n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Cloud(points * 7, points)


def exact(signal):
    """A predict function that has learned the signal's own truth by heart."""
    sdf = signal.layout.target == "sdf"

    def predict(coords):
        points = coords[:].double().numpy()
        values = signal.ground_truth.signed_distance(points) if sdf else signal.ground_truth.inside(points)
        return torch.from_numpy(values.astype(np.float32))[:, None]

    return predict


def test_the_default_box_has_a_side_of_nine_tenths():
    signal = ShapeSignal(box(4.0, 2.0, 1.0), "x", pool_size=500)
    assert signal.layout.scale == pytest.approx(0.9 / 4) and signal.layout.cube == pytest.approx(0.5)
    assert signal.pool("cpu").coords.abs().max() <= 0.5


def test_a_shape_is_centred_and_fits_the_box():
    mesh, offset = torus(30.0, 10.0), np.array((500, -20, 3))
    signal = ShapeSignal(Mesh(mesh.vertices + offset, mesh.faces), "x", half_side=0.9)
    layout = signal.layout
    assert np.allclose(layout.centre, offset, atol=1e-9) and layout.scale == pytest.approx(1.8 / 80)
    placed = layout.to_coords(mesh.vertices + offset)
    assert np.allclose(placed.max(0), (0.9, 0.9, 0.225)) and np.allclose(placed.min(0), (-0.9, -0.9, -0.225))
    assert np.allclose(layout.from_coords(placed), mesh.vertices + offset)
    assert layout.describe() == "mesh of 10,240 vertices and 20,480 faces, signed distance"
    assert (layout.in_features, layout.out_features, layout.cube) == (3, 1, 1.0)


@pytest.mark.parametrize(
    ("mesh", "form"),
    [
        (box(4.0, 2.0, 1.0), lambda p: box_distance(p, (1.8, 0.9, 0.45))),
        (sphere(3.0, 5), lambda p: sphere_distance(p, 0.9)),
        (torus(2.0, 1.0, 200, 100), lambda p: torus_distance(p, 0.6, 0.3)),
    ],
)
def test_values_are_the_signed_distance_of_the_points(mesh, form):
    pool = ShapeSignal(mesh, "x", half_side=0.9, pool_size=3001).pool("cpu")
    assert pool.coords.shape == (3001, 3) and pool.values.shape == (3001, 1) and pool.coords.dtype == torch.float32
    assert pool.grid is None and pool.value_range == (-1, 1)
    assert pool.coords.abs().max() <= 1
    expected = form(pool.coords.double().numpy())
    assert np.abs(pool.values[:, 0].numpy() - expected).max() < 6e-4  # the flat faces lie within the curved surface
    coarse, fine = expected[:1501], expected[1501:]
    assert np.abs(fine).max() < 0.02 and 0.0004 < np.abs(fine).mean() < 0.0015  # Laplace noise of scale 0.001 on each axis
    assert 0.04 < np.abs(coarse).mean() < 0.15
    assert (coarse < -0.01).sum() > 100 and (coarse > 0.01).sum() > 100


def test_noise_has_its_scale_and_wraps():
    mesh = box(1.8, 1e-5, 1e-5)  # nearly a needle along x: y and z of the points are the noise
    coords = ShapeSignal(mesh, "x", half_side=0.9, pool_size=40_000).pool("cpu").coords[:, 1].double().numpy()
    for part, scale in ((coords[:20_000], 0.1), (coords[20_000:], 0.001)):
        assert np.abs(part).mean() == pytest.approx(scale, rel=0.03)  # of a Laplace variable, the mean size is its scale
    x = ShapeSignal(mesh, "x", half_side=0.9, pool_size=40_000).pool("cpu").coords[:20_000, 0]
    # From points spread over [-0.9, 0.9], each end sends 0.05 / 1.8 exp(-d / 0.1) farther than d; up to 0.1 beyond 1 comes in at the
    # other end's last tenth.
    assert x.abs().max() <= 1 and x.abs().max() > 0.99
    assert ((x.abs() > 0.9).double().mean().item()) == pytest.approx(0.1 / 1.8 * (1 - np.exp(-2)), abs=0.005)


def test_occupancy_is_one_inside():
    pool = ShapeSignal(sphere(3.0, 5), "x", half_side=0.9, pool_size=2000, target="occupancy").pool("cpu")
    distance = sphere_distance(pool.coords.double().numpy(), 0.9)
    sure = np.abs(distance) > 1e-3
    assert set(pool.values.unique().tolist()) == {0.0, 1.0} and pool.value_range == (0, 1)
    assert np.array_equal(pool.values[sure, 0].numpy() == 1, distance[sure] < 0)


def test_clouds_use_the_nearest_rule():
    signal = ShapeSignal(ball_cloud(), "x", half_side=0.9, pool_size=2000)
    pool = signal.pool("cpu")
    distance = sphere_distance(pool.coords.double().numpy(), 0.9)
    assert np.abs(pool.values[:, 0].numpy() - distance)[np.abs(distance) < 0.05].max() < 0.01
    assert signal.layout.describe() == "cloud of 3,000 points, signed distance"
    assert any("nearest surface point" in note for note in signal.report())
    assert signal.evaluate(exact(signal))["iou"] == 1
    with pytest.raises(UsageError, match="'x' is a point cloud"):
        ShapeSignal(ball_cloud(), "x", half_side=0.9, ground_truth="triangles")


def test_evaluate_of_the_truth_and_of_a_smaller_ball():
    signal = ShapeSignal(sphere(3.0, 4), "x", half_side=0.9, iou_resolution=48)
    found = signal.evaluate(exact(signal))
    assert found["iou"] == 1
    spacing = 0.5 / np.sqrt(30_000 / (4 * np.pi * 0.9**2))  # half the mean gap of the points drawn
    assert found["chamfer"] == pytest.approx(spacing, rel=0.05)
    fewer = ShapeSignal(sphere(3.0, 4), "x", half_side=0.9, iou_resolution=48, chamfer_samples=300)
    assert fewer.fingerprint() == signal.fingerprint() and fewer.evaluate(exact(fewer))["chamfer"] == pytest.approx(10 * spacing, rel=0.1)
    found = signal.evaluate(lambda coords: coords[:].norm(dim=1, keepdim=True) - 0.6)
    assert found["iou"] == pytest.approx((0.6 / 0.9) ** 3, rel=0.02)
    assert found["chamfer"] == pytest.approx(0.3, abs=0.003)
    assert signal.evaluate(lambda coords: coords[:].norm(dim=1, keepdim=True) - 0.6) == found


def test_evaluate_leaves_out_what_there_is_not():
    signal = ShapeSignal(sphere(3.0, 2), "x", iou_resolution=16)
    assert signal.evaluate(lambda coords: torch.ones(len(coords[:]), 1)) == {"iou": 0.0}
    assert signal.evaluate(lambda coords: torch.full((len(coords[:]), 1), torch.nan)) == {}
    occupied = ShapeSignal(sphere(3.0, 2), "x", iou_resolution=16, target="occupancy")
    assert occupied.evaluate(exact(occupied))["iou"] == 1


@pytest.mark.parametrize("target", ["sdf", "occupancy"])
@pytest.mark.parametrize("ending", [".ply", ".obj", ".stl"])
def test_file_to_file_in_its_own_units(tmp_path, target, ending):
    pytest.importorskip("trimesh", reason="needs trimesh")
    mesh, offset = torus(37.0, 14.0, 80, 40), np.array((1000, -200, 50))
    write_mesh(Mesh(mesh.vertices + offset, mesh.faces), tmp_path / f"a{ending}")
    signal = load_shape(tmp_path / f"a{ending}", target=target, pool_size=100)
    layout = layout_from_json(json.loads(json.dumps(signal.layout.to_json())))
    assert layout == signal.layout
    layout.write(layout.decode(exact(signal), resolution=64), tmp_path / f"b{ending}")
    back = read_shape(tmp_path / f"b{ending}")
    step = 2 / 63 / layout.scale
    assert np.allclose(back.vertices.max(0), (1051, -149, 64), atol=step) and np.allclose(back.vertices.min(0), (949, -251, 36), atol=step)
    volume = mesh_volume(back.vertices - offset, back.faces)
    assert volume == pytest.approx(2 * np.pi**2 * 37 * 14**2, rel=0.02 if target == "sdf" else 0.04)


def test_a_fit_decodes_to_the_shape(tmp_path):
    mesh, offset = sphere(50.0, 3), np.array((7, 0, -90))
    signal = ShapeSignal(Mesh(mesh.vertices + offset, mesh.faces), "x", pool_size=2000, iou_resolution=24)
    sampler = "nint:batch_share=0.4"
    model = fit(signal, field="siren:size=2x32", sampler=sampler, budget=120, lr=2e-3, eval_every=120, snapshots=False, device="cpu")
    assert model.metrics["iou"] > 0.9 and 0 < model.metrics["chamfer"] < 0.05
    decoded = model.decode(resolution=40)
    assert mesh_volume(decoded.vertices - offset, decoded.faces) == pytest.approx(4 / 3 * np.pi * 50**3, rel=0.1)
    model.write(tmp_path / "x.ply", resolution=24)
    assert (tmp_path / "x.ply").stat().st_size > 1000


def test_samples_are_named_as_synthetic():
    from nint.signals.samples import images as samples
    from nint.signals.samples.shapes import SAMPLES

    for name, (text, make) in SAMPLES.items():
        signal = make(pool_size=50)
        assert "synthetic" in text and signal.name == f"sample:{name}" and signal.pool_size == 50
        faces = text.split(" of ")[1].split()[0]
        assert f"{faces} faces" in signal.layout.describe() and any("watertight" in note for note in signal.report())
        with pytest.raises(UsageError, match=f"--max-side does not apply to sample:{name}; their options: --pool-size"):
            open_signal(f"sample:{name}", max_side=3)
    assert "torus" in samples.sample_names()
    assert open_signal("sample:torus", redraw_every=5).redraw_every == 5


def test_detection_by_ending(tmp_path):
    write_mesh(box(), tmp_path / "x.stl")
    signal = open_signal(str(tmp_path / "x.stl"), target="occupancy", ground_truth="nearest", iou_resolution=16)
    assert isinstance(signal, ShapeSignal) and (signal.layout.target, signal.ground_truth_name, signal.iou_resolution) == (
        "occupancy",
        "nearest",
        16,
    )
    with pytest.raises(UsageError, match="--max-side does not apply to shape signals"):
        opening.open_signal(str(tmp_path / "x.stl"), max_side=5)


def test_defaults_and_fingerprint():
    signal = ShapeSignal(box(), "x")
    assert (signal.pool_size, signal.redraw_every, signal.ground_truth_name, signal.iou_resolution) == (50_000, 1, "triangles", 64)
    assert (signal.defaults.batch_share, signal.defaults.omega_0, signal.defaults.total_steps) == (0.4, 30.0, 10_000)
    marks = {
        ShapeSignal(mesh, "x", **options).fingerprint()
        for mesh, options in (
            (box(), {}),
            (box(2), {}),
            (Mesh(box().vertices + 1, box().faces), {}),
            (box(), {"pool_size": 9}),
            (box(), {"redraw_every": 2}),
            (box(), {"ground_truth": "nearest"}),
            (box(), {"target": "occupancy"}),
        )
    }
    assert len(marks) == 7 and signal.fingerprint() in marks


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool_size": 0}, "pool_size=0"),
        ({"pool_size": 2.5}, "pool_size=2.5"),
        ({"redraw_every": -1}, "redraw_every=-1"),
        ({"iou_resolution": 4}, "iou_resolution=4"),
        ({"chamfer_samples": 0}, "chamfer_samples=0"),
        ({"ground_truth": "triangle"}, "Did you mean 'triangles'"),
        ({"target": "sdff"}, "Did you mean 'sdf'"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(UsageError, match=words):
        ShapeSignal(box(), "x", **options)


@pytest.mark.parametrize(
    "change",
    [
        {"centre": [0, 0]},
        {"centre": "abc"},
        {"centre": [0, None, 0]},
        {"scale": 0},
        {"scale": "1"},
        {"half_side": -1},
        {"vertices": 0},
        {"faces": 1.5},
        {"target": "x"},
        {"target": ["sdf"]},
    ],
)
def test_corrupt_layouts(change):
    header = ShapeLayout(centre=(0.0, 0.0, 0.0), scale=1.0, vertices=3, faces=1).to_json()
    assert layout_from_json(header).target == "sdf"
    with pytest.raises(UsageError, match="shape layout: "):
        layout_from_json(header | change)


@pytest.mark.skipif(not DATA.is_dir(), reason="the scans are not here")
@pytest.mark.parametrize("name", ["armadillo.off", "bunny00.off"])
def test_scans(name):
    pytest.importorskip("trimesh", reason="needs trimesh")
    signal = load_shape(DATA / name, pool_size=2000, iou_resolution=24)
    assert any("watertight" in note for note in signal.report())
    assert signal.evaluate(exact(signal))["iou"] == 1
    mesh = signal.layout.decode(exact(signal), resolution=32)
    assert is_watertight(mesh.faces)


@pytest.mark.parametrize("half_side", [0.45, 0.9])
def test_pool_and_layout_agree_on_the_range_of_the_values(half_side):
    for target, expected in (("sdf", (-half_side / 0.9, half_side / 0.9)), ("occupancy", (0, 1))):
        signal = ShapeSignal(box(), "x", half_side=half_side, pool_size=100, target=target)
        assert signal.layout.value_range == signal.pool("cpu").value_range == pytest.approx(expected)


def test_the_old_name_of_ground_truth_is_still_read(tmp_path, capsys):
    from nint.cli.main import main

    signal = open_signal("sample:box", truth="nearest")
    assert signal.ground_truth_name == "nearest"
    with pytest.raises(UsageError, match="truth is the old name of ground_truth"):
        open_signal("sample:box", truth="nearest", ground_truth="nearest")
    words = ["fit", "sample:box", "--pool-size", "200", "--iou-resolution", "8", "--size", "1x4", "--quiet", "--no-pictures"]
    run = ["--out", str(tmp_path / "run"), "--threads", "1"]
    assert main([*words, *run, "--truth", "nearest", "--steps", "2", "--total-steps", "4"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["settings"]["options"]["ground_truth"] == "nearest"
    old_name(tmp_path / "run" / "checkpoint.safetensors")
    assert main([*words, *run, "--ground-truth=nearest", "--steps", "3", "--total-steps", "4", "--resume"]) == 0
    capsys.readouterr()
    old_name(tmp_path / "run" / "checkpoint.safetensors")
    assert main([*words, *run, "--steps", "4", "--total-steps", "4", "--resume"]) == 2
    assert "options was" in capsys.readouterr().err


def old_name(checkpoint):
    """Rewrites a checkpoint as versions before the renaming wrote it."""
    from nint.files import load_tensors, save_tensors

    tensors, header = load_tensors(checkpoint)
    header["settings"]["options"]["truth"] = header["settings"]["options"].pop("ground_truth")
    header.pop("checksum")  # which earlier versions did not write
    save_tensors(checkpoint, tensors, header)


def test_the_record_has_the_scaling():
    assert ShapeSignal(Mesh(box(3, 2, 1).vertices + np.array((7, 0, 0)), box().faces), "x").scaling() == {
        "scale": pytest.approx(0.3),
        "centre": pytest.approx([7, 0, 0]),
    }


def test_a_model_is_measured_against_a_shape_of_the_same_bounding_box_only():
    layout = ShapeSignal(sphere()).layout
    layout.check_comparable(ShapeSignal(sphere()).layout)
    own = sphere()
    moved = Mesh(own.vertices * 1000 + 500, own.faces)
    part = Mesh(np.concatenate([own.vertices, own.vertices * 0.05 + (3, 0, 0)]), np.concatenate([own.faces, own.faces + len(own.vertices)]))
    for other in (moved, part):
        with pytest.raises(UsageError, match="so their scales differ; measure it against what it was fitted to"):
            layout.check_comparable(ShapeSignal(other).layout)
