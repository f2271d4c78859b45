"""A comparison is a table made on the fly: fair starts, interleaving, failures, records and resumption."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from oracles.ticking import SELECTION, STEP
from PIL import Image

import nint
from nint.bench import interleaved
from nint.bench.compare.asked import Comparison
from nint.bench.compare.folder import claim
from nint.bench.compare.table import comparison_table
from nint.bench.execute import missing, run_all
from nint.bench.store import Store
from nint.errors import UnsupportedFieldError, UsageError
from nint.fields import FIELDS, FieldSpec
from nint.runs.build import build_run
from nint.runs.contents import COMPARE, of_comparison
from nint.runs.folder import OutputFolder
from nint.samplers import SAMPLERS, Sampler
from nint.samplers.base import Selection

TINY = Comparison(
    inputs=("sample:camera",),
    signal_options={"max_side": 32},
    steps=20,
    seeds=2,
    size="2x16",
    samplers=("nint", "uniform", "full"),
    settings={"lr": 1e-3},
)


def table_of(**changes):
    settings = TINY.settings | changes.pop("settings", {})
    return comparison_table(replace(TINY, settings=settings, **changes))


def opened(out):
    return OutputFolder(out, COMPARE, of_comparison(report=False, log=False))


def run(out, *, resume=False, force=False, **changes):
    """A comparison from beginning to end: (records in the order of the table, how many were there before)."""
    how = {name: changes.pop(name) for name in ("command", "progress", "interrupted") if name in changes}
    table = table_of(**changes)
    with opened(out) as folder:
        store = claim(folder, resume=resume, force=force)
        before = len(table.specs) - len(missing(table.specs, store))
        run_all(table.specs, store, experiment="compare", **how)
    records = store.records()
    return [records[spec.key] for spec in table.specs if spec.key in records], before


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


@pytest.fixture
def plugins(monkeypatch):
    monkeypatch.setattr(SAMPLERS, "_added", {"stumbles": Stumbles, "demands": Demands})


# ---------------------------------------------------------------- fairness


def test_samplers_of_a_seed_start_from_the_same_weights_and_seeds_differ(tmp_path, monkeypatch):
    starts = {}

    def build(job, budget):
        built = build_run(job, budget)
        weights = torch.cat([p.detach().flatten() for p in built.field.parameters()]).clone()
        starts.setdefault((FIELDS.text(job.field), job.seed), []).append((type(job.sampler).__name__, weights))
        return built

    monkeypatch.setattr(interleaved, "build_run", build)
    run(tmp_path, fields=("siren", "finer"))
    assert len(starts) == 4
    for group in starts.values():
        assert {name for name, _ in group} == {"Nint", "Uniform", "Full"}
        assert all(torch.equal(weights, group[0][1]) for _, weights in group)
    first, second = (starts["siren:size=2x16", seed][0][1] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_a_run_of_a_comparison_is_the_run_that_fit_makes(tmp_path):
    signal = nint.signals.open.open_signal("sample:camera", max_side=32)
    for record in run(tmp_path, steps=45)[0]:
        spec = record["spec"]
        alone = nint.fit(
            signal, field="siren:size=2x16", sampler=spec["sampler"], budget=45, total_steps=45, lr=1e-3, seed=spec["seed"], recipe="paper"
        )
        assert record["psnr"] == alone.metrics["psnr"]
        assert record["forward_equivalents"] == alone.record["forward_equivalents"]


def test_runs_take_turns_in_blocks_and_each_has_its_own_clock(tmp_path, monkeypatch, ticking):
    order = []
    step = interleaved.train_step

    def counted(run):
        order.append(type(run.teacher.sampler).__name__)
        step(run)

    monkeypatch.setattr(interleaved, "train_step", counted)
    monkeypatch.setattr(interleaved, "BLOCK_SECONDS", 1e9)
    records, _ = run(tmp_path, samplers=("uniform", "full"), steps=45, seeds=1)
    assert order == ["Uniform"] * 20 + ["Full"] * 20 + ["Uniform"] * 20 + ["Full"] * 20 + ["Uniform"] * 5 + ["Full"] * 5
    for record in records:  # the turns of the other are in neither, nor are evaluations
        assert record["training_seconds"] == 45 * STEP
        assert record["selection_seconds"] == 45 * SELECTION


def test_the_global_generator_is_untouched(tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(tmp_path, seeds=1, steps=3)
    assert torch.equal(before, torch.get_rng_state())


def test_evaluations_are_where_the_table_says(tmp_path):
    (record,), _ = run(tmp_path, samplers=("uniform",), seeds=1, steps=400, checkpoints=(7, 400))
    steps = [row["step"] for row in record["curve"]]
    assert steps == sorted({*range(4, 401, 4), 7})


def test_a_budget_of_seconds_stops_each_run_by_its_own_clock(tmp_path, ticking):
    changes = {"steps": None, "seconds": 100 * STEP, "samplers": ("uniform", "full"), "seeds": 1}
    assert [column.point for column in table_of(**changes).columns if column.metric == "psnr"][:4] == pytest.approx(
        [part * 100 * STEP for part in (0.1, 0.25, 0.5, 1)]
    )
    for record in run(tmp_path, **changes)[0]:
        assert [row["step"] for row in record["curve"]] == list(range(1, 101))  # a hundredth of the budget is one step here
        assert record["training_seconds"] == 100 * STEP
        assert record["stopped"] == f"used {100 * STEP:g} s"
        assert record["settings"]["total_steps"] == 5000


# ---------------------------------------------------------------- failures


def test_a_run_that_fails_is_reported_and_the_others_go_on(tmp_path, plugins):
    records, _ = run(tmp_path, samplers=("full", "stumbles", "demands"), seeds=1)
    errors = {record["spec"]["sampler"]: record["error"] for record in records}
    assert errors == {"full": None, "stumbles": "RuntimeError: out of luck", "demands": "Demands needs the moon."}
    stumbled = next(record for record in records if record["spec"]["sampler"] == "stumbles")
    assert [row["step"] for row in stumbled["curve"]] == [1, 2, 3, 4, 5]
    assert {record["spec"]["sampler"]: record["error"] for record in Store(tmp_path).records().values()} == errors


def test_divergence_is_a_failure(tmp_path):
    (record,), _ = run(tmp_path, samplers=("full",), seeds=1, settings={"lr": 1e4, "optimizer": "sgd"})
    assert "diverged at step" in record["error"]


def test_a_metric_that_is_no_number_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("nint.bench.watch.evaluate", lambda run: {"psnr": float("nan")})
    (record,), _ = run(tmp_path, samplers=("full",), seeds=1)
    assert "psnr is not a number" in record["error"]


def test_failed_runs_are_tried_again_on_resume(tmp_path, plugins):
    run(tmp_path, samplers=("full", "stumbles"), seeds=1)
    records, before = run(tmp_path, samplers=("full", "stumbles"), seeds=1, resume=True)
    assert before == 1
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 3
    assert len(records) == 2


# ---------------------------------------------------------------- records and resumption


def test_records_hold_what_a_reader_needs(tmp_path):
    run(tmp_path, seeds=1, command="nint compare sample:camera")
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [line["spec"]["sampler"] for line in lines] == ["nint", "uniform", "full"]
    for record in lines:
        assert record["experiment"] == "compare"
        assert record["command"] == "nint compare sample:camera"
        assert record["settings"]["lr"] == 1e-3
        assert record["settings"]["options"] == {"max_side": 32}
        assert record["settings"]["total_steps"] == 20
        assert record["source"] == "sample:camera"
        assert {"nint", "torch", "python"} <= set(record["versions"])
        assert record["machine"]["device"] == "cpu"
        assert record["threads"] == record["spec"]["threads"] == torch.get_num_threads()
        assert record["chunk_size"] == dict(record["spec"]["settings"])["chunk_size"] > 0
        assert len(record["curve"]) == 20
        assert record["curve"][-1].keys() >= {
            "step",
            "training_seconds",
            "selection_seconds",
            "forward_equivalents",
            "loss",
            "psnr",
            "ssim",
        }


@pytest.fixture
def finished(tmp_path):
    """A finished comparison: its folder, its records."""
    return tmp_path, run(tmp_path)[0]


def rerun(folder, monkeypatch, **changes):
    """Resumes with changes; returns (records, how many were there before, jobs that were built, warm-ups included)."""
    built = []
    monkeypatch.setattr(interleaved, "build_run", lambda job, budget: built.append((job.seed, job.sampler)) or build_run(job, budget))
    return *run(folder, resume=True, **changes), built


def test_resume_repeats_nothing_that_is_finished(finished, monkeypatch):
    folder, first = finished
    again, before, built = rerun(folder, monkeypatch, targets=(12.0,))  # other targets only read the curves anew
    assert (before, built) == (6, [])
    assert again == first


def test_resume_runs_what_is_new(finished, monkeypatch):
    folder, first = finished
    again, before, built = rerun(folder, monkeypatch, seeds=3)
    assert {seed for seed, _ in built} == {2}
    assert (before, len(again)) == (6, 9)
    assert again[:6] == first


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"lr": 2e-3}},
        {"size": "2x8"},
        {"steps": 21},
        {"settings": {"total_steps": 30}},
        {"batch_share": 0.5, "samplers": ("uniform",)},
        {"settings": {"chunk_size": 500}},
        {"signal_options": {"max_side": 24}},
    ],
)
def test_other_settings_are_other_runs(finished, monkeypatch, change):
    folder, _ = finished
    _, before, built = rerun(folder, monkeypatch, **change)
    assert before == 0
    assert built


def test_another_number_of_threads_or_device_is_another_run(finished, monkeypatch):
    folder, _ = finished
    specs = table_of().specs
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert len(missing(table_of().specs, Store(folder))) == 6
    monkeypatch.undo()
    monkeypatch.setattr("nint.bench.compare.table.resolve_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr("nint.runs.job.resolve_device", lambda name: torch.device("cuda"))
    assert {spec.key for spec in table_of().specs}.isdisjoint(spec.key for spec in specs)


def test_another_content_of_the_same_file_is_another_run(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    out, changes = tmp_path / "out", {"inputs": (str(path),), "samplers": ("full",), "seeds": 1, "steps": 2}
    Image.linear_gradient("L").save(path)
    first, _ = run(out, **changes)
    _, before, built = rerun(out, monkeypatch, **changes)
    assert (before, built) == (1, [])
    Image.radial_gradient("L").save(path)
    again, before, built = rerun(out, monkeypatch, **changes)
    assert before == 0 and built
    assert again[0]["settings"]["content"] != first[0]["settings"]["content"]


def test_a_checkpoint_that_was_not_evaluated_repeats_the_run(tmp_path, monkeypatch):
    changes = {"samplers": ("full",), "seeds": 1, "eval_every": 10}
    run(tmp_path, **changes)
    _, before, built = rerun(tmp_path, monkeypatch, checkpoints=(10, 20), **changes)
    assert (before, built) == (1, [])
    again, before, built = rerun(tmp_path, monkeypatch, checkpoints=(7, 20), **changes)
    assert before == 0
    assert 7 in [row["step"] for row in again[0]["curve"]]


def test_a_damaged_line_is_reported_and_its_run_repeated(finished, monkeypatch):
    folder, first = finished
    path = folder / "runs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"field": "siren"}\n', b"\xff\x00 nonsense\n", *lines[2:5], lines[5][:200]]))
    problems = Store(folder).problems
    assert [problem.split(" of ")[0] for problem in problems] == ["Line 2", "Line 3", "Line 7"]
    again, before, built = rerun(folder, monkeypatch)
    assert {(seed, type(sampler).__name__) for seed, sampler in built} == {(0, "Uniform"), (1, "Full")}
    assert before == 4
    assert [record["psnr"] for record in again] == [record["psnr"] for record in first]
    assert len(Store(folder).records()) == 6
    assert len(Store(folder).problems) == 3


def test_an_interruption_keeps_the_finished_groups(tmp_path):
    told = []
    records, _ = run(tmp_path, seeds=3, progress=lambda done, what: told.append(done), interrupted=lambda: max(told, default=0) >= 4)
    assert 3 <= len(records) < 9
    assert {record["spec"]["seed"] for record in records[:3]} == {0}
    again, before = run(tmp_path, seeds=3, resume=True)
    assert (before, len(again)) == (len(records), 9)
    assert told == sorted(told)


def test_a_folder_with_something_in_it_is_refused(finished):
    folder, _ = finished
    with pytest.raises(UsageError, match="holds another comparison"):
        run(folder)
    with pytest.raises(UsageError, match="give one of them"):
        run(folder, resume=True, force=True)
    other = folder / "notes.txt"
    other.write_text("mine")
    records, before = run(folder, seeds=1, steps=2, force=True)
    assert before == 0
    assert other.read_text() == "mine"
    assert len((folder / "runs.jsonl").read_text().splitlines()) == len(records) == 3
    assert len(list((folder / "runs").iterdir())) == 3


def test_a_folder_without_a_comparison_cannot_be_resumed(tmp_path):
    with pytest.raises(UsageError, match="no comparison to resume"):
        run(tmp_path, resume=True)
    nint.fit(np.eye(4, dtype=np.float32), budget=1, field="siren:size=1x4", device="cpu", out=tmp_path)
    with pytest.raises(UsageError, match="holds a run of nint fit"):
        run(tmp_path)


def test_the_folder_of_a_benchmark_is_refused(tmp_path):
    run_all(table_of(samplers=("full",), seeds=1, steps=1).specs, Store(tmp_path))
    for how in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(UsageError, match="holds the runs of nint bench"):
            run(tmp_path, **how)


# ---------------------------------------------------------------- comparisons of version 0.1.0


def old_line(sampler, seed, psnr):
    """A line as commit 3ee9ef4 wrote it."""
    settings = {"input": "gone.png", "options": {}, "content": "d0f15f3137f4acdf", "field": "siren", "sampler": sampler, "seed": seed}
    record = {
        "settings": settings,
        "budget": {"steps": 10, "seconds": None, "psnr": None},
        "units": 30.0,
        "training_seconds": 1.0,
        "curve": [{"step": 10, "training_seconds": 1.0, "selection_seconds": 0.1, "units": 30.0, "psnr": psnr}],
        "identity": {"settings": settings, "steps": 10, "seconds": None, "every": 1, "chunk_size": None, "device": "cpu", "threads": 1},
    }
    return json.dumps({"field": "siren", "sampler": sampler, "seed": seed, "error": None, "record": record})


def test_lines_of_version_0_1_0_are_read_and_not_gone_on_with(tmp_path):
    lines = [
        old_line("nint:random_share=0.5", 0, 20.0),
        old_line("nint:random_share=0.5", 1, 21.0),
        old_line("..", 0, 0.0),
        old_line("full", 0, 22.0),
    ]
    (tmp_path / "runs.jsonl").write_text("\n".join(lines) + "\n")
    store = Store(tmp_path)
    assert store.older and store.experiment == "compare"
    assert [
        (r["spec"]["sampler"], r["spec"]["seed"], r["psnr"] if "psnr" in r else r["curve"][-1]["psnr"]) for r in store.records().values()
    ] == [
        ("nint:random_share=0.5", 0, 20.0),
        ("nint:random_share=0.5", 1, 21.0),
        ("full", 0, 22.0),
    ]
    assert len(store.problems) == 1 and "Line 3" in store.problems[0]  # it would name the folder above
    assert all(record["forward_equivalents"] == 30.0 for record in store.records().values())
    first, *_ = store.records()
    assert store.place(first) == tmp_path / "runs" / "siren" / "nint_random_share=0.5"
    before = (tmp_path / "runs.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"in the form of nint 0\.1\.0, which nint report still shows but --resume cannot go on with"):
        run(tmp_path, resume=True)
    assert (tmp_path / "runs.jsonl").read_bytes() == before
    with opened(tmp_path) as folder:
        assert claim(folder, resume=False, force=True).records() == {}


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 3.0}, "either --steps or --seconds"),
        ({"steps": None}, "either --steps or --seconds"),
        ({"steps": 0}, "at least 1"),
        ({"seeds": 0}, "seeds=0"),
        ({"inputs": ()}, "needs INPUT"),
        ({"inputs": ("sample:camera", "missing.png")}, "missing.png"),
        (
            {"inputs": ("sample:camera", "sample:chirp"), "signal_options": {}},
            "sample:chirp is of kind audio and sample:camera of kind image",
        ),
        ({"samplers": ("nimt",)}, "Did you mean 'nint'"),
        ({"samplers": ("nint:random=1",)}, "no setting 'random'"),
        ({"baseline": "int"}, "The baseline 'int' is not among the samplers"),
        ({"fields": ("sirene",)}, "Did you mean 'siren'"),
        ({"fields": ()}, "at least one field"),
        ({"size": "5y256"}, "5x256"),
        ({"settings": {"lr": float("nan")}}, "finite number above 0|plain data"),
        ({"settings": {"chunk_size": 0}}, "chunk_size=0"),
        ({"checkpoints": (21,)}, "whole steps from 1 to 20"),
        ({"checkpoints": (2.5,)}, "whole steps from 1 to 20"),
        ({"steps": None, "seconds": 2.0, "checkpoints": (3.0,)}, "seconds above 0 and up to 2"),
        ({"eval_every": 0}, "eval_every=0"),
        ({"steps": None, "seconds": 2.0, "eval_every": 3}, "for a budget of steps"),
        ({"settings": {"lr_schedule": "cosin"}}, "cosine"),
        ({"batch_share": 1.5}, "batch_share=1.5"),
        ({"samplers": ("nint,uniform",)}, r"'nint,uniform' names several samplers; separate them by spaces: nint uniform\."),
        ({"samplers": ("nint:batch_share=0.1,random_share=0.2,full",)}, r"spaces: nint:batch_share=0.1,random_share=0.2 full\."),
        ({"fields": ("siren:size=1x8,finer:size=1x8",)}, r"several fields; separate them by spaces: siren:size=1x8 finer:size=1x8\."),
        ({"samplers": ("uniform", "egra:candidates=9")}, "leave candidates out"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        table_of(**change)


def test_a_sampler_that_does_not_suit_the_input_is_refused_before_anything_is_trained():
    for samplers in (("uniform", "egra"), ("egra",)):
        with pytest.raises(UsageError, match=r"egra needs an image .* but this signal is a 1-D grid"):
            table_of(inputs=("sample:chirp",), signal_options={"duration": 0.01}, samplers=samplers)


@dataclass(frozen=True)
class Random(FieldSpec):
    """A network that is random, so that it has no kernel."""

    def build(self, in_features, out_features, generator):
        return torch.nn.Sequential(torch.nn.Linear(in_features, out_features), torch.nn.Dropout(0.5))


def test_a_network_that_cannot_be_trained_is_refused_before_anything_is(monkeypatch):
    monkeypatch.setitem(FIELDS._added, "random", Random)
    with pytest.raises(UnsupportedFieldError, match="uniform with random: The network has active Dropout"):
        table_of(fields=("siren", "random"), samplers=("uniform", "full"), size=None)


def test_what_is_named_twice_counts_once_and_is_said():
    table = table_of(samplers=("nint", "uniform", "nint", "nint:random_share=0.7", "all"), fields=("siren", "siren:size=2x16"))
    assert table.remarks == (
        "nint is named more than once and counts once.",
        "nint:random_share=0.7 is left out: it is the same as nint.",
        "siren:size=2x16 is left out: it is the same as siren.",
    )
    assert table_of(samplers=("all", "nint")).remarks == ()


def samplers_of(**changes):
    return list(dict.fromkeys(spec.sampler for spec in table_of(**changes).specs))


def test_samplers_and_fields_are_named_in_full():
    named = ("nint:random_share=0.5", "nint:batch_share=0.2", "uniform", "uniform", "full")
    # 0.2 is the sampler's default, but a kind of signal may have another
    expected = ["nint:batch_share=0.1,random_share=0.5", "nint:batch_share=0.2", "uniform:batch_share=0.1", "full"]
    assert samplers_of(samplers=named, batch_share=0.1) == expected
    fields = dict.fromkeys(spec.field for spec in table_of(fields=("siren", "finer:size=1x8")).specs)
    assert list(fields) == ["siren:size=2x16", "finer:size=1x8"]


def test_without_samplers_every_one_that_the_input_allows_is_taken():
    everything = samplers_of(samplers=(), seeds=1)
    assert everything[:6] == ["nint", "nint-fast", "nint-reference", "full", "uniform", "int"]
    assert {"evos", "egra"} <= set(everything)
    assert set(everything) <= set(samplers_of(samplers=("all",), seeds=1))
    assert len(table_of(fields=("all",), seeds=1, samplers=("full",)).runs) >= 8


def test_runs_of_a_row_are_paired_with_those_of_the_others():
    table = table_of(inputs=("sample:camera", "sample:coins"), seeds=2)
    pairs = {tuple((spec.input, spec.seed) for spec in runs) for runs in table.runs.values()}
    assert pairs == {(("sample:camera", 0), ("sample:coins", 0), ("sample:camera", 1), ("sample:coins", 1))}
    assert (table.inputs, table.seeds) == (["sample:camera", "sample:coins"], [0, 1])
    for specs in np.array([list(runs) for runs in table.runs.values()], dtype=object).T:
        assert len({spec.group for spec in specs}) == 1  # what is compared takes turns
    assert table.baseline == "nint"
    assert table_of(baseline="full").baseline == "full"


def test_seed_0_is_kept_with_snapshots_at_the_checkpoints(tmp_path):
    from nint.runs.model import Fit
    from nint.runs.snapshots import load_snapshots

    run(tmp_path, samplers=("full",), checkpoints=(5, 20))
    first, second = table_of(samplers=("full",), checkpoints=(5, 20)).specs
    store = Store(tmp_path)
    assert [snapshot.step for snapshot in load_snapshots(store.place(first.key))] == [1, 5, 20]
    assert Fit.load(store.place(first.key) / "model.safetensors").metrics["psnr"] == store.records()[first.key]["psnr"]
    assert not store.place(second.key).exists()
