"""The log as TensorBoard's own reader gives it back: the scalars of the curve, pictures and sound of the right size, nothing twice."""

import dataclasses
import io
import itertools
import sys
import wave
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from oracles.pictures import picture
from PIL import Image

import nint
from nint.bench.compare.asked import Comparison
from nint.bench.compare.folder import claim
from nint.bench.compare.table import comparison_table
from nint.bench.execute import run_all
from nint.cli.main import main
from nint.errors import DivergedError, UsageError
from nint.monitors import BaseMonitor
from nint.monitors.evaluate import Evaluate
from nint.monitors.plane import pictures, plane_of
from nint.monitors.tensorboard import TensorBoard
from nint.plots.style import with_points
from nint.runs.build import build_run
from nint.runs.contents import COMPARE, of_comparison
from nint.runs.folder import OutputFolder
from nint.runs.job import make_job
from nint.signals.audio.signal import AudioSignal
from nint.signals.grid.video import VideoSignal
from nint.signals.grid.volume import VolumeSignal
from nint.training.budgets import Budget
from nint.training.engine import train

pytest.importorskip("tensorboard", reason="needs the extra nint[tensorboard]")


@pytest.fixture(autouse=True)
def numbered_from_zero(monkeypatch):
    """Logs of one second are read in the order of their numbers as text, which those of one process reach 10 in; runs of people do not."""
    from tensorboard.summary.writer import event_file_writer

    counter = itertools.count()
    monkeypatch.setattr(event_file_writer, "_global_uid", SimpleNamespace(get=lambda: next(counter)))


PIXELS = picture(8, 9)
SMALL = {"field": "siren:size=1x8", "lr": 1e-3, "device": "cpu", "sampler": "nint"}


@dataclass
class Log:
    """What was read back."""

    scalars: dict
    images: dict
    sounds: dict


def read(path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 0, "audio": 0})
    events.Reload()
    tags = events.Tags()
    return Log(
        {tag: events.Scalars(tag) for tag in tags["scalars"]},
        {tag: events.Images(tag) for tag in tags["images"]},
        {tag: events.Audio(tag) for tag in tags["audio"]},
    )


def pixels(event):
    from PIL import Image

    with Image.open(io.BytesIO(event.encoded_image_string)) as image:
        return np.asarray(image)


def logged(tmp_path, source=PIXELS, steps=12, evaluate=3, monitors=(), **settings):
    job = make_job(source, **SMALL | settings)
    run = build_run(job, Budget(steps=steps))
    train(run, [Evaluate(evaluate), *monitors, TensorBoard(tmp_path)])
    return job, run, read(tmp_path)


def test_the_scalars_are_the_curve(tmp_path):
    _, run, log = logged(tmp_path, lr_schedule="cosine", total_steps=12)
    assert [row["step"] for row in run.curve] == [3, 6, 9, 12]
    wanted = {
        "quality/psnr": lambda row: row["psnr"],
        "quality/ssim": lambda row: row["ssim"],
        "training/loss": lambda row: row["loss"],
        "training/learning_rate": lambda row: run.rate(row["step"] - 1),
        "cost/training_seconds": lambda row: row["training_seconds"],
        "cost/selection_share": lambda row: row["selection_seconds"] / row["training_seconds"],
        "cost/forward_equivalents": lambda row: row["forward_equivalents"],
        "cost/flops": lambda row: row["flops"],
    }
    assert set(log.scalars) == set(wanted)
    for tag, value in wanted.items():
        assert [event.step for event in log.scalars[tag]] == [3, 6, 9, 12]
        assert [event.value for event in log.scalars[tag]] == pytest.approx([value(row) for row in run.curve], rel=1e-6)
    rates = [event.value for event in log.scalars["training/learning_rate"]]
    assert rates == sorted(rates, reverse=True) and rates[0] > 2 * rates[-1]


def test_relative_time_is_training_time(tmp_path):
    _, run, log = logged(tmp_path)
    walls = np.array([event.wall_time for event in log.scalars["quality/psnr"]])
    assert walls - walls[0] == pytest.approx([row["training_seconds"] - run.curve[0]["training_seconds"] for row in run.curve], abs=1e-5)


def test_the_pictures_of_an_image(tmp_path):
    seen = {}

    class Watch(BaseMonitor):
        def after_step(self, run):
            seen[run.step] = run.selection.indices.numpy(), run.signal.layout.decode(lambda coords: run.field(coords).detach())

    _, _, log = logged(tmp_path, monitors=[Watch()])
    assert set(log.images) == {"original", "reconstruction", "error", "selection"} and not log.sounds
    assert [event.step for event in log.images["original"]] == [0]
    assert np.array_equal(pixels(log.images["original"][0]), PIXELS)
    for tag in ("reconstruction", "error", "selection"):
        assert [event.step for event in log.images[tag]] == [1, 2, 5, 10, 12]
        assert {(event.width, event.height) for event in log.images[tag]} == {(9, 8)}
        assert all(pixels(event).shape == (8, 9, 3) for event in log.images[tag])
    rows, decoded = seen[12]
    assert np.abs(pixels(log.images["reconstruction"][-1]).astype(int) - decoded).max() <= 1
    assert np.abs(pixels(log.images["selection"][-1]) - 255 * with_points(decoded, rows)).max() < 2


def test_the_colour_of_an_error_depends_on_nothing_else(tmp_path):
    _, run, _ = logged(tmp_path, steps=1)
    plane = plane_of(run.signal)
    errors = np.linspace(0, 0.4, 72, dtype=np.float32).reshape(8, 9, 1)
    shown = pictures(dataclasses.replace(plane, target=plane.predicted(run) + errors), run)["error"].reshape(72, 3)
    brightness = shown @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness[errors.ravel() <= 0.2]) >= 0).all() and brightness[0] < 0.01 and brightness[-1] > 0.9
    assert (shown[errors.ravel() >= 0.2] == shown[-1]).all()


def test_sound_is_logged_as_sound(tmp_path):
    samples = 0.5 * np.sin(np.arange(400)[:, None] * [[0.1, 0.2]]).astype(np.float32)
    _, run, log = logged(tmp_path, AudioSignal(samples, 8000), steps=5)
    assert set(log.sounds) == {"original", "reconstruction"} and not log.images
    assert [event.step for event in log.sounds["reconstruction"]] == [1, 2, 5]

    def waveform(event):
        with wave.open(io.BytesIO(event.encoded_audio_string)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 400)
            return np.frombuffer(file.readframes(400), "<i2") / 32767

    assert waveform(log.sounds["original"][0]) == pytest.approx(samples.mean(axis=1), abs=1e-4)
    decoded = run.signal.layout.decode(lambda coords: run.field(coords).detach()).samples
    assert waveform(log.sounds["reconstruction"][-1]) == pytest.approx(decoded.mean(axis=1), abs=1e-4)
    assert "quality/si_snr" in log.scalars


def test_of_a_video_and_a_volume_the_middle_is_shown(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 7, 8, 3), np.uint8)
    _, _, log = logged(tmp_path / "video", VideoSignal(frames), steps=2)
    assert np.array_equal(pixels(log.images["original"][0]), frames[1])
    assert pixels(log.images["selection"][-1]).shape == (7, 8, 3)
    # Every point is selected, so every pixel of the middle slice is red, and no other slice's point is looked for in it.
    volume = np.random.default_rng(0).integers(0, 256, (4, 5, 6), np.uint8)
    _, _, log = logged(tmp_path / "volume", VolumeSignal(volume), steps=2, sampler="full")
    low, high = int(volume.min()), int(volume.max())
    shown = pixels(log.images["original"][0])
    assert shown.shape == (5, 6, 3) and np.abs(shown[..., 0] - 255 * (volume[2].astype(float) - low) / (high - low)).max() <= 1
    red = pixels(log.images["selection"][-1]).astype(int)
    assert (red[..., 0] - red[..., 1:].max(axis=-1) > 60).all()


def test_unobserved_pixels_have_no_error(tmp_path):
    floats = PIXELS.astype(np.float32) / 255
    floats[2:4] = np.nan
    _, _, log = logged(tmp_path, floats, steps=1, sampler="uniform")
    assert (pixels(log.images["error"][0])[2:4].max(axis=-1) < 10).all()  # the darkest of its colours


def test_what_has_no_picture_has_scalars_only(tmp_path):
    job = make_job(np.linspace(0, 1, 40, dtype=np.float32), **SMALL, kind="array")
    train(build_run(job, Budget(steps=2)), [Evaluate(1), TensorBoard(tmp_path)])
    log = read(tmp_path)
    assert log.scalars and not log.images and not log.sounds


def test_a_run_that_goes_on_logs_nothing_twice(tmp_path):
    class Stop(Exception):
        pass

    class Crash(BaseMonitor):
        def after_step(self, run):
            if run.step == 7:
                raise Stop

    settings = SMALL | {"eval_every": 1, "total_steps": 12}
    out = tmp_path / "run"
    nint.fit(PIXELS, budget=5, out=out, monitors=[TensorBoard(out / "tensorboard")], **settings)
    first = read(out / "tensorboard")
    with pytest.raises(Stop):  # steps 6 and 7 are logged, but no checkpoint has them
        nint.fit(PIXELS, budget=12, out=out, resume=True, monitors=[TensorBoard(out / "tensorboard"), Crash()], **settings)
    done = nint.runs.checkpoint.load_tensors(out / "checkpoint.safetensors")[1]["resume"]["step"]
    fit = nint.fit(PIXELS, budget=12, out=out, resume=True, monitors=[TensorBoard(out / "tensorboard")], **settings)
    log = read(out / "tensorboard")
    assert done < 7
    events = log.scalars["quality/psnr"]
    assert [event.step for event in events] == list(range(1, 13))
    assert [event.value for event in events] == pytest.approx([row["psnr"] for row in fit.record["curve"]], rel=1e-6)
    assert events[:5] == first.scalars["quality/psnr"]
    assert [event.step for event in log.images["reconstruction"]] == [1, 2, 5, 10, 12]
    assert [event.step for event in log.images["original"]] == [0]
    walls = [event.wall_time - events[0].wall_time for event in events]
    seconds = [row["training_seconds"] - fit.record["curve"][0]["training_seconds"] for row in fit.record["curve"]]
    assert walls == pytest.approx(seconds, abs=1e-5)


def test_going_on_with_a_finished_run_adds_nothing(tmp_path):
    out = tmp_path / "run"
    for resume in (False, True):
        nint.fit(PIXELS, budget=4, out=out, eval_every=1, resume=resume, monitors=[TensorBoard(out / "tensorboard")], **SMALL)
    log = read(out / "tensorboard")
    assert [event.step for event in log.images["selection"]] == [1, 2, 4]
    assert len(log.scalars["quality/psnr"]) == 4


def test_a_run_that_was_not_logged_before_gets_its_whole_curve(tmp_path):
    out = tmp_path / "run"
    settings = SMALL | {"recipe": "paper"}
    nint.fit(PIXELS, budget=4, out=out, eval_every=1, **settings)
    nint.fit(PIXELS, budget=6, out=out, eval_every=1, resume=True, monitors=[TensorBoard(out / "tensorboard")], **settings)
    log = read(out / "tensorboard")
    assert [event.step for event in log.scalars["training/loss"]] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in log.scalars["training/learning_rate"]] == [5, 6]  # of the steps before, nobody knows


def test_a_try_that_starts_anew_withdraws_the_one_before(tmp_path):
    monitor = TensorBoard(tmp_path)
    first, second = (build_run(make_job(PIXELS, **SMALL | {"seed": seed}), Budget(steps=5)) for seed in (0, 1))

    class Stop(BaseMonitor):
        def after_step(self, run):
            if run.step == 4:
                raise DivergedError(4, "the loss is nan")

    with pytest.raises(DivergedError):
        train(first, [Evaluate(1), monitor, Stop()])
    train(second, [Evaluate(1), monitor])
    log = read(tmp_path)
    assert [event.value for event in log.scalars["quality/psnr"]] == pytest.approx([row["psnr"] for row in second.curve], rel=1e-6)
    assert [event.step for event in log.images["error"]] == [1, 2, 5]


def test_a_new_run_in_the_same_folder_withdraws_the_old_one(tmp_path):
    logged(tmp_path, steps=12)
    _, run, log = logged(tmp_path, steps=6)
    assert [event.step for event in log.scalars["quality/psnr"]] == [row["step"] for row in run.curve] == [3, 6]
    assert [event.step for event in log.images["original"]] == [0]


def test_a_comparison_has_a_log_for_each_run(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "p.png")
    samplers = ("full", "nint:random_share=0.5")
    asked = Comparison((str(tmp_path / "p.png"),), samplers, ("siren:size=1x8",), steps=4, seeds=2, device="cpu", tensorboard=True)
    table, names = comparison_table(asked), of_comparison(report=False, log=True)
    with OutputFolder(tmp_path / "c", COMPARE, names) as folder:
        store = claim(folder, resume=False, force=False)
        run_all(table.specs, store, experiment="compare")
    assert len(table.specs) == 4
    for spec in table.specs:
        record = store.records()[spec.key]
        log = read(tmp_path / "c" / "tensorboard" / "siren_size=1x8" / spec.sampler.replace(":", "_") / f"seed-{spec.seed}")
        assert [event.value for event in log.scalars["quality/psnr"]] == pytest.approx([row["psnr"] for row in record["curve"]], rel=1e-6)
        assert [event.step for event in log.images["selection"]] == [1, 2, 4]
    assert len(list((tmp_path / "c" / "tensorboard").rglob("events.*"))) == 4
    (tmp_path / "c" / "runs" / "mine.txt").write_text("mine")
    with OutputFolder(tmp_path / "c", COMPARE, names) as folder:
        claim(folder, resume=True, force=False)  # a comparison's log is not taken for a fit
        claim(folder, resume=False, force=True)
    assert sorted(path.name for path in (tmp_path / "c").rglob("*")) == ["mine.txt", "runs"]
    assert not (tmp_path / "c" / "tensorboard").exists()


def test_on_the_command_line(tmp_path, capsys):
    Image.fromarray(PIXELS).save(tmp_path / "p.png")
    call = [
        "fit",
        str(tmp_path / "p.png"),
        "--out",
        str(tmp_path / "o"),
        "--size",
        "1x8",
        "--device",
        "cpu",
        "--no-pictures",
        "--tensorboard",
    ]
    assert main([*call, "--steps", "4"]) == 0
    assert "tensorboard" in capsys.readouterr().out
    assert read(tmp_path / "o" / "tensorboard").scalars["quality/psnr"]
    (tmp_path / "o" / "tensorboard" / "mine.txt").write_text("old")
    assert main([*call, "--steps", "3", "--force"]) == 0
    assert (tmp_path / "o" / "tensorboard" / "mine.txt").read_text() == "old"
    assert {event.step for event in read(tmp_path / "o" / "tensorboard").scalars["quality/psnr"]} == {1, 2, 3}


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'nint\[tensorboard\]'"):
        TensorBoard(tmp_path / "log")
    words = ["compare", "sample:camera", "--max-side", "8", "--steps", "1", "--seeds", "1", "--samplers", "full", "--size", "1x8"]
    assert main([*words, "--tensorboard", "--out", str(tmp_path / "c")]) == 2
    assert "needs the package tensorboard" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
