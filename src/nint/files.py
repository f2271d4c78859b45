"""Files: written so that a crash never leaves half of one, read only where they are files, and one container for models and checkpoints."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from nint.errors import UsageError

TEMPORARY = ".nint-tmp-"
"""Start of the names of files that are being written; one that is there without its process was left by a kill."""

_KEY = "nint"
_LONGEST_REASON = 160
_DIGITS = 20
"""Of a whole number in JSON, with its sign."""

_SURROGATES = re.compile("[\ud800-\udfff]")

_DIVERTED = threading.RLock()  # file descriptor 2 is one for all threads


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a temporary path in the same folder, then moves the result into place; modes as in `temporary_beside`.

    Raises:
        UsageError: where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, mode = temporary_beside(path)
    except OSError as error:
        raise UsageError(f"Cannot write to {path.parent}: {error.strerror or error}.") from error
    try:
        write(temporary)
        move_into_place(temporary, path, mode)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> tuple[Path, int]:
    """A new, empty file in the folder of `path`, to be written and then given to `move_into_place`.

    Returns:
        The file, and the mode that it gets there: that of the file at `path`, which it does not show to others before, or where there is
        none what the umask leaves. Some writers make the file anew, for their owner alone.

    Raises:
        OSError: where the folder cannot be written.
    """
    old = path.stat().st_mode if path.is_file() else None
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(4)}{path.suffix}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if old is None else 0o600)
    try:
        return temporary, (os.fstat(handle).st_mode if old is None else old) & 0o777
    finally:
        os.close(handle)


def move_into_place(temporary: Path, path: Path, mode: int) -> None:
    """Moves a file that `temporary_beside` made to `path`.

    Raises:
        OSError: where it cannot be moved.
    """
    with contextlib.suppress(OSError):  # a file system without modes
        temporary.chmod(mode)
    temporary.replace(path)


def in_utf8(text: str) -> str:
    """A text that UTF-8 can hold: file names need not be UTF-8, and each byte of one that is not becomes the replacement character."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8, atomically, line ends as they are; of names in it as `in_utf8`.

    Raises:
        UsageError: where the folder cannot be written.
    """

    def write(target: Path) -> None:
        target.write_text(in_utf8(text), encoding="utf-8", newline="")

    write_atomically(path, write)


def check_regular(path: Path) -> None:
    """Refuses a pipe, socket or device, of which a reader may never see the end; links are followed.

    Args:
        path: A folder or a path at which there is nothing is left to who reads it.

    Raises:
        UsageError: for what is neither a regular file nor a folder, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UsageError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
        found = next((name for test, name in kinds if test(mode)), "a device")
        raise UsageError(f"'{path}' is {found}, not a regular file; store its content in a file first.")


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drops what libraries written in C print to standard error about a damaged file: the error that follows says it in one sentence.

    Other threads' lines are dropped too while it lasts, so it belongs around a single read.

    Yields:
        Nothing.
    """
    with _DIVERTED:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, ValueError, AttributeError):  # no standard error
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def reason_of(error: BaseException) -> str:
    """What a library said of a file, to end a sentence of ours: one line, without bytes of the file, at most 160 characters."""
    text = re.sub(r"""(?:header=)?\bb(['"]).*?(?:\1|$)""", "unknown bytes", " ".join(str(error).split()))
    text = re.sub(r"<[\w. ]+ object at 0x[0-9a-fA-F]+>", "(data)", text)
    text = re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})", "?", text)
    text = re.sub(r"""(['"])(?:(?!\1).){25,}\1""", "(...)", text)  # what is quoted at length is of the file
    text = "".join(letter if letter.isprintable() else "?" for letter in text).strip().rstrip(".:")
    return (text[:_LONGEST_REASON] + " ..." if len(text) > _LONGEST_REASON else text) or type(error).__name__


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
    check_regular(path)
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if empty:
        raise UsageError(f"'{path}' is empty.")


def read_bytes(path: Path, what: str) -> bytes:
    """All bytes of a file, refused as by `check_file`.

    Raises:
        UsageError: also where they cannot be read to the end.
    """
    check_file(path, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def write_json(path: Path, value: Any) -> None:
    """Writes readable JSON atomically; infinities and NaN become null.

    Raises:
        UsageError: where the folder cannot be written.
    """
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def loads(text: str, name: str) -> Any:
    """What a JSON text holds; a whole number of more than 19 digits as a float, of which infinity is checked for everywhere.

    Args:
        text: The text.
        name: Of the file, for messages.

    Raises:
        UsageError: for a text that is not JSON, or nested more deeply than can be read.
    """
    try:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _DIGITS else float(digits))
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
    check_regular(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()} if _KEY in metadata else {}  # noqa: SIM118
        header = loads(metadata.get(_KEY, "null"), str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(
            f"{path} is not a readable model or checkpoint (truncated, corrupt or another kind of file): {reason_of(error)}."
        ) from error
    if _KEY not in metadata:
        raise UsageError(f"{path} is a safetensors file but not one of nint's: its header has no '{_KEY}' entry.")
    if not isinstance(header, dict):
        raise UsageError(f"{path} is not a readable model or checkpoint: its '{_KEY}' entry is not an object of JSON.")
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
