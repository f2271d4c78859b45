"""What `nint fit` says that it chose, and that what the user names wins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

TINY = ("sample:camera", "--max-side", "32", "--size", "2x16", "--no-pictures", "--device", "cpu")


def line(out: str, name: str) -> str:
    return next(row for row in out.splitlines() if row.startswith(name)).removeprefix(name).strip()


def test_the_default_recipe_says_what_it_chose(cli, tmp_path: Path):
    code, out, err = cli("fit", *TINY, "--steps", 4)
    assert (code, err) == (0, "")
    said = line(out, "recipe")
    assert said.startswith("default chose sampler=nint-fast")
    for name in ("batch_size=1024", "optimizer=", "lr=", "lr_schedule=cosine", "warm_up=0.02", "total_steps=4"):
        assert name in said, name
    assert "after a warm-up over 0.02 of the run, the recipe's" in line(out, "learning rate")
    assert line(out, "budget") == "4 steps; seed 0" and "defaults" not in out
    settings = json.loads((tmp_path / "nint-out" / "camera" / "run.json").read_text())["settings"]
    assert (settings["recipe"], settings["warm_up"], settings["total_steps"]) == ("default", 0.02, 4)


def test_the_paper_recipe_keeps_the_papers_settings(cli, tmp_path: Path):
    out = cli("fit", *TINY, "--steps", 4, "--recipe", "paper").out
    assert line(out, "recipe") == "paper" and line(out, "defaults").startswith("of image signals: the settings of Sec. 4.1")
    settings = json.loads((tmp_path / "nint-out" / "camera" / "run.json").read_text())["settings"]
    chosen = [settings[name] for name in ("recipe", "sampler", "optimizer", "lr", "lr_schedule", "warm_up", "total_steps")]
    assert chosen == ["paper", "nint", "adam", 1e-4, "constant", 0.0, 5000]


def test_named_settings_win(cli, tmp_path: Path):
    words = (
        "--sampler uniform:batch_share=0.5 --lr 0.004 --lr-schedule exponential --warm-up 0.25 --optimizer adam:beta2=0.99 --total-steps 40"
    )
    out = cli("fit", *TINY, "--steps", 3, *words.split(), "--field", "siren:weight_scale=1").out
    assert line(out, "recipe") == "default chose nothing, because every setting was given"
    assert line(out, "learning rate") == "0.004 exponential after a warm-up over 0.25 of the run, as given"
    settings = json.loads((tmp_path / "nint-out" / "camera" / "run.json").read_text())["settings"]
    names = ("field", "sampler", "optimizer", "lr", "lr_schedule", "warm_up", "total_steps")
    assert [settings[name] for name in names] == [
        "siren:size=2x16",
        "uniform:batch_share=0.5",
        "adam:beta2=0.99",
        0.004,
        "exponential",
        0.25,
        40,
    ]


def test_the_rate_of_a_budget_of_seconds_is_laid_out_for_them(cli):
    out = cli("fit", *TINY, "--seconds", "0.05").out
    assert line(out, "budget") == "0.05 s; the learning rate decays over them; seed 0"
    out = cli("fit", *TINY, "--seconds", "0.05", "--total-steps", 9, "--force").out
    assert line(out, "budget") == "0.05 s; schedules are laid out for 9 steps; seed 0"


def test_what_was_not_measured_is_told(cli, tmp_path: Path):
    out = cli("fit", *TINY, "--steps", 1, "--field", "finer").out
    assert "The default recipe was measured with siren and grid; finer keeps its own learning rate, with adam." in out
    assert "the network's own default (Liu et al. 2024" in line(out, "learning rate")
    np.save(tmp_path / "values.npy", np.random.default_rng(0).random((5, 6, 7)))
    out = cli("fit", tmp_path / "values.npy", "--kind", "array", "--size", "1x8", "--steps", 1, "--device", "cpu").out
    assert "array signals, which inherit that of images." in out


def test_a_run_is_resumed_with_the_same_command(cli, tmp_path: Path):
    assert cli("fit", *TINY, "--steps", 6, "--quiet").code == 0
    code, out, _ = cli("fit", *TINY, "--steps", 6, "--resume")
    assert code == 0 and "continues after step 6" in out
    refused = cli("fit", *TINY, "--steps", 9, "--resume")
    assert refused.code == 2 and "total_steps was 6, now 9" in refused.err
    refused = cli("fit", *TINY, "--steps", 6, "--resume", "--recipe", "paper", "--quiet")
    assert refused.code == 2 and "recipe was default, now paper" in refused.err


DIVERGING = ("--steps", "20", "--optimizer", "adam", "--sampler", "full", "--warm-up", "0")


def test_restarts_are_told_and_kept(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from nint.training import engine

    check, failed = engine._check, []

    def too_high(run) -> None:
        if run.step == 3 and run.optimizer.param_groups[0]["lr"] > 1e-3:
            failed.append(run)
            run.loss = float("inf")
        check(run)

    monkeypatch.setattr(engine, "_check", too_high)
    code, out, err = cli("fit", *TINY, *DIVERGING, "--lr", "0.004", "--lr-schedule", "constant")
    assert code == 0 and len(failed) == 2
    assert err.splitlines() == [
        f"nint: Training diverged at step 3 (the loss is inf), so it starts again from step 0 at half the learning rate, {rate}."
        for rate in ("0.002", "0.001")
    ]
    assert line(out, "restarts") == "2, having diverged at step 3, 3; learning rate 0.001 in the end"
    record = json.loads((tmp_path / "nint-out" / "camera" / "run.json").read_text())
    assert [restart["lr"] for restart in record["restarts"]] == [0.002, 0.001] and record["steps"] == 20
    quiet = cli("fit", *TINY, *DIVERGING, "--lr", "0.004", "--lr-schedule", "constant", "--quiet", "--force")
    assert quiet == (0, "", "")
    plain = cli("fit", *TINY, *DIVERGING, "--lr", "0.001", "--lr-schedule", "constant", "--out", "plain")
    assert "restarts" not in plain.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--recipe papr", "There is no recipe called 'papr'. Did you mean 'paper'?"),
        ("--warm-up 1", "--warm-up 1 is out of range"),
        ("--warm-up nan", "--warm-up nan is out of range"),
        ("--warm-up soon", "--warm-up: 'soon' is not a number."),
        ("--sampler nint-fats", "Did you mean 'nint-fast'?"),
        ("--optimizer muon:ratio=0", "muon: ratio=0.0 is out of range"),
        ("--optimizer moun", "Did you mean 'muon'?"),
    ],
)
def test_bad_settings(cli, tmp_path: Path, words: str, part: str):
    outcome = cli("fit", *TINY, "--steps", 1, *words.split())
    assert outcome.code == 2 and outcome.out == "" and outcome.err.count("\n") == 1
    assert part in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_compare_takes_a_recipe(cli, tmp_path: Path):
    words = ("compare", "sample:camera", "--max-side", 24, "--size", "2x16", "--samplers", "uniform", "--steps", 6, "--seeds", 1)
    out = cli(*words, "--out", "paper").out
    assert line(out, "recipe") == "paper" and "learning rate 0.0001 (the recipe's)" in out
    out = cli(*words, "--out", "default", "--recipe", "default").out
    assert line(out, "recipe") == "default" and "(the recipe's)" in out
    table = (tmp_path / "default" / "table.md").read_text()
    assert "Learning rate, cosine: siren" in table and "(the recipe's)" in table and "Schedules read 6 total steps." in table
    record = json.loads((tmp_path / "default" / "runs.jsonl").read_text().splitlines()[0])
    assert record["settings"]["recipe"] == "default" and record["settings"]["total_steps"] == 6
    code, _, err = cli(*words, "--out", "third", "--recipe", "nonsense")
    assert code == 2 and "There is no recipe called 'nonsense'" in err and not (tmp_path / "third").exists()
