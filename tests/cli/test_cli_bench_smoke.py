"""`nint bench all --scale smoke` as a person runs it: every run of every table and figure, on samples, with every file at the end."""

import json
import os
import subprocess
import sys

import pytest


def test_everything_at_smoke_scale(tmp_path):
    for name in ("trimesh", "igl", "soundfile", "pystoi"):
        pytest.importorskip(name, reason=f"the tables need {name}")
    command = [sys.executable, "-m", "nint.cli.main", "bench", "all", "--scale", "smoke", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    out = tmp_path / "out"
    tables = [f"table{n}.{ending}" for n in range(1, 11) for ending in ("md", "tex", "csv", "jsonl")]
    figures = [f"fig{n}.{ending}" for n in range(1, 11) for ending in ("png", "json")]
    assert [name for name in (*tables, *figures, "claims.md") if not (out / name).exists()] == []
    records = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert [record["error"] for record in records if record["error"]] == []
    assert len(records) == len({record["key"] for record in records}) > 100
