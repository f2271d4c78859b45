"""Makes docs/gallery.md and its pictures with the tool itself: nint runs on its samples, the pictures it leaves are reduced to WebP.

    python tools/make_gallery.py [--out docs] [--quick]

Needs the extras audio, shape, video. About two minutes on two cores; --quick takes a few steps and shows only that it works.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "images/gallery"
WIDEST, QUALITY = 1000, 78
PACE = ("--threads", "2")


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery.

    Attributes:
        name: Of its file.
        title: Heading.
        command: The command line after `nint`, without --out.
        picture: What the command leaves, a pattern; "" draws the surface that was fitted.
        about: A sentence below the picture.
        also: Further pictures: name of the file -> pattern.
    """

    name: str
    title: str
    command: str
    picture: str
    about: str
    also: tuple[tuple[str, str], ...] = ()


ENTRIES = (
    Entry(
        "photo",
        "A photo",
        "fit sample:astronaut --max-side 256 --size 5x128 --steps 1200",
        "selection.png",
        "Each panel is one training step: the reconstruction so far, with the points of that step in red. The batch grows, and it "
        "follows the error.",
        (("photo-error", "error.png"),),
    ),
    Entry(
        "sound",
        "A sound",
        "fit sample:chirp --size 5x128 --steps 1500",
        "sound.png",
        "Waveform, error and spectrogram, the original on the left.",
    ),
    Entry(
        "video",
        "A video",
        "fit sample:bouncing --size 5x128 --steps 1000",
        "frames.png",
        "Six of 24 frames: original, reconstruction, error.",
    ),
    Entry(
        "volume",
        "A volume",
        "fit sample:phantom --size 5x128 --steps 800",
        "slices.png",
        "The three middle slices of 64x64x64 voxels. The skull is a jump that a small network of sines rings around.",
    ),
    Entry(
        "shape",
        "A shape",
        "fit sample:torus --size 4x96 --steps 600 --redraw-every 10",
        "",
        "The surface decoded from the network, and its distance from the true one.",
    ),
    Entry(
        "grid",
        "A grid of numbers",
        "fit sample:ripples --size 4x96 --steps 600",
        "slices.png",
        "Any regular grid, from .npy, zarr or TIFF.",
    ),
    Entry(
        "samplers",
        "Samplers beside each other",
        "compare sample:chelsea --max-side 128 --samplers nint nint-fast int evos expansive uniform"
        " --fields siren:size=4x96 --seeds 1 --steps 500",
        "selection-*.png",
        "Where six samplers look on one photo, with the paper's settings. `nint` and `int` go to the worst points and keep a random part, "
        "`evos` to whole regions, `expansive` to edges.",
        (("samplers-curves", "curves-psnr.png"),),
    ),
    Entry(
        "networks",
        "Networks beside each other",
        "compare sample:chelsea --max-side 128 --samplers nint-fast --recipe default --seeds 1 --steps 400 --fields siren:size=4x96"
        " finer:size=4x96 gauss:size=4x96 wire:size=3x32 ffn:size=4x96 pemlp:size=4x96 mlp:size=4x96 grid",
        "reconstructions-*.png",
        "Eight networks on one photo, each with what the default recipe chooses for it, as many steps each. The recipe was tuned on "
        "`siren` and `grid`, and `grid` at its own size has more parameters than the photo has numbers; `wire` is small here, since it is "
        "slow.",
        (("networks-curves", "curves-psnr.png"),),
    ),
)


def make(out: Path, quick: bool = False, only: tuple[str, ...] = ()) -> Path:
    """Writes the pictures and the page; returns the page."""
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    parts = [HEAD]
    for entry in ENTRIES:
        if not only or entry.name in only:
            parts.append(section(entry, out, quick))
    page = out / "gallery.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


HEAD = """# Gallery

Everything here is made by the tool itself, on its own samples, by `python tools/make_gallery.py`: the commands below, with `--out FOLDER`,
and the pictures that they leave there, only reduced. One run each, on two CPU cores."""


def section(entry: Entry, out: Path, quick: bool) -> str:
    """Runs one command and returns its part of the page."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run_nint([*shortened(entry.command, quick), "--out", str(run), *PACE])
        pictures = {entry.name: entry.picture} | dict(entry.also)
        lines = [f"## {entry.title}", f"    nint {entry.command}"]
        for name, pattern in pictures.items():
            source = next(iter(sorted(run.glob(pattern)))) if pattern else drawn_surface(run)
            reduced(source, out / FOLDER / f"{name}.webp")
            lines.append(f"![{entry.title}: {name}]({FOLDER}/{name}.webp)")
        lines.append(f"*{entry.about}{said(run)}*")
    return "\n\n".join(lines)


def shortened(command: str, quick: bool) -> list[str]:
    """The words with at most five steps where it must be quick."""
    found = shlex.split(command)
    if quick:
        found[found.index("--steps") + 1] = "5"
    return found


def run_nint(words: list[str]) -> None:
    from nint.cli.main import main

    with contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    if code:
        raise SystemExit(f"nint {shlex.join(words)} ended with {code}")


def said(run: Path) -> str:
    """Quality, steps and training time of a fit, as in its record; nothing for a comparison."""
    if not (run / "run.json").exists():
        return ""
    from nint.report.facts import metrics
    from nint.report.words import duration, metric, metric_label

    record: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    found = [f"{metric_label(name)} {metric(name, value)}" for name, value in metrics(record).items()]
    return f" {', '.join(found)} after {record['steps']:,} steps, {duration(record['training_seconds'])} of training."


def drawn_surface(run: Path) -> Path:
    """The decoded surface of a fitted shape beside the true one, coloured by its distance."""
    import numpy as np

    from nint.plots.solids import Solid, write_solids
    from nint.runs.model import Fit
    from nint.signals.open import open_signal

    fit = Fit.load(run / "model.safetensors")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    signal: Any = open_signal(record["settings"]["input"])
    mesh: Any = fit.decode(resolution=96)
    vertices = signal.layout.to_coords(mesh.vertices)
    distances = np.abs(signal.ground_truth.signed_distance(vertices))
    solids = [
        Solid("original", signal.placed.vertices, signal.placed.faces),
        Solid("reconstruction", vertices, mesh.faces, distances, f"IoU {record['iou']:.4f}"),
    ]
    return write_solids(solids, signal.layout.cube, "Surface, and its distance from the true one", run / "surface.png")


def reduced(source: Path, target: Path) -> None:
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        if small.width > WIDEST:
            small = small.resize((WIDEST, round(small.height * WIDEST / small.width)), Image.Resampling.LANCZOS)
        small.save(target, "WEBP", quality=QUALITY, method=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=())
    asked = parser.parse_args()
    print(make(asked.out, asked.quick, tuple(asked.only)))
