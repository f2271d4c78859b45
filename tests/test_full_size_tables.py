"""benchmarks/full_size_tables.py: what docs/reproduce.md says of the full-size runs is what the runs say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "benchmarks" / "results" / "full-size"


@pytest.fixture(scope="module")
def script():
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    import full_size_tables

    yield full_size_tables
    sys.path.remove(folder)


def test_a_target_is_reached_at_the_first_evaluation_that_finds_it(script):
    run = {"curve": [{"step": 1, "psnr": 10.0}, {"step": 5, "psnr": 25.0}, {"step": 9, "psnr": 24.0}, {"step": 14, "psnr": 26.0}]}
    assert script.reached(run, "psnr", 25.0)["step"] == 5
    assert script.reached(run, "psnr", 25.5)["step"] == 14
    assert script.reached(run, "psnr", 30.0) is None
    assert [script.part(0.8386), script.part(1.0), script.work(3.24), script.work(1080.4)] == [".839", "1.000", "3.2", "1080"]


def test_a_target_lies_between_two_evaluations(script):
    run = {"steps": 340, "curve": [{"step": 1, "psnr": 10.0}, {"step": 5, "psnr": 25.0}, {"step": 6, "psnr": 26.0}]}
    assert script.found_between(run, "psnr", 25.0) == "2 to 5"
    assert script.found_between(run, "psnr", 26.0) == "6"
    assert script.found_between(run, "psnr", 5.0) == "1"
    assert script.found_between(run, "psnr", 30.0) == ""  # a longer run may have it
    assert script.found_between(run | {"steps": 660}, "psnr", 30.0) == "–"


def test_runs_are_compared_where_both_were_evaluated(script):
    one = {"curve": [{"step": 1, "psnr": 3.0}, {"step": 4, "psnr": 5.0}, {"step": 5, "psnr": 9.0}, {"step": 9, "psnr": 8.0}]}
    other = {"curve": [{"step": 1, "psnr": 1.0}, {"step": 4, "psnr": 4.0}, {"step": 9, "psnr": 4.0}]}
    assert script.ahead(one, other, "psnr", 1, 8) == pytest.approx(1.5)
    assert script.ahead(one, other, "psnr", 4, 9) == pytest.approx(2.5)


def test_the_committed_tables_are_those_of_the_committed_runs(script):
    assert script.page(RUNS) == (RUNS / "tables.md").read_text(encoding="utf-8")


def test_every_row_stands_in_the_readme_or_in_the_page_of_reproductions():
    pages = [(ROOT / name).read_text(encoding="utf-8").splitlines() for name in ("README.md", "docs/reproduce.md")]
    every, *each = (RUNS / "tables.md").read_text(encoding="utf-8").split("## ")[1:]
    for page, part in zip(pages, (every, "".join(each)), strict=True):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len(rows) > 10
        assert [row for row in rows if row not in page] == []
