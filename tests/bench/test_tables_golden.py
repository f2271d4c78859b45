"""A table from real runs, end to end: what the runs give, and that the files come from the store alone."""

import csv
import json

import pytest

from nint.bench.execute import run_all
from nint.bench.experiments import experiment
from nint.bench.inputs import Inputs
from nint.bench.scales.scales import SCALES
from nint.bench.store import Store
from nint.bench.tables.data import table_data
from nint.bench.tables.write import write_table

SMOKE = SCALES["smoke"]
GOLDEN = {"full": 10.4969, "int": 10.4628, "evos": 10.4761, "nint": 10.4907}
"""PSNR after 12 steps on sample:rocket, seed 0."""


def written(table, inputs, out):
    return write_table(table_data(table.at(SMOKE, inputs, 1), Store(out).records()), out)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    table, inputs = experiment("table9"), Inputs.search()
    run_all(table.specs(SMOKE, inputs, 1), Store(out), command="nint bench table9 --scale smoke")
    return out, table, inputs, written(table, inputs, out)


def cells(made):
    return [json.loads(line) for line in made[3][3].read_text().splitlines()]


def test_every_row_ran(made):
    records = Store(made[0]).records()
    assert len(records) == 9
    assert all(record["error"] is None for record in records.values())
    assert all(cell["n"] == 1 for cell in cells(made) if cell["column"] == "psnr@12")


def test_the_numbers_are_those_of_before(made):
    found = {cell["row"]: cell["mean"] for cell in cells(made) if cell["column"] == "psnr@12"}
    for row, value in GOLDEN.items():
        assert found[row] == pytest.approx(value, abs=2e-3)


def test_cells_are_those_of_the_records(made):
    out, table, inputs, _ = made
    records = Store(out).records()
    for row, (spec,) in table.row_specs(SMOKE, inputs, 1).items():
        end = records[spec.key]["curve"][-1]
        found = {cell["column"]: cell["mean"] for cell in cells(made) if cell["row"] == row.text}
        assert found["psnr@12"] == end["psnr"]
        if row.method:
            assert found["flops"] is found["iterations@4"] is None
            continue
        assert found["flops"] == end["flops"]
        assert found["iterations@4"] == next(point["step"] for point in records[spec.key]["curve"] if point["psnr"] >= 4)
    # 256 low-resolution pixels, SIREN 2x16: 2*16 + 16*16 + 16*3 weights, a multiplication and an addition each, 3 forwards' worth a step
    full = next(cell for cell in cells(made) if cell["row"] == "full" and cell["column"] == "flops")
    assert full["mean"] == 12 * 3 * 2 * (32 + 256 + 48) * 256


def test_the_files_say_what_was_run(made):
    text = made[3][0].read_text()
    assert "`nint bench table9 --scale smoke`" in text  # out of the records: no fact was given
    assert "sample:rocket" in text
    assert "sample data, not the paper's" in text
    rows = list(csv.DictReader(made[3][2].read_text(encoding="utf-8").splitlines()))
    assert [row["row"] for row in rows] == [
        "full",
        "int",
        "evos",
        "nint",
        "nint-fast",
        "recipe=default",
        "bicubic",
        "bicubic (networks' grid)",
        "Lanczos",
    ]


def test_nothing_is_run_twice_and_files_are_the_same_again(made):
    out, table, inputs, paths = made
    before = [path.read_bytes() for path in paths]
    lines = Store(out).path.read_bytes()
    run_all(table.specs(SMOKE, inputs, 1), Store(out), command="another")
    assert Store(out).path.read_bytes() == lines
    assert [path.read_bytes() for path in written(table, inputs, out)] == before
