"""What commit 3ee9ef4 (version 0.1.0) wrote still opens, decodes and resumes, to the numbers that it came to itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import nint
from nint.cli.main import main

DATA = Path(__file__).resolve().parents[1] / "data" / "v0.1.0"
EXPECTED = json.loads((DATA / "expected.json").read_text())


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_model_opens_and_decodes(kind):
    fit = nint.Fit.load(DATA / kind / "model.safetensors")
    decoded = fit.decode()
    parts = (getattr(decoded, name, None) for name in ("samples", "frames", "vertices"))
    values = np.asarray(next((part for part in parts if part is not None), decoded))
    assert values.size > 1 and np.isfinite(values.astype(float)).all()


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_checkpoint_resumes_to_the_same_weights(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(DATA)
    shutil.copytree(DATA / kind, tmp_path / "run")
    words = ["--recipe", "paper", "--size", "1x8", "--seed", "1", "--steps", "8", "--threads", "1", "--no-pictures", "--quiet"]
    assert main(["fit", *EXPECTED[kind]["words"], *words, "--out", str(tmp_path / "run"), "--resume"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["steps"] == 8
    assert len(record["curve"]) > 1  # rows of both versions, under today's name
    assert all("units" not in row and row["forward_equivalents"] > 0 for row in [record, *record["curve"]])
    for name, value in EXPECTED[kind]["metrics_at_8"].items():
        assert record[name] == pytest.approx(value, rel=1e-3, abs=1e-3)
    weights = load_file(tmp_path / "run" / "model.safetensors")
    for name, expected in EXPECTED[kind]["weights_at_8"].items():
        assert weights[name].ravel() == pytest.approx(np.array(expected), abs=2e-5)
