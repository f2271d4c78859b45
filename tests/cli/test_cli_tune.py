"""`nint tune`: the kernel's choice in a table."""

import re

import pytest

from nint.bandwidth.search import choose
from nint.fields import FIELDS
from nint.signals.open import open_signal


def test_a_table_with_what_was_chosen_and_the_command_that_uses_it(cli, tmp_path):
    outcome = cli("tune", "sample:camera", "--max-side", 40, "--size", "2x32")
    assert (outcome.code, outcome.err) == (0, "")
    choice = choose(FIELDS.parse("siren:size=2x32"), "weight_scale", open_signal("sample:camera", max_side=40))
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["weight_scale", "left-out", "points"]
    table = dict(re.match(r"([\d.]+) +(-?[\d.]+) dB", line).groups() for line in lines[1 : 1 + len(choice.tried)])
    assert {float(value): float(decibels) for value, decibels in table.items()} == {
        float(f"{value:g}"): round(decibels, 1) for value, decibels in choice.tried.items()
    }
    assert [line.split()[0] for line in lines if line.endswith("chosen")] == [f"{choice.value:g}"]
    assert f"--field siren:weight_scale={choice.chosen:g} --size 2x32" in lines[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sample:camera", "--field", "grid"), "The kernel chooses nothing of grid; it can for siren, finer, ffn, gauss."),
        (("sample:camera", "--setting", "bias"), "bias=auto of siren cannot be chosen by the kernel"),
        (("nowhere.png",), "nowhere.png"),
    ],
)
def test_what_cannot_be_tuned(cli, words, said):
    outcome = cli("tune", *words)
    assert outcome.code == 2 and said in outcome.err and outcome.err.count("\n") == 1
