"""Draws the rooms of the package from the import-linter contract and the imports that the source really has.

Usage: python tools/draw_rooms.py [FILE]      (default docs/images/rooms.png)

Rows and columns are the rooms in the order of the layers in pyproject.toml. A cell holds the number of modules of the row's room that
import something of the column's room. Imports go downwards only, so every cell lies right of the diagonal.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "nint"
INK, FAINT, FILL, HERE = "#222222", "#dddddd", "#0072b2", "#eeeeee"


@dataclass(frozen=True)
class Room:
    """A module or package directly below the root.

    Attributes:
        name: Its name.
        layer: 0-based layer of the contract, the top one first.
        modules: Number of files.
        lines: Number of lines.
        about: First sentence of its docstring.
    """

    name: str
    layer: int
    modules: int
    lines: int
    about: str


def layers() -> list[list[str]]:
    """The layers of the contract, top first, each with the names of its rooms."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contract = next(contract for contract in tool["contracts"] if contract["type"] == "layers")
    return [[name.strip() for part in layer.split(":") for name in part.split("|")] for layer in contract["layers"]]


def room_of(name: str, layer: int) -> Room:
    """Counts the files and lines of a room and reads its docstring."""
    place = ROOT / "src" / PACKAGE / name
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    head = ast.get_docstring(ast.parse((place / "__init__.py" if place.is_dir() else files[0]).read_text(encoding="utf-8"))) or ""
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    return Room(name, layer, len(files), lines, textwrap.shorten(head.split("\n")[0].split(". ")[0], 84, placeholder=" ..."))


def imports() -> Counter[tuple[str, str]]:
    """(importing room, imported room) -> number of imports between their modules."""
    import grimp

    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = tuple(name.split(".")[1] if "." in name else "" for name in (importer, imported))
            if pair[0] and pair[1] and pair[0] != pair[1]:
                found[pair] += 1
    return found


def draw(path: Path) -> None:
    """Writes the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rooms = [room_of(name, number) for number, names in enumerate(layers()) for name in names]
    counts, size = imports(), len(rooms)
    unknown = {name for pair in counts for name in pair} - {room.name for room in rooms} - {"__main__"}
    if unknown:
        raise SystemExit(f"The contract has no layer for {', '.join(sorted(unknown))}.")
    figure = Figure(figsize=(13.5, 0.33 * size + 1.2), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    left, right = 10.0, 22.0
    axes.set_xlim(0, left + size + right)
    axes.set_ylim(size + 0.8, -2.6)
    for number, room in enumerate(rooms):
        if number and rooms[number - 1].layer != room.layer:
            axes.plot([0, left + size + right], [number, number], color=FAINT, linewidth=0.8, zorder=0)
        axes.add_patch(Rectangle((left + number, number), 1, 1, facecolor=HERE, edgecolor="none"))
        axes.text(left - 4.8, number + 0.5, room.name, va="center", ha="right", fontsize=10, color=INK, fontweight="bold")
        files = f"{room.modules} file{'s' if room.modules > 1 else ''}, {room.lines:,} lines"
        axes.text(left - 0.3, number + 0.5, files, va="center", ha="right", fontsize=6.5, color="#666666")
        axes.text(left + number + 0.5, -0.2, room.name, va="bottom", ha="left", fontsize=8, color=INK, rotation=45, rotation_mode="anchor")
        axes.text(left + size + 0.5, number + 0.5, room.about, va="center", ha="left", fontsize=7.5, color=INK)
        for other, target in enumerate(rooms):
            if count := counts[room.name, target.name]:
                strength = 0.12 + 0.6 * min(count / 40, 1.0)
                axes.add_patch(Rectangle((left + other, number), 1, 1, facecolor=FILL, alpha=strength, edgecolor="white"))
                axes.text(left + other + 0.5, number + 0.5, str(count), va="center", ha="center", fontsize=7.5, color=INK)
    axes.text(0.2, size + 0.5, "Row imports column; the number counts imports between modules.", fontsize=8, color="#666666")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "rooms.png")
