"""Files of a network for other programs; the ending chooses the form."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.export.onnx_graph import onnx_bytes
from nint.export.plain import Plain
from nint.export.program import program_of
from nint.files import write_atomically, write_text

ENDINGS = (".onnx", ".pt2", ".json")
TOLERANCE = 1e-5
"""Largest difference of the outputs of a file to the exact ones on points of the signal, in the unit in which values reach from 0 to 1."""

_ROUNDED = 4.0  # times what the network's own 32-bit sums are off, where that is more
_FORMAT = 1
_LAYOUT = ("kind", "height", "width", "channels", "grid", "frames", "sample_rate_hz")
_ABOUT = ("nint", "field", "in_features", "out_features", "coordinates")


def files_of(path: Path) -> list[Path]:
    """The files that `export` writes for a name.

    Raises:
        UsageError: for another ending.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"'{path}' has no ending that a network can be exported to; use {', '.join(ENDINGS)}.")
    return [path, path.with_suffix(".bin"), path.with_suffix(".html")] if path.suffix.lower() == ".json" else [path]


def export(field: nn.Module, header: dict[str, Any], coords: Tensor, path: Path) -> float | None:
    """Writes a network for other programs.

    Args:
        field: The network.
        header: As of `Fit.header`.
        coords: `[n, d_in]` points of the signal, on which the result is compared.
        path: .onnx; .pt2, for `torch.export.load`; or .json, beside which .bin with the weights and .html, a page that decodes them, are
            written.

    Returns:
        The largest difference of the outputs on `coords` to those of the network; None for .onnx where onnxruntime is not installed.

    Raises:
        UsageError: for a network or an ending that cannot be exported, missing packages, and a result that differs.
    """
    files_of(path)
    field = field.cpu().float().eval()
    with torch.no_grad():
        wanted = _Wanted(field(coords), _exact(field, coords))
    form = {".onnx": _onnx, ".pt2": _pt2, ".json": _json}[path.suffix.lower()]
    return form(field, header, coords, wanted, path)


@dataclass(frozen=True)
class _Wanted:
    """Outputs on the points of the comparison.

    Attributes:
        own: The network's, in 32 bits.
        exact: In 64 bits; the network's own where it cannot be computed so.
    """

    own: Tensor
    exact: Tensor


def _exact(field: nn.Module, coords: Tensor) -> Tensor:
    try:
        found: Tensor = copy.deepcopy(field).double()(coords.double())
    except Exception:  # a module of the user's own may be for 32 bits only
        found = field(coords)
    return found.double()


def _onnx(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: _Wanted, path: Path) -> float | None:
    about = {key: str(header[key]) for key in ("nint", "field", "coordinates")} | {"layout": json.dumps(header["layout"])}
    data = onnx_bytes(program_of(field), header["in_features"], header["out_features"], about)
    try:
        import onnxruntime
    except ImportError:
        found = None
    else:
        (values,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"coords": coords.numpy()})
        found = _checked(torch.from_numpy(values), wanted, "onnxruntime")
    _write(path, data)
    return found


def _pt2(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: _Wanted, path: Path) -> float:
    try:
        traced = field if header["field"] is None else Plain(program_of(field))
    except UsageError:  # a layer without an operation of its own, which may be traced all the same
        traced = field
    points = torch.export.Dim("points", min=1, max=2**30)
    try:
        program = torch.export.export(traced, (coords[:8],), dynamic_shapes=({0: points},))
        with torch.no_grad():
            found = _checked(program.module()(coords), wanted, "torch.export")
    except UsageError:
        raise
    except Exception as error:  # what a module of the user's own does cannot be foreseen
        raise UsageError(f"torch.export cannot trace this {header['module']}: {type(error).__name__}.") from error
    about = json.dumps({key: header[key] for key in _ABOUT} | {"layout": header["layout"]})
    write_atomically(path, lambda target: _save(program, target, about))
    return found


def _save(program: Any, target: Path, about: str) -> None:
    with open(target, "wb") as file:
        torch.export.save(program, file, extra_files={"nint.json": about})


def _json(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: _Wanted, path: Path) -> float:
    program = program_of(field)
    with torch.no_grad():
        found = _checked(Plain(program)(coords), wanted, "the list of operations")
    steps, weights = [], bytearray()
    for step in program:
        tensors = {}
        for name, tensor in step.tensors.items():
            tensors[name] = {"offset": len(weights), "shape": list(tensor.shape)}
            weights += tensor.numpy().astype("<f4").tobytes()
        steps.append({"kind": step.kind, "numbers": step.numbers, "tensors": tensors})
    layout = {key: value for key, value in header["layout"].items() if key in _LAYOUT}
    about = {"format": _FORMAT, **{key: header[key] for key in _ABOUT}, **layout}
    about |= {"layout": header["layout"], "extent": coords.abs().amax(0).tolist()}
    _, binary, page = files_of(path)
    _write(binary, bytes(weights))
    write_text(page, files("nint.export").joinpath("assets/decoder.html").read_text(encoding="utf-8"))
    write_text(path, json.dumps(about | {"weights": binary.name, "steps": steps}, indent=1) + "\n")
    return found


def _checked(found: Tensor, wanted: _Wanted, what: str) -> float:
    """The largest difference to the network's outputs.

    Raises:
        UsageError: where that to the exact ones is beyond `TOLERANCE`, relative to the largest output where that is beyond 1, and not
            explained by what the network itself is off.
    """
    rounding = float((wanted.own - wanted.exact).abs().max())
    off = float((found - wanted.exact).abs().max())
    if not off <= max(TOLERANCE * max(float(wanted.exact.abs().max()), 1.0), _ROUNDED * rounding):
        raise UsageError(f"The outputs of {what} differ from the network's by {off:.2g}, so nothing was written.")
    return float((found - wanted.own).abs().max())


def _write(path: Path, data: bytes) -> None:
    def write(target: Path) -> None:
        target.write_bytes(data)

    write_atomically(path, write)


def sample_points(extent: Tensor, count: int = 4096) -> Tensor:
    """`[count, d_in]` float32 points within coordinates, the same at every call.

    Args:
        extent: `[d_in]` largest absolute coordinates.
        count: How many.
    """
    drawn = np.random.default_rng(0).uniform(-1, 1, (count, len(extent))).astype(np.float32)
    return torch.from_numpy(drawn) * extent.cpu().float()
