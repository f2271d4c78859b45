"""Starting again at half the rate: the default recipe does, the paper's stops."""

import json
import math

import pytest
import torch
from oracles.pictures import picture
from torch import nn

import nint
from nint.errors import DivergedError
from nint.files import load_tensors
from nint.fitting import run_job
from nint.monitors import BaseMonitor
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.runs.restarts import sentence
from nint.training.budgets import Budget

PIXELS = picture(9, 11)
SETTINGS = {"field": "siren:size=2x12", "sampler": "full", "optimizer": "adam", "warm_up": 0.0, "device": "cpu", "eval_every": 4}


class Poison(BaseMonitor):
    """Spoils a weight at a step of the first tries, as an update that overflows does."""

    def __init__(self, step, tries=1):
        self.step, self.left, self.rates, self.started = step, tries, [], 0

    def start(self, run):
        self.started += 1

    def after_step(self, run):
        self.rates.append(run.optimizer.param_groups[0]["lr"])
        if run.step == self.step and self.left:
            self.left -= 1
            with torch.no_grad():
                next(run.field.parameters()).view(-1)[0] = math.nan


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_next_try_is_the_run_at_half_the_rate_from_the_same_weights():
    poison = Poison(5)
    fit = nint.fit(PIXELS, lr=4e-3, budget=12, monitors=[poison], **SETTINGS)
    plain = nint.fit(PIXELS, lr=2e-3, budget=12, **SETTINGS)
    assert same(fit, plain)
    assert [row["psnr"] for row in fit.record["curve"]] == [row["psnr"] for row in plain.record["curve"]]
    assert fit.record["restarts"][0] | {"training_seconds": 0, "spent_seconds": 0} == {
        "step": 5,
        "reason": "the loss is nan",
        "lr": 2e-3,
        "training_seconds": 0,
        "spent_seconds": 0,
    }
    assert plain.record["restarts"] == [] and poison.started == 2
    assert poison.rates[0] == 4e-3 and poison.rates[5] == 2e-3 and len(poison.rates) == 5 + 12
    assert fit.record["settings"]["lr"] == 4e-3  # what a resume must match


def test_seconds_and_work_of_the_failed_try_are_counted():
    fit = nint.fit(PIXELS, lr=4e-3, budget=12, monitors=[Poison(5)], **SETTINGS)
    record = fit.record
    assert record["points_backwarded"] == record["points_forwarded"] == 99 * (6 + 12)  # the sixth step found the loss to be nan
    spent = record["restarts"][0]["training_seconds"]
    assert 0 < spent < record["curve"][0]["training_seconds"] < record["training_seconds"]


def test_the_fourth_failure_is_the_last():
    said = r"diverged at step 2: the loss is nan, and the learning rates 0\.004, 0\.002, 0\.001, 0\.0005 were all too high; try"
    with pytest.raises(DivergedError, match=said) as caught:
        nint.fit(PIXELS, lr=4e-3, budget=12, monitors=[Poison(2, tries=4)], **SETTINGS)
    assert caught.value.step == 2
    fit = nint.fit(PIXELS, lr=4e-3, budget=12, monitors=[Poison(2, tries=3)], **SETTINGS)
    assert [restart["lr"] for restart in fit.record["restarts"]] == [2e-3, 1e-3, 5e-4]


def test_a_rate_that_is_far_too_high_fails_in_both_recipes_and_one_that_is_not_in_neither(tmp_path):
    for recipe, tries in (("paper", 1), ("default", 4)):
        told = []
        with pytest.raises(DivergedError, match="checkpoint is kept in") as caught:
            job = make_job(PIXELS, recipe=recipe, budget=9, lr=1e4, **{k: v for k, v in SETTINGS.items() if k != "eval_every"})
            run_job(job, Budget(steps=9), out=tmp_path / recipe, restarting=told.append)
        assert len(told) == tries - 1 and not (tmp_path / recipe / "model.safetensors").exists()
        assert ("were all too high" in str(caught.value)) == (recipe == "default")
        assert [restart["lr"] for restart in told] == [5e3, 2.5e3, 1.25e3][: tries - 1]


def test_the_paper_recipe_stops():
    with pytest.raises(DivergedError, match=r"diverged at step 5: the loss is nan; try a lower learning rate\.$"):
        nint.fit(PIXELS, recipe="paper", lr=4e-3, budget=12, monitors=[Poison(5)], **SETTINGS)


def test_a_module_of_the_users_own_starts_from_its_own_weights():
    def module():
        generator = torch.Generator().manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) / 3)
        return net

    settings = SETTINGS | {"budget": 8}
    fit = nint.fit(PIXELS, lr=4e-3, monitors=[Poison(3)], **settings | {"field": module()})
    assert same(fit, nint.fit(PIXELS, lr=2e-3, **settings | {"field": module()}))


def test_a_restart_keeps_the_model_that_it_started_from(tmp_path):
    nint.fit(PIXELS, lr=1e-3, budget=5, **SETTINGS).save(tmp_path / "donor.safetensors")
    settings = SETTINGS | {"init": tmp_path / "donor.safetensors", "seed": 9, "budget": 8}
    assert same(nint.fit(PIXELS, lr=4e-3, monitors=[Poison(3)], **settings), nint.fit(PIXELS, lr=2e-3, **settings))


class Killed(Exception):
    pass


class Kill(BaseMonitor):
    """Stops the process at a step of the second try."""

    def after_step(self, run):
        if run.restarts and run.step == 7:
            raise Killed


@pytest.mark.parametrize("poisoned_again", [False, True])
def test_a_run_that_has_started_again_is_resumed(tmp_path, monkeypatch, poisoned_again):
    monkeypatch.setattr("nint.monitors.checkpoint.Checkpoint.__init__.__defaults__", (0.0,))  # a checkpoint after every step
    with pytest.raises(Killed):
        nint.fit(PIXELS, lr=4e-3, budget=12, out=tmp_path, monitors=[Poison(5), Kill()], **SETTINGS)
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["resume"]["restarts"][0]["lr"] == 2e-3
    resumed = nint.fit(PIXELS, lr=4e-3, budget=12, out=tmp_path, resume=True, monitors=[Poison(9, tries=int(poisoned_again))], **SETTINGS)
    whole = nint.fit(PIXELS, lr=1e-3 if poisoned_again else 2e-3, budget=12, **SETTINGS)
    assert same(resumed, whole)
    assert [restart["step"] for restart in resumed.record["restarts"]] == ([5, 9] if poisoned_again else [5])
    assert json.loads((tmp_path / "run.json").read_text())["restarts"] == resumed.record["restarts"]


def test_the_folder_holds_the_last_try_only(tmp_path):
    fit = nint.fit(PIXELS, lr=4e-3, budget=4, out=tmp_path, monitors=[Poison(5), Poison(2)], **SETTINGS)
    assert len(fit.record["restarts"]) == 1
    shots = sorted(path.name for path in (tmp_path / "snapshots").iterdir())
    assert shots == ["step-000001.npz", "step-000002.npz", "step-000004.npz"]
    assert nint.Fit.load(tmp_path / "model.safetensors").spec == fit.spec


def test_a_budget_of_seconds_counts_the_failed_try_and_the_rate_follows_what_is_left():
    budget = Budget(seconds=100)
    job = make_job(PIXELS, recipe="default", budget=budget, lr=4e-3, field="siren:size=1x8", optimizer="adam", warm_up=0.0, device="cpu")
    run = build_run(job, budget)
    run.clock.training_s = 40.0
    run.restarts.append({"training_seconds": 40.0})
    assert run.rate(0) == 2e-3
    run.clock.training_s = 70.0
    assert run.rate(5) == pytest.approx(1e-3)

    class Late(BaseMonitor):
        def after_step(self, run):
            run.clock.wall_s += 30.0
            with torch.no_grad():
                next(run.field.parameters()).view(-1)[0] = math.nan

    with pytest.raises(DivergedError, match=r"after the last update; try a lower"):  # two tries of 30 s leave no time
        nint.fit(PIXELS, budget=Budget(seconds=50), lr=4e-3, monitors=[Late()], **SETTINGS | {"eval_every": 1000})


def test_what_a_person_is_told():
    told = {"step": 1200, "reason": "the loss is nan", "lr": 5e-4, "training_seconds": 3.0}
    assert sentence(told) == (
        "Training diverged at step 1,200 (the loss is nan), so it starts again from step 0 at half the learning rate, 0.0005."
    )
