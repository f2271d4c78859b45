"""What `nint compare` and `nint bench` share: their tables on the terminal, and their progress."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nint.bench.tables.cells import TableData


def show_table(data: TableData, width: int) -> None:
    """Prints a table.

    Args:
        data: The table.
        width: Letters in a line, where standard output is no terminal.
    """
    from rich.console import Console

    from nint.bench.tables.write import rich_tables
    from nint.cli.show import Printable

    console = Console(width=None if sys.stdout.isatty() else width, highlight=False, markup=False, emoji=False)
    for table in rich_tables(data):
        console.print(Printable(table))


def after(done: float, told: Callable[[float, str], None]) -> Callable[[float, str], None]:
    """A progress that counts on from runs that are done."""
    return lambda part, what: told(done + part, what)
