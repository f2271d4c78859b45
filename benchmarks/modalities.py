"""Each kind of signal on real data, with nint, uniform and full: quality after the same number of steps.

    python benchmarks/modalities.py --data ../shared/data [--out benchmarks/results/modalities.jsonl] [--only audio shape ...]

Steps and sizes are small, for a laptop's CPU; each row holds the settings, so that it can be run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from machine import machine

import nint

CASES: dict[str, dict[str, Any]] = {
    "audio": {"file": "speech/00.flac", "start": 0.0, "duration": 2.0, "field": "siren:size=5x128", "lr": 1e-3, "budget": 1000},
    "shape": {"file": "meshes/armadillo.off", "pool_size": 20_000, "field": "siren:size=5x128", "lr": 5e-4, "budget": 200},
    "shape 2": {"file": "meshes/bunny00.off", "pool_size": 20_000, "field": "siren:size=5x128", "lr": 5e-4, "budget": 200},
    "volume": {"file": "volumes/ch2.nii.gz", "field": "siren:size=5x128", "lr": 1e-3, "budget": 150, "batch": 30_000, "among": 120_000},
    "video": {
        "file": "video/bikes.mp4",
        "max_side": 96,
        "field": "siren:size=5x128",
        "lr": 1e-3,
        "budget": 150,
        "batch": 30_000,
        "among": 120_000,
    },
    "video, 1 s": {"file": "video/bikes.mp4", "max_side": 96, "duration": 1.0, "field": "siren:size=5x128", "lr": 1e-3, "budget": 150},
    "super-resolution": {"file": "kodak/kodim04.png", "max_side": 256, "super_resolution": 2, "field": "siren:size=5x128", "budget": 500},
}
SAMPLERS = ("nint", "uniform", "full")


def sampler_text(name: str, batch: int | None, among: int | None) -> str:
    """The sampler, on a random sub-pool where the pool is large; `full` stands for all of the sub-pool's points there."""
    if batch is None:
        return name
    if name == "full":
        return f"uniform:batch_size={among}"
    return f"{name}:batch_size={batch}" + (f",candidates={among}" if name == "nint" else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=list(CASES))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for case in options.only:
        settings = dict(CASES[case])
        path, batch, among = options.data / settings.pop("file"), settings.pop("batch", None), settings.pop("among", None)
        for name in SAMPLERS:
            fit = nint.fit(path, recipe="paper", sampler=sampler_text(name, batch, among), eval_every=settings["budget"], **settings)
            record = {key: value for key, value in fit.record.items() if key != "curve"}
            row = {"benchmark": f"modality: {case}", "sampler": name, "options": settings, **record, **machine()}
            found = "  ".join(f"{metric} {value:.4g}" for metric, value in fit.metrics.items())
            print(f"{case:17s} {record['settings']['sampler']:42s} {found}  {record['training_seconds']:.0f} s", flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
