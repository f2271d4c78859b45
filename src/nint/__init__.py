"""Train implicit neural representations fast by choosing which coordinates to train on.

    import nint

    fit = nint.fit("photo.png", budget=300)      # or an array, a PIL image, "sample:astronaut"
    fit.write("twice.png", scale=2)

Public names are imported when they are first used, so `import nint` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nint.version import __version__

if TYPE_CHECKING:
    from nint import metrics, ntk
    from nint.errors import DivergedError, NintError, UnsupportedFieldError, UsageError
    from nint.fields import FIELDS, FieldSpec
    from nint.fitting import fit
    from nint.many.opened import FieldDataset, open_dataset
    from nint.many.run import fit_all
    from nint.probe.point_sets import PointSet, PointSets
    from nint.runs.model import Fit
    from nint.samplers import SAMPLERS, BatchSampler, Feedback, Picker, Sampler, ScoredSampler, Selection
    from nint.signals import Signal
    from nint.signals.open import open_signal
    from nint.teacher import Batch, Teacher
    from nint.training.budgets import Budget

_HOMES = {
    # one call
    "fit": "nint.fitting",
    "Fit": "nint.runs.model",
    "Budget": "nint.training.budgets",
    "Signal": "nint.signals",
    "open_signal": "nint.signals.open",
    # many signals
    "fit_all": "nint.many.run",
    "open_dataset": "nint.many.opened",
    "FieldDataset": "nint.many.opened",
    # the plug-in for someone else's loop
    "Teacher": "nint.teacher",
    "Batch": "nint.teacher",
    "PointSet": "nint.probe.point_sets",
    "PointSets": "nint.probe.point_sets",
    # writing a sampler or a field
    "Sampler": "nint.samplers",
    "BatchSampler": "nint.samplers",
    "ScoredSampler": "nint.samplers",
    "Selection": "nint.samplers",
    "Feedback": "nint.samplers",
    "Picker": "nint.samplers",
    "SAMPLERS": "nint.samplers",
    "FieldSpec": "nint.fields",
    "FIELDS": "nint.fields",
    # errors
    "NintError": "nint.errors",
    "UsageError": "nint.errors",
    "UnsupportedFieldError": "nint.errors",
    "DivergedError": "nint.errors",
}
_ROOMS = ("metrics", "ntk")

__all__ = [  # noqa: RUF022 - grouped by use
    "fit",
    "Fit",
    "Budget",
    "Signal",
    "open_signal",
    "fit_all",
    "open_dataset",
    "FieldDataset",
    "Teacher",
    "Batch",
    "PointSet",
    "PointSets",
    "Sampler",
    "BatchSampler",
    "ScoredSampler",
    "Selection",
    "Feedback",
    "Picker",
    "SAMPLERS",
    "FieldSpec",
    "FIELDS",
    "NintError",
    "UsageError",
    "UnsupportedFieldError",
    "DivergedError",
    "metrics",
    "ntk",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"nint.{name}")
    raise AttributeError(f"module 'nint' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
