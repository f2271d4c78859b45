"""The study of the kernel: its runs, and its summary from records whose differences are known."""

import dataclasses
import json

import numpy as np
import pytest

from nint.bench.experiments import EXPERIMENTS, experiment
from nint.bench.inputs import Inputs
from nint.bench.kernel.study import STUDY
from nint.bench.kernel.summary import effects_of, last_of, summary_text
from nint.bench.kernel.variants import NOTHING, VARIANTS
from nint.bench.runs import merged
from nint.bench.scales.scales import SCALES
from nint.bench.store import Store
from nint.bench.suite import Suite, names_of
from nint.bench.tables.data import table_data
from nint.samplers import SAMPLERS

SMOKE = SCALES["smoke"]


def record(spec, psnr, work):
    rows = [
        {"step": int(step), "training_seconds": 1.0, "selection_seconds": 0.5, "forward_equivalents": work, "psnr": psnr}
        for step in spec.evaluate_at
    ]
    facts = {"machine": {"name": "m", "device": "cpu", "system": "s"}, "versions": {"nint": "1", "torch": "2", "python": "3"}}
    return {
        "key": spec.key, "spec": spec.to_json(), "error": None, "curve": rows, "threads": 1, "chunk_size": 1,
        "training_seconds": 1.0, "selection_seconds": 0.5, "command": "c", "launch": "l", **facts,
    }  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """Photos with the paper's recipe: each variant is its number in the list above the baseline, give or take a little; full fails."""
    table = next(table for table in STUDY.tables(SMOKE, Inputs.search(), 3) if table.name == "kernel-photo-paper")
    store, noise = Store(tmp_path), np.random.default_rng(0)
    for row, specs in table.runs.items():
        number = [variant.text for variant in VARIANTS].index(row.sampler)
        for place, spec in enumerate(specs):
            if row.sampler != "full" and "finer" not in row.text:
                store.append(record(spec, 20 + place + number + 0.01 * noise.random(), 100.0 + 10 * number))
    return table, store


def test_every_run_differs_from_the_baseline_in_the_sampler_alone():
    for table in STUDY.tables(SMOKE, Inputs.search(), 2):
        assert table.baseline == NOTHING
        for row, specs in table.runs.items():
            base = table.runs[next(other for other in table.runs if other.text == row.beside(NOTHING))]
            for spec, other in zip(specs, base, strict=True):
                assert dataclasses.replace(spec, sampler="") == dataclasses.replace(other, sampler="")
                sampler = SAMPLERS.parse(spec.sampler)
                assert row.sampler == "full" or sampler.batch_share == 0.2
    specs = STUDY.specs(SMOKE, Inputs.search(), 2)
    assert len(merged(specs)) == len(specs)


def test_effects_are_the_paired_differences(made):
    table, store = made
    effects = effects_of(table_data(table, store.records()))
    ends = [effect for effect in last_of(effects) if effect.field == "siren"]
    assert {effect.variant for effect in ends} == {variant.text for variant in VARIANTS} - {NOTHING, "full"}
    for effect in ends:
        number = [variant.text for variant in VARIANTS].index(effect.variant)
        assert effect.mean == pytest.approx(number, abs=0.01) and effect.low <= effect.mean <= effect.high and effect.pairs == 6
        assert effect.verdict == "better" and effect.work == pytest.approx(1 + number / 10)
    assert not [effect for effect in effects if effect.field == "finer"]  # no runs, no numbers


def test_the_files_are_made_from_the_store_alone(made, tmp_path):
    _, store = made
    out = tmp_path / "again"
    out.mkdir()
    written = STUDY.write(store, SMOKE, Inputs.search(), 3, out, {"command": "nint bench kernel"})
    names = {path.name for path in written}
    assert {"kernel.md", "kernel.json", "kernel.png", "kernel-photo-paper.md", "kernel-photo-paper.csv"} <= names
    text = (out / "kernel.md").read_text()
    assert "`nint bench kernel`" in text and text == summary_text(effects_of(table_data(made[0], store.records())), "nint bench kernel")
    listed = json.loads((out / "kernel.json").read_text())["effects"]
    assert listed and {effect["verdict"] for effect in listed} == {"better"}
    assert (out / "kernel.png").stat().st_size > 10_000
    assert STUDY.write(Store(tmp_path / "empty"), SMOKE, Inputs.search(), 3, out) == []


def test_it_is_asked_for_by_name_and_not_part_of_all(tmp_path):
    assert experiment("kernel") is STUDY and "kernel" not in EXPERIMENTS
    assert "kernel" not in names_of(["all"]) and names_of(["kernel"]) == ["kernel"]
    suite = Suite(["kernel"], SMOKE, Inputs.search(), 1, Store(tmp_path))
    assert len(suite.left()) == len(suite.runs) > 200
