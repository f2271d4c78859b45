"""`nint decode`: a fitted image at any size."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from nint.cli.models import model_path
from nint.cli.parsing import flag, number, positional, text, whole, wholes
from nint.errors import UsageError


@dataclass(frozen=True)
class DecodeOptions:
    """Writes the image that a model stores, at its own size or any other.

    Attributes:
        model: model file, or the folder of a run
        output: file to write; its ending chooses the format
        scale: size relative to the fitted image
        height: rows; alone it keeps the aspect
        width: columns; alone it keeps the aspect
        crop: part of the decoded image, in its pixels; only this is computed
        device: auto, cpu, cuda or mps
        force: overwrite OUTPUT
    """

    model: Annotated[str, *positional("MODEL")]
    output: Annotated[str, *positional("OUTPUT")]
    scale: Annotated[float | None, *number("FACTOR")] = None
    height: Annotated[int | None, *whole("PX")] = None
    width: Annotated[int | None, *whole("PX")] = None
    crop: Annotated[tuple[int, int, int, int] | None, *wholes("TOP", "LEFT", "HEIGHT", "WIDTH")] = None
    device: Annotated[str, *text("DEVICE")] = "auto"
    force: Annotated[bool, *flag()] = False


def run(options: DecodeOptions) -> int:
    source, output = model_path(options.model), Path(options.output)
    if output.is_dir():
        raise UsageError(f"{output} is a folder; give a file to write.")
    if output.exists() and not options.force:
        raise UsageError(f"{output} exists; give another name, or add --force to overwrite it.")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.parent} to write {output.name} into.")

    from nint.devices import resolve_device
    from nint.fitted import Fit

    device = resolve_device(options.device)
    fit = Fit.load(source, device=device)
    if output.suffix.lower() not in fit.layout.suffixes:
        raise UsageError(f"'{output}' has no ending that can be written; use {', '.join(fit.layout.suffixes)}.")
    decoded = fit.decode(**_asked(options, fit.layout))
    fit.layout.write(decoded, output)
    size = f"{decoded.shape[1]}x{decoded.shape[0]} " if fit.layout.kind == "image" else ""
    print(f"{output}: {size}from {source} ({fit.layout.describe()})")
    return 0


def _asked(options: DecodeOptions, layout: Any) -> dict[str, Any]:
    asked = {name: getattr(options, name) for name in ("scale", "height", "width", "crop")}
    asked = {name: value for name, value in asked.items() if value is not None}
    known = inspect.signature(layout.decode).parameters
    for name in asked:
        if name not in known:
            raise UsageError(f"--{name} has no meaning for this model, a {layout.describe()}.")
    return asked
