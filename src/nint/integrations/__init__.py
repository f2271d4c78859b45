"""Other people's training frameworks: torch.utils.data, Lightning. Nothing of them is imported before it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nint.integrations.lightning import TeacherCallback
    from nint.integrations.torch_data import TeacherBatches, TeacherBatchSampler, TeacherSampler

_HOMES = {
    "TeacherCallback": "nint.integrations.lightning",
    "TeacherBatches": "nint.integrations.torch_data",
    "TeacherBatchSampler": "nint.integrations.torch_data",
    "TeacherSampler": "nint.integrations.torch_data",
}

__all__ = ["TeacherBatchSampler", "TeacherBatches", "TeacherCallback", "TeacherSampler"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nint.integrations' has no attribute '{name}'")
