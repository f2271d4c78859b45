"""MODEL on the command line: a model file, or the folder of a run."""

from __future__ import annotations

from pathlib import Path

from nint.errors import UsageError

_IN_FOLDER = ("model.safetensors", "checkpoint.safetensors", "model.nint")


def model_path(given: str) -> Path:
    """The model file that MODEL names; in the folder of a run its finished model, else its last checkpoint.

    Raises:
        UsageError: for a folder without either, or a path that does not exist.
    """
    path = Path(given)
    if path.is_dir():
        found = next((path / name for name in _IN_FOLDER if (path / name).is_file()), None)
        if found is None:
            raise UsageError(f"{path} is a folder without a model; give a .safetensors or .nint file or the folder of a run.")
        return found
    if not path.exists():
        raise UsageError(f"There is no model {path}.")
    return path
