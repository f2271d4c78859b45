"""Distances between neighbouring points of a grid, as microscopy formats tell them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nint.errors import UsageError

_IN_NIFTI = {
    "nm": (1e-3, "micron"),
    "um": (1.0, "micron"),
    "micron": (1.0, "micron"),
    "mm": (1.0, "mm"),
    "cm": (10.0, "mm"),
    "inch": (25.4, "mm"),
    "m": (1.0, "meter"),
}
OF_NIFTI = {"micron": "um", "mm": "mm", "meter": "m"}
"""Unit of a NIfTI header -> that of a TIFF."""


@dataclass(frozen=True)
class Spacing:
    """Distance between neighbours along each axis of a grid.

    Attributes:
        steps: An axis each, slowest first, above 0; None where the file does not tell.
        units: "um", "mm", "s", ...; "" where the file names none.
    """

    steps: tuple[float | None, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "steps", tuple(None if step is None else float(step) for step in self.steps))
            object.__setattr__(self, "units", tuple(map(str, self.units)))
        except (TypeError, ValueError) as error:
            raise UsageError(f"The spacing of a grid cannot be read: {error}.") from error
        sound = all(step is None or (math.isfinite(step) and step > 0) for step in self.steps)
        if not sound or len(self.steps) != len(self.units):
            raise UsageError("The spacing of a grid must be a finite number above 0 and a unit for each axis.")

    def regridded(self, before: tuple[int, ...], after: tuple[int, ...]) -> Spacing:
        """The spacing of a grid of another size between the same corner points.

        Args:
            before: Points an axis of the grid that this spacing belongs to.
            after: Points an axis of the new grid.
        """
        steps = []
        for step, old, new in zip(self.steps, before, after, strict=True):
            ratio = (old - 1) / (new - 1) if min(old, new) > 1 else old / new
            steps.append(None if step is None else step * ratio)
        return Spacing(tuple(steps), self.units)

    def describe(self, axes: str) -> str:
        """What a person reads: "z 3 um, y 1 um, x 1 um".

        Args:
            axes: A letter an axis.
        """
        known = [(axis, step, unit) for axis, step, unit in zip(axes, self.steps, self.units, strict=True) if step is not None]
        return ", ".join(f"{axis.lower()} {step:g} {unit}".rstrip() for axis, step, unit in known)

    def in_nifti(self) -> tuple[tuple[float, ...], str]:
        """Steps, and their unit in NIfTI's words: those of the first axis that has one, others converted to it."""
        named = [_IN_NIFTI[unit] for step, unit in zip(self.steps, self.units, strict=True) if step is not None and unit in _IN_NIFTI]
        unit = named[0][1] if named else "unknown"
        steps = []
        for step, own in zip(self.steps, self.units, strict=True):
            factor, found = _IN_NIFTI.get(own, (1.0, unit))
            scale = {"micron": 1e-3, "mm": 1.0, "meter": 1e3}
            convert = scale[found] / scale[unit] if unit in scale and found in scale else 1.0
            steps.append(1.0 if step is None else step * factor * convert)
        return tuple(steps), unit


def checked_spacing(value: object, axes: int, what: str) -> Spacing | None:
    """A spacing as a model's header stores it -> the spacing.

    Args:
        value: A spacing, its dictionary, or None.
        axes: Axes of the grid that it belongs to.
        what: What messages call the layout.

    Raises:
        UsageError: for anything else, and for another number of axes.
    """
    if isinstance(value, dict):
        try:
            value = Spacing(**value)
        except TypeError as error:
            raise UsageError(f"{what}: spacing cannot be read: {error}.") from error
    if value is None or (isinstance(value, Spacing) and len(value.steps) == axes):
        return value
    raise UsageError(f"{what}: spacing={value} does not belong to a grid of {axes} axes.")
