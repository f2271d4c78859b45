"""Specs as plain data: keys, round trips and the jobs that they describe."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import pytest

from nint.bench import inputs
from nint.bench.runs import RunSpec, merged
from nint.errors import UsageError
from nint.samplers.uniform import Uniform
from nint.training.budgets import Budget

SPEC = RunSpec(
    input="sample:camera",
    field="siren:size=2x16",
    sampler="uniform:batch_share=0.5",
    seed=3,
    steps=30,
    evaluate_at=(10, 30),
    square=16,
    settings=(("lr", 1e-3), ("loss", "l1")),
    keep=True,
    group="table1",
)


def test_a_spec_comes_back_from_json():
    text = json.dumps(SPEC.to_json())
    back = RunSpec.from_json(json.loads(text))
    assert back == SPEC
    assert back.key == SPEC.key
    assert hash(back) == hash(SPEC)
    nested = dataclasses.replace(SPEC, options={"crop": [1, [2, 3]]})
    assert nested.options == (("crop", (1, (2, 3))),)
    assert RunSpec.from_json(nested.to_json()) == nested


def test_the_key_knows_what_decides_the_result():
    changes = [
        {"input": "sample:coffee"},
        {"field": "finer:size=2x16"},
        {"sampler": "nint"},
        {"recipe": "default"},
        {"seed": 4},
        {"steps": 31},
        {"steps": None, "seconds": 30.0},
        {"evaluate_at": (10,)},
        {"eval_every": 5},
        {"square": 17},
        {"options": (("max_side", 8),)},
        {"settings": (("lr", 2e-3), ("loss", "l1"))},
        {"threads": 2},
        {"content": "d0f15f3137f4acdf"},
        {"method": "jpeg"},
    ]
    keys = [SPEC.key, *(dataclasses.replace(SPEC, **change).key for change in changes)]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
    assert {field.name for field in dataclasses.fields(RunSpec)} == {name for change in changes for name in change} | {
        "keep",
        "group",
        "snapshots_at",
        "log",
        "label",
    }
    assert dataclasses.replace(SPEC, keep=False, group="fig3", snapshots_at=(5,), log="tensorboard/a", label="a").key == SPEC.key


def test_keys_are_those_of_version_0_1_0():
    assert SPEC.key == "c52c3def4fa744f8"
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "paper-cpu" / "runs.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(records) > 100
    assert all(RunSpec.from_json(record["spec"]).key == record["key"] for record in records)


def test_the_key_of_a_file_does_not_say_where_the_data_lie():
    here, there = (dataclasses.replace(SPEC, input=path) for path in ("/data/kodak/kodim04.png", "../other/kodak/kodim04.png"))
    assert here.key == there.key
    assert here.input_name == "kodak/kodim04.png"
    assert dataclasses.replace(SPEC, input="/data/div2k/kodim04.png").key != here.key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": None}, "one budget"),
        ({"seconds": 1.0}, "one budget"),
        ({"options": (("mask", object()),)}, "plain data"),
        ({"settings": (("lr", float("nan")),)}, "plain data"),
        ({"input": 3}, "path or sample"),
    ],
)
def test_what_is_no_run_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(SPEC, **values)
    with pytest.raises(UsageError, match="not a run"):
        RunSpec.from_json({"input": "sample:camera", "steps": 3, "colour": "red"})


def test_the_job_has_the_settings_of_the_spec():
    job = SPEC.job()
    assert (job.seed, job.rate, job.loss, job.total_steps) == (3, 1e-3, "l1", 30)
    assert job.sampler == Uniform(batch_share=0.5)
    assert job.signal.layout.describe().startswith("16x16 grey")
    assert SPEC.budget == Budget(steps=30)
    assert dataclasses.replace(SPEC, settings=(("total_steps", 500),)).job().total_steps == 500
    assert dataclasses.replace(SPEC, steps=None, seconds=2.0).budget == Budget(seconds=2.0)
    assert dataclasses.replace(SPEC, steps=None, seconds=2.0).job().total_steps == 5000
    with pytest.raises(UsageError, match="Did you mean 'siren'"):
        dataclasses.replace(SPEC, field="sirene").job()


def test_a_recipe_chooses_what_the_spec_leaves_open():
    ours = RunSpec(input="sample:camera", field="", sampler="", recipe="default", steps=30, square=16).job()
    assert ours.recipe == "default"
    paper = RunSpec(input="sample:camera", field="", sampler="", steps=30, square=16).job()
    assert (paper.recipe, type(paper.sampler).__name__, paper.lr_schedule) == ("paper", "Nint", "constant")
    assert type(ours.sampler) is not type(paper.sampler)


def test_runs_that_share_a_signal_read_it_once(monkeypatch):
    opened = []
    real = inputs._read.__wrapped__
    monkeypatch.setattr(inputs, "_read", functools.lru_cache(lambda *asked: opened.append(asked) or real(*asked)))
    signals = [dataclasses.replace(SPEC, seed=seed, sampler="full").job().signal for seed in range(3)]
    assert len(opened) == 1
    assert all(signal is signals[0] for signal in signals)
    dataclasses.replace(SPEC, square=8).job()
    assert len(opened) == 2


def test_merging_keeps_the_order_and_what_anyone_keeps():
    one, other = dataclasses.replace(SPEC, keep=False), dataclasses.replace(SPEC, keep=False, seed=9)
    assert merged([one, other, SPEC]) == [dataclasses.replace(one, keep=True), other]


def test_two_files_of_one_name_are_refused_unless_they_are_the_same(tmp_path):
    specs = [dataclasses.replace(SPEC, input=str(tmp_path / year / "jan" / "cam.png")) for year in ("2023", "2024")]
    assert len(merged(specs)) == 1  # not there, as where a table is made from records alone
    for spec, content in zip(specs, (b"one", b"one"), strict=True):
        Path(spec.input).parent.mkdir(parents=True)
        Path(spec.input).write_bytes(content)
    assert len(merged(specs)) == 1
    Path(specs[1].input).write_bytes(b"two")
    with pytest.raises(UsageError, match=r"2023/jan/cam\.png and .*2024/jan/cam\.png are different files.*jan/cam\.png; rename one"):
        merged(specs)
    assert [len(merged(dataclasses.replace(spec, content=spec.input[at:]) for spec in specs)) for at in (-3, -16)] == [1, 2]
