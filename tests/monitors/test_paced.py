"""Evaluation in a stated share of the time: rows, estimates and what is measured at the end."""

import math

import numpy as np
import pytest
import torch

import nint
from nint.monitors import paced
from nint.monitors.paced import PacedEvaluation, can_estimate
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.training.budgets import Budget
from nint.training.engine import train

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
SETTINGS = {"field": "siren:size=1x8", "sampler": "uniform", "device": "cpu", "recipe": "paper"}


class Wall:
    """A person's clock that moves by a fixed time a step, and an evaluation that takes a fixed time."""

    def __init__(self, monkeypatch, step_s, full_s):
        self.now = 0.0
        self.step_s, self.full_s, self.full = step_s, full_s, 0
        monkeypatch.setattr(paced.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr("nint.training.clock.time.perf_counter", lambda: self.now)
        real = paced.evaluate

        def evaluate(run):
            self.full += 1
            self.now += self.full_s
            return real(run)

        monkeypatch.setattr(paced, "evaluate", evaluate)

    def run(self, steps, budget=None):
        run = build_run(make_job(PIXELS, **SETTINGS), budget or Budget(steps=steps))
        run.by_wall = True
        monitor = PacedEvaluation()
        wall = self

        class Tick:
            def start(self, run): ...
            def finish(self, run, reason): ...
            def after_step(self, run):
                wall.now += wall.step_s
                run.clock.training_s += wall.step_s

        train(run, [Tick(), monitor])
        return run


def test_cheap_evaluations_are_full_and_about_fifty(monkeypatch):
    wall = Wall(monkeypatch, step_s=0.1, full_s=0.001)
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 0.001)
    run = wall.run(200)
    assert 45 <= wall.full <= 52 and len(run.curve) == wall.full
    assert all("ssim" in row and "subset" not in row for row in run.curve)


def test_dear_ones_are_estimated_on_a_fixed_subset_and_the_last_is_full(monkeypatch):
    wall = Wall(monkeypatch, step_s=0.1, full_s=5.0)
    monkeypatch.setattr(paced, "SUBSET", 200)
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 5.0)
    run = wall.run(200)
    assert wall.full == 1 and "ssim" in run.curve[-1] and "subset" not in run.curve[-1]
    estimates = run.curve[:-1]
    assert 40 <= len(estimates) <= 50 and all(row["subset"] == 200 and "ssim" not in row for row in estimates)


def test_a_run_to_a_target_ends_by_a_full_evaluation(monkeypatch):
    """The estimate claims far more than there is; the run must go on to its last step."""
    wall = Wall(monkeypatch, step_s=0.1, full_s=5.0)
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 5.0)

    def estimate(self, run):
        run.curve.append(paced.curve_row(run) | {"psnr": 99.0, "subset": 1})

    monkeypatch.setattr(PacedEvaluation, "_estimate", estimate)
    run = wall.run(200, Budget(steps=200, psnr=90.0))
    assert run.step == 200 and wall.full > 1 and "subset" not in run.curve[-1] and run.curve[-1]["psnr"] < 90


def test_the_estimate_is_the_psnr_of_its_points(monkeypatch):
    monkeypatch.setattr(paced, "SUBSET", 300)
    run = build_run(make_job(PIXELS, **SETTINGS), Budget(steps=5))
    monitor = PacedEvaluation()
    monitor._estimate(run)
    rows = monitor._rows
    with torch.no_grad():
        prediction = run.field(run.teacher.probe.coords[rows]).double().clamp(0, 1).numpy()
    target = PIXELS.reshape(-1, 3)[rows.numpy()].astype(np.float64) / 255
    assert run.curve[-1]["psnr"] == pytest.approx(-10 * math.log10(np.mean((prediction - target) ** 2)), abs=1e-4)


def test_signals_without_an_estimate_are_measured_more_rarely(monkeypatch):
    wall = Wall(monkeypatch, step_s=0.1, full_s=1.0)
    monkeypatch.setattr(paced, "can_estimate", lambda run: False)
    run = wall.run(400)
    during = wall.full - 1
    assert 2 <= during <= 6  # a tenth of 40 s
    assert len(run.curve) == wall.full


def test_the_first_of_them_waits_until_its_guess_is_affordable(monkeypatch):
    wall = Wall(monkeypatch, step_s=0.1, full_s=1.5)
    monkeypatch.setattr(paced, "can_estimate", lambda run: False)
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 1.0)
    run = wall.run(200)
    assert run.curve[0]["step"] >= 100 and wall.full == len(run.curve) == 2  # a tenth of 20 s, and the last
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 3.0)
    assert [row["step"] for row in wall.run(200).curve] == [200]


def test_the_guess_counts_the_points_that_are_measured():
    pytest.importorskip("igl", reason="needs libigl")
    job = make_job("sample:box", pool_size=100, iou_resolution=16, sampler="uniform", field="siren:size=1x8", device="cpu")
    run = build_run(job, Budget(steps=1))
    run.clock.training_s, run.cost.forward = 3.0, 1000
    assert PacedEvaluation()._guess(run) == pytest.approx(2 * 16**3 / 1000)


def test_where_an_estimate_is_none():
    run = build_run(make_job(PIXELS, **SETTINGS), Budget(steps=1))
    assert can_estimate(run)
    smaller = build_run(make_job(PIXELS, super_resolution=2, **SETTINGS), Budget(steps=1))
    assert not can_estimate(smaller)


def test_a_fit_says_so_in_its_curve(monkeypatch):
    monkeypatch.setattr(PacedEvaluation, "_guess", lambda self, run: 1e9)
    record = nint.fit(PIXELS, budget=60, **SETTINGS).record
    assert all("subset" in row for row in record["curve"][:-1]) and "ssim" in record["curve"][-1]
    assert record["threads"] >= 1 and record["wall_seconds"] > record["training_seconds"] > 0


def test_a_run_that_ends_by_its_psnr_is_measured_whatever_that_takes():
    """Of a sound, whose quality cannot be estimated on a few points; 40 fast steps leave no time for it."""
    budget = Budget(steps=40, psnr=1.0)
    fit = nint.fit("sample:chirp", duration=0.05, field="siren:size=1x8", sampler="uniform", budget=budget, device="cpu")
    assert fit.record["stopped"] == "reached 1 dB" and fit.record["steps"] < 40
