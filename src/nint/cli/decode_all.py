"""`nint decode-all`: the signals of a dataset of fields as files."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from nint.cli.parsing import Bounds, flag, number, positional, text, whole
from nint.errors import UsageError


@dataclass(frozen=True)
class DecodeAllOptions:
    """Writes every signal of a dataset of fields into a folder, named by its id.

    Attributes:
        dataset: folder that nint fit-all has written
        out: folder for the files
        split: only the fields of this split
        ending: of the files, such as png; the first one of each kind if left out
        scale: images, video, volumes, arrays: size relative to the fitted one
        rate: audio: samples a second
        resolution: shapes, points: points an axis of the grid that is evaluated
        device: auto, cpu, cuda or mps
        force: overwrite files that are there
        quiet: print errors only
    """

    dataset: Annotated[str, *positional("DATASET")]
    out: Annotated[str | None, *text("DIR")] = None
    split: Annotated[str | None, *text("NAME")] = None
    ending: Annotated[str | None, *text("ENDING")] = None
    scale: Annotated[float | None, *number("FACTOR", Bounds(0, 1e6, open_low=True))] = None
    rate: Annotated[int | None, *whole("HZ", 1, 10**8)] = None
    resolution: Annotated[int | None, *whole("N", 2, 2**12)] = None
    device: Annotated[str, *text("DEVICE")] = "auto"
    force: Annotated[bool, *flag()] = False
    quiet: Annotated[bool, *flag()] = False


def run(options: DecodeAllOptions) -> int:
    """Runs `nint decode-all`; returns the exit code: 1 where any field could not be written; a file that was there counts as written.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    if options.out is None:
        raise UsageError("decode-all needs --out, the folder for the files.")

    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import runs_bar
    from nint.cli.show import Show
    from nint.machine.devices import resolve_device
    from nint.many.decode import decode_all
    from nint.many.notes import counted
    from nint.many.opened import open_dataset
    from nint.runs.places import check_apart, check_writable

    out, show = Path(options.out), Show(quiet=options.quiet)
    dataset = open_dataset(options.dataset, options.split)
    check_apart(out, [dataset.path], "--out")
    existed = out.exists()
    check_writable(out)
    asked: dict[str, Any] = {name: getattr(options, name) for name in ("scale", "rate", "resolution")}
    asked = {name: value for name, value in asked.items() if value is not None}
    device = str(resolve_device(options.device))
    written, there, problems = 0, 0, []
    lost: list[tuple[str, str]] = []
    with Interrupts() as interrupts, runs_bar(len(dataset), "signals") as told:
        found = decode_all(
            dataset,
            out,
            ending=options.ending,
            force=options.force,
            device=device,
            interrupted=interrupts,
            lost=lambda id, said: lost.append((id, said)),
            **asked,
        )
        for done, (id, path, why) in enumerate(found, 1):
            written += path is not None
            there += path is None and not why
            problems += [(id, why)] if why else []
            told(done, "")
    if not existed and not written:
        with contextlib.suppress(OSError):  # it is not empty after all, or has gone
            os.rmdir(out)
    left = f", {there:,} were there already (--force overwrites them)" if there else ""
    show.line(f"{out}: {written:,} of {len(dataset):,} signals written{left}")
    for said in counted(lost, written):
        show.line(f"note: {said}")
    for id, why in problems:
        show.line(f"not written: {id}: {why}")
    return interrupts.exit_code or (1 if problems else 0)
