"""`nint watch`: a local page that shows the runs of a folder while they train."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from nint.cli.parsing import positional, whole
from nint.errors import UsageError


@dataclass(frozen=True)
class WatchOptions:
    """Serves a page on 127.0.0.1 that shows runs while they train: picture, selected points and curves, side by side.

    It only reads the folders; Ctrl-C ends the page and no run. With nint fit --live the picture is at most a few seconds old; of other runs
    it is that of the last snapshot, and the curve that of the last checkpoint.

    Attributes:
        folder: output folder of nint fit, or a folder of several
        port: port of the page; a free one if left out
    """

    folder: Annotated[str, *positional("FOLDER")] = "nint-out"
    port: Annotated[int | None, *whole("PORT", 1, 65535)] = None


def run(options: WatchOptions) -> int:
    """Runs `nint watch`; returns the exit code.

    Raises:
        UsageError: for a folder that does not exist, a port that is taken, or a missing package.
    """
    from nint.live.beside import check_packages

    check_packages()
    folder = Path(options.folder)
    if not folder.is_dir():
        raise UsageError(
            f"'{folder}' {'is not a folder' if folder.exists() else 'does not exist'}; give the output folder of a fit, or of several."
        )

    from nint.cli.show import Show
    from nint.live.server import address_of, listening, serve
    from nint.live.state import count_runs, runs_in

    found = listening(options.port)
    runs, shown = count_runs(folder), len(runs_in(folder))
    newest = f", of which the {shown} written to last are shown" if shown < runs else ""
    what = f"{runs} run{'s' * (runs != 1)} in {folder}{newest}"
    Show().line(f"{what}; watch at {address_of(found)} (this machine only). Ctrl-C ends the page and no run.")
    with contextlib.suppress(KeyboardInterrupt):
        serve(folder, found)
    return 0
