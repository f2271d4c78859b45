"""The script that measures bytes against quality."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

for _package in ("constriction", "msgpack"):
    pytest.importorskip(_package, reason="packing needs it, from the extra nint[pack]")

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(BENCHMARKS))
    import rate_distortion

    yield rate_distortion
    sys.path.remove(str(BENCHMARKS))


def test_coin_is_read_between_its_points_only(script):
    assert script.coin_at(0.3074) == pytest.approx(26.412125)
    assert 26.412125 < script.coin_at(0.45) < 28.408
    assert script.coin_at(0.02) is None and script.coin_at(1.5) is None


def test_rivals_are_the_best_that_fit(script):
    import nint

    pixels = np.asarray(nint.open_signal("sample:astronaut", max_side=64).array)
    for form in ("JPEG", "WEBP"):
        small, large = script.rival(pixels, form, 1500), script.rival(pixels, form, 3000)
        assert small["bytes"] <= 1500 and large["bytes"] <= 3000 and small["psnr"] < large["psnr"]
        assert script.rival(pixels, form, 20) is None


def test_the_table_takes_means_and_says_what_is_missing(script):
    def row(name: str, psnr: float, jpeg: dict[str, float] | None):
        return {
            "input": name, "kind": "image", "rate": 0.3, "bytes": 300, "bits_a_sample": 0.3, "packed": {"psnr": psnr},
            "float": {"psnr": psnr + 0.2}, "jpeg": jpeg, "webp": {"bytes": 290, "psnr": 31.0}, "wall_s": 50.0,
        }  # fmt: skip

    rows = [row("a.png", 26.0, {"bytes": 280, "psnr": 29.0}), row("b.png", 28.0, None)]
    line = script.table(rows).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["0.3", "0.300", "27.00", "27.20", "-", "-", "0.290", "31.00", f"{script.coin_at(0.3):.2f}", "50"]


def test_a_run_is_measured_from_the_file_and_not_made_twice(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    gradient = np.add.outer(np.arange(32), np.arange(32)) * 4
    Image.fromarray(np.repeat(gradient[..., None], 3, 2).astype(np.uint8)).save(tmp_path / "a.png")
    words = ["rate_distortion.py", str(tmp_path / "a.png"), "--rates", "20", "--seconds", "4", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*words, "--fit", "--threads", "1", "--steps", "20"])
    script.main()
    assert capsys.readouterr().out.startswith("a.png 20: {'psnr': ")
    script.main()
    assert capsys.readouterr().out == ""
    (line,) = map(json.loads, (tmp_path / "out" / "lines.jsonl").read_text().splitlines())
    assert 0.9 * 20 < line["bits_a_sample"] <= 20 and line["bytes"] == line["bits_a_sample"] * 128
    assert math.isfinite(line["packed"]["psnr"]) and line["jpeg"]["bytes"] <= 2560
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "| 20 |" in (tmp_path / "out" / "table.md").read_text()
