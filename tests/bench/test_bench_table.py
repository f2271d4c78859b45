"""Tables of the paper from records made by hand, cell by cell."""

import csv
import dataclasses
import io
import json

import pytest

from nint.bench.inputs import Inputs
from nint.bench.published import published
from nint.bench.scales.scales import SCALES
from nint.bench.scales.sizes import Task
from nint.bench.store import Store
from nint.bench.tables.data import table_data
from nint.bench.tables.notes import differences, notes
from nint.bench.tables.panels import panels
from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import Row
from nint.bench.tables.write import markdown, rich_tables, to_csv, to_jsonl, write_table
from nint.errors import UsageError

SCALE = dataclasses.replace(
    SCALES["smoke"],
    images=Task(1, "2x16", 100, steps=100, checkpoints=(10, 50, 100), targets=(("psnr", (20.0,)),), evaluations=1, side=32),
)
TABLE = PaperTable(
    "table2",
    "What a PSNR takes & more, 100 %.",
    "images",
    ("kodak", "div2k"),
    (Row("full"), Row("uniform"), Row("int"), Row("nint:random_share=0.7"), Row("recipe=default", "ours", "a note.")),
)
INPUTS = Inputs(None, {"kodak": ("data/kodak/kodim01.png",), "div2k": ("data/div2k/00.png",)})


def record(spec, points, error=None, **further):
    """points: (step, seconds, psnr)."""
    curve = [
        {"step": s, "training_seconds": t, "selection_seconds": t / 4, "forward_equivalents": s, "flops": s * 2e9, "psnr": p, **further}
        for s, t, p in points
    ]
    return {
        "key": spec.key,
        "spec": spec.to_json(),
        "error": error,
        "command": "nint bench table2",
        "launch": "2026-01-01T00:00:00+00:00",
        "curve": curve,
        "steps": 100,
        "training_seconds": curve[-1]["training_seconds"] if curve else 0.0,
        "selection_seconds": curve[-1]["selection_seconds"] if curve else 0.0,
        "machine": {"device": "cpu", "name": "Processor X", "system": "Linux"},
        "versions": {"nint": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        "threads": 2,
        "chunk_size": 4096,
    }


CURVES = {
    # two inputs each: (step, seconds, psnr)
    "full": ([(10, 1.0, 21.0), (50, 5.0, 25.0), (100, 10.0, 31.0)], [(10, 2.0, 22.0), (50, 7.0, 26.0), (100, 14.0, 30.0)]),
    "uniform": ([(10, 0.5, 18.0), (50, 2.0, 24.0), (100, 4.0, 27.2)], [(10, 0.5, 19.0), (50, 4.0, 24.5), (100, 9.0, 27.4)]),
    "int": ([(10, 1.0, 15.0), (50, 4.0, 25.5), (100, 8.0, 29.0)], [(10, 1.0, 16.0), (50, 4.0, 24.0), (100, 8.0, 24.9)]),
    "nint:random_share=0.7": ([(10, 0.6, 23.0), (50, 3.0, 27.0), (100, 6.0, 32.0)], [(10, 0.6, 23.0), (50, 3.0, 26.0), (100, 6.0, 30.5)]),
}


def data_of(store, table=TABLE, inputs=INPUTS, seeds=1, command=""):
    return table_data(table.at(SCALE, inputs, seeds), store.records(), store.problems, command)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for row, specs in TABLE.row_specs(SCALE, INPUTS, 1).items():
        for spec, points in zip(specs, CURVES.get(row.text, ()), strict=False):
            store.append(record(spec, points))
        if row.text == "recipe=default":
            store.append(record(specs[0], [], "Training diverged at step 3: the loss is nan."))
    return Store(tmp_path)


@pytest.fixture
def data(store):
    return data_of(store, command="nint bench table2 --scale smoke")


def cell(data, row, key):
    line = next(line for line in data.lines if line.row.text == row)
    return line.cells[[column.key for column in data.columns].index(key)]


def shown(data, title, row, column):
    panel = next(panel for panel in panels(data) if panel.title == title)
    return next(cells for _, text, cells in panel.rows if text == row)[panel.columns.index(column)]


def test_it_is_a_rectangle(data):
    assert [line.row.text for line in data.lines] == [row.text for row in TABLE.rows]
    assert all(len(line.cells) == len(data.columns) for line in data.lines)


def test_times_to_a_target(data):
    found = cell(data, "full", "seconds@25")
    assert found.ours.mean == pytest.approx(6.0)
    assert found.ours.deviation == pytest.approx(2**0.5)
    assert (found.ours.size, found.published, found.ratio, found.published_ratio) == (2, 8.4, 1.0, 1.0)
    assert cell(data, "nint:random_share=0.7", "seconds@25").ours.mean == pytest.approx(3.0)
    assert cell(data, "nint:random_share=0.7", "seconds@25").ratio == pytest.approx(0.5)
    assert cell(data, "nint:random_share=0.7", "seconds@25").published_ratio == pytest.approx(5.92 / 8.4)
    assert cell(data, "full", "iterations@20").ours.mean == 10
    assert cell(data, "uniform", "flops@25").ours.mean == pytest.approx(2e11)
    assert cell(data, "uniform", "flops@20").published is None


def test_the_published_numbers_keep_the_marks_that_they_were_printed_with(data):
    assert cell(data, "nint:random_share=0.7", "seconds@35").published_place == 1


def test_two_runs_a_row_mark_nothing_of_ours_and_the_notes_say_why(data):
    assert not any(cell.place or cell.difference for line in data.lines for cell in line.cells)
    assert "there are 2 runs a row, and an interval of a difference needs at least 3" in notes(data)["Marks and differences"][0]


@pytest.fixture
def many(tmp_path):
    """Two inputs and two seeds: nint is ahead of full training in every run, uniform now here, now there."""
    store, shifts = (
        Store(tmp_path),
        {"full": (0, 0, 0, 0), "uniform": (-1.0, 1.0, -1.0, 1.0), "nint:random_share=0.7": (1.0, 2.0, 1.5, 1.0)},
    )
    for row, specs in TABLE.row_specs(SCALE, INPUTS, 2).items():
        for number, (spec, shift) in enumerate(zip(specs, shifts.get(row.text, ()), strict=False)):
            base = 26.0 + 3 * number
            store.append(record(spec, [(10, 1.0, 18.0), (50, 5.0 - shift, 24.0 + shift), (100, 10.0, base + shift)]))
    return data_of(store, dataclasses.replace(TABLE, name="table1"), seeds=2)


def test_inputs_and_seeds_are_compared_run_by_run(many):
    found = cell(many, "nint:random_share=0.7", "psnr@100")
    assert found.difference.mean == pytest.approx(1.375)
    assert (found.difference.pairs, found.difference.excludes_zero) == (4, True)
    assert found.place == 1
    assert cell(many, "uniform", "psnr@100").difference.excludes_zero is False
    assert cell(many, "uniform", "psnr@100").place == cell(many, "full", "psnr@100").place == 0
    assert cell(many, "full", "psnr@100").difference is None
    assert shown(many, "Quality: difference from full, mean [95% interval] p", "nint:random_share=0.7", "PSNR @ 100").text.startswith(
        "+1.38 [+1.0"
    )
    assert "over 2 inputs and 2 seeds" in " ".join(notes(many)["Marks and differences"])
    written = next(
        c for c in map(json.loads, to_jsonl(many).splitlines()) if (c["row"], c["column"]) == ("nint:random_share=0.7", "psnr@100")
    )
    assert (
        written["difference"] == pytest.approx(1.375)
        and 0 < written["difference_low"] < written["difference_high"]
        and written["difference_p"] < 0.05
    )
    row = next(row for row in csv.DictReader(io.StringIO(to_csv(many))) if row["row"] == "nint:random_share=0.7")
    assert float(row["psnr@100:difference"]) == pytest.approx(1.375)


def test_a_target_that_no_run_reached_shows_how_near_they_came(data):
    found = cell(data, "uniform", "iterations@30")
    assert found.ours is None
    assert found.missing == "not reached (27.3)"
    assert (found.ratio, found.place) == (None, 0)
    assert shown(data, "Iterations to a target", "uniform", "PSNR 30").text == "not reached (27.3)"


def test_a_target_that_some_runs_reached_is_not_ranked(data):
    found = cell(data, "int", "iterations@25")
    assert (found.ours.mean, found.ours.size, found.wanted, found.place, found.ratio) == (50, 1, 2, 0, None)
    assert shown(data, "Iterations to a target", "int", "PSNR 25").text == "50 (1 of 2)"


def test_a_target_of_no_row_has_a_column_of_iterations_only(data):
    by_title = {panel.title: panel for panel in panels(data)}
    assert "PSNR 35" in by_title["Iterations to a target"].columns
    assert "PSNR 35" not in by_title["Training seconds to a target"].columns
    assert "PSNR 30" in by_title["Training seconds to a target"].columns


def test_failed_and_missing_runs_say_so(data):
    assert cell(data, "recipe=default", "seconds@25").missing == "failed"
    gaps = notes(data)["Not run or failed"]
    assert any("1 of 2 runs not made" in line for line in gaps)
    assert any("diverged at step 3" in line for line in gaps)


def test_cost_of_the_whole_run(data):
    assert cell(data, "full", "training_seconds").ours.mean == 12.0
    assert cell(data, "full", "selecting").ours.mean == pytest.approx(25.0)
    assert shown(data, "Cost of the whole run", "full", "GFLOP").text == "200.0"
    assert shown(data, "Training seconds to a target", "full", "PSNR 25").text == "6.00 ± 1.41"
    assert shown(data, "Ratio to full training: here / published", "nint:random_share=0.7", "s, PSNR 25").text == "0.500 / 0.705"


def test_a_row_on_the_other_side_of_full_training_is_told(data):
    told = {text.split("`")[1]: text for text in differences(data)}
    assert set(told) == {"uniform"}
    assert "seconds to PSNR 25 (worse here, 1.083; 0.707 in the paper)" in told["uniform"]
    assert "iterations" not in told["uniform"]  # more than full training's in both


def test_the_markdown_names_what_a_reader_must_know(data):
    text = markdown(data)
    for part in (
        "nint bench table2 --scale smoke",
        "kodak/kodim01.png, div2k/00.png",
        "mean ± sample standard deviation over 2 inputs and 1 seed",
        "Processor X (cpu), Linux, 2 threads",
        "torch 2.13.0",
        "PSNR: 10 log10",
        "GFLOP",
        "not reached (27.3)",
        "`recipe=default`: a note.",
        published("table2").source,
        SCALE.about[0],
    ):
        assert part in text
    assert "sample data" not in text
    widths = {
        len(row.split(" | ")) for row in text.split("## Cost of the whole run")[1].split("##")[0].splitlines() if row.startswith("| ")
    }
    assert widths == {5}


def test_samples_are_named_as_such(store):
    data = data_of(store, inputs=Inputs.search())
    assert "All of them are sample data, not the paper's." in notes(data)["Inputs"]
    assert any(remark.startswith("No --data") or "sample" in remark for remark in notes(data)["Inputs"])
    assert cell(data, "full", "seconds@25").missing == "not run"


def test_a_metric_that_no_run_has_is_absent_with_its_reason(tmp_path):
    table = dataclasses.replace(TABLE, name="table1")
    store = Store(tmp_path)
    for row, specs in table.row_specs(SCALE, INPUTS, 1).items():
        for spec, points in zip(specs, CURVES.get(row.text, ()), strict=False):
            store.append(record(spec, points, ssim=0.5))
    data = data_of(store, table)
    keys = [column.key for column in data.columns]
    assert "psnr@10" in keys
    assert "ssim@100" in keys
    assert not any("lpips" in key for key in keys)
    assert any(line.startswith("LPIPS is absent") and "weights" in line for line in notes(data)["Metrics"])
    assert cell(data, "full", "psnr@50").ours.mean == 25.5
    assert cell(data, "full", "ssim@50").place == 0  # all equal


def test_our_means_come_under_the_papers_names(data):
    found = data.measured()
    assert found["full"]["seconds@25"] == 6.0
    assert found["uniform"]["seconds@30"] is None
    assert found["int"]["iterations@25"] is None  # not of every run
    assert "recipe=default" not in found


def test_csv_and_jsonl_hold_the_same(data):
    rows = list(csv.DictReader(io.StringIO(to_csv(data))))
    assert [row["row"] for row in rows] == [row.text for row in TABLE.rows]
    assert float(rows[0]["seconds@25:mean"]) == 6.0
    assert rows[1]["seconds@30:mean"] == ""
    cells = [json.loads(line) for line in to_jsonl(data).splitlines()]
    assert len(cells) == len(data.lines) * len(data.columns)
    one = next(c for c in cells if c["row"] == "nint:random_share=0.7" and c["column"] == "seconds@25")
    assert (one["mean"], one["published"], one["ratio"], one["place"], one["difference"]) == (3.0, 5.92, 0.5, 0, None)
    missing = next(c for c in cells if c["row"] == "uniform" and c["column"] == "seconds@30")
    assert (missing["mean"], missing["n"], missing["missing"]) == (None, 0, "not reached (27.3)")


def test_files_are_rebuilt_from_the_store_alone(store, tmp_path):
    facts = {"command": "nint bench table2"}
    first = write_table(data_of(store, **facts), tmp_path / "a")
    second = write_table(data_of(Store(tmp_path), inputs=Inputs.from_json(INPUTS.to_json()), **facts), tmp_path / "b")
    assert [path.name for path in first] == ["table2.md", "table2.tex", "table2.csv", "table2.jsonl"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_corrupted_line_is_told_and_not_fatal(store, tmp_path):
    lines = store.path.read_text().splitlines()
    store.path.write_text("\n".join([lines[0][:40], *lines[1:]]) + "\n")
    data = data_of(Store(tmp_path))
    assert any("Line 1" in line and "cannot be read" in line for line in notes(data)["Inputs"])
    assert cell(data, "full", "seconds@25").ours.size == 1
    assert cell(data, "uniform", "seconds@25").ratio is None


def test_latex_has_its_special_characters_escaped(store, tmp_path):
    text = next(path for path in write_table(data_of(store), tmp_path) if path.suffix == ".tex").read_text()
    body = text[text.index("\\begin{table*}") :]
    assert r"What a PSNR takes \& more, 100 \%." in body
    assert r"\texttt{nint:random\_share=0.7}" in body
    assert r"6.00 $\pm$ 1.41" in body
    assert r"\textbf{" in body  # of the published numbers
    assert r"\underline{" in body
    for row in (line for line in body.splitlines() if line.endswith(r"\\")):
        unescaped = row.replace(r"\_", "").replace(r"\%", "").replace(r"\&", "")
        assert "_" not in unescaped
        assert "%" not in unescaped
    tabulars = body.split("\\begin{tabular}")[1:]
    for tabular in tabulars:
        cells = {line.replace(r"\&", "").count("&") for line in tabular.splitlines() if line.endswith(r"\\")}
        assert len(cells) == 1


def test_the_terminal_shows_every_panel(data):
    tables = rich_tables(data)
    assert len(tables) == len(panels(data))
    assert all(table.row_count > 0 for table in tables)


def test_of_pairs_only_the_better_is_marked(tmp_path):
    table = PaperTable(
        "table3", "Sizes.", "images", ("kodak",), (Row("full field=siren:size=1x64"), Row("nint field=siren:size=1x64")), pairs=True
    )
    store = Store(tmp_path)
    for row, specs in table.row_specs(SCALE, INPUTS, 3).items():
        end = 25.0 if row.text.startswith("nint") else 24.0
        for spec in specs:
            store.append(record(spec, [(10, 1.0, 20.0), (50, 2.0, 22.0), (100, 3.0, end)]))
    data = data_of(store, table, seeds=3)
    assert cell(data, "nint field=siren:size=1x64", "psnr@100").place == 1
    assert cell(data, "full field=siren:size=1x64", "psnr@100").place == 0
    assert cell(data, "nint field=siren:size=1x64", "psnr@100").difference.mean == 1.0  # from full training with the same network
    assert cell(data, "nint field=siren:size=1x64", "psnr@100").ratio == pytest.approx(25 / 24)
    assert cell(data, "nint field=siren:size=1x64", "psnr@100").published_ratio == pytest.approx(18.527 / 18.305)
    assert cell(data, "full field=siren:size=1x64", "psnr@10").place == 0  # a tie of two
    assert cell(data, "full field=siren:size=1x64", "seconds@25").missing == "not reached (24.0)"


def test_runs_of_one_key_count_once(store):
    paths = ("data/kodak/kodim01.png", "./data/kodak/kodim01.png", "/elsewhere/kodak/kodim01.png")
    for count in (1, 3):
        data = data_of(store, inputs=Inputs(None, {"kodak": paths[:count], "div2k": INPUTS.found["div2k"]}))
        assert {len(runs) for runs in data.found.values()} == {2}
        assert all(cell.wanted == 2 for line in data.lines for cell in line.cells)
        assert data.table.runs_a_row == 2
        assert "over 2 inputs and 1 seed" in " ".join(notes(data)["Protocol"])
        assert "there are 2 runs a row" in notes(data)["Marks and differences"][0]


def test_different_files_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / folder / "kodak" / "kodim01.png" for folder in ("a", "b")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([number]))
    inputs = Inputs(None, {"kodak": (str(paths[0]),), "div2k": (str(paths[1]),)})
    for make in (TABLE.specs, TABLE.at):
        with pytest.raises(UsageError, match=r"a/kodak/kodim01\.png and .*b/kodak/kodim01\.png are different files.*rename one"):
            make(SCALE, inputs, 1)
