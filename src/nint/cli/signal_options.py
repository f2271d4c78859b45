"""The options that say how an input is read; shared by every command that reads one. Each kind of signal takes some of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from nint.cli.parsing import number, text, whole


@dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """How the input is read.

    Attributes:
        kind: image, audio, shape, video, volume, array or points, where the ending does not tell
        max_side: images, video: reduce to this longest side first
        super_resolution: images: fit only the image reduced by this factor, measure on the original grid
        downsampling: images: box or bicubic, for super_resolution
        transparent: images: fit alpha as a channel, or leave pixels unobserved where it is 0 (unobserved)
        start: audio, video: seconds to leave out at the beginning
        duration: audio, video: seconds to fit
        in_dims: arrays, points: how many leading axes or columns are coordinates
        pool_size: shapes: points drawn near the surface at a time
        redraw_every: shapes: steps that drawn points are used for, 0 for the whole run
        truth: shapes: triangles, or nearest (the reference's rule)
        target: shapes: sdf or occupancy
        iou_resolution: shapes: points a side of the grid on which IoU is measured
        hold_out: share of the points to keep out of training and measure apart
    """

    kind: Annotated[str | None, *text("KIND")] = None
    max_side: Annotated[int | None, *whole("PX")] = None
    super_resolution: Annotated[int | None, *whole("FACTOR")] = None
    downsampling: Annotated[str | None, *text("FILTER")] = None
    transparent: Annotated[str | None, *text("RULE")] = None
    start: Annotated[float | None, *number("S")] = None
    duration: Annotated[float | None, *number("S")] = None
    in_dims: Annotated[int | None, *whole("N")] = None
    pool_size: Annotated[int | None, *whole("N")] = None
    redraw_every: Annotated[int | None, *whole("STEPS")] = None
    truth: Annotated[str | None, *text("RULE")] = None
    target: Annotated[str | None, *text("TARGET")] = None
    iou_resolution: Annotated[int | None, *whole("N")] = None
    hold_out: Annotated[float | None, *number("SHARE")] = None


def signal_options(options: SignalOptions) -> dict[str, Any]:
    """What was given, as `nint.open_signal` takes it."""
    found = {field.name: getattr(options, field.name) for field in dataclasses.fields(SignalOptions)}
    return {name: value for name, value in found.items() if value is not None}
