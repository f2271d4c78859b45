"""Output of the commands: plain lines where it goes to a pipe, bold and coloured only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

_UNLIMITED = 10_000  # columns where the output is not a terminal, so that lines are not wrapped
_BAD = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """A text on one line without control characters: names of files and what stands in them may hold any, and none may reach the terminal.

    White space becomes spaces, and every other letter that cannot be printed the replacement character.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else _BAD for letter in text)


def complain(sentence: str) -> None:
    """Prints a sentence of nint's on standard error."""
    print(f"nint: {printable(sentence)}", file=sys.stderr, flush=True)


class Show:
    """Prints lines, facts and tables.

    Args:
        stream: Output; None is standard output.
        quiet: Print nothing.
    """

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream
        self.quiet = quiet

    def line(self, text: str = "") -> None:
        """Prints one line without wrapping it."""
        if not self.quiet:
            print(printable(text), file=self._stream or sys.stdout, flush=True)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Prints labels and texts in two columns; rows without a text are left out."""
        table = _grid()
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for label, said in rows:
            if said:
                table.add_row(_plain(label), _plain(said))
        self._render(table)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Prints rows under a header."""
        table = _grid()
        table.show_header = True
        for number, column in enumerate(columns):
            table.add_column(_plain(column), header_style="bold", no_wrap=number < len(columns) - 1, overflow="fold")
        for row in rows:
            table.add_row(*map(_plain, row))
        self._render(table)

    def _render(self, table: Any) -> None:
        if self.quiet:
            return

        from rich.console import Console

        stream = self._stream or sys.stdout
        terminal = stream.isatty()
        console = Console(file=stream, width=None if terminal else _UNLIMITED, highlight=False, markup=False, emoji=False)
        with console.capture() as captured:
            console.print(table)
        stream.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
        stream.flush()


class Printable:
    """Anything that rich draws, without the control characters that stand in its texts.

    Args:
        drawn: A table, for example.
    """

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """What is drawn, piece by piece.

        Yields:
            Segments of rich.
        """
        from rich.segment import Segment

        for piece in console.render(self._drawn, options):
            yield piece if piece.control or piece.text == "\n" else Segment(printable(piece.text), piece.style)


def _grid() -> Any:
    from rich.table import Table

    return Table.grid(padding=(0, 2))


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(printable(text))
