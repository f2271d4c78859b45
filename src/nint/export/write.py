"""Files of a network for other programs; the ending chooses the form."""

from __future__ import annotations

import json
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
"""Largest difference of the outputs of an ONNX file to ours on points of the signal, in the unit in which values reach from 0 to 1."""

_FORMAT = 1
_LAYOUT = ("kind", "height", "width", "channels", "grid", "frames", "sample_rate_hz")


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
        wanted = field(coords)
    form = {".onnx": _onnx, ".pt2": _pt2, ".json": _json}[path.suffix.lower()]
    return form(field, header, coords, wanted, path)


def _onnx(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: Tensor, path: Path) -> float | None:
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


def _pt2(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: Tensor, path: Path) -> float:
    traced = field if header["field"] is None else Plain(program_of(field))
    points = torch.export.Dim("points", min=1, max=2**30)
    try:
        program = torch.export.export(traced, (coords[:8],), dynamic_shapes=({0: points},))
        with torch.no_grad():
            found = _checked(program.module()(coords), wanted, "torch.export")
    except UsageError:
        raise
    except Exception as error:  # what a module of the user's own does cannot be foreseen
        raise UsageError(f"torch.export cannot trace this {header['module']}: {type(error).__name__}.") from error
    write_atomically(path, lambda target: _save(program, target))
    return found


def _save(program: Any, target: Path) -> None:
    with open(target, "wb") as file:
        torch.export.save(program, file)


def _json(field: nn.Module, header: dict[str, Any], coords: Tensor, wanted: Tensor, path: Path) -> float:
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
    about = {"format": _FORMAT, **{key: header[key] for key in ("nint", "field", "in_features", "out_features", "coordinates")}, **layout}
    _, binary, page = files_of(path)
    _write(binary, bytes(weights))
    write_text(page, files("nint.export").joinpath("assets/decoder.html").read_text(encoding="utf-8"))
    write_text(path, json.dumps(about | {"weights": binary.name, "steps": steps}, indent=1) + "\n")
    return found


def _checked(found: Tensor, wanted: Tensor, what: str) -> float:
    """The largest difference.

    Raises:
        UsageError: where it is beyond `TOLERANCE`, relative to the largest output where that is beyond 1.
    """
    difference = float((found - wanted).abs().max())
    if not difference <= TOLERANCE * max(float(wanted.abs().max()), 1.0):
        raise UsageError(f"The outputs of {what} differ from the network's by {difference:.2g}, so nothing was written.")
    return difference


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
