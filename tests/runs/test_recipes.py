"""What a recipe chooses, that the user's word wins, and that the same choice gives the same run."""

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from oracles.pictures import picture
from torch import nn

import nint
from nint.bandwidth.search import choose
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.fields.siren import Siren
from nint.monitors import BaseMonitor
from nint.runs import batches, networks
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.runs.measured import DEFAULT_FIELDS, GRID_POINTS, MEASURED, Recipe
from nint.runs.recipes import RECIPES
from nint.samplers import SAMPLERS
from nint.signals.base import KindDefaults
from nint.signals.image.signal import ImageSignal
from nint.signals.open import open_signal
from nint.training import learning_rate
from nint.training.budgets import Budget

FIELD = "siren:size=2x16"
RECIPE = Recipe(lr=2e-3, optimizer="muon", batch_share=0.5, total_steps=321, least_batch=10)


@pytest.fixture(autouse=True)
def fixed(monkeypatch):
    """A recipe for images that does not change when the measured one does, and a kernel that is not asked."""
    monkeypatch.setitem(MEASURED, ("image", "siren"), RECIPE)
    monkeypatch.delitem(DEFAULT_FIELDS, "image")
    monkeypatch.setattr(networks, "offered", lambda field: ())


def job_of(recipe="default", rows=10, columns=10, **settings):
    return make_job(picture(rows, columns), recipe=recipe, device="cpu", **settings)


def test_the_paper_recipe_is_what_the_papers_say():
    job = job_of("paper")
    assert (SAMPLERS.text(job.sampler), job.optimizer, job.lr, job.lr_schedule, job.warm_up) == ("nint", "adam", 1e-4, "constant", 0.0)
    assert (job.rate, job.field, job.total_steps, job.notes, job.by_clock) == (1e-4, Siren(), 5000, (), False)
    assert make_job(picture(10, 10), device="cpu").settings() == job.settings()
    assert job_of("paper", budget=Budget(steps=7)).total_steps == job_of("paper", budget=Budget(seconds=7)).total_steps == 5000
    assert (job.settings()["recipe"], job.settings()["warm_up"]) == ("paper", 0.0)


def test_the_default_recipe_fills_what_is_not_said():
    job = job_of()
    assert (SAMPLERS.name_of(job.sampler), job.sampler.batch_share, job.optimizer) == ("nint-fast", 0.5, "muon")
    assert (job.rate, job.lr_schedule, job.warm_up, job.total_steps) == (2e-3, "cosine", 0.02, 321)
    assert (job.field, job.notes, job.recipe) == (Siren(), (), "default")
    assert (job.settings()["recipe"], job.settings()["warm_up"]) == ("default", 0.02)
    assert job.chosen == {
        "field": "siren",
        "sampler": "nint-fast",
        "batch_share": 0.5,
        "optimizer": "muon",
        "lr": 2e-3,
        "lr_schedule": "cosine",
        "warm_up": 0.02,
        "total_steps": 321,
    }


CHOSEN = {"sampler": "nint-fast:batch_share=0.5", "field": "siren"} | {
    name: getattr(RECIPE, name) for name in ("optimizer", "lr", "lr_schedule", "warm_up", "total_steps")
}


@pytest.mark.parametrize(
    ("named", "differing"),
    [
        ({"lr": 5e-5}, {"lr": 5e-5}),
        ({"optimizer": "adam"}, {"optimizer": "adam"}),
        ({"optimizer": "muon:ratio=2"}, {"optimizer": "muon:ratio=2"}),
        ({"lr_schedule": "constant"}, {"lr_schedule": "constant"}),
        ({"warm_up": 0.0}, {"warm_up": 0.0}),
        ({"total_steps": 9}, {"total_steps": 9}),
        ({"batch_share": 0.3}, {"sampler": "nint-fast:batch_share=0.3"}),
        ({"batch_size": 5}, {"sampler": "nint-fast:batch_size=5"}),
        ({"sampler": "uniform"}, {"sampler": "uniform:batch_share=0.5"}),
        ({"sampler": "uniform:batch_share=0.3"}, {"sampler": "uniform:batch_share=0.3"}),
        ({"sampler": "nint-fast:random_share=0.9"}, {"sampler": "nint-fast:batch_share=0.5,random_share=0.9"}),
        ({"sampler": "nint"}, {"sampler": "nint"}),  # a sampler that pays to choose keeps the papers' share
        ({"sampler": "full"}, {"sampler": "full"}),
        ({"sampler": SAMPLERS.parse("uniform")}, {"sampler": "uniform"}),
        ({"field": "siren:weight_scale=1.5"}, {"field": "siren:weight_scale=1.5"}),
        ({"field": "siren:size=3x16"}, {"field": "siren:size=3x16"}),
        ({"field": Siren}, {}),
        ({"field": Siren()}, {"field": "siren"}),
        ({"field": "gauss"}, {"field": "gauss", "lr": 5e-3, "optimizer": "adam"}),
        ({"field": "finer"}, {"field": "finer", "lr": 5e-4, "optimizer": "adam"}),
        ({"field": "finer", "lr": 1e-2, "optimizer": "muon"}, {"field": "finer", "lr": 1e-2, "optimizer": "muon"}),
    ],
    ids=str,
)
def test_what_the_user_names_wins_and_nothing_else_changes(named, differing):
    settings = job_of(**named).settings()
    assert {name: settings[name] for name in CHOSEN} == CHOSEN | differing
    assert not set(named) - {"field", "sampler"} & set(job_of(**named).chosen)


def test_budgets():
    assert job_of(budget=77).total_steps == job_of(budget=Budget(steps=77)).total_steps == 77
    assert job_of(budget=Budget(steps=77, seconds=3)).total_steps == 77
    assert job_of(budget=Budget(steps=77), total_steps=200).total_steps == 200
    for budget in (Budget(seconds=3), Budget(psnr=30), None):
        assert job_of(budget=budget).total_steps == 321
    with pytest.raises(UsageError, match="budget=0"):
        job_of(budget=0)


def rates_of(job, budget, steps, seconds_a_step):
    """Learning rates of a run whose every step takes the same time."""
    run = build_run(job, budget)
    found = []
    for step in range(steps):
        found.append(run.rate(step))
        run.clock.training_s += seconds_a_step
    return found


def test_under_a_budget_of_seconds_the_rate_follows_the_seconds_that_are_used():
    budget = Budget(seconds=10)
    rates = rates_of(job_of(field=FIELD, warm_up=0.2, budget=budget), budget, 22, 0.5)
    assert rates[0] == pytest.approx(2e-3 * 0.05) and rates[2] == pytest.approx(2e-3 * 0.525) and rates[4] == pytest.approx(2e-3)
    assert rates[12] == pytest.approx(1e-3) and rates[20] == pytest.approx(0, abs=1e-12) and rates[21] == pytest.approx(0, abs=1e-12)
    assert rates_of(job_of(field=FIELD, warm_up=0.2, budget=budget), budget, 11, 1.0) == pytest.approx(rates[::2])
    # The user's total_steps, and the paper's, are steps.
    for settings in ({"total_steps": 40}, {"recipe": "paper", "lr_schedule": "cosine", "lr": 2e-3, "total_steps": 40}):
        slow, quick = (rates_of(job_of(field=FIELD, warm_up=0.0, budget=budget, **settings), budget, 22, taken) for taken in (0.5, 1e-6))
        assert slow == quick == pytest.approx([1e-3 * (1 + math.cos(math.pi * step / 40)) for step in range(22)])


def test_of_two_limits_the_nearer_one_counts():
    budget = Budget(steps=20, seconds=10)
    job = job_of(field=FIELD, budget=budget)
    by_step = rates_of(job, budget, 20, 1e-9)
    assert by_step == pytest.approx([learning_rate.learning_rate("cosine", 2e-3, step, 20, 0.02) for step in range(20)])
    assert rates_of(job, budget, 6, 2.0)[-1] == pytest.approx(0, abs=1e-12)


def test_small_pools_take_more_of_their_points_and_large_ones_less(monkeypatch):
    monkeypatch.setitem(MEASURED, ("image", "siren"), dataclasses.replace(RECIPE, least_batch=60, most_batch=70))
    assert (job_of().sampler.batch_size, job_of().sampler.batch_share) == (60, 0.2)  # half of 100 is less
    assert job_of(rows=5, columns=6).sampler.batch_size == 30  # no more than there are
    assert job_of(rows=12, columns=11).sampler.batch_size is None
    assert job_of("paper").sampler.batch_size is None
    assert job_of(rows=20, columns=20).sampler.batch_size == 70
    assert job_of(rows=20, columns=20, batch_share=0.9).sampler.batch_share == 0.9


def test_a_large_pool_needs_no_candidates_where_choosing_is_free(monkeypatch):
    monkeypatch.setattr(batches, "LARGE_POOL", 50)
    assert job_of().sampler.candidates is None and job_of().notes == ()
    assert job_of(sampler="nint").sampler.candidates == batches.LARGE_CANDIDATES
    assert job_of(sampler="uniform").sampler.candidates is None and job_of(sampler="uniform:candidates=60").sampler.candidates == 60
    paper = job_of("paper", sampler="uniform")
    assert (paper.sampler.candidates, paper.sampler.batch_size) == (None, batches.LARGE_BATCH) and "are many" in paper.notes[0]


class Other(ImageSignal):
    """A kind with defaults of its own."""

    defaults: ClassVar[KindDefaults] = KindDefaults(batch_share=0.35, omega_0=17.0, total_steps=123)


def test_what_the_recipe_leaves_open_is_the_kinds():
    job = make_job(Other(picture(9, 11)), recipe="default", device="cpu")
    assert (job.field.omega_0, job.total_steps) == (17.0, 321)
    assert make_job(Other(picture(9, 11)), recipe="default", sampler="nint", device="cpu").sampler.batch_share == 0.35
    assert make_job(Other(picture(9, 11)), device="cpu").chosen["omega_0"] == 17.0


def test_a_kind_that_was_not_measured_says_that_it_inherits():
    values = np.random.default_rng(0).random((5, 6, 7))
    job = make_job(values, kind="array", recipe="default", field="siren", device="cpu")
    assert (job.rate, job.optimizer) == (2e-3, "muon")
    assert job.notes == ("The default recipe was not measured with siren on array signals, which inherit that of images.",)
    assert make_job(values, kind="volume", recipe="default", field="siren:weight_scale=1", device="cpu").notes == ()


def test_batches_of_a_volume_are_small_for_either_network():
    values = np.random.default_rng(0).random((100, 100, 100), np.float32)
    for field in ("siren", "grid"):
        job = make_job(values, kind="volume", recipe="default", field=field, device="cpu")
        assert job.sampler.batch_size == 2**13


def test_a_field_that_was_not_measured_says_that_it_keeps_its_rate():
    assert job_of(field="gauss").notes == (
        "The default recipe was measured with siren and grid; gauss keeps its own learning rate, with adam.",
    )
    job = job_of(field=nn.Linear(2, 3))
    assert job.rate == 1e-4 and "Linear keeps its own learning rate" in job.notes[0]


def test_bad_settings_are_refused():
    for settings, said in [
        ({"recipe": "papr"}, "There is no recipe called 'papr'. Did you mean 'paper'?"),
        ({"recipe": None}, "no recipe called 'None'"),
        ({"warm_up": 1.0}, "warm_up=1.0"),
        ({"warm_up": math.nan}, "warm_up=nan"),
        ({"batch_share": 0.1, "batch_size": 5}, "give one of them"),
        ({"batch_share": 0.0}, "batch_share"),
        ({"sampler": "full", "batch_size": 5}, "'full' has no batch share"),
        ({"lr_schedule": "cosinus"}, "Did you mean 'cosine'"),
    ]:
        with pytest.raises(UsageError) as caught:
            job_of(**settings)
        assert said in str(caught.value), settings


@pytest.mark.parametrize("field", ["siren", "mlp", "pemlp", "ffn", "wire", "gauss", "finer"])
def test_the_papers_recipe_trains_every_network_of_the_paper_at_its_rate(field):
    job = make_job(picture(9, 11), recipe="paper", field=f"{field}:size=2x8", device="cpu")
    assert job.rate == 1e-4 and job.rate_source == "the recipe's"
    own = FIELDS.get(field).default_lr
    assert [f"for {field} others use {own:g}: lr={own:g}" in note for note in job.notes] == ([] if own == 1e-4 else [True])
    assert make_job(picture(9, 11), recipe="paper", field=f"{field}:size=2x8", lr=own, device="cpu").rate == own


def test_a_network_that_the_paper_does_not_have_keeps_its_rate():
    job = make_job(picture(9, 11), recipe="paper", field="grid", device="cpu")
    assert job.rate == FIELDS.get("grid").default_lr and job.rate_source == "its own default"


# The measured recipes themselves


SOURCES = {
    "image": (picture(40, 60), {}),
    "audio": ("sample:chirp", {"duration": 0.05}),
    "shape": ("sample:torus", {"pool_size": 3000}),
    "volume": (np.random.default_rng(0).random((9, 12, 10)), {"kind": "volume"}),
    "array": (np.random.default_rng(0).random((9, 12)), {"kind": "array", "in_dims": 2}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_measured_recipe_makes_a_job(kind, monkeypatch):
    monkeypatch.undo()
    source, options = SOURCES[kind]
    for recipe in RECIPES:
        job = make_job(source, recipe=recipe, device="cpu", **options)
        assert FIELDS.name_of(job.field) == (DEFAULT_FIELDS.get(kind, "siren") if recipe == "default" else "siren")
        assert dataclasses.replace(job, lr=None).rate == job.field.default_lr


def test_the_grids_cover_the_coordinates_of_every_kind(monkeypatch):
    monkeypatch.undo()
    for source, options in SOURCES.values():
        for recipe in RECIPES:
            job = make_job(source, recipe=recipe, field="grid", device="cpu", **options)
            coords = job.signal.pool(torch.device("cpu")).coords
            assert 0.7 * job.field.half_side <= coords.abs().max() <= 1.001 * job.field.half_side, job.field


@pytest.mark.parametrize(
    ("source", "kind", "form"),
    [
        (np.random.default_rng(0).random(300), "array", "grid"),
        (np.random.default_rng(0).random((3, 3, 3, 3)), "array", "grid"),
        (np.random.default_rng(0).random((2, 2, 2, 2, 2)), "array", "siren"),
    ],
)
def test_arrays_take_a_grid_where_it_has_so_many_axes(source, kind, form, monkeypatch):
    monkeypatch.undo()
    job = make_job(source, kind=kind, in_dims=source.ndim, recipe="default", device="cpu")
    assert FIELDS.name_of(job.field) == form


def test_scattered_points_take_a_grid_where_they_are_many(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(GRID_POINTS, "points", 30)
    for count, form in ((29, "siren"), (30, "grid")):
        rows = np.random.default_rng(0).random((count, 3))
        np.savetxt(tmp_path / "p.csv", rows, delimiter=",", header="x,y,value", comments="")
        assert FIELDS.name_of(make_job(tmp_path / "p.csv", recipe="default", device="cpu").field) == form


def test_the_default_network_is_no_larger_than_the_papers(monkeypatch):
    monkeypatch.undo()
    for shape in [(8, 8), (64, 64), (512, 512), (40, 3000), (2000, 3000), (5, 6, 7), (64, 64, 64), (181, 217, 181)]:
        array = np.broadcast_to(np.linspace(0, 1, shape[-1], dtype=np.float32), shape)
        signal = open_signal(array, kind="image" if len(shape) == 2 else "volume")
        job = make_job(signal, recipe="default", device="cpu")
        assert job.field.parameter_count(len(shape), 1) <= Siren().parameter_count(len(shape), 1), shape
        assert job.field.lattices(len(shape))[-1].vertices[0] <= max(1.1 * shape[0], 23), shape


def test_one_unit_is_one_length_along_every_axis_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.undo()
    wide = picture(20, 60)
    assert make_job(wide, recipe="default", device="cpu").field.aspect == "1x3"
    assert make_job(wide, recipe="default", field="siren:size=2x8", device="cpu").field.aspect == "1x3"
    assert make_job(wide, recipe="default", field="siren:size=2x8,aspect=1x2", device="cpu").field.aspect == "1x2"
    assert make_job(wide, recipe="default", field=Siren("2x8"), device="cpu").field.aspect is None
    assert make_job(wide, recipe="paper", device="cpu").field.aspect is None
    assert make_job(picture(20, 20), recipe="default", device="cpu").chosen.get("aspect") is None


def test_the_kernel_chooses_what_the_user_does_not_name(monkeypatch):
    monkeypatch.undo()
    image = picture(30, 30)
    job = make_job(image, recipe="default", field="siren:size=2x16", device="cpu", seed=2)
    choice = choose(Siren("2x16"), "weight_scale", open_signal(image), 2)
    assert job.field.weight_scale == choice.chosen == job.chosen["weight_scale"] and "kernel" in job.notes[-1]
    assert job.signal.preparation_seconds >= choice.seconds / 10
    assert make_job(image, recipe="default", field="siren:size=2x16,omega_0=20", device="cpu").field.omega_0 == 20
    assert make_job(image, recipe="paper", field="siren:size=2x16", device="cpu").field.weight_scale == 1
    dot = np.zeros((300, 300))
    dot[299, 299] = 1
    flat = make_job(dot, recipe="default", field="siren:size=2x16", device="cpu")
    assert flat.field.weight_scale == 1 and "same value everywhere" in flat.notes[-1]


def test_two_runs_of_a_recipe_are_bit_equal_and_another_seed_is_another_run():
    def run(seed):
        return nint.fit(picture(12, 12), field=FIELD, budget=12, eval_every=4, seed=seed, device="cpu")

    first, second, other = run(3), run(3), run(4)
    assert first.record["settings"]["recipe"] == "default"
    assert first.record["settings"]["optimizer"] == "muon" and first.record["settings"]["total_steps"] == 12
    names = list(first.state_dict())
    assert all(torch.equal(first.state_dict()[name], second.state_dict()[name]) for name in names)
    assert any(not torch.equal(first.state_dict()[name], other.state_dict()[name]) for name in names)
    assert [row["psnr"] for row in first.record["curve"]] == [row["psnr"] for row in second.record["curve"]]


def test_the_last_rate_of_a_run_is_near_nothing():
    class Watch(BaseMonitor):
        rates: ClassVar[list[float]] = []

        def after_step(self, run):
            self.rates.append(run.optimizer.param_groups[0]["lr"])

    nint.fit(picture(9, 11), field=FIELD, optimizer="adam", budget=50, device="cpu", monitors=[Watch()])
    assert len(Watch.rates) == 50 and Watch.rates[0] == pytest.approx(1e-4) and max(Watch.rates) == pytest.approx(2e-3)
    assert Watch.rates[-1] < 1e-5


def test_a_network_that_was_not_measured_inherits_the_batches_of_its_kind(monkeypatch):
    monkeypatch.undo()
    jobs = [
        make_job("sample:torus", recipe="default", field=field, pool_size=30_000, iou_resolution=16, device="cpu")
        for field in ("siren:size=2x8", "finer:size=2x8,weight_scale=1")
    ]
    assert SAMPLERS.text(jobs[0].sampler) == SAMPLERS.text(jobs[1].sampler) and SAMPLERS.name_of(jobs[1].sampler) == "uniform"


def test_a_small_file_holds_a_siren_and_a_larger_one_a_grid_and_the_record_says_so(monkeypatch):
    monkeypatch.undo()
    image = picture(200, 300)
    for kilobytes, name in ((2.5, "siren"), (6, "grid"), (20, "grid")):
        job = make_job(image, recipe="default", max_kilobytes=kilobytes, device="cpu")
        assert FIELDS.name_of(job.field) == job.chosen["field"] == name
        room = 8 * (1000 * kilobytes - 200) / 6
        assert 0.7 * room < job.field.parameter_count(2, 3) <= 1.04 * room
    assert FIELDS.name_of(make_job(image, recipe="paper", max_kilobytes=20, device="cpu").field) == "siren"
    papers = make_job(image, recipe="paper", field="grid", max_kilobytes=20, device="cpu")
    assert 0.7 * room < papers.field.parameter_count(2, 3) <= 1.04 * room
    named = make_job(image, recipe="default", field="grid:levels=3", max_kilobytes=20, device="cpu")
    assert named.field.levels == 3
    with pytest.raises(UsageError, match="No grid network of"):
        make_job(image, recipe="default", field="grid", max_kilobytes=0.5, device="cpu")


def test_small_sine_networks_on_images_train_at_twice_the_rate(monkeypatch):
    monkeypatch.undo()
    rates = {size: make_job(picture(32, 32), recipe="default", field=f"siren:size={size}", device="cpu").rate for size in ("3x32", "5x128")}
    assert rates == {"3x32": 2e-3, "5x128": 1e-3}
    assert make_job(picture(32, 32), recipe="default", field="siren:size=3x32", lr=7e-4, device="cpu").rate == 7e-4
    assert make_job(picture(32, 32), recipe="default", field="finer:size=3x32", device="cpu").rate == 5e-4
    assert make_job(picture(32, 32), recipe="paper", field="siren:size=3x32", device="cpu").rate == 1e-4
