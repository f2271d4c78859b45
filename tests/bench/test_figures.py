"""The figures out of a store of tiny runs: their files, their numbers, and what happens where runs are missing."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.dense_ntk import ntk
from PIL import Image

from nint.bench.execute import run_all
from nint.bench.experiments import FIGURES, experiment
from nint.bench.figures.base import MODEL
from nint.bench.figures.fig2 import POSITIONS
from nint.bench.figures.scoring import scoring_cost
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.scales import SCALES
from nint.bench.store import Store
from nint.bench.tables.table1 import TABLE as TABLE1
from nint.metrics import psnr
from nint.plots.style import as_unit
from nint.runs.model import Fit
from nint.runs.snapshots import load_snapshots

SMOKE = SCALES["smoke"]
TINY = dataclasses.replace(
    SMOKE,
    minute_s=0.02,
    images=dataclasses.replace(SMOKE.images, steps=4, total_steps=4, checkpoints=(2, 4), evaluations=2, side=20),
    sizes=dataclasses.replace(SMOKE.sizes, side=16),
    audio=dataclasses.replace(SMOKE.audio, seconds=0.01, checkpoints=(0.01,), evaluations=1),
    shapes=dataclasses.replace(
        SMOKE.shapes,
        steps=1,
        checkpoints=(1,),
        evaluations=1,
        options=(("chamfer_samples", 300), ("iou_resolution", 12), ("pool_size", 64)),
    ),
)
IMAGES = ("fig1", "fig2", "fig3", "fig4", "fig5", "fig8", "fig9", "fig10")


@pytest.fixture(scope="module")
def inputs():
    return Inputs.search()


@pytest.fixture(scope="module")
def store(tmp_path_factory, inputs):
    found = Store(tmp_path_factory.mktemp("bench"))
    specs = [spec for name in IMAGES for spec in experiment(name).specs(TINY, inputs, 1)]
    run_all([dataclasses.replace(spec, group="") for spec in specs], found)
    return found


def written(name, store, inputs, out, scale=TINY):
    paths = experiment(name).write(store, scale, inputs, 1, out, {"command": "nint bench"})
    return {path.name: path for path in paths}, json.loads((out / f"{name}.json").read_text())


# ---------------------------------------------------------------- what they have in common


@pytest.mark.parametrize("name", IMAGES)
def test_each_figure_writes_a_picture_and_its_numbers(name, store, inputs, tmp_path):
    files, numbers = written(name, store, inputs, tmp_path)
    with Image.open(files[f"{name}.png"]) as picture:
        assert min(picture.size) > 200
        assert np.asarray(picture.convert("L")).std() > 5
    assert numbers["figure"] == name and numbers["caption"] and numbers["missing"] == []
    assert numbers["rows"] and numbers["facts"] == {"command": "nint bench"} and numbers["machines"] and numbers["versions"]
    keys = {spec.key for spec in experiment(name).specs(TINY, inputs, 1)}
    assert {run["key"] for run in numbers["runs"]} == keys


def test_every_figure_is_listed_by_its_own_name():
    assert [experiment(name).name for name in FIGURES] == list(FIGURES) == [f"fig{n}" for n in range(1, 11)]


@pytest.mark.parametrize("scale", [SMOKE, SCALES["cpu"]], ids=["smoke", "cpu"])
def test_figures_reuse_the_runs_of_tables_and_keep_what_they_show(scale, inputs):
    table = {spec.key for spec in TABLE1.specs(scale, inputs, 2)}
    assert {spec.key for spec in experiment("fig4").specs(scale, inputs, 2)} <= table
    for name in ("fig6", "fig7", "fig9", "fig10"):
        specs = experiment(name).specs(scale, inputs, 1)
        assert len({spec.input for spec in specs}) == 1 and all(spec.keep and spec.seed == 0 for spec in specs)
        assert [spec.sampler for spec in specs][:1] == ["full"] and "nint" in [spec.sampler for spec in specs]
    for name in ("fig1", "fig3", "fig5", "fig8"):
        assert all(spec.keep for spec in experiment(name).specs(scale, inputs, 1))


def test_at_the_scale_of_two_cores_their_own_runs_fit_into_eight_minutes(inputs):
    own = sum(experiment(name).estimated_seconds(SCALES["cpu"], inputs, 1) for name in ("fig1", "fig2", "fig3", "fig5", "fig8"))
    assert 60 < own < 480


def test_a_missing_and_a_failed_run_are_left_out_and_named(store, inputs, tmp_path):
    part = Store(tmp_path / "part")
    first, second, third, *rest = experiment("fig9").specs(TINY, inputs, 1)
    records = store.records()
    for spec in (first, second):
        part.append(records[spec.key])
        source, target = store.place(spec.key), part.place(spec.key)
        target.mkdir(parents=True)
        (target / MODEL).write_bytes((source / MODEL).read_bytes())
    part.append(records[third.key] | {"error": "It blew up."})
    files, numbers = written("fig9", part, inputs, tmp_path / "out")
    assert "fig9.png" in files and set(numbers["rows"]) == {first.sampler, second.sampler}
    assert [(item["sampler"], item["reason"]) for item in numbers["missing"]] == [
        (third.sampler, "It blew up."),
        *((spec.sampler, "not run") for spec in rest),
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_without_any_run_there_are_numbers_that_say_so(name, inputs, tmp_path):
    files, numbers = written(name, Store(tmp_path / "empty"), inputs, tmp_path)
    assert f"{name}.png" not in files and len(numbers["missing"]) > 0 and numbers["runs"] == []


def test_files_of_a_run_that_have_gone_are_said_to_be_missing(store, inputs, tmp_path):
    bare = Store(tmp_path / "bare")
    for spec in experiment("fig3").specs(TINY, inputs, 1):
        bare.append(store.records()[spec.key])
    files, numbers = written("fig3", bare, inputs, tmp_path)
    assert "fig3.png" not in files and "not there" in numbers["note"]


def test_an_original_that_has_gone_is_said_to_be_missing(store, inputs, tmp_path):
    (photo := tmp_path / "kodim01.png").write_bytes(b"")
    moved = Inputs(str(tmp_path), {"kodak": (str(photo),)})
    spec = experiment("fig1").specs(TINY, inputs, 1)[0]
    gone = experiment("fig1").specs(TINY, moved, 1)[0]
    other = Store(tmp_path / "store")
    other.append(store.records()[spec.key] | {"key": gone.key})
    shutil.copytree(store.place(spec.key), other.place(gone.key))
    photo.unlink()
    (tmp_path / "fig1.png").write_bytes(b"of an earlier launch")
    files, numbers = written("fig1", other, moved, tmp_path)
    assert "kodim01.png" in numbers["note"] and set(files) == {"fig1.json"}
    assert numbers["runs"][0]["input"] == f"{tmp_path.name}/kodim01.png"


# ---------------------------------------------------------------- each one's numbers


def test_fig1_shows_moments_in_order_with_the_batch_of_each(store, inputs, tmp_path):
    _, numbers = written("fig1", store, inputs, tmp_path)
    moments = numbers["moments"]
    assert [moment["paper_seconds"] for moment in moments] == [0, 5, 20, 60]
    assert moments[0]["step"] == 1 and moments[-1]["training_seconds"] >= TINY.minute_s
    assert all(a["step"] <= b["step"] for a, b in itertools.pairwise(moments))
    assert {moment["selected"] for moment in moments} == {int(0.2 * 20 * 20)}
    (spec,) = experiment("fig1").specs(TINY, inputs, 1)
    last = load_snapshots(store.place(spec.key))[-1]
    target = as_unit(np.asarray(spec.job().signal.array))
    # Decoded pixels are rounded to 8 bits.
    assert numbers["rows"]["nint"]["psnr@60s"] == pytest.approx(psnr(as_unit(last.decoded), target), abs=0.05)


def test_fig2_shows_the_kernel_of_the_kept_network(store, inputs, tmp_path):
    files, numbers = written("fig2", store, inputs, tmp_path)
    assert "scoring.json" in files
    spec = next(spec for spec in experiment("fig2").specs(TINY, inputs, 1) if spec.keep)
    pool = spec.job().signal.pool(torch.device("cpu"))
    coords = pool.coords[:].double().reshape(20, 20, 2)
    networks = {
        "trained": Fit.load(store.place(spec.key) / MODEL).field,
        "start": spec.job().build_field(),
    }
    for (row, column), wanted in zip(numbers["regions"], POSITIONS, strict=True):
        assert (row, column) == pytest.approx(tuple(20 * place / 512 for place in wanted), abs=0.5 + 1e-9) or min(row, column) == 1
    for name, field in networks.items():
        found = numbers["kernel"][name]
        for (row, column), patch in zip(numbers["regions"], found["patches"], strict=True):
            region = coords[row - 1 : row + 2, column - 1 : column + 2].reshape(9, 2)
            whole = ntk(field.double(), region).sum(dim=(1, 3))
            np.testing.assert_allclose(patch, whole.detach().numpy(), rtol=1e-3)
        assert found["diagonal"]["points"] == 400
        assert found["identity"]["identity_equals_error"] is True
    rows = numbers["rows"]
    assert rows["kernel"]["diagonal_ratio"] == numbers["kernel"]["trained"]["diagonal"]["max_over_min"] > 1
    assert 0 < rows["step"]["relative_error"] < 1e-2 and 0 < rows["int"]["same_points"] <= 1


def test_fig3_shows_every_strategy_with_its_own_quality(store, inputs, tmp_path):
    _, numbers = written("fig3", store, inputs, tmp_path)
    specs = experiment("fig3").specs(TINY, inputs, 1)
    assert set(numbers["rows"]) == {spec.sampler for spec in specs} and len(specs) == 9
    for spec in specs:
        fit = Fit.load(store.place(spec.key) / MODEL)
        quality = fit.evaluate(spec.job().signal)["psnr"]
        assert numbers["rows"][spec.sampler]["psnr@60s"] == pytest.approx(quality, abs=1e-3)


def test_fig4_reads_the_curves_at_the_papers_moments(store, inputs, tmp_path):
    _, numbers = written("fig4", store, inputs, tmp_path)
    records = store.records()
    specs = [spec for spec in experiment("fig4").specs(TINY, inputs, 1) if spec.sampler == "nint"]
    assert len(specs) == 2  # of Kodak and of DIV2K
    for moment in (5, 10, 20, 30, 40, 50, 60):
        now = moment * TINY.minute_s / 60
        curves = [records[spec.key]["curve"] for spec in specs]
        passed = [[row["ssim"] for row in curve if row["training_seconds"] <= now] for curve in curves]
        value = numbers["rows"].get("nint", {}).get(f"ssim@{moment}s")
        if all(passed) and all(curve[-1]["training_seconds"] >= now for curve in curves):
            assert value == pytest.approx(np.mean([values[-1] for values in passed]))
        else:
            assert value is None


def test_fig5_names_its_rows_as_the_claims_do(store, inputs, tmp_path):
    _, numbers = written("fig5", store, inputs, tmp_path)
    assert set(numbers["rows"]) == {f"{sampler} field=siren:size={size}" for sampler in ("full", "nint") for size in ("1x16", "2x16")}
    assert all(row.keys() == {"psnr@150s"} for row in numbers["rows"].values())
    assert len(numbers["crops"]) == 2 and numbers["crops"][0] == numbers["crops"][1]  # rows of the same image


def test_fig9_is_measured_on_the_large_image_and_fitted_to_the_small_one(inputs):
    spec = experiment("fig9").specs(TINY, inputs, 1)[0]
    signal = spec.job().signal
    assert signal.layout.height == TINY.super_resolution.side
    assert len(signal.pool(torch.device("cpu"))) == (TINY.super_resolution.side // 2) ** 2


def test_sounds_are_drawn_from_their_models(inputs, tmp_path):
    pytest.importorskip("soundfile", reason="audio files need soundfile")
    store = Store(tmp_path / "store")
    run_all(experiment("fig6").specs(TINY, inputs, 1), store)
    files, numbers = written("fig6", store, inputs, tmp_path)
    assert "fig6.png" in files and set(numbers["rows"]) == {"full", "nint"}
    for spec in experiment("fig6").specs(TINY, inputs, 1):
        signal = spec.job().signal
        decoded = Fit.load(store.place(spec.key) / MODEL).decode().samples
        error = float(np.sqrt(np.mean((decoded - signal.samples) ** 2)))
        assert numbers["rows"][spec.sampler]["rms_error"] == pytest.approx(error, rel=1e-4)


def test_shapes_are_drawn_with_their_distance_from_the_truth(inputs, tmp_path):
    pytest.importorskip("igl", reason="the distance to triangles needs libigl")
    store = Store(tmp_path / "store")
    run_all(experiment("fig7").specs(TINY, inputs, 1), store)
    files, numbers = written("fig7", store, inputs, tmp_path)
    assert set(numbers["rows"]) == {"full", "nint"}
    for spec in experiment("fig7").specs(TINY, inputs, 1):
        row = numbers["rows"][spec.sampler]
        signal = spec.job().signal
        if row.get("surface") is False:  # one step may leave it without any
            continue
        assert "fig7.png" in files
        mesh = Fit.load(store.place(spec.key) / MODEL).decode(resolution=24)
        distances = np.abs(signal.ground_truth.signed_distance(signal.layout.to_coords(mesh.vertices)))
        assert row["mean_distance"] == pytest.approx(distances.mean()) and row["faces"] == len(mesh.faces)


# ---------------------------------------------------------------- Sec. 11


def _scored(scorings, seconds, points=1000):
    return {
        "points": points,
        "parameters": 10,
        "points_in_jvps": scorings * points,
        "selection_seconds": seconds,
        "training_seconds": 2 * seconds,
        "steps": 40,
    }


def test_a_scoring_costs_what_runs_with_and_without_it_differ_by():
    specs = [RunSpec("sample:camera", sampler=name, steps=40) for name in ("nint", "nint:alpha=1", "nint:alpha=9")]
    records = dict(zip((spec.key for spec in specs), (_scored(7, 0.7), _scored(40, 2.15), _scored(1, 0.2)), strict=True))
    found = scoring_cost(specs, records)
    assert found["rows"]["scoring"]["milliseconds"] == pytest.approx(50)
    assert found["rows"]["scoring"]["share_of_selection_percent"] == pytest.approx(50)
    assert [run["scorings"] for run in found["runs"]] == [7, 40, 1]
    del records[specs[1].key]
    assert scoring_cost(specs, records)["rows"] == {}


def test_the_runs_between_which_a_scoring_is_measured_score_often_and_once(store, inputs):
    default, often, rarely = (store.records()[spec.key] for spec in experiment("fig2").specs(TINY, inputs, 1))
    assert often["points_in_jvps"] == often["steps"] * often["points"]
    assert rarely["points_in_jvps"] == rarely["points"]
    assert often["points_forwarded"] - rarely["points_forwarded"] == (often["steps"] - 1) * often["points"]
    assert default["points_in_jvps"] > 0


def test_nothing_is_written_outside_of_the_folder(store, inputs, tmp_path):
    files, _ = written("fig8", store, inputs, tmp_path / "deep" / "er")
    assert all(Path(path).parent == tmp_path / "deep" / "er" for path in files.values())
