"""`nint decode`: writes a fitted signal at any size."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from nint.cli.models import model_path
from nint.cli.output_file import check_output_file
from nint.cli.parsing import MAX_SIDE, Bounds, flag, number, numbers, positional, text, whole, wholes
from nint.cli.show import Show, complain
from nint.errors import UsageError


@dataclass(frozen=True)
class DecodeOptions:
    """Writes the signal that a model stores, at its own size or any other.

    Attributes:
        model: model file, or the folder of a run
        output: file to write; its ending chooses the format
        scale: images, video, volumes, arrays: size relative to the fitted one
        height: images, video: rows; alone it keeps the aspect
        width: images, video: columns; alone it keeps the aspect
        crop: images: part of the decoded image, in its pixels; only this is computed
        rate: audio: samples a second
        fps: video: frames a second
        frame: video: the one frame at this time in seconds, as a picture
        shape: volumes, arrays: points an axis
        slice: volumes: one slice, as AXIS:INDEX, for example z:40
        resolution: shapes, points: points an axis of the grid that is evaluated
        at: points: file of the coordinates to evaluate
        device: auto, cpu, cuda or mps
        force: overwrite OUTPUT
    """

    model: Annotated[str, *positional("MODEL")]
    output: Annotated[str, *positional("OUTPUT")]
    scale: Annotated[float | None, *number("FACTOR", Bounds(0, 1e6, open_low=True))] = None
    height: Annotated[int | None, *whole("PX", 1, MAX_SIDE)] = None
    width: Annotated[int | None, *whole("PX", 1, MAX_SIDE)] = None
    crop: Annotated[tuple[int, int, int, int] | None, *wholes("TOP", "LEFT", "HEIGHT", "WIDTH", low=-MAX_SIDE, high=MAX_SIDE)] = None
    rate: Annotated[int | None, *whole("HZ", 1, 10**8)] = None
    fps: Annotated[float | None, *number("FPS", Bounds(0, 1e6, open_low=True))] = None
    frame: Annotated[float | None, *number("S", Bounds(0, 1e9))] = None
    shape: Annotated[tuple[int, ...], *numbers("N", Bounds(1, 2**40, whole=True))] = ()
    slice: Annotated[str | None, *text("AXIS:INDEX")] = None
    resolution: Annotated[int | None, *whole("N", 2, 2**12)] = None
    at: Annotated[str | None, *text("FILE")] = None
    device: Annotated[str, *text("DEVICE")] = "auto"
    force: Annotated[bool, *flag()] = False


_OF_ANY_KIND = ("model", "output", "device", "force")


def run(options: DecodeOptions) -> int:
    """Runs `nint decode`; returns the exit code.

    Raises:
        UsageError: for a model that cannot be read, an output that cannot be written, or an option that the model's kind does not have.
    """
    source, output = model_path(options.model), Path(options.output)
    if not output.is_dir():
        _check_inputs(output, options, source)
    check_output_file(output, force=options.force)

    from nint.machine.devices import resolve_device
    from nint.runs.model import Fit
    from nint.runs.places import check_apart, input_paths
    from nint.signals.kinds import ending_of

    device = resolve_device(options.device)
    fit = Fit.load(source, device=device)
    check_apart(output, input_paths(fit.record.get("source")), "The output")
    if ending_of(output) not in fit.layout.suffixes:
        endings = ", ".join(ending or "a folder (no ending)" for ending in fit.layout.suffixes)
        raise UsageError(f"'{output}' has no ending that a {fit.layout.kind} can be written with; use {endings}.")
    asked = _asked(options, fit.layout)
    if said := fit.layout.check_output(ending_of(output), asked):
        complain(said)
    decoded = fit.decode(**asked)
    layout = fit.layout.of_decoded(**asked)
    layout.write(decoded, output)
    size = f"{decoded.shape[1]}x{decoded.shape[0]} " if fit.layout.kind == "image" else ""
    show = Show()
    show.line(f"{output}: {size}from {source} ({fit.layout.describe()})")
    for said in layout.losses(ending_of(output)):
        show.line(f"note: {said}")
    return 0


def _check_inputs(output: Path, options: DecodeOptions, source: Path) -> None:
    from nint.runs.places import check_apart, input_paths

    check_apart(output, input_paths(source, options.at), "The output")


def _asked(options: DecodeOptions, layout: Any) -> dict[str, Any]:
    asked = {field.name: getattr(options, field.name) for field in dataclasses.fields(options) if field.name not in _OF_ANY_KIND}
    asked = {name: value for name, value in asked.items() if value is not None and value != ()}
    known = [name for name in inspect.signature(layout.decode).parameters if name != "predict"]
    for name in asked:
        if name not in known:
            has = ", ".join(f"--{option}" for option in known)
            raise UsageError(f"--{name} does not apply to this model ({layout.describe()}); it takes {has}.")
    return asked
