"""The store of runs: what was written comes back, and what was damaged is told."""

from __future__ import annotations

import json
import math

import pytest

from nint.bench.store import Store
from nint.errors import UsageError


def record_of(key, **changes):
    row = {"step": 10, "training_seconds": 0.5, "forward_equivalents": 6.0, "flops": 1e6, "psnr": 20.0}
    return {"key": key, "spec": {"input": "sample:camera", "steps": 10}, "error": None, "curve": [row]} | changes


def test_what_is_appended_comes_back(tmp_path):
    store = Store(tmp_path / "deep" / "out")
    assert store.records() == {}
    assert not store.folder.exists()
    store.append(record_of("a"))
    store.append(record_of("b", psnr=math.inf, note=math.nan))
    again = Store(store.folder)
    assert again.problems == []
    assert again.records() == store.records()
    assert list(again.records()) == ["a", "b"]
    assert again.records()["b"]["psnr"] is None
    assert again.place("a") == store.folder / "runs" / "a"


def test_the_last_of_two_lines_counts(tmp_path):
    store = Store(tmp_path)
    for key, error in (("a", "out of luck"), ("b", None), ("a", None)):
        store.append(record_of(key, error=error))
    for found in (store, Store(tmp_path)):
        assert list(found.records()) == ["b", "a"]
        assert found.records()["a"]["error"] is None


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\x00 nonsense",
        b"[1, 2]",
        b'"text"',
        b"null",
        b'{"key": "c"}',
        json.dumps(record_of("c", spec=3)).encode(),
        json.dumps(record_of(3)).encode(),
        json.dumps(record_of("c", curve=[{"step": 1}])).encode(),
        json.dumps(record_of("c", curve=[{"step": 1, "training_seconds": "long", "forward_equivalents": 1}])).encode(),
        json.dumps(record_of("c", curve=None)).encode(),
        json.dumps(record_of("c")).encode()[:-20],
    ],
)
def test_a_damaged_line_is_told_and_costs_no_other(tmp_path, line):
    store = Store(tmp_path)
    store.append(record_of("a"))
    with open(store.path, "ab") as file:
        file.write(line)  # without an end of line, as a kill leaves it
    damaged = Store(tmp_path)
    assert list(damaged.records()) == ["a"]
    assert damaged.problems == [f"Line 2 of {store.path} cannot be read and is left out; its run is repeated if it is needed."]
    damaged.append(record_of("b"))
    assert list(Store(tmp_path).records()) == ["a", "b"]
    assert len(Store(tmp_path).problems) == 1


def test_rows_of_version_0_1_0_are_read_under_todays_names(tmp_path):
    old = record_of("a", units=6.0)
    old["curve"] = [{"step": 10, "training_seconds": 0.5, "units": 6.0, "psnr": 20.0}]
    (tmp_path / "runs.jsonl").write_text(json.dumps(old) + "\n")
    record = Store(tmp_path).records()["a"]
    assert record["forward_equivalents"] == record["curve"][0]["forward_equivalents"] == 6.0
    assert "units" not in record and "units" not in record["curve"][0]


@pytest.mark.parametrize("key", ["../outside", "a/b", "..", ""])
def test_a_key_that_would_lead_out_of_the_folder_is_not_read(tmp_path, key):
    (tmp_path / "runs.jsonl").write_text(json.dumps(record_of(key)) + "\n")
    assert Store(tmp_path).records() == {}
    assert len(Store(tmp_path).problems) == 1


def test_the_command_that_runs_are_of(tmp_path):
    store = Store(tmp_path)
    assert store.experiment == ""
    store.append(record_of("a"))
    assert store.experiment == "bench"
    (tmp_path / "runs.jsonl").write_text(json.dumps(record_of("a", experiment="compare")) + "\n")
    assert Store(tmp_path).experiment == "compare"


def test_what_cannot_be_read_or_written_is_one_sentence(tmp_path):
    (tmp_path / "runs.jsonl").mkdir()
    with pytest.raises(UsageError, match="Cannot read"):
        Store(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="Cannot write"):
        Store(file / "below").append(record_of("a"))
