"""Bytes against quality: `nint fit --max-kilobytes` beside JPEG and WebP at the same rates, and COIN's published curve on Kodak.

    python benchmarks/rate_distortion.py ../shared/data/kodak/*.png --out benchmarks/results/rate-distortion [--rates .1 .15 .3 .6 1 1.5]

Each line is one run of the command as a user would type it, in a process of its own, with at most `--seconds` of wall time; rate and
quality are measured from `model.nint` on disk. A line that is there is not made again, so the command can be stopped and repeated.
Sounds and volumes may be among the inputs; what FLAC, Opus and NIfTI in gzip take stands beside them in a table of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import nint
from nint.packing.codecs import coded_image
from nint.signals.image.signal import ImageSignal

RATES = (0.1, 0.15, 0.3, 0.6, 1.0, 1.5)
COIN: dict[str, Any] = {
    "source": "results.json of github.com/EmilienDupont/coin at 5a8d310 (COIN, Dupont et al. 2021): means over the 24 Kodak images",
    "bpp": [0.0368, 0.07361, 0.1604, 0.3074, 0.6109, 1.209],
    "psnr": [22.408, 23.205, 24.6410833, 26.412125, 28.408, 30.644],
}
LINES, TABLE, PLOT = "lines.jsonl", "table.md", "plot.png"


def coin_at(rate: float) -> float | None:
    """COIN's mean PSNR at a rate, linear in its logarithm between the published points; None outside them."""
    if not COIN["bpp"][0] <= rate <= COIN["bpp"][-1]:
        return None
    return float(np.interp(math.log(rate), np.log(COIN["bpp"]), COIN["psnr"]))


def psnr_of(decoded: np.ndarray, pixels: np.ndarray) -> float:
    """Of 8-bit pixels, as decoded to a file."""
    return 10 * math.log10(255**2 / max(float(np.square(decoded.astype(float) - pixels.astype(float)).mean()), 1e-12))


def rival(pixels: np.ndarray, form: str, most: int) -> dict[str, float] | None:
    """Bytes and PSNR of the best JPEG or WebP of at most so many bytes; None where the smallest is larger."""
    found = None
    for settings in ({"subsampling": 0, "optimize": True}, {"subsampling": 2, "optimize": True}) if form == "JPEG" else ({"method": 6},):
        low, high = 0, 100
        while low < high:  # the highest quality that fits
            middle = (low + high + 1) // 2
            low, high = (middle, high) if coded_image(pixels, form, middle, **settings)[0] <= most else (low, middle - 1)
        size, quality = coded_image(pixels, form, low, **settings)
        if size <= most and (found is None or quality > found["psnr"]):
            found = {"bytes": size, "psnr": quality}
    return found


def line_of(path: Path, rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """One run, measured."""
    signal = nint.open_signal(path)
    samples = signal.layout.samples
    kilobytes = rate * samples / 8000
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", str(path), "--max-kilobytes", f"{kilobytes:g}", "--seconds", str(options.seconds), "--no-pictures", "--quiet"]
        words += [*options.fit, "--out", f"{folder}/run"]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "nint", *words], check=True, env=os.environ)
        wall = time.perf_counter() - began
        packed, run = Path(folder) / "run" / "model.nint", json.loads((Path(folder) / "run" / "run.json").read_text())
        size, fit = packed.stat().st_size, nint.Fit.load(packed)
    row = {
        "input": path.name,
        "kind": signal.layout.kind,
        "rate": rate,
        "seconds": options.seconds,
        "fit": options.fit,
        "wall_s": wall,
        "steps": run["steps"],
        "field": run["settings"]["field"],
        "float": {name: run[name] for name in ("psnr", "si_snr") if name in run},
        "bytes": size,
        "bits_a_sample": 8 * size / samples,
        "bits_a_weight": run["packed"]["bits"],
        "tuned_steps": run["packed"]["steps"],
        "sizes": run["packed"]["sizes"],
        **machine(),
    }
    if not isinstance(signal, ImageSignal):
        return row | {"packed": {name: run["packed"][name] for name in ("psnr", "si_snr") if name in run["packed"]}}
    pixels = np.asarray(signal.array).reshape(signal.layout.height, signal.layout.width, -1)
    row["packed"] = {"psnr": psnr_of(fit.decode().reshape(pixels.shape), pixels)}
    return row | {form.lower(): rival(pixels, form, int(rate * samples / 8)) for form in ("JPEG", "WEBP")}


def mean(rows: list[dict[str, Any]], *keys: str) -> float | None:
    """Mean of an entry over lines; None where one of them lacks it."""
    found = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        found.append(value)
    return None if not found or None in found else float(np.mean(found))


def written(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def table(rows: list[dict[str, Any]]) -> str:
    """The lines as Markdown: means over the images at each rate, then each other input."""
    images = [row for row in rows if row["kind"] == "image"]
    others = [row for row in rows if row["kind"] != "image"]
    said = ["# Rate and distortion", ""]
    if images:
        names = sorted({row["input"] for row in images})
        said += [
            f"Means over {len(names)} images ({', '.join(names)}); PSNR in dB of the 8-bit pixels; sizes of whole files.",
            "COIN: " + COIN["source"] + "; at other rates interpolated, linear in the logarithm of the rate.",
            "",
            "| bpp asked | ours, bpp | ours | before packing | JPEG, bpp | JPEG | WebP, bpp | WebP | COIN at our bpp | most wall s |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for rate in sorted({row["rate"] for row in images}):
            at = [row for row in images if row["rate"] == rate]
            ours = mean(at, "bits_a_sample")
            cells = [f"{rate:g}", written(ours, 3), written(mean(at, "packed", "psnr")), written(mean(at, "float", "psnr"))]
            for form in ("jpeg", "webp"):
                size, pixels = mean(at, form, "bytes"), [8 * row["bytes"] / row["bits_a_sample"] for row in at]
                cells += [written(None if size is None else 8 * size / float(np.mean(pixels)), 3), written(mean(at, form, "psnr"))]
            coin = None if ours is None else coin_at(ours)
            cells += [written(coin), written(max(row["wall_s"] for row in at), 0)]
            said.append(f"| {' | '.join(cells)} |")
    if others:
        said += ["", "| input | bytes | bits a sample | quality, dB | other forms, bytes |", "|---|---:|---:|---:|---|"]
        for row in others:
            quality = ", ".join(f"{name} {value:.2f}" for name, value in row["packed"].items())
            forms = ", ".join(f"{name} {value:,}" for name, value in row["sizes"].items() if name != "at")
            said.append(f"| {row['input']} | {row['bytes']:,} | {row['bits_a_sample']:.3f} | {quality} | {forms} |")
    return "\n".join([*said, ""])


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """The curves of the means over images."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    images = [row for row in rows if row["kind"] == "image"]
    rates = sorted({row["rate"] for row in images})
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, label, style in (("packed", "nint", "o-"), ("jpeg", "JPEG", "s--"), ("webp", "WebP", "^--")):
        points = []
        for rate in rates:
            at = [row for row in images if row["rate"] == rate]
            sizes = [(row if name == "packed" else row[name] or {}).get("bytes", math.nan) for row in at]
            bits = [row["bits_a_sample"] * size / row["bytes"] for row, size in zip(at, sizes, strict=True)]
            quality = mean(at, name, "psnr")
            if quality is not None:
                points.append((float(np.mean(bits)), quality))
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    axes.plot(COIN["bpp"], COIN["psnr"], "x:", label="COIN (published, all of Kodak)")
    axes.set(xlabel="bits a pixel", ylabel="PSNR, dB", title=f"Mean over {len({row['input'] for row in images})} images")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="*", help="images, sounds, volumes")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), help="bits a sample")
    parser.add_argument("--seconds", type=float, default=55.0, help="of wall time for each run, packing included")
    parser.add_argument("--fit", nargs=argparse.REMAINDER, default=[], help="last: further options of nint fit, such as --threads 2")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = options.out / LINES
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    there = {(row["input"], row["rate"], row["seconds"], tuple(row["fit"])) for row in rows}
    for path in options.inputs:
        for rate in options.rates:
            if (path.name, rate, options.seconds, tuple(options.fit)) in there:
                continue
            rows.append(line_of(path, rate, options))
            with lines.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"{path.name} {rate:g}: {rows[-1]['packed']} in {rows[-1]['wall_s']:.0f} s", flush=True)
    (options.out / TABLE).write_text(table(rows))
    if any(row["kind"] == "image" for row in rows):
        plot(rows, options.out / PLOT)


if __name__ == "__main__":
    main()
