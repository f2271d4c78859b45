"""The comparison runner: fair starts, interleaving, failures, records and resumption."""

import json
import time
from dataclasses import dataclass

import pytest
import torch
from nint.bench.compare.plan import make_plan
from nint.bench.compare.run import run_comparison

import nint
from nint.bench import interleaved
from nint.bench.records import read
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.runs.build import build_run
from nint.samplers import Sampler
from nint.samplers.base import Selection
from nint.signals.open import open_signal

TINY = {"steps": 20, "seeds": 2, "size": "2x16", "samplers": ["nint", "uniform", "full"], "lr": 1e-3}


@pytest.fixture(scope="module")
def camera():
    return open_signal("sample:camera", max_side=32)


def plan_of(camera, **changes):
    return make_plan(camera, **(TINY | changes))


@dataclass(frozen=True)
class Stumbles(Sampler):
    """Fails at its sixth step with something that is no error of nint's."""

    def select(self, state, step, probe, rng):
        if step == 5:
            raise RuntimeError("out of luck")
        return Selection(torch.arange(len(probe))), state


@dataclass(frozen=True)
class Demands(Sampler):
    """Refuses before step 0."""

    def init(self, probe, total_steps, rng):
        raise UsageError("Demands needs the moon.")

    def select(self, state, step, probe, rng):
        raise AssertionError("never asked")


# ---------------------------------------------------------------- fairness


def test_samplers_of_a_seed_start_from_the_same_weights_and_seeds_differ(camera, tmp_path, monkeypatch):
    starts = {}

    def build(job, budget):
        run = build_run(job, budget)
        weights = torch.cat([p.detach().flatten() for p in run.field.parameters()]).clone()
        starts.setdefault((FIELDS.text(job.field), job.seed), []).append((type(job.sampler).__name__, weights))
        return run

    monkeypatch.setattr(interleaved, "build_run", build)
    run_comparison(plan_of(camera, fields=["siren", "finer"]), tmp_path)
    assert len(starts) == 4
    for group in starts.values():
        assert {name for name, _ in group} == {"Nint", "Uniform", "Full"}
        assert all(torch.equal(weights, group[0][1]) for _, weights in group)
    first, second = (starts["siren:size=2x16", seed][0][1] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_a_run_of_a_comparison_is_the_run_that_fit_makes(camera, tmp_path):
    results = run_comparison(plan_of(camera, steps=45), tmp_path).results
    for result in results:
        alone = nint.fit(
            camera, field="siren:size=2x16", sampler=result.sampler, budget=45, total_steps=45, lr=1e-3, seed=result.seed, recipe="paper"
        )
        assert result.record["psnr"] == alone.metrics["psnr"]
        assert result.record["units"] == alone.record["units"]


def test_runs_take_turns_in_blocks_and_each_has_its_own_clock(camera, tmp_path, monkeypatch):
    order = []
    step = interleaved.train_step

    def counted(run):
        order.append(type(run.teacher.sampler).__name__)
        step(run)

    monkeypatch.setattr(interleaved, "train_step", counted)
    monkeypatch.setattr(interleaved, "BLOCK_SECONDS", 1e9)
    start = time.perf_counter()
    results = run_comparison(plan_of(camera, samplers=["uniform", "full"], steps=45, seeds=1), tmp_path).results
    elapsed = time.perf_counter() - start
    assert order == ["Uniform"] * 20 + ["Full"] * 20 + ["Uniform"] * 20 + ["Full"] * 20 + ["Uniform"] * 5 + ["Full"] * 5
    assert 0 < sum(result.record["training_seconds"] for result in results) < elapsed
    assert all(0 <= result.record["selection_seconds"] <= result.record["training_seconds"] for result in results)


def test_the_global_generator_is_untouched(camera, tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run_comparison(plan_of(camera, seeds=1, steps=3), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_evaluations_are_where_the_plan_says(camera, tmp_path):
    plan = plan_of(camera, samplers=["uniform"], seeds=1, steps=400, checkpoints=(7, 400))
    steps = [row["step"] for row in run_comparison(plan, tmp_path).results[0].curve]
    assert steps == sorted({*range(4, 401, 4), 7})


def test_a_budget_of_seconds_stops_each_run_by_its_own_clock(camera, tmp_path):
    plan = plan_of(camera, steps=None, seconds=0.15, samplers=["uniform", "full"], seeds=1)
    assert plan.checkpoints == pytest.approx((0.015, 0.0375, 0.075, 0.15))
    assert plan.total_steps == 5000
    for result in run_comparison(plan, tmp_path).results:
        seconds = [row["training_seconds"] for row in result.curve]
        assert seconds[-2] < 0.15 <= seconds[-1] == result.record["training_seconds"]
        assert len(seconds) <= 101


# ---------------------------------------------------------------- failures


def test_a_run_that_fails_is_reported_and_the_others_go_on(camera, tmp_path):
    outcome = run_comparison(plan_of(camera, samplers=["full", Stumbles, Demands], seeds=1), tmp_path)
    errors = {result.sampler: result.error for result in outcome.results}
    assert errors == {"full": None, "Stumbles": "RuntimeError: out of luck", "Demands": "Demands needs the moon."}
    stumbled = next(result for result in outcome.results if result.sampler == "Stumbles")
    assert [row["step"] for row in stumbled.curve] == [1, 2, 3, 4, 5]
    assert [result.sampler for result in outcome.failed()] == ["Stumbles", "Demands"]
    assert len(outcome.of("siren:size=2x16", "full")) == 1
    assert {run.sampler: run.error for run in read(tmp_path / "runs.jsonl")[0]} == errors


def test_divergence_is_a_failure(camera, tmp_path):
    outcome = run_comparison(plan_of(camera, samplers=["full"], seeds=1, lr=1e4, optimizer="sgd"), tmp_path)
    assert "diverged at step" in outcome.results[0].error


def test_a_metric_that_is_no_number_is_a_failure(camera, tmp_path, monkeypatch):
    monkeypatch.setattr("nint.bench.watch.evaluate", lambda run: {"psnr": float("nan")})
    outcome = run_comparison(plan_of(camera, samplers=["full"], seeds=1), tmp_path)
    assert "psnr is not a number" in outcome.results[0].error


def test_failed_runs_are_tried_again_on_resume(camera, tmp_path):
    plan = plan_of(camera, samplers=["full", Stumbles], seeds=1)
    run_comparison(plan, tmp_path)
    again = run_comparison(plan, tmp_path, resume=True)
    assert again.reused == 1
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 3
    assert len(again.results) == 2


# ---------------------------------------------------------------- records and resumption


def test_records_hold_what_a_reader_needs(camera, tmp_path):
    run_comparison(plan_of(camera, seeds=1), tmp_path, command="nint compare sample:camera")
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [line["sampler"] for line in lines] == ["nint", "uniform", "full"]
    for line in lines:
        record = line["record"]
        assert record["command"] == "nint compare sample:camera"
        assert record["settings"]["lr"] == 1e-3
        assert record["settings"]["total_steps"] == 20
        assert {"nint", "torch", "python"} <= set(record["versions"])
        assert record["machine"]["device"] == "cpu"
        assert record["threads"] == torch.get_num_threads()
        assert record["chunk_size"] > 0
        assert len(record["curve"]) == 20
        assert record["curve"][-1].keys() >= {"step", "training_seconds", "selection_seconds", "units", "loss", "psnr", "ssim"}


@pytest.fixture
def finished(camera, tmp_path):
    """A finished comparison: its folder, its results, and a counter of the runs that are built from now on."""
    first = run_comparison(plan_of(camera), tmp_path)
    return tmp_path, first


def rerun(camera, folder, monkeypatch, **changes):
    """Resumes with changes; returns (comparison, jobs that were built, warm-ups included)."""
    built = []
    monkeypatch.setattr(interleaved, "build_run", lambda job, budget: built.append((job.seed, job.sampler)) or build_run(job, budget))
    return run_comparison(plan_of(camera, **changes), folder, resume=True), built


def test_resume_repeats_nothing_that_is_finished(camera, finished, monkeypatch):
    folder, first = finished
    again, built = rerun(camera, folder, monkeypatch, targets=(12.0,))  # other targets only read the curves anew
    assert built == []
    assert again.reused == 6
    assert again.results == first.results


def test_resume_runs_what_is_new(camera, finished, monkeypatch):
    folder, first = finished
    again, built = rerun(camera, folder, monkeypatch, seeds=3)
    assert {seed for seed, _ in built} == {2}
    assert again.reused == 6
    assert len(again.results) == 9
    assert again.results[:6] == first.results


@pytest.mark.parametrize(
    "change", [{"lr": 2e-3}, {"size": "2x8"}, {"steps": 21}, {"total_steps": 30}, {"batch_share": 0.5, "samplers": ["uniform"]}]
)
def test_other_settings_are_other_runs(camera, finished, monkeypatch, change):
    folder, _ = finished
    again, built = rerun(camera, folder, monkeypatch, **change)
    assert again.reused == 0
    assert built


def test_a_checkpoint_that_was_not_evaluated_repeats_the_run(camera, tmp_path, monkeypatch):
    run_comparison(plan_of(camera, samplers=["full"], seeds=1, eval_every=10), tmp_path)
    again, built = rerun(camera, tmp_path, monkeypatch, samplers=["full"], seeds=1, eval_every=10, checkpoints=(10, 20))
    assert (again.reused, built) == (1, [])
    again, built = rerun(camera, tmp_path, monkeypatch, samplers=["full"], seeds=1, eval_every=10, checkpoints=(7, 20))
    assert again.reused == 0
    assert 7 in [row["step"] for row in again.results[0].curve]


def test_a_damaged_line_is_reported_and_its_run_repeated(camera, finished, monkeypatch):
    folder, first = finished
    path = folder / "runs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"field": "siren"}\n', b"\xff\x00 nonsense\n", *lines[2:5], lines[5][:200]]))
    again, built = rerun(camera, folder, monkeypatch)
    assert {(seed, type(sampler).__name__) for seed, sampler in built} == {(0, "Uniform"), (1, "Full")}
    assert again.reused == 4
    assert len(again.problems) == 3
    assert "Line 2 of" in again.problems[0]
    assert "Line 3 of" in again.problems[1]
    assert "Line 7 of" in again.problems[2]
    assert [(r.seed, r.sampler, r.record["psnr"]) for r in again.results] == [(r.seed, r.sampler, r.record["psnr"]) for r in first.results]
    readable, problems = read(path)
    assert len(readable) == 6
    assert len(problems) == 3


def test_an_interruption_keeps_the_finished_groups(camera, tmp_path):
    told = []
    outcome = run_comparison(
        plan_of(camera, seeds=3), tmp_path, progress=lambda done, what: told.append(done), interrupted=lambda: max(told, default=0) >= 4
    )
    assert outcome.interrupted
    assert 3 <= len(outcome.results) < 9
    assert {result.seed for result in outcome.results[:3]} == {0}
    again = run_comparison(plan_of(camera, seeds=3), tmp_path, resume=True)
    assert again.reused == len(outcome.results)
    assert not again.interrupted
    assert told == sorted(told)


def test_a_folder_with_something_in_it_is_refused(camera, finished):
    folder, _ = finished
    with pytest.raises(UsageError, match="holds another comparison"):
        run_comparison(plan_of(camera), folder)
    with pytest.raises(UsageError, match="give one of them"):
        run_comparison(plan_of(camera), folder, resume=True, force=True)
    other = folder / "notes.txt"
    other.write_text("mine")
    fresh = run_comparison(plan_of(camera, seeds=1, steps=2), folder, force=True)
    assert fresh.reused == 0
    assert other.read_text() == "mine"
    assert len((folder / "runs.jsonl").read_text().splitlines()) == 3


def test_a_folder_without_a_comparison_cannot_be_resumed(camera, tmp_path):
    with pytest.raises(UsageError, match="no comparison to resume"):
        run_comparison(plan_of(camera), tmp_path, resume=True)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="holds a run of nint fit"):
        run_comparison(plan_of(camera), tmp_path)


# ---------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 3.0}, "either --steps or --seconds"),
        ({"steps": None}, "either --steps or --seconds"),
        ({"steps": 0}, "at least 1"),
        ({"seeds": 0}, "seeds=0"),
        ({"samplers": ["nimt"]}, "Did you mean 'nint'"),
        ({"samplers": ["nint:random=1"]}, "no setting 'random'"),
        ({"fields": ["sirene"]}, "Did you mean 'siren'"),
        ({"fields": []}, "at least one field"),
        ({"size": "5y256"}, "5x256"),
        ({"lr": float("nan")}, "finite number above 0"),
        ({"checkpoints": (21,)}, "whole steps from 1 to 20"),
        ({"checkpoints": (2.5,)}, "whole steps from 1 to 20"),
        ({"lr_schedule": "cosin"}, "cosine"),
        ({"batch_share": 1.5}, "batch_share=1.5"),
    ],
)
def test_a_plan_refuses_what_cannot_be(camera, change, message):
    with pytest.raises(UsageError, match=message):
        plan_of(camera, **change)


def test_a_plan_names_samplers_and_fields_in_full(camera):
    plan = plan_of(camera, samplers=["nint:random_share=0.5", "nint:batch_share=0.2", "uniform", "uniform", "full"], batch_share=0.1)
    assert list(plan.samplers) == ["nint:batch_share=0.1,random_share=0.5", "nint", "uniform:batch_share=0.1", "full"]
    assert list(plan_of(camera, fields=["siren", "finer:size=1x8"]).fields) == ["siren:size=2x16", "finer:size=1x8"]


def test_a_plan_without_samplers_takes_every_one_that_the_signal_allows(camera):
    everything = list(plan_of(camera, samplers=[]).samplers)
    assert everything[:6] == ["nint", "nint-fast", "nint-reference", "full", "uniform", "int"]
    assert {"evos", "egra"} <= set(everything)
    assert set(everything) <= set(plan_of(camera, samplers=["all"]).samplers)
    assert len(plan_of(camera, fields=["all"]).fields) >= 8
