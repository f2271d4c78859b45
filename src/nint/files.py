"""Writing so that a crash never leaves half a file, and one safetensors container for models and checkpoints."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from nint.errors import UsageError

_KEY = "nint"


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a temporary path in the same folder, then moves the result into place.

    Raises:
        UsageError: where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise UsageError(f"Cannot write to {path.parent}: {error.strerror or error}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_file(path: Path, what: str) -> None:
    """Refuses what is not a file that holds anything.

    Args:
        path: The file.
        what: What it should be, for the message about a folder: "an image file".

    Raises:
        UsageError: for a file that is missing, empty, no regular file, or cannot be read.
    """
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give {what}.")
    if not path.exists():
        raise UsageError(f"There is no file '{path}'.")
    if not path.is_file():
        raise UsageError(f"'{path}' is not a regular file.")
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if empty:
        raise UsageError(f"'{path}' is empty.")


def read_bytes(path: Path, what: str) -> bytes:
    """All bytes of a file, refused as by `check_file`."""
    check_file(path, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def write_json(path: Path, value: Any) -> None:
    """Writes readable JSON atomically; infinities and NaN become null."""
    text = json.dumps(_finite(value), indent=1, allow_nan=False)
    write_atomically(path, lambda target: target.write_text(text + "\n", encoding="utf-8") and None)


def loads(text: str, name: str) -> Any:
    """What a JSON text holds.

    Args:
        text: The text.
        name: Of the file, for messages.

    Raises:
        UsageError: for a text that is not JSON, or nested more deeply than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise UsageError(f"{name} holds JSON that is nested too deeply to be read.") from None
    except ValueError as error:
        raise UsageError(f"{name} holds what is not JSON: {error}.") from error


def read_json(path: Path, what: str = "a JSON file") -> Any:
    """What a JSON file holds; refused as by `check_file` and `loads`.

    Raises:
        UsageError: for a file that cannot be read as JSON.
    """
    try:
        text = read_bytes(path, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' is not text in UTF-8.") from error
    return loads(text, f"'{path}'")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Writes tensors and a JSON header into one `.safetensors` file, atomically.

    Raises:
        UsageError: where it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {_KEY: json.dumps(_finite(header), allow_nan=False)}
    try:
        write_atomically(path, lambda target: save_file(ready, str(target), metadata=metadata))
    except SafetensorError as error:  # its word for a full disk
        raise UsageError(f"Cannot write {path}: {error}.") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_tensors` wrote.

    Raises:
        UsageError: for a missing, truncated, corrupt or foreign file.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the .safetensors file in it.")
    if not path.exists():
        raise UsageError(f"There is no file {path}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise UsageError(f"{path} is a safetensors file but not one of nint's: its header has no '{_KEY}' entry.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[_KEY])
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is not a readable model or checkpoint (truncated, corrupt or another kind of file): {error}") from error
    return tensors, header


def cache_folder() -> Path:
    """The folder of nint in the user's cache: $XDG_CACHE_HOME/nint, else ~/Library/Caches/nint on macOS and ~/.cache/nint elsewhere.

    Raises:
        UsageError: where there is no home folder.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # the standard says that a relative one does not count
        return Path(named) / "nint"
    try:
        home = Path.home()
    except RuntimeError:
        raise UsageError("There is no home folder to keep a cache in; set XDG_CACHE_HOME.") from None
    return home / "Library" / "Caches" / "nint" if sys.platform == "darwin" else home / ".cache" / "nint"
