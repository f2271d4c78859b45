"""`nint report`: writes one HTML page about a fit, a comparison or a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nint.cli.parsing import positional, text
from nint.runs.contents import REPORT

if TYPE_CHECKING:
    from nint.cli.show import Show


@dataclass(frozen=True)
class ReportOptions:
    """Writes one self-contained HTML page about a fit, a comparison or a benchmark; it opens without a network.

    Attributes:
        folder: output folder of nint fit, nint compare, nint bench or nint fit-all
        out: file to write; report.html in the folder if left out
        input: the fitted file, where it is not found automatically
    """

    folder: Annotated[str, *positional("FOLDER")]
    out: Annotated[str | None, *text("FILE")] = None
    input: Annotated[str | None, *text("FILE")] = None


def run(options: ReportOptions) -> int:
    """Runs `nint report`; returns the exit code.

    Raises:
        UsageError: for a folder that holds nothing to report on, or a page that cannot be written.
    """
    from nint.report.page import write_report
    from nint.runs.places import check_apart, input_paths

    out = None if options.out is None else Path(options.out)
    check_apart(Path(options.folder) / REPORT if out is None else out, input_paths(options.input), "The report")
    written = write_report(Path(options.folder), out, options.input)
    show_report(written)
    return 0


def show_report(path: Path, show: Show | None = None) -> None:
    """Prints a line about a page that was written."""
    from nint.cli.show import Show
    from nint.report.words import memory

    (show or Show()).line(f"{path}: {memory(path.stat().st_size)}; open it in a browser, it needs no network")
