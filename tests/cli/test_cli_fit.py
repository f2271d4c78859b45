from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

TINY = ("sample:camera", "--max-side", "32", "--size", "2x16", "--no-pictures", "--device", "cpu", "--recipe", "paper")

KEYS = {
    "settings",
    "budget",
    "stopped",
    "versions",
    "machine",
    "threads",
    "chunk_size",
    "parameters",
    "points",
    "psnr",
    "ssim",
    "steps",
    "training_seconds",
    "selection_seconds",
    "points_forwarded",
    "points_backwarded",
    "points_in_jvps",
    "forward_equivalents",
    "peak_memory_bytes",
    "curve",
}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(left: Path, right: Path) -> bool:
    a, b = weights(left), weights(right)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_fit_decode_eval_inspect(cli, tmp_path: Path):
    code, out, err = cli("fit", *TINY, "--steps", 10, "--json", "record.json")
    assert (code, err) == (0, "")
    for said in (
        "sample:camera, 32x32 grey image, 8 bits, 1,024 points",
        "siren:size=2x16,aspect=none,omega_0=30,bias=weight,weight_scale=1, 337 parameters",
        "nint:batch_share=0.2,schedule=constant,",
        "interval=dense,between=keep,random_share=0.7,refresh_interval=10,decay_rate=1",
        "204 points a step",
        "0.0001 constant, the recipe's",
        "adam:beta1=0.9",
        "10 steps; schedules are laid out for 5,000 steps; seed 0",
        "chunks of 4,096 points",
        "(10 steps)",
        "of memory",
        "finished 10 steps",
        "model.safetensors, checkpoint.safetensors, run.json, snapshots",
        "nint decode nint-out/camera camera-x2.png --scale 2",
    ):
        assert said in out, said

    record = json.loads((tmp_path / "record.json").read_text())
    assert set(record) >= KEYS
    assert record == json.loads((tmp_path / "nint-out" / "camera" / "run.json").read_text())
    assert record["steps"] == 10 and record["curve"][-1]["step"] == 10
    assert record["curve"][-1]["psnr"] == record["psnr"]
    assert f"{record['psnr']:.2f} dB" in out

    # The commands that were printed at the end work as they are.
    decode = next(line for line in out.splitlines() if "nint decode" in line).partition("nint ")[2]
    code, said, _ = cli(*shlex.split(decode))
    assert code == 0 and "camera-x2.png: 64x64" in said
    assert pixels(tmp_path / "camera-x2.png").shape == (64, 64)

    code, _, _ = cli("decode", "nint-out/camera", "wide.png", "--height", 20, "--width", 50)
    assert code == 0 and pixels(tmp_path / "wide.png").shape == (20, 50)
    code, _, _ = cli("decode", "nint-out/camera/model.safetensors", "part.png", "--height", 20, "--width", 50, "--crop", 2, 3, 10, 30)
    assert code == 0 and np.array_equal(pixels(tmp_path / "part.png"), pixels(tmp_path / "wide.png")[2:12, 3:33])

    code, said, _ = cli("eval", "nint-out/camera", "sample:camera", "--max-side", 32, "--json", "quality.json")
    assert code == 0 and f"{record['psnr']:.2f} dB" in said
    quality = json.loads((tmp_path / "quality.json").read_text())
    assert (quality["psnr"], quality["ssim"]) == (record["psnr"], record["ssim"])

    code, said, _ = cli("inspect", "nint-out/camera")
    size = (tmp_path / "nint-out" / "camera" / "model.safetensors").stat().st_size
    assert code == 0
    for fact in ("siren:size=2x16", "337 (float32)", "32x32 grey image", "[-1, 1]", "0 to 1", f"{record['psnr']:.2f} dB", "setting seed"):
        assert fact in said, fact
    assert f"{8 * size / 1024:.2f} bits per sample in the model ({32 * 337 / 1024:.2f} in the parameters), 8 in the original" in said
    assert f"torch {torch.__version__}" in said


def test_json_on_standard_output_is_nothing_but_json(cli):
    code, out, err = cli("fit", *TINY, "--steps", 2, "--json", "-")
    assert code == 0 and json.loads(out)["steps"] == 2
    assert "points a step" in err
    code, out, _ = cli("eval", "nint-out/camera", "sample:camera", "--json", "-")
    assert code == 0 and json.loads(out)["versions"]


def test_quiet_prints_nothing(cli, tmp_path: Path):
    assert cli("fit", *TINY, "--steps", 2, "--quiet") == (0, "", "")
    assert (tmp_path / "nint-out" / "camera" / "model.safetensors").exists()


def test_announcing_and_measuring_change_nothing_of_the_run(cli, tmp_path: Path):
    before = torch.get_rng_state()
    for name, words in {"loud": (), "quiet": ("--quiet",)}.items():
        assert cli("fit", *TINY, "--steps", 12, "--out", name, *words).code == 0
    assert same(tmp_path / "loud", tmp_path / "quiet")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_run_is_extended_bit_by_bit(cli, tmp_path: Path):
    assert cli("fit", *TINY, "--steps", 8, "--out", "parts", "--quiet").code == 0
    code, out, _ = cli("fit", *TINY, "--steps", 23, "--out", "parts", "--resume")
    assert code == 0 and "continues after step 8" in out and "(15 steps)" in out
    assert cli("fit", *TINY, "--steps", 23, "--out", "whole", "--quiet").code == 0
    assert same(tmp_path / "parts", tmp_path / "whole")
    # Nothing is left to do: the run stays as it is.
    assert cli("fit", *TINY, "--steps", 23, "--out", "parts", "--quiet", "--resume").code == 0
    assert same(tmp_path / "parts", tmp_path / "whole")


def test_half_precision_and_held_out_points(cli):
    out = cli("fit", *TINY, "--steps", 3, "--half", "--hold-out", "0.1", "--sampler", "uniform").out
    assert "PSNR held out" in out and "922 points" in out
    assert "337 (float16)" in cli("inspect", "nint-out/camera").out


def test_a_batch_in_points(cli):
    assert "100 points a step" in cli("fit", *TINY, "--steps", 1, "--batch-size", 100).out
    growing = cli("fit", *TINY, "--steps", 1, "--batch-size", 100, "--sampler", "uniform:schedule=linear", "--force").out
    assert "100 points a step, growing to 1,024" in growing


def test_another_model_is_the_start(cli, tmp_path: Path, fitted: Path):
    assert cli("fit", *TINY, "--steps", 1, "--init", fitted, "--lr", "1e-12", "--quiet").code == 0
    start, end = weights(fitted), weights(tmp_path / "nint-out" / "camera")
    for name, value in start.items():
        torch.testing.assert_close(end[name], value, rtol=0, atol=1e-9)


def test_short_options_are_the_settings_of_the_text_forms(cli):
    words = ("sample:camera", "--max-side", "16", "--steps", "1", "--no-pictures", "--json", "-", "--quiet", "--recipe", "paper")
    short = cli("fit", *words, "--field", "finer:omega_0=20", "--size", "1x8", "--batch-share", "0.5", "--out", "a")
    long = cli("fit", *words, "--field", "finer:omega_0=20,size=1x8", "--sampler", "nint:batch_share=0.5", "--out", "b")
    assert short.code == long.code == 0
    assert json.loads(short.out)["settings"] == json.loads(long.out)["settings"]
    assert json.loads(short.out)["settings"]["field"] == "finer:size=1x8,omega_0=20"


def test_whichever_budget_is_used_up_first_stops_the_run(cli):
    out = cli("fit", *TINY, "--steps", 500, "--psnr", "1", "--eval-every", 3, "--json", "-", "--quiet").out
    assert (json.loads(out)["steps"], json.loads(out)["stopped"]) == (3, "reached 1 dB")
    out = cli("fit", *TINY, "--psnr", "90", "--total-steps", 4, "--json", "-", "--quiet", "--force").out
    assert (json.loads(out)["steps"], json.loads(out)["stopped"]) == (4, "finished 4 steps")
    record = json.loads(cli("fit", *TINY, "--seconds", "0.05", "--steps", 100_000, "--json", "-", "--quiet", "--force").out)
    assert record["stopped"] == "used 0.05 s" and record["wall_seconds"] >= 0.05 and 0 < record["steps"] < 100_000


def test_threads_are_set_and_recorded(cli):
    assert json.loads(cli("fit", *TINY, "--steps", 1, "--threads", 2, "--json", "-").out)["threads"] == 2


def test_pictures_are_drawn_unless_refused(cli, tmp_path: Path):
    pytest.importorskip("nint.report.pictures")
    words = [word for word in TINY if word != "--no-pictures"]
    assert cli("fit", *words, "--steps", 2, "--quiet").code == 0
    assert (tmp_path / "nint-out" / "camera" / "reconstruction.png").exists()


def test_a_note_of_the_sampler_is_shown(cli, monkeypatch: pytest.MonkeyPatch):
    from nint.samplers.uniform import Uniform

    monkeypatch.setattr(Uniform, "note", lambda self, probe: f"uniform says that there are {len(probe)} points.")
    assert "uniform says that there are 1024 points." in cli("fit", *TINY, "--steps", 1, "--sampler", "uniform").out


def test_numbers_that_json_does_not_know_become_null(cli, monkeypatch: pytest.MonkeyPatch):
    from nint.signals.image.signal import ImageSignal

    monkeypatch.setattr(ImageSignal, "evaluate", lambda self, predict: {"psnr": math.inf, "ssim": 1.0})
    code, out, _ = cli("eval", _model(cli), "sample:camera", "--json", "-")
    assert code == 0 and json.loads(out)["psnr"] is None
    assert "infinite" in cli("eval", "nint-out/camera", "sample:camera").out


def _model(cli) -> str:
    assert cli("fit", *TINY, "--steps", 1, "--quiet").code == 0
    return "nint-out/camera"


@pytest.mark.parametrize(("name", "array"), [("grid.npy", np.random.default_rng(0).normal(size=(6, 5, 4))), ("v.nii.gz", None)])
def test_the_next_command_does_not_name_the_input_and_works(cli, tmp_path, name, array):
    if array is None:
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(np.random.default_rng(0).random((6, 5, 4), np.float32), np.eye(4)), tmp_path / name)
    else:
        np.save(tmp_path / name, array)
    code, out, err = cli("fit", name, "--size", "1x8", "--steps", 2, "--no-pictures")
    assert code == 0, err
    stem = name.partition(".")[0]
    line = next(line for line in out.splitlines() if "nint decode" in line).partition("nint ")[2]
    assert line.startswith(f"decode nint-out/{stem} {stem}{'-decoded.npy' if array is not None else '-decoded.nii.gz'}"), line
    code, _, err = cli(*shlex.split(line))
    assert code == 0, err


def test_a_folder_that_is_there_is_not_written_into(cli, tmp_path):
    assert cli("fit", *TINY, "--steps", 1)[0] == 0
    (tmp_path / "there").mkdir()
    code, _, err = cli("decode", "nint-out/camera", "there", "--force")
    assert code == 2 and "a name that is not there yet" in err
