"""What packing costs on models that are done training: PSNR before, and after `nint pack` at 8 and 6 bits a weight.

    python benchmarks/packing.py ../shared/data/kodak/kodim0[2-5].png --out benchmarks/results/packing.jsonl

Each line is one fit and one `nint pack` of it, as commands in processes of their own. A line that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

import nint


def command(*words: object) -> float:
    """Runs nint; its wall time in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nint", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def lines_of(path: Path, field: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One fit, packed at each number of bits."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        command("fit", path, "--field", field, "--seconds", options.seconds, "--no-pictures", "--quiet", "--out", run)
        plain = run / "model.safetensors"
        before, steps = nint.Fit.load(plain), json.loads((run / "run.json").read_text())["steps"]
        psnr, found = before.evaluate(path)["psnr"], []
        for bits in options.bits:
            packed = Path(name) / f"{bits:g}.nint"
            wall = command("pack", run, packed, "--bits", bits, "--input", path)
            told = nint.Fit.load(packed)
            found.append(
                {
                    "input": path.name,
                    "field": field,
                    "seconds": options.seconds,
                    "steps": steps,
                    "bits": bits,
                    "float": {"psnr": psnr, "bytes": plain.stat().st_size},
                    "packed": {"psnr": told.evaluate(path)["psnr"], "bytes": packed.stat().st_size, "wall_s": wall},
                    **machine(),
                }
            )
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+")
    parser.add_argument("--fields", nargs="+", default=["siren", "grid"])
    parser.add_argument("--seconds", type=float, default=60.0, help="of wall time for each fit")
    parser.add_argument("--bits", type=float, nargs="+", default=[8.0, 6.0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    there = {(row["input"], row["field"], row["seconds"]) for row in rows}
    for path in options.inputs:
        for field in options.fields:
            if (path.name, field, options.seconds) in there:
                continue
            made = lines_of(path, field, options)
            with options.out.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in made)
            rows += made
    for row in rows:
        before, after = row["float"]["psnr"], row["packed"]
        print(f"{row['input']} {row['field']} {row['bits']:g}: {before:.2f} dB {after['psnr'] - before:+.2f}, {after['bytes']:,} bytes")


if __name__ == "__main__":
    main()
