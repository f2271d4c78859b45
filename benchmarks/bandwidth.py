"""How well a network's bandwidth is chosen before training: the kernel, FreSh, a fixed default and a grid search, against a sweep.

    python benchmarks/bandwidth.py --data ../shared/data

For each signal a SIREN (and on one photo a FINER) of 5x128 is trained for 400 steps of the default recipe at each weight scale of a sweep;
a rule's loss is the sweep's best PSNR less the PSNR at the weight scale that the rule chose. Finished runs are kept in
results/bandwidth.jsonl and not repeated; results/bandwidth.md is written from them.

Rules: `kernel`, nint's own (`weight_scale=auto`); `leave-one-out`, the same without the factor for samples; `fresh`, the spectrum of
the untrained output against the signal's (FreSh, Kania et al., ICLR 2025: Wasserstein distance of the spectra's first 64 frequencies, mean
of three seeds); `fixed`, 1.7, nint's default before; `grid search`, the best of 0.5, 1, 1.4, 2, 2.8 after 40 steps each. WINNER (arXiv
2509.09719) sets noise on the weights and no weight scale, and was not measured.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, zoom

import nint
from nint.bandwidth.search import choose
from nint.fields import build_field
from nint.ntk.products import forward_rows
from nint.runs.job import make_job
from nint.signals.base import Signal
from nint.signals.open import open_signal

RESULTS = Path(__file__).parent / "results"
SWEEP = (0.35, 0.5, 0.7, 1.0, 1.4, 1.7, 2.0, 2.4, 2.8)
TRIED, TRIAL_STEPS = (0.5, 1.0, 1.4, 2.0, 2.8), 40
STEPS, SIDE = 400, 256
FIXED = 1.7
_SPECTRUM, _SEEDS = 64, 3
_WORDS = "coordinates of the point that moves the whole function most are trained on first"


def photo(path: Path) -> Image.Image:
    """The middle of a photo, 256x256."""
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BOX)


def page() -> Image.Image:
    """Printed words, slightly soft, as a scanner sees them."""
    image = Image.new("L", (SIDE, SIDE), 245)
    draw, words = ImageDraw.Draw(image), _WORDS.split()
    for row in range(22):
        draw.text((6, 4 + row * 11), " ".join(words[(row * 5 + k) % len(words)] for k in range(6)), fill=20)
    return image.filter(ImageFilter.GaussianBlur(0.5))


def signals(data: Path) -> dict[str, Callable[[], tuple[Signal, str]]]:
    """Name -> signal and network."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(64, 64, 64)), 6).astype(np.float32)

    def noisy(image: Image.Image) -> np.ndarray:
        return np.clip(np.asarray(image) / 255 + rng.normal(0, 0.15, (SIDE, SIDE, 3)), 0, 1).astype(np.float32)

    def volume() -> np.ndarray:
        whole = np.asarray(nibabel.load(data / "volumes/ch2.nii.gz").dataobj, np.float32)
        return zoom(whole, [64 / points for points in whole.shape], order=1)

    siren, finer = "siren:size=5x128", "finer:size=5x128"
    photos = {name: data / path for name, path in (("div2k 02", "div2k/02.png"), ("div2k 06", "div2k/06.png"))}
    photos |= {f"kodim{n}": data / f"kodak/kodim{n}.png" for n in ("04", "08")}
    found: dict[str, Callable[[], tuple[Signal, str]]] = {
        name: lambda path=path: (open_signal(photo(path)), siren) for name, path in photos.items()
    }
    two = photos["div2k 02"]
    found["div2k 02 blurred"] = lambda: (open_signal(photo(two).filter(ImageFilter.GaussianBlur(4))), siren)
    found["div2k 02 noisy"] = lambda: (open_signal(noisy(photo(two))), siren)
    found["page"] = lambda: (open_signal(page()), siren)
    found["ch2 64^3"] = lambda: (open_signal(volume(), kind="volume"), siren)
    found["smooth 64^3"] = lambda: (open_signal(smooth, kind="volume"), siren)
    for n in ("00", "03"):
        found[f"speech {n}"] = lambda n=n: (open_signal(data / f"speech/{n}.flac", start=1.0, duration=1.0), siren)
    found["div2k 02, FINER"] = lambda: (open_signal(photo(two)), finer)
    return found


def trained(signal: Signal, field: str, scale: float, steps: int, seed: int = 0) -> tuple[float, float]:
    """PSNR (for sound, SNR on its own range) after a run at a weight scale, and the run's training seconds."""
    fit = nint.fit(signal, field=f"{field},weight_scale={scale}", budget=steps, seed=seed, device="cpu", eval_every=steps)
    pool = signal.pool(torch.device("cpu"))
    low, high = pool.value_range
    error = (forward_rows(fit.field, pool.coords, 4096) - pool.values[:]).double().square().mean()
    return -10 * math.log10(float(error) / (high - low) ** 2), float(fit.record["training_seconds"])


def spectrum(values: np.ndarray, axes: int) -> np.ndarray:
    """Amplitude by frequency without the constant, normalised, the first 64 frequencies."""
    amplitude = sum(np.abs(np.fft.fftn(values[..., channel])) for channel in range(values.shape[-1]))
    frequencies = np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in values.shape[:axes]], indexing="ij")
    radius = np.sqrt(sum(f**2 for f in frequencies)).round().astype(int).ravel()
    found = np.bincount(radius, amplitude.ravel(), minlength=_SPECTRUM + 1)[1 : _SPECTRUM + 1]
    return found / max(found.sum(), 1e-30)


def fresh(signal: Signal, field: str) -> float:
    """FreSh's choice among the sweep."""
    pool = signal.pool(torch.device("cpu"))
    grid = pool.grid
    wanted = spectrum(pool.values[:].numpy().reshape(*grid, -1), len(grid))
    best, least = SWEEP[0], math.inf
    for scale in SWEEP:
        distance = 0.0
        for seed in range(_SEEDS):
            job = make_job(signal, recipe="default", field=f"{field},weight_scale={scale}", seed=seed)
            network = build_field(job.field, signal.layout.in_features, signal.layout.out_features, torch.Generator().manual_seed(seed))
            output = forward_rows(network, pool.coords, 4096).numpy().reshape(*grid, -1)
            distance += float(np.abs(np.cumsum(spectrum(output, len(grid)) - wanted)).sum())
        if distance < least:
            best, least = scale, distance
    return best


def measure(name: str, signal: Signal, field: str, known: dict[tuple[str, str, str], dict], out: Path) -> None:
    """What is not known yet of one signal, appended to a file."""

    def once(rule: str, value: str, found: Callable[[], dict]) -> dict:
        key = (name, rule, value)
        if key not in known:
            began = time.process_time()
            row = {"signal": name, "field": field, "rule": rule, "value": value, **found()}
            row.setdefault("cpu_seconds", round(time.process_time() - began, 3))
            known[key] = row
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
        return known[key]

    def at(scale: float) -> None:
        once("final", f"{scale:g}", lambda: {"psnr": round(trained(signal, field, scale, STEPS)[0], 3)})

    for scale in SWEEP:
        at(scale)
    spec = build_spec(signal, field)
    kernel = once("kernel", "", lambda: kernel_choice(spec, signal))
    other = once("fresh", "", lambda: {"scale": fresh(signal, field)})
    search = once("grid search", "", lambda: {"scale": max(TRIED, key=lambda scale: trained(signal, field, scale, TRIAL_STEPS)[0])})
    for scale in {kernel["scale"], kernel["leave_one_out"], other["scale"], search["scale"], FIXED}:
        at(scale)


def build_spec(signal: Signal, field: str) -> object:
    """The network as a run would have it, but for its weight scale."""
    return make_job(signal, recipe="default", field=f"{field},weight_scale=1").field


def kernel_choice(spec: object, signal: Signal) -> dict:
    """Ours, with the seeds' spread."""
    choices = [choose(spec, "weight_scale", signal, seed) for seed in range(3)]
    first = choices[0]
    return {
        "scale": first.chosen,
        "leave_one_out": first.value,
        "decibels": round(first.decibels, 2),
        "other_seeds": [choice.chosen for choice in choices[1:]],
        "cpu_seconds": round(first.seconds, 3),
    }


def table(rows: dict[tuple[str, str, str], dict]) -> str:
    """Loss of each rule by signal, in decibels."""
    rules = ("kernel", "leave-one-out", "fresh", "grid search", "fixed")
    lines = [
        "# Choosing the weight scale before training",
        "",
        f"SIREN or FINER 5x128, {STEPS} steps of the default recipe, seed 0. `best` is that of a sweep over",
        f"{', '.join(map(str, SWEEP))} and of what the rules chose; a rule's column is its scale and what",
        "it loses to the best, in decibels. Written by benchmarks/bandwidth.py.",
        "",
        "| signal | best | at | " + " | ".join(rules) + " | seconds of the kernel |",
        "|---" * (len(rules) + 4) + "|",
    ]
    losses: dict[str, list[float]] = {rule: [] for rule in rules}
    for name in dict.fromkeys(key[0] for key in rows):
        final = {float(value): row["psnr"] for (signal, rule, value), row in rows.items() if signal == name and rule == "final"}
        kernel = rows.get((name, "kernel", ""))
        if kernel is None or (name, "grid search", "") not in rows:
            continue
        best = max(final, key=lambda scale: final[scale])
        scales = {
            "kernel": kernel["scale"],
            "leave-one-out": kernel["leave_one_out"],
            "fresh": rows[name, "fresh", ""]["scale"],
            "grid search": rows[name, "grid search", ""]["scale"],
            "fixed": FIXED,
        }
        if any(scale not in final for scale in scales.values()):
            continue
        cells = []
        for rule, scale in scales.items():
            losses[rule].append(final[best] - final[scale])
            cells.append(f"{scale:g}: {losses[rule][-1]:.2f}")
        lines.append(f"| {name} | {final[best]:.2f} | {best:g} | " + " | ".join(cells) + f" | {kernel['cpu_seconds']:.2f} |")
    if losses["kernel"]:
        lines.append("| **mean** | | | " + " | ".join(f"{np.mean(losses[rule]):.2f}" for rule in rules) + " | |")
        lines.append("| **worst** | | | " + " | ".join(f"{max(losses[rule]):.2f}" for rule in rules) + " | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "bandwidth.jsonl")
    parser.add_argument("--only", nargs="*", help="names of signals")
    options = parser.parse_args()
    rows: dict[tuple[str, str, str], dict] = {}
    if options.out.exists():
        for line in options.out.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["signal"], row["rule"], row["value"]] = row
    for name, make in signals(options.data).items():
        if not options.only or name in options.only:
            signal, field = make()
            measure(name, signal, field, rows, options.out)
    options.out.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
