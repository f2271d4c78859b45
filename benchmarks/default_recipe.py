"""What the default recipe reaches in seconds, against the same recipe with SIREN, and between the pixels against bicubic interpolation.

    python benchmarks/default_recipe.py --data ../shared/data

Seconds are wall time of `nint.fit`, evaluation included, one run after another: run it on a quiet machine. Finished rows are kept in
results/default_recipe.jsonl and not repeated; results/default_recipe.md is written from them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from PIL import Image

import nint
from nint.bench.classical import classical_record
from nint.bench.inputs import read_signal
from nint.bench.runs import RunSpec
from nint.ntk.products import forward_rows
from nint.signals.base import Signal
from nint.signals.grid.volume import VolumeSignal
from nint.signals.open import open_signal
from nint.training.budgets import Budget

RESULTS = Path(__file__).parent / "results"
PHOTOS = {"div2k 02": "div2k/02.png", "div2k 04": "div2k/04.png", "div2k 07": "div2k/07.png", "kodim04": "kodak/kodim04.png"}
TARGETS = (25.0, 28.0, 30.0)
SIREN = {"field": "siren"}

Row = dict[str, Any]


def fitted(signal: Signal, budget: Budget, settings: dict[str, Any]) -> Row:
    """One run of the default recipe."""
    fit = nint.fit(signal, budget=budget, device="cpu", **settings)
    curve = [(row["training_seconds"], row["psnr"]) for row in fit.record["curve"] if "psnr" in row]
    seconds = {f"{target:g}": next((round(at, 2) for at, psnr in curve if psnr >= target), None) for target in TARGETS}
    return {
        "psnr": round(fit.metrics["psnr"], 2),
        "seconds_to": seconds,
        "network": fit.record["settings"]["field"],
        "parameters": sum(p.numel() for p in fit.field.parameters()),
        "threads": fit.record["threads"],
    }


def photos(data: Path) -> Iterable[tuple[str, str, Callable[[], Row]]]:
    """Ten seconds on 512x512 pixels."""
    for name, path in PHOTOS.items():
        for what, settings in (("default", {}), ("siren", SIREN)):
            yield (
                f"10 s, {name}",
                what,
                lambda path=path, settings=settings: fitted(read_signal(str(data / path), 512, ()), Budget(seconds=10), settings),
            )


def between(data: Path) -> Iterable[tuple[str, str, Callable[[], Row]]]:
    """Twice the resolution of 256x256 pixels, after ten seconds; PSNR against the full picture."""

    def interpolated(path: str, method: str) -> Row:
        spec = RunSpec(str(data / path), square=512, options=(("super_resolution", 2),), method=method, steps=1)
        return {"psnr": round(classical_record(spec)["psnr"], 2)}

    for name in ("div2k 02", "div2k 04"):
        path = PHOTOS[name]
        for what, settings in (("default", {}), ("default, uniform", {"sampler": "uniform"}), ("siren", SIREN)):
            yield (
                f"2x, {name}",
                what,
                lambda path=path, settings=settings: fitted(
                    read_signal(str(data / path), 512, (("super_resolution", 2),)), Budget(seconds=10), settings
                ),
            )
        for what, method in (("bicubic", "bicubic"), ("bicubic, networks' grid", "bicubic-corners")):
            yield f"2x, {name}", what, lambda path=path, method=method: interpolated(path, method)


def minutes(data: Path) -> Iterable[tuple[str, str, Callable[[], Row]]]:
    """A minute on a volume and on a second of video."""
    for name, make in (
        ("ch2", lambda: open_signal(data / "volumes/ch2.nii.gz")),
        ("bikes, 1 s", lambda: open_signal(data / "video/bikes.mp4", duration=1.0)),
    ):
        for what, settings in (("default", {}), ("siren", SIREN)):
            yield f"60 s, {name}", what, lambda make=make, settings=settings: fitted(make(), Budget(seconds=60), settings)


def shapes(data: Path) -> Iterable[tuple[str, str, Callable[[], Row]]]:
    """Panoramas and thick slices, 400 steps: one unit along every axis, and [-1, 1] along each."""
    pixels = np.asarray(Image.open(data / "kodak/kodim08.png").convert("RGB"))

    def slices() -> Signal:
        import nibabel

        whole = np.asarray(nibabel.load(data / "volumes/ch2.nii.gz").dataobj)[40:140, 60:160, ::3]
        path = RESULTS / "slices.nii.gz.tmp.nii.gz"
        nibabel.save(nibabel.Nifti1Image(whole, np.diag([1.0, 1.0, 3.0, 1.0])), path)
        try:
            signal = open_signal(path)
            assert isinstance(signal, VolumeSignal)
            return signal
        finally:
            path.unlink()

    makes: dict[str, Callable[[], Signal]] = {
        "6:1": lambda: open_signal(pixels[200:328].copy()),
        "3:1": lambda: open_signal(pixels[128:384].copy()),
        "slices of 3 mm": slices,
    }
    for name, make in makes.items():
        for field in ("grid", "siren:size=5x128"):
            separator = "," if ":" in field else ":"
            for what, form in ((f"{field}", field), (f"{field}, [-1, 1] on each axis", f"{field}{separator}aspect=none")):
                yield f"400 steps, {name}", what, lambda make=make, form=form: after_steps(make(), form)


def after_steps(signal: Signal, form: str) -> Row:
    """PSNR of all points after 400 steps."""
    fit = nint.fit(signal, field=form, budget=400, device="cpu", eval_every=400)
    pool = signal.pool(torch.device("cpu"))
    low, high = pool.value_range
    error = (forward_rows(fit.field, pool.coords, 4096) - pool.values[:]).double().square().mean()
    return {"psnr": round(-10 * math.log10(float(error) / (high - low) ** 2), 2), "network": fit.record["settings"]["field"]}


PARTS = {"photos": photos, "between": between, "shapes": shapes, "minutes": minutes}


def table(rows: list[Row]) -> str:
    """Every row."""
    lines = [
        "# The default recipe",
        "",
        "Written by benchmarks/default_recipe.py from default_recipe.jsonl. Seconds to a quality are training seconds.",
        "",
        "| task | with | PSNR | seconds to 25 / 28 / 30 dB | network | threads |",
        "|---|---|---:|---|---|---:|",
    ]
    for row in rows:
        to = (
            " / ".join("-" if value is None else f"{value:g}" for value in row.get("seconds_to", {}).values())
            if "seconds_to" in row
            else ""
        )
        lines.append(
            f"| {row['task']} | {row['with']} | {row['psnr']:.2f} | {to} | `{row.get('network', '')}` | {row.get('threads', '')} |"
        )
    if rows:
        lines += ["", f"Machine of the last row: {rows[-1]['machine']['processor']}, {rows[-1]['machine']['cores']} cores."]
    return "\n".join(lines).replace("``", "") + "\n"


def main() -> None:
    """Runs what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "default_recipe.jsonl")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()] if options.out.exists() else []
    for part in options.only:
        for task, what, run in PARTS[part](options.data):
            if any(row["task"] == task and row["with"] == what for row in rows):
                continue
            rows.append({"task": task, "with": what, **run(), "machine": machine()})
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print({key: value for key, value in rows[-1].items() if key != "machine"}, flush=True)
    options.out.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
