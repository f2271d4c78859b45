"""The settings of a model, to fit other signals in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nint.arguments import place
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.runs.stored import read_model
from nint.samplers import SAMPLERS

_PLAIN = ("optimizer", "lr", "lr_schedule", "warm_up", "loss", "total_steps")


def settings_like(model: str | Path) -> dict[str, Any]:
    """The settings with which a model was fitted, as keywords of `nint.fit`.

    Args:
        model: A model file, or the folder of a run.

    Raises:
        UsageError: for a file that is no model, or whose settings are not known.
    """
    path = place(model, "like")
    if path.is_dir():
        path = path / "model.safetensors"
    _, header = read_model(path)
    record = header.get("record") or {}
    settings = record.get("settings") or header.get("settings") or {}
    if header.get("field") is None or "sampler" not in settings:
        raise UsageError(f"{path} does not say how it was fitted, or holds no network of nint's; give --field and the rest by hand.")
    # Ready objects rather than texts: every setting counts as named, so that no recipe changes it.
    found = {"field": FIELDS.parse(header["field"]), "sampler": SAMPLERS.parse(settings["sampler"])}
    return found | {name: settings[name] for name in _PLAIN if settings.get(name) is not None}
