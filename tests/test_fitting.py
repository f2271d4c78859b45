"""`nint.fit` from its public door: what it learns, what it leaves alone, when it stops, and what it chooses for the user."""

import dataclasses
import math
import random
import shutil
from typing import ClassVar

import numpy as np
import pytest
import torch
from oracles.pictures import picture
from torch import nn

import nint
from nint.errors import DivergedError, UsageError
from nint.fields.siren import Siren
from nint.files import load_tensors
from nint.monitors import BaseMonitor
from nint.runs import batches
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.samplers.nint import Nint
from nint.signals.base import KindDefaults
from nint.signals.image.signal import ImageSignal
from nint.training import learning_rate
from nint.training.budgets import Budget

FIELD = "siren:size=2x12"
ALL = ["nint", "nint-fast", "nint-reference", "full", "uniform", "int", "evos", "expansive", "egra", "soft-mining"]


def photo(rows=9, columns=11):
    return picture(rows, columns)


def quick(source=None, **settings):
    chosen = {"recipe": "paper", "field": FIELD, "lr": 1e-3, "device": "cpu", "budget": 6, "eval_every": 2} | settings
    return nint.fit(photo() if source is None else source, **chosen)


def numpy_psnr(prediction, pixels):
    error = np.clip(prediction.astype(np.float64), 0, 1) - pixels.astype(np.float64) / 255
    return -10 * math.log10(np.mean(error**2))


class Watch(BaseMonitor):
    """Learning rates and points of each step."""

    def __init__(self):
        self.rates, self.batches, self.reason = [], [], None

    def after_step(self, run):
        self.rates.append(run.optimizer.param_groups[0]["lr"])
        self.batches.append(run.selection.indices.tolist())

    def finish(self, run, reason):
        self.reason = reason


def same_weights(a, b):
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# What it learns


def test_a_real_photo_is_learnt():
    signal = nint.open_signal("sample:astronaut", max_side=64)
    baseline = numpy_psnr(np.broadcast_to(signal.array.mean((0, 1)) / 255, signal.array.shape), signal.array)
    fit = nint.fit("sample:astronaut", max_side=64, field="siren:size=3x64", sampler="nint", lr=1e-3, budget=150, device="cpu")
    assert baseline < 12
    assert fit.metrics["psnr"] > 20
    assert fit.record["steps"] == 150


def test_two_runs_with_one_seed_are_bit_equal_and_another_seed_is_another_run():
    first, second, other = quick(seed=3), quick(seed=3), quick(seed=4)
    assert same_weights(first, second) and not same_weights(first, other)
    metrics = ("step", "forward_equivalents", "loss", "psnr", "ssim")
    assert [[row[name] for name in metrics if name in row] for row in first.record["curve"]] == [
        [row[name] for name in metrics if name in row] for row in second.record["curve"]
    ]


@pytest.mark.parametrize("sampler", ALL)
def test_the_global_generators_are_untouched(sampler):
    torch.manual_seed(11), np.random.seed(12), random.seed(13)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), np.random.get_state()[2], random.getstate()
    quick(sampler=sampler, budget=3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and np.random.get_state()[2] == before[2]
    assert random.getstate() == before[3]


def test_samplers_with_one_seed_start_from_the_same_weights():
    starts = [build_run(make_job(photo(), field=FIELD, sampler=name, device="cpu", seed=5), Budget(1)).field for name in ALL]
    assert all(same_weights(starts[0], start) for start in starts)
    assert not same_weights(starts[0], build_run(make_job(photo(), field=FIELD, device="cpu", seed=6), Budget(1)).field)


# What it accepts


def test_a_path_an_array_a_pil_image_a_tensor_and_a_signal_are_the_same_photo(tmp_path):
    from PIL import Image

    pixels = photo()
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    sources = [path, str(path), pixels, Image.fromarray(pixels), torch.from_numpy(pixels), ImageSignal(pixels, "mine")]
    fits = [quick(source) for source in sources]
    assert all(same_weights(fits[0], fit) for fit in fits)
    assert [fit.record["settings"]["input"] for fit in fits[:2]] == ["photo.png", "photo.png"]


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(UsageError, match="A dict cannot be fitted"):
        quick({})
    with pytest.raises(UsageError, match="max_side has no effect on a signal"):
        quick(ImageSignal(photo()), max_side=4)


class Mine(nn.Module):
    """A network that is not ours."""

    def __init__(self, outputs=3):
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 16), nn.Linear(16, outputs)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) / 3)

    def forward(self, x):
        return self.outer(torch.sin(4 * self.inner(x)))


def test_a_module_of_the_users_own_is_trained_and_saved(tmp_path):
    module = Mine()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fit = quick(field=module, out=tmp_path, budget=20)
    assert fit.field is module and fit.spec is None and fit.record["settings"]["field"] == "Mine"
    assert any(not torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert fit.record["curve"][-1]["psnr"] > fit.record["curve"][0]["psnr"]
    loaded = nint.Fit.load(tmp_path / "model.safetensors", field=Mine())
    assert same_weights(fit, loaded)


def test_a_module_with_other_outputs_is_refused():
    with pytest.raises(nint.UnsupportedFieldError, match="it must give"):
        quick(field=Mine(outputs=2))


# When it stops


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(steps=4), "finished 4 steps"),
        (Budget(steps=4, psnr=90.0), "finished 4 steps"),
        (Budget(steps=4, seconds=1e6), "finished 4 steps"),
        (Budget(steps=4000, seconds=1e-9), "used 1e-09 s"),
        (Budget(steps=4000, psnr=0.5), "reached 0.5 dB"),
        (Budget(seconds=1e-9, psnr=90.0), "used 1e-09 s"),
        (None, "finished 5 steps"),
    ],
)
def test_the_first_limit_stops_the_run(budget, said):
    fit = quick(budget=budget, total_steps=5)
    assert fit.record["stopped"] == said
    assert fit.record["steps"] == {"finished 4 steps": 4, "used 1e-09 s": 1, "reached 0.5 dB": 2, "finished 5 steps": 5}[said]


def test_a_time_budget_goes_beyond_total_steps():
    watch = Watch()
    quick(budget=Budget(seconds=0.2), total_steps=1, eval_every=1000, monitors=[watch])
    assert len(watch.rates) > 1 and watch.reason == "used 0.2 s"


def test_schedules_read_total_steps_and_the_budget_only_stops():
    watch, whole = Watch(), Watch()
    quick(sampler="uniform:schedule=linear", lr_schedule="cosine", total_steps=40, budget=7, monitors=[watch])
    assert watch.rates == [learning_rate.learning_rate("cosine", 1e-3, step, 40) for step in range(7)]
    assert watch.rates[-1] > 0.9e-3  # a schedule of 7 steps would be near its end
    quick(sampler="uniform:schedule=linear", lr_schedule="cosine", total_steps=40, budget=12, monitors=[whole])
    assert watch.batches == whole.batches[:7]
    assert [len(batch) for batch in watch.batches] == [int((0.2 + step / 40 * 0.8) * 99) for step in range(7)]


def test_bad_settings_are_refused():
    for settings, said in [
        ({"lr": math.nan}, "lr=nan"),
        ({"lr": -1.0}, "lr=-1.0"),
        ({"lr_schedule": "cosinus"}, "Did you mean 'cosine'"),
        ({"total_steps": 0}, "total_steps=0"),
        ({"seed": -1}, "seed=-1"),
        ({"budget": 0}, "budget=0"),
        ({"loss": "l3"}, "l3"),
        ({"device": "tpu"}, "tpu"),
        ({"resume": True}, "needs the folder"),
        ({"batch_share": 0.1, "batch_size": 5}, "give one of them"),
        ({"sampler": "full", "batch_size": 5}, "'full' has no batch share; leave --batch-size out"),
        ({"batch_share": 0.0}, "batch_share"),
        ({"batch_size": 0}, "batch_size"),
    ]:
        with pytest.raises(UsageError) as caught:
            quick(**settings)
        assert said in str(caught.value), settings


# What it measures


def test_a_row_of_the_curve_and_that_it_is_of_the_parameters_after_the_update():
    pixels = photo()
    fit = quick(pixels, budget=5, eval_every=2)
    curve = fit.record["curve"]
    assert [row["step"] for row in curve] == [2, 4, 5]
    assert set(curve[0]) == {"step", "training_seconds", "selection_seconds", "forward_equivalents", "flops", "loss", "psnr", "ssim"}
    rows, columns = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 11), indexing="ij")
    prediction = fit(np.stack([rows, columns], -1).astype(np.float32)).numpy()
    assert fit.metrics["psnr"] == pytest.approx(numpy_psnr(prediction, pixels), abs=1e-4)
    assert fit.metrics["psnr"] == curve[-1]["psnr"] == fit.record["psnr"]
    assert fit.evaluate(pixels) == fit.metrics
    units = [row["forward_equivalents"] for row in curve]
    assert units == sorted(units) and units[0] > 0
    assert all(0 <= row["selection_seconds"] <= row["training_seconds"] for row in curve)


def test_the_loss_of_a_row_is_that_of_the_batch_before_its_update():
    pixels = photo()
    start = build_run(make_job(pixels, field=FIELD, sampler="full", lr=1e-3, device="cpu"), Budget(1))
    pool = start.signal.pool(torch.device("cpu"))
    with torch.no_grad():
        expected = float((start.field(pool.coords) - pool.values).double().square().mean())
    fit = quick(pixels, sampler="full", budget=1, eval_every=1)
    assert fit.record["curve"][0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_counts_of_the_record_add_up():
    record = quick(sampler="uniform:batch_share=0.5", budget=4).record
    assert record["points"] == 99 and record["points_forwarded"] == record["points_backwarded"] == 4 * 49
    assert record["points_in_jvps"] == 0


def test_half_metrics_are_those_of_the_reloaded_file(tmp_path):
    full = quick(out=tmp_path / "full")
    half = quick(out=tmp_path / "half", half=True)
    loaded = nint.Fit.load(tmp_path / "half" / "model.safetensors")
    assert half.metrics == loaded.metrics == loaded.evaluate(photo())
    assert half.metrics != full.metrics
    assert half.record["half"] and half.record["psnr"] == half.metrics["psnr"]
    tensors, _ = load_tensors(tmp_path / "half" / "model.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.float16}


# When it goes wrong


def test_divergence_names_the_step_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(DivergedError, match=r"diverged at step 1: .*lower learning rate.*checkpoint is kept in") as caught:
        quick(sampler="full", lr=1e3, out=tmp_path, budget=50)
    assert caught.value.step == 1
    assert f"kept in {tmp_path / 'checkpoint.safetensors'}." in str(caught.value)
    tensors, header = load_tensors(tmp_path / "checkpoint.safetensors")
    assert header["resume"]["step"] == 1
    assert all(value.isfinite().all() for value in tensors.values() if value.is_floating_point())
    assert not (tmp_path / "model.safetensors").exists()


def test_divergence_without_a_folder_keeps_nothing():
    with pytest.raises(DivergedError) as caught:
        quick(sampler="full", lr=1e3)
    assert "kept" not in str(caught.value)


class Poison(BaseMonitor):
    """Spoils a weight after a step, as an update that overflows does."""

    def __init__(self, step):
        self.step = step

    def after_step(self, run):
        if run.step == self.step:
            with torch.no_grad():
                next(run.field.parameters()).view(-1)[0] = math.nan


@pytest.mark.parametrize("step", [3, 6])
def test_weights_that_are_not_finite_end_the_run_even_at_its_last_step(tmp_path, step):
    with pytest.raises(DivergedError, match=f"at step {step}"):
        quick(out=tmp_path, monitors=[Poison(step)])
    tensors, header = load_tensors(tmp_path / "checkpoint.safetensors")
    assert header["resume"]["step"] < step or all(v.isfinite().all() for v in tensors.values() if v.is_floating_point())
    assert not (tmp_path / "model.safetensors").exists()


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path):
    quick(out=tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="holds another run"):
        quick(out=tmp_path, seed=1)
    with pytest.raises(UsageError, match="give one of them"):
        quick(out=tmp_path, resume=True, force=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    (tmp_path / "mine.txt").write_text("mine")
    quick(out=tmp_path, seed=1, force=True)
    assert (tmp_path / "model.safetensors").read_bytes() != before
    assert (tmp_path / "mine.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        quick(out=tmp_path / "mine.txt")
    with pytest.raises(UsageError, match="no run to resume"):
        quick(out=tmp_path / "new", resume=True)


# Starting from a model


def test_init_starts_from_a_model(tmp_path):
    donor = quick(budget=30)
    donor.save(tmp_path / "donor.safetensors")
    start = build_run(make_job(photo(), field=FIELD, device="cpu", seed=9), Budget(1), tmp_path / "donor.safetensors")
    assert same_weights(start.field, donor)
    fit = quick(init=tmp_path / "donor.safetensors", seed=9, budget=1)
    assert fit.record["init"] == str(tmp_path / "donor.safetensors")
    assert fit.metrics["psnr"] > quick(seed=9, budget=1).metrics["psnr"] + 1
    with pytest.raises(UsageError, match="another shape"):
        quick(init=tmp_path / "donor.safetensors", field="siren:size=2x13")


def test_what_a_run_began_from_stays_with_it_when_it_is_resumed(tmp_path):
    donor = tmp_path / "donor.safetensors"
    quick(budget=3).save(donor)
    begun = {"with": quick(init=donor, budget=2, out=tmp_path / "with"), "without": quick(budget=2, out=tmp_path / "without")}
    assert quick(budget=4, out=tmp_path / "with", resume=True).record["init"] == str(donor) == begun["with"].record["init"]
    assert quick(init=donor, budget=5, out=tmp_path / "with", resume=True).record["init"] == str(donor)
    with pytest.raises(UsageError, match=r"it began from its own start weights; leave init out"):
        quick(init=donor, budget=4, out=tmp_path / "without", resume=True)
    with pytest.raises(UsageError, match=r"it began from .*donor.safetensors; leave init out"):
        quick(init=shutil.copy(donor, tmp_path / "other.safetensors"), budget=6, out=tmp_path / "with", resume=True)
    with pytest.raises(UsageError, match="There is no file"):
        quick(init=tmp_path / "nothing.safetensors")


# What it chooses


class Odd(ImageSignal):
    """A kind with defaults of its own."""

    defaults: ClassVar[KindDefaults] = KindDefaults(batch_share=0.35, omega_0=17.0, total_steps=123)


def test_the_kind_chooses_what_the_user_has_not():
    job = make_job(Odd(photo()), device="cpu")
    assert (job.field.omega_0, job.sampler.batch_share, job.total_steps) == (17.0, 0.35, 123)
    named = make_job(Odd(photo()), field="siren:omega_0=20", sampler="nint:batch_share=0.1", total_steps=9, device="cpu")
    assert (named.field.omega_0, named.sampler.batch_share, named.total_steps) == (20.0, 0.1, 9)
    flags = make_job(Odd(photo()), batch_size=7, device="cpu")
    assert (flags.sampler.batch_size, flags.sampler.batch_share) == (7, 0.2)
    ready = make_job(Odd(photo()), field=Siren(), sampler=Nint(), device="cpu")
    assert (ready.field.omega_0, ready.sampler.batch_share) == (Siren().omega_0, 0.2)
    classes = make_job(Odd(photo()), sampler=Nint, device="cpu")
    assert classes.sampler.batch_share == 0.35
    assert make_job(Odd(photo()), field="ffn", device="cpu").total_steps == 123  # a field without omega_0
    assert make_job(Odd(photo()), sampler="full", device="cpu").sampler == nint.SAMPLERS.parse("full")


def test_large_pools_get_candidates_and_a_note(monkeypatch):
    monkeypatch.setattr(batches, "LARGE_POOL", 98)
    job = make_job(photo(), device="cpu")
    assert (job.sampler.batch_size, job.sampler.candidates) == (batches.LARGE_BATCH, batches.LARGE_CANDIDATES)
    assert len(job.notes) == 1 and job.notes[0].startswith("99 points are many")
    share = make_job(photo(), batch_share=0.3, device="cpu").sampler
    assert (share.batch_share, share.batch_size, share.candidates) == (0.3, None, batches.LARGE_CANDIDATES)
    size = make_job(photo(), batch_size=7, device="cpu").sampler
    assert (size.batch_size, size.candidates) == (7, batches.LARGE_CANDIDATES)
    assert make_job(photo(), sampler="nint:candidates=50", device="cpu").sampler.candidates == 50
    neighbours = make_job(photo(), sampler="egra", device="cpu")
    assert neighbours.sampler.candidates is None and neighbours.notes == ()
    monkeypatch.setattr(batches, "LARGE_POOL", 99)
    assert make_job(photo(), device="cpu").notes == ()


def test_psnr_is_no_budget_where_it_is_not_measured():
    with pytest.raises(UsageError, match="PSNR is not measured on shape signals"):
        nint.fit("sample:torus", field="siren:size=1x8", budget=nint.Budget(psnr=30), pool_size=100)


def test_the_kind_of_an_array_can_be_said():
    volume = np.random.default_rng(0).random((4, 5, 6))
    assert nint.open_signal(volume, kind="volume").layout.kind == "volume"
    assert nint.open_signal(volume[..., :3], kind="array").layout.kind == "array"
    for source, kind in ((volume, "audio"), ("sample:camera", "image")):
        with pytest.raises(UsageError, match="kind"):
            nint.open_signal(source, kind=kind)


def test_large_pools_run(monkeypatch):
    monkeypatch.setattr(batches, "LARGE_POOL", 50)
    monkeypatch.setattr(batches, "LARGE_BATCH", 10)
    monkeypatch.setattr(batches, "LARGE_CANDIDATES", 30)
    watch = Watch()
    quick(monitors=[watch])
    assert [len(set(batch)) for batch in watch.batches] == [10] * 6
    assert len({point for batch in watch.batches for point in batch}) > 10


def test_a_job_tells_what_decides_it():
    job = make_job(photo(), field=FIELD, lr=1e-3, device="cpu")
    assert dataclasses.replace(job, lr=None).rate == Siren.default_lr
    settings = job.settings()
    assert settings["field"] == FIELD and settings["content"] == job.signal.fingerprint() and settings["lr"] == 1e-3
    changed = photo()
    changed[0, 0, 0] ^= 1
    assert make_job(changed, field=FIELD, lr=1e-3, device="cpu").settings()["content"] != settings["content"]
