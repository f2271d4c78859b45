"""How large a reproduction is: the paper's own sizes, those for two CPU cores (reduced, or whole and slow), and those of a test."""

from __future__ import annotations

from nint.bench.scales import cpu, full_size, paper, smoke
from nint.bench.scales.sizes import Scale, Task
from nint.errors import UsageError, nearest

SCALES: dict[str, Scale] = {scale.name: scale for scale in (smoke.SCALE, cpu.SCALE, full_size.SCALE, paper.SCALE)}


def scale_named(name: str) -> Scale:
    """The scale behind a name.

    Raises:
        UsageError: for an unknown name.
    """
    if name not in SCALES:
        raise UsageError(f"There is no scale called '{name}'.{nearest(name, SCALES)}")
    return SCALES[name]


__all__ = ["SCALES", "Scale", "Task", "scale_named"]
