"""The table of a comparison from hand-made runs, whose means, deviations, differences and targets are worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from nint.bench.compare.asked import Comparison
from nint.bench.compare.table import comparison_table
from nint.bench.tables.data import table_data
from nint.bench.tables.notes import notes
from nint.bench.tables.panels import panels
from nint.bench.tables.write import markdown, rich_tables

FIELD = "siren:size=2x16"
MACHINE = {
    "versions": {"nint": "0.1.0", "torch": "2.9.0", "python": "3.11.7"},
    "machine": {"name": "abacus", "device": "cpu", "system": "Linux"},
    "threads": 2,
    "chunk_size": 2048,
    "launch": "2025-01-01T00:00:00+00:00",
    "command": "nint compare photo.png",
}


def record(psnrs, seconds, error=None, **changes):
    """A run of 40 steps with an evaluation every 10; each step takes `seconds`, a quarter of it choosing points."""
    curve = [
        {
            "step": 10 * i,
            "training_seconds": 10 * i * seconds,
            "selection_seconds": 2.5 * i * seconds,
            "forward_equivalents": 20.0 * i,
            "psnr": value,
            "ssim": value / 40,
        }
        for i, value in enumerate(psnrs, 1)
    ]
    return {"error": error, "curve": curve, "training_seconds": 40 * seconds, "selection_seconds": 10 * seconds, **MACHINE, **changes}


def table_of(**changes):
    settings = {
        "inputs": ("sample:camera",),
        "signal_options": {"max_side": 16},
        "samplers": ("nint", "uniform", "full"),
        "steps": 40,
        "seeds": 3,
        "size": "2x16",
        "checkpoints": (10, 40),
        "targets": (20, 30, 35),
    }
    return comparison_table(Comparison(**(settings | changes)))


def data_of(runs, **changes):
    """runs: (field or "", sampler) -> records of its runs; None was not run."""
    table = table_of(**changes)
    records = {}
    for row, specs in table.runs.items():
        made = runs.get((row.field or "", row.sampler), ())
        records |= {spec.key: found for spec, found in zip(specs, made, strict=False) if found is not None}
    return table_data(table, records)


CURVES = {
    # nint reaches 30 dB with two seeds of three, uniform with none, full with all
    ("", "nint"): [record([18, 22, 26, 31], 0.1), record([16, 20, 24, 28], 0.1), record([17, 22, 27, 31], 0.1)],
    ("", "uniform"): [record([17, 19, 20, 21], 0.05), record([17, 19, 21, 23], 0.05), record([17, 19, 21, 22], 0.05)],
    ("", "full"): [record([18, 24, 30, 32], 0.2), record([18, 24, 30, 32], 0.4), record([18, 24, 30, 32], 0.3)],
}


@pytest.fixture(scope="module")
def three():
    return data_of(CURVES)


def rows(data, title):
    """Row -> texts of a panel."""
    panel = next(panel for panel in panels(data) if panel.title == title)
    return {row: [shown.text for shown in cells] for _, row, cells in panel.rows}


def places(data, title):
    panel = next(panel for panel in panels(data) if panel.title == title)
    return {row: [shown.place for shown in cells] for _, row, cells in panel.rows}


def cell(data, row, key):
    line = next(line for line in data.lines if line.row.text == row)
    return line.cells[[column.key for column in data.columns].index(key)]


def test_quality_at_the_checkpoints(three):
    assert rows(three, "Quality, PSNR") == {
        "nint": ["17.00 ± 1.00", "30.00 ± 1.73"],  # 16, 17, 18 and 28, 31, 31
        "uniform": ["17.00", "22.00 ± 1.00"],
        "full": ["18.00", "32.00"],
    }
    assert rows(three, "Quality, SSIM")["full"] == ["0.4500", "0.8000"]
    assert next(panel.columns for panel in panels(three) if panel.title == "Quality, PSNR") == ("PSNR @ 10", "PSNR @ 40")


def test_cost_and_its_ratio_to_full_training(three):
    cost = next(panel for panel in panels(three) if panel.title == "Cost of the whole run")
    assert cost.columns == ("steps", "training s", "ms / step", "selecting %", "forward equivalents")
    assert rows(three, cost.title)["nint"] == ["40", "4.00", "100.00", "25.0", "80"]
    assert rows(three, cost.title)["full"] == ["40", "12.00 ± 4.00", "300.00 ± 100.00", "25.0", "80"]  # 8, 16 and 12 s
    ratios = next(panel for panel in panels(three) if panel.title == "Ratio to full training")
    efforts = [f"{what}, PSNR {target}" for what in ("iterations", "s", "forward equivalents") for target in (20, 30)]
    assert ratios.columns == (*efforts, "training s", "forward equivalents")
    assert rows(three, ratios.title)["nint"] == ["1.000", "–", "0.333", "–", "1.000", "–", "0.333", "1.000"]


def test_targets(three):
    assert rows(three, "Iterations to a target") == {
        "nint": ["20", "40 (2 of 3)", "not reached (30.0)"],
        "uniform": ["30", "not reached (22.0)", "not reached (22.0)"],
        "full": ["20", "30", "not reached (32.0)"],
    }
    assert rows(three, "Training seconds to a target")["full"] == ["6.00 ± 2.00", "9.00 ± 3.00"]  # nobody reached 35 dB
    assert rows(three, "Forward equivalents to a target")["nint"] == ["40", "80 (2 of 3)"]


def test_differences_are_those_of_pairs_of_runs(three):
    found = cell(three, "full", "psnr@40").difference
    gains = np.array([32.0, 32.0, 32.0]) - np.array([31.0, 28.0, 31.0])  # 1, 4, 1: full against nint, the first row
    assert found.mean == pytest.approx(gains.mean())
    assert (found.low, found.high) == (1.0, 4.0)  # of 27 resamples each end is one, and 2.5 % of them is less than that
    assert found.p == pytest.approx(stats.ttest_rel([32, 32, 32], [31, 28, 31]).pvalue)
    assert cell(three, "nint", "psnr@40").difference is None
    title = "Quality, PSNR: difference from nint, mean [95% interval] p"
    assert rows(three, title)["full"][1] == "+2.00 [+1.00, +4.00] p=0.18"
    assert rows(three, title)["nint"] == ["–", "–"]
    assert cell(three, "nint", "iterations@30").numbers is None
    assert cell(three, "full", "iterations@30").difference is None  # of two seeds of three there is no pair


def test_another_baseline():
    data = data_of(CURVES, baseline="full")
    assert cell(data, "nint", "psnr@40").difference.mean == pytest.approx(-2.0)
    assert cell(data, "full", "psnr@40").difference is None
    assert any("difference from full" in panel.title for panel in panels(data))


def test_a_best_value_is_marked_only_where_the_interval_excludes_zero(three):
    # full leads nint by 1, 4, 1 dB and nint uniform by 10, 5, 9: both intervals exclude 0
    assert places(three, "Quality, PSNR") == {"nint": [0, 2], "uniform": [0, 0], "full": [0, 1]}
    # at step 10 full leads nint by 0, 2, 1: the interval is from 0
    assert not cell(three, "full", "psnr@10").place
    assert places(three, "Training seconds to a target")["uniform"][0] == 1  # 1.5 s, 1.5 s and 1.5 s against 2 s
    swapped = data_of({**CURVES, ("", "full"): [record([18, 24, 30, value], 0.2) for value in (32, 27, 32)]})  # +1, -1, +1
    assert not any(place for row in places(swapped, "Quality, PSNR").values() for place in row[1:])


@pytest.mark.parametrize(("seeds", "said"), [(1, "there is 1 run a row"), (2, "there are 2 runs a row")])
def test_with_too_few_runs_nothing_is_marked_and_the_notes_say_why(seeds, said):
    data = data_of({key: runs[:seeds] for key, runs in CURVES.items()}, seeds=seeds)
    assert not any(cell.place for line in data.lines for cell in line.cells)
    assert not any("difference" in panel.title for panel in panels(data))
    (reason,) = notes(data)["Marks and differences"]
    assert said in reason and "needs at least 3" in reason


def test_inputs_and_seeds_are_pairs_alike():
    three = [record([18, 20, 22, value], 0.1) for value in (30, 20, 31, 21)]  # two inputs, two seeds
    better = [record([18, 20, 22, value], 0.1) for value in (31, 21, 32.5, 22)]
    data = data_of(
        {("", "nint"): three, ("", "full"): better}, inputs=("sample:camera", "sample:coins"), seeds=2, samplers=("nint", "full")
    )
    found = cell(data, "full", "psnr@40")
    assert found.difference.mean == pytest.approx(1.125)
    assert found.difference.pairs == 4
    assert found.difference.low == pytest.approx(1.0)
    assert found.place == 1  # though the spread over inputs is ten times as large
    assert "mean ± sample standard deviation over 2 inputs and 2 seeds" in markdown(data)


def test_failed_and_missing_runs_show():
    data = data_of(
        {
            ("", "nint"): [record([18, 22, 26, 31], 0.1), {"error": "bad day", "curve": []}],
            ("", "uniform"): [{"error": "out of luck", "curve": []}],
            ("", "full"): CURVES["", "full"],
        }
    )
    psnr = rows(data, "Quality, PSNR")
    assert psnr["nint"] == ["18.00 (1 of 3)", "31.00 (1 of 3)"]
    assert psnr["uniform"] == ["failed", "failed"]
    assert not any(cell.place for line in data.lines for cell in line.cells if line.row.text == "nint")
    gaps = notes(data)["Not run or failed"]
    assert "`nint`: 1 of 3 runs not made." in gaps
    assert "`nint` failed: bad day" in gaps
    assert "`uniform` failed: out of luck" in gaps


def test_a_sampler_that_has_not_run_is_not_called_failed():
    data = data_of({("", "full"): CURVES["", "full"]})
    assert rows(data, "Quality, PSNR")["nint"] == ["not run", "not run"]


def test_nothing_at_all_ran():
    data = data_of({})
    assert {text for row in rows(data, "Quality, PSNR").values() for text in row} == {"not run"}
    assert "not run" in markdown(data)


def test_several_fields_share_a_table_and_are_ranked_apart():
    other = "finer:size=2x16"
    values = {(FIELD, "nint"): 30, (FIELD, "full"): 20, (other, "nint"): 10, (other, "full"): 15}
    runs = {key: [record([value + seed] * 4, 0.1) for seed in (0, 1, 3)] for key, value in values.items()}
    data = data_of(runs, samplers=("nint", "full"), fields=("siren", "finer"))
    assert [line.row.text for line in data.lines] == [
        f"nint field={FIELD}",
        f"full field={FIELD}",
        f"nint field={other}",
        f"full field={other}",
    ]
    assert [cell(data, line.row.text, "psnr@40").place for line in data.lines] == [1, 0, 0, 1]
    differences = [cell(data, line.row.text, "psnr@40").difference for line in data.lines]
    assert [None if found is None else found.mean for found in differences] == [None, -10.0, None, 5.0]  # each from nint on its network
    assert cell(data, f"nint field={other}", "training_seconds").ratio == 1.0


def test_a_budget_of_seconds_is_tabled_at_fractions_of_the_time():
    data = data_of(
        {("", "nint"): [record([18, 22, 26, 31], 0.1)], ("", "full"): [record([18, 24, 30, 32], 0.101)]},
        samplers=("nint", "full"),
        seeds=1,
        steps=None,
        seconds=4.0,
        checkpoints=(0.5, 2.0, 4.0),
    )
    # The first evaluation at or after each second; the last step ended past 4 s and counts.
    assert rows(data, "Quality, PSNR") == {"nint": ["18.00", "22.00", "31.00"], "full": ["18.00", "24.00", "32.00"]}


def test_markdown_marks_and_says_how_it_was_measured(three):
    text = markdown(three)
    assert text.startswith("# sample:camera, 16x16 grey image, 8 bits\n")
    assert "| `full` | 18.00 | **32.00** |" in text
    assert "| `nint` | 17.00 ± 1.00 | <u>30.00 ± 1.73</u> |" in text
    assert "| `uniform` | " in text and "not reached (22.0)" in text
    assert "Learning rate, constant: siren:size=2x16 0.0001 (the recipe's)." in text
    assert "Every run has 40 steps and is evaluated every step. Schedules read 40 total steps." in text
    assert "mean ± sample standard deviation over 1 input and 3 seeds" in text
    assert "paired t-test" in text and "bootstrap interval" in text
    assert "SSIM: scikit-image's default, a 7x7 uniform window" in text
    assert "Forward equivalents are the work in forwards over all points" in text
    assert "abacus (cpu), Linux, 2 threads, chunks of 2,048 points, nint 0.1.0, torch 2.9.0, Python 3.11.7." in text
    assert "- `nint compare photo.png`" in text
    assert "the paper" not in text.replace("the paper's code stretches", "")


def test_notes_tell_a_given_rate_and_several_launches(three):
    later = {key: [run | ({"launch": "later"} if number else {}) for number, run in enumerate(runs)] for key, runs in CURVES.items()}
    found = " ".join(
        sentence for sentences in notes(data_of(later, settings={"lr": 1e-3, "total_steps": 500})).values() for sentence in sentences
    )
    assert f"{FIELD} 0.001 (as given)" in found
    assert "Schedules read 500 total steps" in found
    assert "come from 2 launches" in found
    assert "launches" not in markdown(three)


def test_tables_for_the_terminal(three):
    from rich.console import Console

    console = Console(width=140, force_terminal=True, color_system="standard", highlight=False)
    with console.capture() as captured:
        for table in rich_tables(three):
            console.print(table)
    text = captured.get()
    assert "not reached" in text
    assert "\x1b[1m32.00\x1b[0m" in text  # bold
    assert "\x1b[4m30.00 ± 1.73\x1b[0m" in text  # underlined
