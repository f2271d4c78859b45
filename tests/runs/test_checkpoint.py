"""A run that was stopped goes on bit by bit as if it had not been."""

import json
from typing import ClassVar

import numpy as np
import pytest
import torch
from oracles.pictures import picture

import nint
from nint.errors import UsageError
from nint.files import load_tensors, save_tensors
from nint.machine import matmul
from nint.monitors.evaluate import Evaluate
from nint.runs.build import build_run
from nint.runs.checkpoint import restore, save_checkpoint
from nint.runs.contents import CHECKPOINT, MODEL
from nint.runs.job import make_job
from nint.runs.model import Fit
from nint.signals.base import KindDefaults, Pool, Signal
from nint.signals.image.signal import ImageLayout
from nint.training.budgets import Budget
from nint.training.engine import train

PIXELS = picture(10, 12)
BUILT_IN = ["nint", "nint-fast", "nint-reference", "full", "uniform", "int", "evos", "expansive", "egra", "soft-mining"]
WRAPPED = ["nint:candidates=60", "int:candidates=60", "uniform:batch_size=20,candidates=60"]


class Redrawn(Signal):
    """Ninety random points, others every four steps."""

    metrics: ClassVar[tuple[str, ...]] = ("psnr",)
    defaults: ClassVar[KindDefaults] = KindDefaults()
    layout = ImageLayout(9, 10, 1)
    name = "redrawn"

    def _drawn(self, number, seed):
        coords = torch.rand(90, 2, generator=torch.Generator().manual_seed(1000 * seed + number)) * 2 - 1
        return Pool(coords, torch.sin(4 * coords[:, :1] * coords[:, 1:]) / 2 + 0.5, epoch=number)

    def pool(self, device):
        return self._drawn(0, 0)

    def redraw(self, pool, step, seed):
        number = 1 + step // 4
        return pool if pool.epoch == number else self._drawn(number, seed)

    def evaluate(self, predict):
        pool = self._drawn(10_000, 0)
        return {"psnr": -10 * float((predict(pool.coords) - pool.values).double().square().mean().log10())}


def job_of(source, sampler, optimizer="adam", **settings):
    chosen = {"field": "siren:size=2x10", "lr": 1e-3, "total_steps": 40, "lr_schedule": "cosine", "device": "cpu"} | settings
    return make_job(source, sampler=sampler, optimizer=optimizer, **chosen)


def trained(job, steps):
    run = build_run(job, Budget(steps=steps))
    train(run, [Evaluate(1)])
    return run


def measured(run):
    return [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in run.curve]


def flat(value):
    """Tensors and plain values of an optimizer's state, in order."""
    if isinstance(value, dict):
        return [item for key in value for item in (key, *flat(value[key]))]
    if isinstance(value, (list, tuple)):
        return [item for each in value for item in flat(each)]
    return [value]


def assert_same_run(first, second):
    for (name, a), (other, b) in zip(first.field.state_dict().items(), second.field.state_dict().items(), strict=True):
        assert name == other and torch.equal(a, b), name
    for a, b in zip(flat(first.optimizer.state_dict()), flat(second.optimizer.state_dict()), strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    assert measured(first) == measured(second)
    assert torch.equal(first.teacher.rng.get_state(), second.teacher.rng.get_state())
    assert (first.step, first.forward_equivalents, first.first_loss) == (second.step, second.forward_equivalents, second.first_loss)


CASES = [
    *[(PIXELS, name, "adam") for name in (*BUILT_IN, *WRAPPED)],
    (PIXELS, "nint:interval=every-5", "adam"),
    (PIXELS, "uniform:schedule=step", "sgd:momentum=0.9"),
    *[(Redrawn(), name, "adam") for name in ("nint", "int:interval=every-5", "evos", "nint:candidates=40")],
]


@pytest.mark.parametrize(("source", "sampler", "optimizer"), CASES, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_seven_steps_and_five_more_are_twelve(tmp_path, source, sampler, optimizer):
    job = job_of(source, sampler, optimizer)
    whole = trained(job, 12)
    half = trained(job, 7)
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, half, Fit(half.field, job.field, job.signal.layout), job.settings())
    fresh = build_run(job_of(source, sampler, optimizer), Budget(steps=12))
    restore(path, fresh, job.settings())
    assert fresh.step == 7 and fresh.clock.training_s == half.clock.training_s
    train(fresh, [Evaluate(1)])
    assert_same_run(whole, fresh)


# The same through the folder of a run

SETTINGS = {"recipe": "paper", "field": "siren:size=2x10", "lr": 1e-3, "total_steps": 40, "device": "cpu", "eval_every": 1}


def test_a_finished_run_is_extended(tmp_path):
    nint.fit(PIXELS, budget=7, out=tmp_path, **SETTINGS)
    longer = nint.fit(PIXELS, budget=12, out=tmp_path, resume=True, **SETTINGS)
    whole = nint.fit(PIXELS, budget=12, **SETTINGS)
    assert all(torch.equal(longer.state_dict()[name], value) for name, value in whole.state_dict().items())
    assert [row["psnr"] for row in longer.record["curve"]] == [row["psnr"] for row in whole.record["curve"]]
    assert longer.record["steps"] == 12
    again = nint.fit(PIXELS, budget=12, out=tmp_path, resume=True, **SETTINGS)  # nothing left to do
    assert again.record["steps"] == 12 and again.metrics == longer.metrics
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == 12


def test_a_run_that_was_killed_goes_on(tmp_path):
    class Killed(Exception):
        pass

    class Kill(nint.monitors.BaseMonitor):
        def after_step(self, run):
            if run.step == 5:
                raise Killed

    with pytest.raises(Killed):
        nint.fit(PIXELS, budget=12, out=tmp_path, monitors=[Kill()], **SETTINGS)
    resumed = nint.fit(PIXELS, budget=12, out=tmp_path, resume=True, **SETTINGS)
    whole = nint.fit(PIXELS, budget=12, **SETTINGS)
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_other_settings_are_listed(tmp_path):
    nint.fit(PIXELS, budget=2, out=tmp_path, **SETTINGS)
    before = (tmp_path / CHECKPOINT).read_bytes()
    changed = PIXELS.copy()
    changed[0, 0] ^= 1
    with pytest.raises(UsageError) as caught:
        nint.fit(changed, budget=4, out=tmp_path, resume=True, sampler="int", seed=1, **SETTINGS | {"lr": 2e-3})
    for said in ("content was", "sampler was nint, now int", "seed was 0, now 1", "lr was 0.001, now 0.002"):
        assert said in str(caught.value)
    assert "field was" not in str(caught.value) and "optimizer" not in str(caught.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_model_is_not_a_checkpoint_but_a_checkpoint_holds_a_model(tmp_path):
    fit = nint.fit(PIXELS, budget=2, out=tmp_path, **SETTINGS)
    inside = Fit.load(tmp_path / CHECKPOINT)
    assert all(torch.equal(inside.state_dict()[name], value) for name, value in fit.state_dict().items())
    job = job_of(PIXELS, "nint")
    with pytest.raises(UsageError, match="is a model, not a checkpoint; start from it with --init"):
        restore(tmp_path / MODEL, build_run(job, Budget(3)), job.settings())


def damages():
    def without(*keys):
        def damage(tensors, header):
            place = header
            for key in keys[:-1]:
                place = place[key]
            del place[keys[-1]]

        return damage

    def put(key, value):
        def damage(tensors, header):
            header["resume"][key] = value

        return damage

    def no_weights(tensors, header):
        for name in [name for name in tensors if name.startswith("field/")]:
            del tensors[name]

    def short_rng(tensors, header):
        tensors["rng"] = tensors["rng"][:4].clone()

    def no_moments(tensors, header):
        for name in [name for name in tensors if name.startswith("optimizer")]:
            del tensors[name]

    return {
        "no settings": without("settings"),
        "no step": without("resume", "step"),
        "no optimizer": without("resume", "optimizer"),
        "optimizer is text": put("optimizer", "adam"),
        "resume is a list": lambda tensors, header: header.update(resume=[1]),
        "sampler of another make": put("sampler", {"@fields": {"nonsense": 1}}),
        "sampler is a number": put("sampler", 5),
        "cost of another make": put("cost", {"backwards": 1}),
        "no weights": no_weights,
        "short generator": short_rng,
        "no moments": no_moments,
        "step is text": put("step", "7"),
        "step is negative": put("step", -1),
        "seconds are null": put("training_s", None),
        "the loss is a list": put("loss", [1.0]),
        "the curve has no steps": put("curve", [{"psnr": 3.0}]),
        "the curve is text": put("curve", "up"),
        "restarts are a number": put("restarts", 7),
    }


@pytest.mark.parametrize("damage", damages().values(), ids=damages().keys())
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    job = job_of(PIXELS, "nint")
    run = trained(job, 2)
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, run, Fit(run.field, job.field, job.signal.layout), job.settings())
    tensors, header = load_tensors(path)
    damage(tensors, header)
    save_tensors(path, tensors, header)
    with pytest.raises(UsageError, match="is damaged, or was changed after nint wrote it"):
        restore(path, build_run(job, Budget(3)), job.settings())
    del header["checksum"]  # as up to version 0.1.0
    save_tensors(path, tensors, header)
    with pytest.raises(UsageError, match="is not a complete checkpoint: "):
        restore(path, build_run(job, Budget(3)), job.settings())


@pytest.mark.parametrize("seed", range(20))
def test_one_flipped_bit_of_a_checkpoint_is_found_and_nothing_is_lost(tmp_path, seed):
    nint.fit(PIXELS, budget=2, out=tmp_path, **SETTINGS)
    whole = bytearray((tmp_path / CHECKPOINT).read_bytes())
    rng = np.random.default_rng(seed)
    whole[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
    (tmp_path / CHECKPOINT).write_bytes(whole)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=r"checkpoint\.safetensors"):
        nint.fit(PIXELS, budget=4, out=tmp_path, resume=True, **SETTINGS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_truncated_checkpoint_is_refused(tmp_path):
    nint.fit(PIXELS, budget=2, out=tmp_path, **SETTINGS)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for kept in (0, 5, 200, len(whole) - 1):
        (tmp_path / CHECKPOINT).write_bytes(whole[:kept])
        with pytest.raises(UsageError, match="not a readable model or checkpoint"):
            nint.fit(PIXELS, budget=4, out=tmp_path, resume=True, **SETTINGS)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("crash")])
def test_a_crash_while_saving_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    import safetensors.torch

    job = job_of(PIXELS, "nint")
    run = trained(job, 2)
    fit = Fit(run.field, job.field, job.signal.layout)
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, run, fit, job.settings())
    before = path.read_bytes()

    def crash(tensors, target, metadata=None):
        with open(target, "wb") as file:
            file.write(b"half a file")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", crash)
    with pytest.raises(UsageError if isinstance(error, OSError) else type(error)):
        save_checkpoint(path, run, fit, job.settings())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]


def test_numbers_of_the_curve_survive(tmp_path):
    job = job_of(PIXELS, "nint")
    run = trained(job, 2)
    run.curve[0]["psnr"] = np.inf
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, run, Fit(run.field, job.field, job.signal.layout), job.settings())
    fresh = build_run(job, Budget(3))
    restore(path, fresh, job.settings())
    assert fresh.curve[0]["psnr"] is None and fresh.curve[1] == run.curve[1]


@pytest.mark.parametrize("library", ["onednn", "default"])
def test_the_library_of_matrix_products_is_kept(tmp_path, monkeypatch, library):
    """Another process of the same machine may measure the other one to be faster, and rounds otherwise then."""
    monkeypatch.delenv("NINT_MATMUL", raising=False)
    monkeypatch.setattr(matmul, "_onednn_is_exact", lambda: True)
    monkeypatch.setattr(matmul, "_onednn_is_better", lambda: library == "onednn")
    job = job_of(PIXELS, "nint")
    run = trained(job, 2)
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, run, Fit(run.field, job.field, job.signal.layout), job.settings())
    monkeypatch.setattr(matmul, "_onednn_is_better", lambda: library != "onednn")
    fresh = build_run(job, Budget(3))
    assert restore(path, fresh, job.settings()) == () and fresh.matmul == library
    monkeypatch.setenv("NINT_MATMUL", "default")
    notes = restore(path, build_run(job, Budget(3)), job.settings())
    assert bool(notes) == (library == "onednn") and all("matmul was onednn, now default" in note for note in notes)
