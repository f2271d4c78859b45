"""Tables of hand-made runs, whose means, deviations and targets are worked out by hand."""

import pytest
from nint.bench.compare.numbers import tables
from nint.bench.compare.plan import make_plan
from nint.bench.compare.run import Comparison

from nint.bench.compare.table import failures, markdown, notes, rich_tables
from nint.bench.records import RunResult
from nint.signals.open import open_signal

FIELD = "siren:size=2x16"
MACHINE = {
    "versions": {"nint": "0.1.0", "torch": "2.9.0", "python": "3.11.7"},
    "machine": {"name": "abacus", "device": "cpu", "system": "Linux"},
    "threads": 2,
    "chunk_size": 2048,
    "launch": "2025-01-01T00:00:00+00:00",
    "command": "nint compare photo.png",
}


def run(sampler, seed, psnrs, seconds, field=FIELD, error=None, **changes):
    """A run of 40 steps with an evaluation every 10; each step takes `seconds`, a quarter of it choosing points."""
    curve = [
        {
            "step": 10 * i,
            "training_seconds": 10 * i * seconds,
            "selection_seconds": 2.5 * i * seconds,
            "units": 20.0 * i,
            "psnr": v,
            "ssim": v / 40,
        }
        for i, v in enumerate(psnrs, 1)
    ]
    record = {"curve": curve, "steps": 40, "training_seconds": 40 * seconds, "selection_seconds": 10 * seconds, "units": 80.0, **MACHINE}
    return RunResult(field, sampler, seed, error, record | changes)


def comparison(results, **changes):
    settings = {
        "samplers": ["nint", "uniform", "full"],
        "steps": 40,
        "seeds": 2,
        "size": "2x16",
        "checkpoints": (10, 40),
        "targets": (20, 30, 35),
    }
    plan = make_plan(open_signal("sample:camera", max_side=16), **(settings | changes))
    return Comparison(plan, list(results))


@pytest.fixture
def three():
    """nint reaches 30 dB with one seed of two, uniform with none, full with both."""
    return comparison(
        [
            run("nint", 0, [18, 22, 26, 31], 0.1),
            run("nint", 1, [16, 20, 24, 28], 0.1),
            run("uniform", 0, [17, 19, 20, 21], 0.05),
            run("uniform", 1, [17, 19, 21, 23], 0.05),
            run("full", 0, [18, 24, 30, 32], 0.2),
            run("full", 1, [18, 24, 30, 32], 0.4),
        ]
    )


def cells(table):
    return {
        row[table.words - 1].text if table.words == 1 else (row[0].text, row[1].text): [c.text for c in row[table.words :]]
        for row in table.rows
    }


def places(table):
    return {row[0].text if table.words == 1 else (row[0].text, row[1].text): [c.place for c in row[table.words :]] for row in table.rows}


def test_quality_at_the_checkpoints(three):
    psnr, ssim = tables(three)[:2]
    assert psnr.title == f"PSNR (dB), {FIELD}"
    assert psnr.columns == ["sampler", "step 10", "step 40"]
    assert cells(psnr) == {
        "nint": ["17.00 ± 1.41", "29.50 ± 2.12"],  # 16, 18 and 28, 31: deviations sqrt(2) and 3 / sqrt(2)
        "uniform": ["17.00", "22.00 ± 1.41"],
        "full": ["18.00", "32.00"],
    }
    assert places(psnr) == {"nint": [2, 2], "uniform": [2, 0], "full": [1, 1]}  # a tie shares its place
    assert cells(ssim)["full"] == ["0.4500", "0.8000"]


def test_cost(three):
    cost = tables(three)[2]
    assert cost.columns == ["sampler", "steps", "training s", "s / full", "ms / step", "selecting %", "units"]
    found = cells(cost)
    assert found["nint"] == ["40", "4.00", "0.38 ± 0.18", "100.00", "25.0", "80"]  # 4 / 8 and 4 / 16 of full's seconds, seed by seed
    assert found["full"] == ["40", "12.00 ± 5.66", "1.00", "300.00 ± 141.42", "25.0", "80"]


def test_targets(three):
    targets = tables(three)[3]
    assert targets.columns == ["target", "sampler", "steps", "seconds", "units"]
    assert cells(targets) == {
        ("20 dB", "nint"): ["20", "2.00, 0.38x full", "40"],
        ("20 dB", "uniform"): ["30", "1.50, 0.28x full", "60"],  # 1.5 / 4 and 1.5 / 8
        ("20 dB", "full"): ["20", "6.00 ± 2.83, 1.00x full", "40"],
        ("30 dB", "nint"): ["40 (1 of 2 seeds)", "4.00 (1 of 2 seeds)", "80 (1 of 2 seeds)"],
        ("30 dB", "uniform"): ["not reached"] * 3,
        ("30 dB", "full"): ["30", "9.00 ± 4.24, 1.00x full", "60"],
        ("35 dB", "every sampler"): ["not reached"] * 3,
    }
    marks = places(targets)
    assert marks["20 dB", "uniform"] == [2, 1, 2]
    assert marks["20 dB", "nint"] == [1, 2, 1]
    assert marks["20 dB", "full"] == [1, 0, 1]
    assert not any(sum(marks[key]) for key in marks if key[0] != "20 dB")  # with one seed of two there is no rank
    assert targets.breaks == (0, 3, 6)


def test_failed_and_missing_runs_show(three):
    results = [r for r in three.results if r.sampler == "full" or (r.sampler, r.seed) == ("nint", 0)]
    outcome = comparison(
        [*results, RunResult(FIELD, "uniform", 0, "out of luck", {"curve": []}), RunResult(FIELD, "nint", 1, "bad day", {})]
    )
    found = cells(tables(outcome)[0])
    assert found["nint (1 of 2 seeds)"] == ["18.00", "31.00"]
    assert found["uniform"] == ["failed", "failed"]
    assert cells(tables(outcome)[3])["20 dB", "uniform"] == ["failed"] * 3
    assert failures(outcome) == [f"uniform on {FIELD}, seed 0: out of luck", f"nint on {FIELD}, seed 1: bad day"]
    text = markdown(outcome)
    assert "## Failed runs" in text
    assert f"- uniform on {FIELD}, seed 0: out of luck" in text


def test_a_sampler_that_has_not_run_is_not_called_failed(three):
    outcome = comparison([r for r in three.results if r.sampler == "full"])
    assert cells(tables(outcome)[0])["nint"] == ["–", "–"]


def test_nothing_at_all_ran():
    outcome = comparison([])
    assert [table.title for table in tables(outcome)] == [
        f"Cost of the whole run, {FIELD}",
        f"First evaluation at or above a target PSNR, {FIELD}",
    ]
    assert "not reached" in markdown(outcome)


def test_several_fields_share_a_table_and_are_marked_apart():
    other = "finer:size=2x16"
    outcome = comparison(
        [
            run(s, 0, [v] * 4, 0.1, field)
            for field, s, v in [(FIELD, "nint", 30), (FIELD, "full", 20), (other, "nint", 10), (other, "full", 15)]
        ],
        samplers=["nint", "full"],
        fields=["siren", "finer"],
        seeds=1,
    )
    psnr = tables(outcome)[0]
    assert psnr.columns == ["field", "sampler", "step 10", "step 40"]
    assert [[cell.text for cell in row[:3]] for row in psnr.rows] == [
        [FIELD, "nint", "30.00"],
        [FIELD, "full", "20.00"],
        [other, "nint", "10.00"],
        [other, "full", "15.00"],
    ]
    assert [row[2].place for row in psnr.rows] == [1, 2, 2, 1]
    assert psnr.breaks == (0, 2)


def test_a_budget_of_seconds_is_tabled_at_fractions_of_the_time():
    outcome = comparison(
        [run("nint", 0, [18, 22, 26, 31], 0.1), run("full", 0, [18, 24, 30, 32], 0.101)],
        samplers=["nint", "full"],
        seeds=1,
        steps=None,
        seconds=4.0,
        checkpoints=(0.5, 2.0, 4.0),
    )
    psnr, _, cost = tables(outcome)[:3]
    assert psnr.columns == ["sampler", "0.5 s", "2 s", "4 s"]
    assert cells(psnr) == {"nint": ["–", "22.00", "31.00"], "full": ["–", "18.00", "32.00"]}  # the last step ended past 4 s and counts
    assert "s / full" not in cost.columns


def test_markdown_marks_and_says_how_it_was_measured(three):
    text = markdown(three)
    assert "| full | **18.00** | **32.00** |" in text
    assert "| nint | <u>17.00 ± 1.41</u> | <u>29.50 ± 2.12</u> |" in text
    assert "| 35 dB | every sampler | not reached | not reached | not reached |" in text
    assert "Learning rate, constant: siren:size=2x16 0.0001 (its own default)." in text
    assert "Schedules read 40 total steps." in text
    assert "2 seeds, mean ± sample standard deviation" in text
    assert "SSIM has scikit-image's default 7x7 uniform window." in text
    assert "Measured on abacus (cpu), Linux, 2 threads, chunks of 2,048 points, nint 0.1.0, torch 2.9.0, Python 3.11.7." in text
    assert "Command: `nint compare photo.png`" in text


def test_notes_tell_a_given_rate_and_several_sessions(three):
    later = [RunResult(r.field, r.sampler, r.seed, None, r.record | ({"launch": "later"} if r.seed else {})) for r in three.results]
    found = " ".join(notes(comparison(later, lr=1e-4, total_steps=500)))
    assert "0.0001 for every field" in found
    assert "Schedules read 500 total steps" in found
    assert "come from 2 launches" in found
    assert "launches" not in " ".join(notes(three))


def test_tables_for_the_terminal(three):
    from rich.console import Console

    console = Console(width=140, force_terminal=True, color_system="standard", highlight=False)
    with console.capture() as captured:
        for table in rich_tables(three):
            console.print(table)
    text = captured.get()
    assert "not reached" in text
    assert "\x1b[1m32.00\x1b[0m" in text  # bold
    assert "\x1b[4m29.50 ± 2.12\x1b[0m" in text  # underlined
