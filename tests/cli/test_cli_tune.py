"""`nint tune`: the kernel's choice in a table."""

import math
import re
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

import nint
from nint.bandwidth.search import choose
from nint.fields import FIELDS
from nint.signals.open import open_signal


def test_a_table_with_what_was_chosen_and_the_command_that_uses_it(cli, tmp_path):
    outcome = cli("tune", "sample:camera", "--max-side", 40, "--size", "2x32")
    assert (outcome.code, outcome.err) == (0, "")
    choice = choose(FIELDS.parse("siren:size=2x32"), "weight_scale", open_signal("sample:camera", max_side=40))
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["weight_scale", "left-out", "points"]
    table = dict(
        re.match(r"([\d.]+) +(-?[\d.]+) dB", line).groups()
        for line in lines
        if " dB" in line and not line.startswith(f"{choice.chosen:g} ")
    )
    assert {float(value): float(decibels) for value, decibels in table.items()} == {
        float(f"{value:g}"): round(decibels, 1) for value, decibels in choice.tried.items()
    }
    assert [line.split()[0] for line in lines if line.endswith("chosen")] == [f"{choice.chosen:g}"]
    assert [line.split()[0] for line in lines if line.endswith("best of the left-out points")] == [f"{choice.value:g}"]
    assert f"--field siren:weight_scale={choice.chosen:g} --size 2x32" in lines[-1]
    assert not list(tmp_path.iterdir())


def test_short_runs_beside_it_and_a_picture(cli, tmp_path):
    words = ("tune", "sample:camera", "--max-side", 24, "--size", "1x8", "--check", 2, "--picture", "tuned.png")
    outcome = cli(*words)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["weight_scale", "left-out", "points", "after", "2", "steps"]
    value, reached = re.match(r"([\d.]+) .* (-?[\d.]+) dB +chosen", next(line for line in lines if line.endswith("chosen"))).groups()
    fit = nint.fit("sample:camera", max_side=24, field=f"siren:size=1x8,weight_scale={value}", budget=2, device="cpu")
    pool = open_signal("sample:camera", max_side=24).pool(torch.device("cpu"))
    error = (fit(pool.coords).clamp(-9, 9) - pool.values).square().mean()
    assert float(reached) == pytest.approx(-10 * math.log10(error), abs=0.06)
    with Image.open(tmp_path / "tuned.png") as picture:
        assert min(picture.size) > 300
    again = cli(*words)
    assert again.code == 2 and "tuned.png exists" in again.err
    assert cli(*words, "--force").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sample:camera", "--field", "grid"), "The kernel chooses nothing of grid; it can for siren, finer, ffn, gauss."),
        (("sample:camera", "--setting", "bias"), "bias=auto of siren cannot be chosen by the kernel"),
        (("nowhere.png",), "nowhere.png"),
        (("sample:camera", "--picture", "tuned.gif"), "use .png or .pdf"),
        (("sample:camera", "--picture", "no/such/tuned.png"), "There is no folder no/such"),
    ],
)
def test_what_cannot_be_tuned(cli, words, said):
    outcome = cli("tune", *words)
    assert outcome.code == 2 and said in outcome.err and outcome.err.count("\n") == 1


def test_the_command_that_follows_keeps_what_was_given_and_can_be_pasted(cli, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16), np.uint8)).save(tmp_path / "my photo.png")
    outcome = cli("tune", "my photo.png", "--max-side", 8, "--field", "siren:size=1x16,weight_scale=2", "--seed", 3)
    assert (outcome.code, outcome.err) == (0, "")
    words = shlex.split(outcome.out.splitlines()[-1].partition("next: ")[2])
    assert words[:3] == ["nint", "fit", "my photo.png"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given.pop("--field").startswith("siren:size=1x16,weight_scale=")
    assert given == {"--max-side": "8", "--seed": "3"}
