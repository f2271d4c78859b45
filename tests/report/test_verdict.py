"""The sentences that a page begins with, and how large a page is."""

from pathlib import Path

import pytest

from nint.bench.runs import RunSpec
from nint.report import verdict
from nint.report.blocks import Curves, Page, Section, Turnable
from nint.report.page import render

ROOT = Path(__file__).resolve().parents[2]


def record(**changes):
    known = {
        "psnr": 30.25,
        "steps": 100,
        "training_seconds": 12.0,
        "points": 1000,
        "points_trained": 20_000,
        "points_backwarded": 30_000,
        "curve": [{"step": 100, "psnr": 30.25}],
        "stopped": "steps",
    }
    return known | changes


def test_a_fit_says_how_good_and_what_for():
    assert verdict.of_fit(record()) == ["PSNR 30.25 dB after 100 steps and 12 s of training, each step on 20 % of the points on average."]
    assert verdict.of_fit(record(budget={"psnr": 31}))[1] == "The 31 dB asked for were not reached."
    assert verdict.of_fit(record(budget={"psnr": 30}))[1] == "The 30 dB asked for were reached."
    assert verdict.of_fit(record(restarts=[{}], stopped="interrupted"))[1:] == [
        "It diverged 1 time and was started again at a lower learning rate.",
        "The run is not finished.",
    ]
    assert verdict.of_fit({}) == ["No quality was measured."]


def test_a_comparison_ranks_means_and_says_how_many():
    values = {"nint": (30.0, 32.0), "uniform": (29.0, 29.5), "full": (31.5, 31.7)}
    runs = [
        (RunSpec("sample:camera", "siren", sampler, seed=seed, steps=10), {"curve": [{"step": 10, "psnr": value}]})
        for sampler, pair in values.items()
        for seed, value in enumerate(pair)
    ]
    (said,) = verdict.of_comparison(runs)
    assert said == ("siren, 10 steps: PSNR at the end is best with full 31.60 dB, then nint 31.00 dB, uniform 29.25 dB (mean of 2 runs).")
    (alone,) = verdict.of_comparison(runs[:1])
    assert "best with nint 30.00 dB (one run each" in alone


def test_a_benchmark_counts_its_claims(tmp_path):
    assert verdict.of_bench(tmp_path) == ([], [])
    (tmp_path / "claims.md").write_bytes((ROOT / "benchmarks" / "results" / "paper-cpu" / "claims.md").read_bytes())
    (said,), tiles = verdict.of_bench(tmp_path)
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| ") and "**" in row]
    assert f"Of {len(rows)} claims" in said and sum(int(count) for _, count in tiles) == len(rows)
    assert [word for word, _ in tiles] == list(verdict.WORDS)


@pytest.mark.parametrize(("blocks", "least", "most"), [((), 0, 0.05), ("curves", 1.1, 1.3), ("mesh", 1.6, 1.9)])
def test_a_page_holds_only_the_plotting_code_that_it_needs(blocks, least, most):
    made = {"curves": [Curves([{"name": "", "axes": {}, "metrics": {}, "series": []}])], "mesh": [Turnable("A", "", {})]}.get(blocks, [])
    size = len(render(Page("A", "", sections=[Section("B", made)])).encode()) / 1e6
    assert least <= size <= most
