"""nint pack, nint fit --max-kilobytes and nint export on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nint.runs.contents import PACKED

for _package in ("constriction", "msgpack"):
    pytest.importorskip(_package, reason="packing needs it, from the extra nint[pack]")


def test_pack_finds_the_input_fine_tunes_and_tells_the_sizes(cli, fitted: Path):
    found = cli("pack", fitted, "small.nint", "--bits", 8, "--steps", 5)
    assert found.code == 0, found.err
    size = Path("small.nint").stat().st_size
    assert f"{size:,} bytes" in found.out and "bits a pixel" in found.out and "before packing" in found.out
    assert "JPEG at the same PSNR" in found.out and "WebP at the same PSNR" in found.out
    shown = cli("inspect", "small.nint")
    assert shown.code == 0 and "8 bits a weight" in shown.out and f"{size:,} bytes" in shown.out and "JPEG" in shown.out
    decoded = cli("decode", "small.nint", "a.png")
    assert decoded.code == 0 and Path("a.png").exists(), decoded.err
    measured = cli("eval", "small.nint", "sample:camera", "--max-side", 32)
    assert measured.code == 0 and "PSNR" in measured.out, measured.err


def test_pack_without_the_original_says_that_it_only_rounds(cli, fitted: Path, tmp_path: Path):
    import nint

    fit = nint.Fit.load(fitted / "model.safetensors")
    fit.record = {}
    fit.save(tmp_path / "lonely.safetensors")
    found = cli("pack", "lonely.safetensors", "b.nint")
    assert found.code == 0 and "so the weights are rounded without fine-tuning; give it with --input FILE" in found.out
    given = cli("pack", "lonely.safetensors", "c.nint", "--input", "sample:camera", "--max-side", 32, "--steps", 3)
    assert given.code == 0 and "before packing" in given.out, given.err


def test_of_a_file_of_which_a_part_was_fitted_no_bits_a_pixel_are_told(cli):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save("a.png")
    size = os.path.getsize("a.png")
    for options, said in (((), f"{size:,} bytes, {8 * size / 2400:.3g} bits a pixel"), (("--max-side", 30), "read with max_side=30")):
        found = cli(
            "fit", "a.png", "--steps", 5, "--no-pictures", "--size", "2x16", "--field", "siren", "--out", "run", "--force", *options
        )
        packed = cli("pack", "run", "a.nint", "--steps", 2, "--force")
        again = cli("pack", "a.nint", "b.nint", "--bits", 3, "--force")
        note = "A packed model does not record where its original (a.png) lies, so the weights are rounded without fine-tuning; give"
        assert note in " ".join(again.out.split())
        assert "JPEG" in packed.out and "JPEG" not in again.out and "PSNR" not in again.out
        shown = cli("inspect", "b.nint")
        assert "JPEG" not in shown.out and "PSNR" not in shown.out
        for text in (found.out, packed.out, again.out, cli("inspect", "run").out, shown.out):
            row = next(line for line in text.splitlines() if line.startswith("size of the input file"))
            assert f"{size:,} bytes" in row and said in row and ("bits" in row) == (not options), row


def test_bad_input_is_one_sentence_and_nothing_is_lost(cli, fitted: Path):
    Path("there.nint").write_text("mine")
    for words, said in (
        ((fitted, "there.nint"), "exists; give another name, or add --force"),
        ((fitted, "a.zip"), "does not end in .nint"),
        ((fitted, "a.nint", "--bits", 6, "--max-kilobytes", 3), "both set the size"),
        ((fitted, "a.nint", "--bits", 99), "out of range"),
        ((fitted, "a.nint", "--max-side", 9), "give the input with --input"),
        ((fitted, "a.nint", "--input", "sample:astronaut"), "is not what this run was fitted to (sample:camera)"),
        ((fitted, "a.nint", "--max-kilobytes", 0.1), "does not fit into 100 bytes"),
        (("missing", "a.nint"), "There is no model missing"),
        ((fitted, "no/a.nint"), "There is no folder no"),
    ):
        found = cli("pack", *words)
        assert found.code == 2 and said in found.err and found.err.count("\n") == 1, (words, found)
    assert Path("there.nint").read_text() == "mine" and not Path("a.nint").exists()


def test_fit_chooses_the_network_for_the_size_and_packs(cli):
    found = cli("fit", "sample:camera", "--max-side", 32, "--steps", 10, "--max-kilobytes", 3, "--no-pictures", "--out", "run")
    assert found.code == 0, found.err
    size = (Path("run") / PACKED).stat().st_size
    assert 2700 < size <= 3000 and f"{size:,} bytes" in found.out and "size of the packed model" in found.out
    again = cli("fit", "sample:camera", "--max-side", 32, "--steps", 5, "--no-pictures", "--out", "run", "--force", "--quiet")
    assert again.code == 0 and not (Path("run") / PACKED).exists()  # of the run before


def test_export_writes_all_files_and_overwrites_none(cli, fitted: Path):
    found = cli("export", fitted, "a.json")
    assert found.code == 0 and all(Path(f"a.{end}").exists() for end in ("json", "bin", "html")), found.err
    Path("a.json").unlink()
    refused = cli("export", fitted, "a.json")
    assert refused.code == 2 and "a.bin exists" in refused.err and not Path("a.json").exists()
    assert cli("export", fitted, "a.json", "--force").code == 0
    assert "no ending that a network can be exported to" in cli("export", fitted, "a.tflite").err
