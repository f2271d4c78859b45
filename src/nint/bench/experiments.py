"""Everything that `nint bench` can run: name -> "module:object" of a table or a figure, imported when asked for."""

from __future__ import annotations

from typing import Any

from nint.errors import UsageError, nearest

TABLES: dict[str, str] = {f"table{n}": f"nint.bench.tables.table{n}:TABLE" for n in range(1, 11)}
FIGURES: dict[str, str] = {f"fig{n}": f"nint.bench.figures.fig{n}:FIGURE" for n in range(1, 11)}
EXPERIMENTS: dict[str, str] = TABLES | FIGURES
STUDIES: dict[str, str] = {"kernel": "nint.bench.kernel.study:STUDY"}
"""What the paper does not have; not part of "all"."""


def experiment(name: str) -> Any:
    """The table, figure or study of a name.

    Raises:
        UsageError: for an unknown name; the nearest is named.
    """
    from nint.signals.kinds import resolve

    known = EXPERIMENTS | STUDIES
    if name not in known:
        raise UsageError(f"There is no experiment called '{name}'.{nearest(name, [*known, 'all', 'list'])}")
    return resolve(known[name])
