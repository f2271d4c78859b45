"""Every coordinate that went in comes out: digits of written tables, columns by name, what 64- and 32-bit floats do not hold."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from nint.cli.main import main
from nint.errors import UsageError
from nint.fitting import fit
from nint.signals.points.csv_files import exact_text, read_csv
from nint.signals.points.layout import PointsLayout
from nint.signals.points.signal import PointsSignal, load_points

CASE = Path(__file__).parents[3] / "../shared/cases/points/epoch_ms.csv"


def first_value(coords):
    return (coords[:, :1] + 1) / 2


def columns(path):
    """The table as Python's own reader has it, below its header."""
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def times_given_back(path, tmp_path):
    signal = load_points(path)
    rows = signal.layout.decode(first_value, at=path)
    signal.layout.write(rows, tmp_path / "out.csv")
    given, written = ([float(cells[0]) for cells in columns(name)] for name in (path, tmp_path / "out.csv"))
    assert written == given and len(set(written)) == len(set(given))
    signal.layout.write(rows, tmp_path / "out.npz")
    assert np.load(tmp_path / "out.npz")["coords"][:, 0].tolist() == given


def test_timestamps_come_out_as_they_went_in(tmp_path):
    rows = "".join(f"{1.7e9 + 0.001 * i!r},{i % 7}\n" for i in range(60))
    (tmp_path / "seconds.csv").write_text("time,value\n" + rows)
    times_given_back(tmp_path / "seconds.csv", tmp_path)
    (tmp_path / "milli.csv").write_text("time,value\n" + "".join(f"{1_700_000_000_000 + i},{i % 7}\n" for i in range(60)))
    times_given_back(tmp_path / "milli.csv", tmp_path)
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("1700000000000,")  # whole numbers stay whole


@pytest.mark.skipif(not CASE.is_file(), reason="the case file is not here")
def test_case_of_timestamps(tmp_path):
    times_given_back(CASE, tmp_path)
    assert len({cells[0] for cells in columns(tmp_path / "out.csv")}) == 50


def test_by_the_command_line(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("time,value\n" + "".join(f"{1.7e9 + 0.001 * i!r},{i % 5}\n" for i in range(30)))
    model = fit(table, field="siren:size=1x4", sampler="full", budget=1)
    model.save(tmp_path / "m.safetensors")
    assert main(["decode", str(tmp_path / "m.safetensors"), str(tmp_path / "out.csv"), "--at", str(table)]) == 0
    assert [float(cells[0]) for cells in columns(tmp_path / "out.csv")] == [float(cells[0]) for cells in columns(table)]


def test_numbers_are_written_with_the_fewest_exact_digits():
    numbers = np.random.default_rng(0).normal(size=500) * 10.0 ** np.random.default_rng(1).integers(-300, 300, 500)
    for number in (*numbers, 0.1, 1e22, 1e16, -0.0, 2.0**53, 5e-324, 123456789.0):
        text = exact_text(float(number))
        assert float(text) == number and len(text) <= len(repr(float(number)))
    assert exact_text(1700000000000.0) == "1700000000000" and exact_text(0.5) == "0.5"


def test_times_one_apart_in_a_range_that_allows_it_stay_apart():
    times = 1.7e12 + np.arange(100_000.0)
    signal = PointsSignal(times[:, None], np.sin(times))
    expected = (np.arange(100_000) / 99_999 * 2 - 1).astype(np.float32)
    assert np.abs(signal.coords[:, 0].numpy() - expected).max() <= 6e-8
    assert len(torch.unique(signal.coords)) == 100_000 and not any("apart" in note for note in signal.report())


def test_places_that_32_bit_floats_merge_are_reported():
    times = np.r_[1.7e12 + np.arange(1000.0), 0.0]
    signal = PointsSignal(np.c_[times, np.arange(1001.0)], np.sin(times), coord_names=("time", "x"))
    said = [note for note in signal.report() if "apart" in note]
    kept = len(np.unique(((times / times.max()) * 2 - 1).astype(np.float32)))
    assert said == [f"Of 1,001 different places on time, 32-bit floats tell {kept} apart; fit a shorter range."]


def test_whole_numbers_beyond_64_bit_floats(tmp_path):
    nano = 1_700_000_000_000_000_001
    (tmp_path / "t.csv").write_text("t,v\n" + "".join(f"{nano + i},{i}\n" for i in range(5)))
    assert not read_csv(tmp_path / "t.csv").exact
    with pytest.raises(UsageError, match="beyond 2\\^53"):
        load_points(tmp_path / "t.csv")
    layout = PointsLayout(("t",), ("v",), (0.0,), (2e18,), (0.0,), (1.0,))
    with pytest.raises(UsageError, match="beyond 2\\^53"):
        layout.decode(first_value, at=tmp_path / "t.csv")
    (tmp_path / "v.csv").write_text(f"t,v\n1,{nano}\n2,3\n3,4\n")
    assert any("were rounded" in note for note in load_points(tmp_path / "v.csv").report())
    (tmp_path / "e.csv").write_text(f"t,v\n{2**60},1\n{2**61},3\n{-(2**62)},4\n1e300,\n")
    assert read_csv(tmp_path / "e.csv").exact


ENDS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63 + 1, 2**64 - 1, 1_700_000_000_000_000_001]
HELD = [2**53, -(2**53), 2**53 + 2, -(2**63), 2**62, 2**63, 2**64 - 2048, 5]


@pytest.mark.parametrize("order", ["=", ">"])
@pytest.mark.parametrize("number", ENDS + HELD)
def test_whole_numbers_of_npz_and_arrays_beyond_64_bit_floats(tmp_path, number, order):
    held = int(float(number)) == number  # Python converts and compares without rounding
    assert held == (number in HELD)
    dtype = np.dtype("u8" if number >= 2**63 else "i8").newbyteorder(order)
    whole, few = np.array([[number], [1], [2]], dtype), np.array([[3], [0], [1]], np.int8)
    layout = PointsLayout(("x",), ("v",), (-1e19,), (2e19,), (0.0,), (1.0,))
    np.savez(tmp_path / "c.npz", coords=whole, values=few)
    attempts = [
        lambda: load_points(tmp_path / "c.npz"),
        lambda: PointsSignal(whole, few),
        lambda: layout.decode(first_value, at=tmp_path / "c.npz"),
        lambda: layout.decode(first_value, at=whole),
    ]
    for attempt in attempts:
        if held:
            attempt()
            continue
        with pytest.raises(UsageError, match=r"has whole numbers beyond 2\^53 that 64-bit floats do not hold; subtract an offset first\."):
            attempt()
    np.savez(tmp_path / "v.npz", coords=few, values=whole)
    for signal in (load_points(tmp_path / "v.npz"), PointsSignal(few, whole)):
        assert any("were rounded" in note for note in signal.report()) != held


def test_further_columns_of_given_points_are_not_looked_at(tmp_path):
    layout = PointsLayout(("x",), ("v",), (0.0,), (4.0,), (0.0,), (1.0,))
    np.savez(tmp_path / "a.npz", coords=np.array([[1, 2**53 + 1], [2, 0]]))
    assert layout.decode(first_value, at=tmp_path / "a.npz")[:, 0].tolist() == [1, 2]


def test_columns_are_found_by_their_names(tmp_path):
    layout = PointsLayout(("lat", "lon"), ("v",), (40.0, -10.0), (60.0, 30.0), (0.0,), (1.0,))
    (tmp_path / "a.csv").write_text("lon,height,lat\n10,5,50\n-10,6,60\n")
    assert np.allclose(layout.decode(first_value, at=tmp_path / "a.csv"), [[50, 10, 0.5], [60, -10, 1]])
    (tmp_path / "b.csv").write_text("breite,laenge\n50,10\n60,-10\n")
    assert np.allclose(layout.decode(first_value, at=tmp_path / "b.csv"), [[50, 10, 0.5], [60, -10, 1]])


def test_the_record_has_the_scaling_of_each_value():
    signal = PointsSignal(np.arange(4.0)[:, None], np.array([[1.0, -5], [2, 5], [3, 0], [np.nan, 99]]))
    assert signal.scaling() == {"low": [1.0, -5.0], "high": [3.0, 5.0]}
