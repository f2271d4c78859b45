"""What the published tables must have in common, so that a number typed wrong does not pass.

Cells that two tables share, seconds that go with iterations, and quality that grows along a row. Where the paper itself breaks a rule, that
is listed here with the numbers.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping
from typing import NamedTuple

from nint.bench.published import Rows, lower_is_better, published, published_tables

Tables = Mapping[str, Rows]
"""Name of a table -> its rows."""

_SHARED = (
    (("table2", "full"), ("table8", "full")),
    (("table2", "nint:random_share=0.7"), ("table5", "nint")),
    (("table2", "nint:random_share=0.5"), ("table5", "nint:random_share=0.5")),
    (("table5", "nint"), ("table8", "nint")),
)
"""Rows that are the same runs: Table 2 on images, the settings of Tables 5 and 8, and Stand."""

_RATE_TABLES = ("table2", "table5", "table8")
_SLOWER = {"table2": 0.06, "table5": 0.13, "table8": 0.06}
_FASTER = 0.06
_START_UP = 1.35  # the first hundred iterations cost up to so much more each
_CHANGING_RATE = ("nint:interval=incremental", "nint:interval=decremental")
"""Rows whose iterations do not all cost the same, by design."""


_BOUNDS = {"psnr": (5, 60), "ssim": (0, 1), "lpips": (0, 1), "stoi": (0, 1), "pesq": (1, 4.65), "si_snr": (-40, 60), "iou": (0, 1)}
"""What a metric can be."""


class Oddity(NamedTuple):
    """A rule that numbers break.

    Attributes:
        where: Tables, row and column.
        what: The rule and the numbers.
    """

    where: str
    what: str


KNOWN: Mapping[Oddity, str] = {
    Oddity("table2 and table5, nint:random_share=0.7 and nint, iterations@30", "384 and 389"): "the default twice; 1.3 % apart",
    Oddity("table2 and table5, nint:random_share=0.7 and nint, seconds@30", "25.05 and 25.09"): "the default twice; 0.2 % apart",
    Oddity("table2 and table5, nint:random_share=0.5 and nint:random_share=0.5, seconds@35", "108.9 and 108.89"): "rounded",
    Oddity("table5, nint:random_share=0.8, ssim0.9", "73.4 ms an iteration, 62.7 elsewhere in the row"): "120.73 s; about 103 would fit",
    Oddity("table8, nint:batch_share=0.4, 35", "92.2 ms an iteration, 70.6 elsewhere in the row"): "150.84 s; about 115 would fit",
    Oddity("table8, nint:schedule=step, lpips0.1", "85.9 ms an iteration, 66.3 elsewhere in the row"): "182.28 s; about 141 would fit",
    Oddity("table7, int, chamfer", "6.52 at 500, then 6.623 at 1000"): "6.223 would fit",
    Oddity("table7, int:schedule=step, chamfer", "6.518 at 500, then 6.622 at 1000"): "6.222 would fit",
}
"""Where the paper breaks a rule -> a remark."""


def published_rows() -> dict[str, Rows]:
    """The rows of all tables."""
    return {name: published(name).rows for name in published_tables()}


def oddities(tables: Tables) -> list[Oddity]:
    """Every rule that the tables break, those of the paper included."""
    return [*shared_cells(tables), *rates(tables), *falls(tables), *impossible(tables)]


def problems(tables: Tables) -> list[Oddity]:
    """Rules that the tables break and the paper does not (or no longer in the same way): numbers typed wrong."""
    found = oddities(tables)
    gone = [Oddity(known.where, f"{known.what} is expected") for known in KNOWN if known not in found]
    return [oddity for oddity in found if oddity not in KNOWN] + gone


def shared_cells(tables: Tables) -> list[Oddity]:
    """Cells of the same runs in two tables that are not equal."""
    found = []
    for (table, row), (other, twin) in _SHARED:
        ours, theirs = tables[table][row], tables[other][twin]
        for column in ours.keys() & theirs.keys():
            if ours[column] != theirs[column]:
                found.append(Oddity(f"{table} and {other}, {row} and {twin}, {column}", f"{ours[column]:g} and {theirs[column]:g}"))
    return sorted(found)


def rates(tables: Tables) -> list[Oddity]:
    """Cells whose seconds an iteration are not those of the rest of their row."""
    found = []
    for table in _RATE_TABLES:
        for row, values in tables[table].items():
            if row in _CHANGING_RATE:
                continue
            targets = [column.partition("@")[2] for column in values if column.startswith("seconds@")]
            rate = {target: _rate(values, target) for target in targets}
            for target, value in rate.items():
                rest = statistics.median(other for name, other in rate.items() if name not in (target, "25"))
                top = _START_UP if target == "25" else 1 + _SLOWER[table]
                if not (1 - _FASTER) * rest <= value <= top * rest:
                    what = f"{1000 * value:.1f} ms an iteration, {1000 * rest:.1f} elsewhere in the row"
                    found.append(Oddity(f"{table}, {row}, {target}", what))
    return found


def falls(tables: Tables) -> list[Oddity]:
    """Rows in which more training makes a metric worse, or a higher target takes less."""
    found = []
    for table, rows in tables.items():
        for row, values in rows.items():
            if row in _CHANGING_RATE:
                continue
            series: dict[str, list[tuple[float, float]]] = {}
            for column, value in values.items():
                what, _, where = column.partition("@")
                point = where.removesuffix("s")
                if value is not None and point.replace(".", "").isdigit() and what != "stoi":
                    series.setdefault(what, []).append((float(point), value))
            for what, points in series.items():
                # A quality gets better along the row; what a target took gets more.
                rises = what in ("iterations", "seconds") or not lower_is_better(what)
                for (a, before), (b, after) in itertools.pairwise(sorted(points)):
                    if (after < before) if rises else (after > before):
                        found.append(Oddity(f"{table}, {row}, {what}", f"{before:g} at {a:g}, then {after:g} at {b:g}"))
    return found


def impossible(tables: Tables) -> list[Oddity]:
    """Values that a metric cannot have."""
    found = []
    for table, rows in tables.items():
        for row, values in rows.items():
            for column, value in values.items():
                low, high = _BOUNDS.get(column.partition("@")[0], (0, float("inf")))
                if value is not None and not low < value < high:
                    found.append(Oddity(f"{table}, {row}, {column}", f"{value:g}"))
    return found


def _rate(values: Mapping[str, float | None], target: str) -> float:
    seconds, iterations = values[f"seconds@{target}"], values[f"iterations@{target}"]
    return (seconds or 0.0) / (iterations or 1.0)
