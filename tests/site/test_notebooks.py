"""Every notebook runs from its first cell to its last, and still says what is stored in it."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "docs" / "notebooks"


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_runs(name):
    nbformat = pytest.importorskip("nbformat", reason="notebooks need nbclient and ipykernel, from the extra nint[test]")
    nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient and ipykernel, from the extra nint[test]")
    pytest.importorskip("ipykernel", reason="notebooks need nbclient and ipykernel, from the extra nint[test]")
    stored = nbformat.read(NOTEBOOKS / name, as_version=4)
    fresh = nbformat.from_dict({**stored, "cells": [{**cell, **({"outputs": []} if "outputs" in cell else {})} for cell in stored.cells]})
    nbclient.NotebookClient(fresh, timeout=120, kernel_name="python3").execute()
    pairs = [(old, new) for old, new in zip(stored.cells, fresh.cells, strict=True) if old.cell_type == "code"]
    assert len(pairs) >= 6
    for old, new in pairs:
        assert [output.output_type for output in new.outputs if output.output_type != "stream"] == [
            output.output_type for output in old.outputs if output.output_type != "stream"
        ]
        assert any(output.output_type == "stream" for output in new.outputs) == any(o.output_type == "stream" for o in old.outputs)
    printed = "".join(output.get("text", "") for _, new in pairs for output in new.outputs)
    decibels = [float(word) for word, unit in zip(printed.split(), printed.split()[1:], strict=False) if unit.startswith("dB")]
    assert decibels and min(decibels) > 20
