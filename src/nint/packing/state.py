"""Named tensors <-> one coded stream and the few numbers that decode it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.packing.coder import Bell, Decoder, encode, fitted
from nint.packing.levels import LEAST_INDEX, MOST_INDEX, Levels, rows_of

Shapes = Mapping[str, tuple[int, ...]]


def encode_levels(levels: Mapping[str, Levels]) -> tuple[list[list[int]], bytes]:
    """The tables of the models, a list of whole numbers for each tensor, and the stream.

    Raises:
        UsageError: where the range coder is not installed.
    """
    tables, parts = [], []
    for tensor in levels.values():
        steps = tensor.steps.numpy()
        middle = int(np.median(steps)) if len(steps) else 0
        codes, model = tensor.codes.numpy(), None
        table = [tensor.top, middle]
        if len(steps) > 1:  # the median alone says all of a single row
            model = fitted(steps - middle, int(np.abs(steps - middle).max()))
            parts.append((steps - middle, model))
            table += [model.top, model.width, model.tail]
        bell = fitted(codes, tensor.top)
        parts.append((codes, bell))
        tables.append([*table, bell.width, bell.tail])
    return tables, encode(parts)


def decode_levels(shapes: Shapes, tables: list[list[int]], stream: bytes) -> dict[str, Levels]:
    """Undoes `encode_levels`.

    Args:
        shapes: Name -> shape of each tensor, in the order in which they were encoded.
        tables: As from `encode_levels`.
        stream: As from `encode_levels`.

    Raises:
        UsageError: where the range coder is not installed.
        ValueError: for tables that do not fit the shapes.
    """
    decoder, found = Decoder(stream), {}
    for (name, shape), table in zip(shapes.items(), tables, strict=True):
        rows, columns = rows_of(shape)
        if not all(isinstance(number, int) for number in table) or len(table) != (7 if rows > 1 else 4):
            raise ValueError(f"the model of {name} is not complete")
        top, middle, *of_steps, width, tail = table
        steps = np.full(rows, middle, np.int64)
        if of_steps:
            steps += decoder.read(rows, Bell(*of_steps))
        if steps.size and not (steps.min() >= LEAST_INDEX and steps.max() <= MOST_INDEX):
            raise ValueError(f"a step size of {name} is out of range")
        codes = decoder.read(rows * columns, Bell(top, width, tail)).reshape(rows, columns)
        found[name] = Levels(shape, top, torch.from_numpy(codes), torch.from_numpy(steps.astype(np.int32)))
    if not decoder.done:
        raise ValueError("it holds more weights than its network has")
    return found


def raw(tensors: Mapping[str, Tensor]) -> list[list[Any]]:
    """Tensors of whole numbers as they are: [name, type, shape, bytes]."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    return [[name, array.dtype.str, list(array.shape), array.tobytes()] for name, array in arrays.items()]


def from_raw(entries: list[list[Any]]) -> dict[str, Tensor]:
    """Undoes `raw`.

    Raises:
        ValueError: for other types than those of whole numbers, and lengths that do not fit.
    """
    found = {}
    for name, kind, shape, data in entries:
        if np.dtype(kind).kind not in "iub":
            raise ValueError(f"{name} is of the type {kind}")
        found[name] = torch.from_numpy(np.frombuffer(data, np.dtype(kind)).reshape(shape).copy())
    return found


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuses weights that cannot be quantised.

    Raises:
        UsageError: for complex ones, NaN and infinity.
    """
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise UsageError(f"The weights {name} are complex numbers, which cannot be packed; store them as pairs of real ones.")
        if not bool(torch.isfinite(tensor).all()):
            raise UsageError(f"The weights {name} are not all finite numbers, so the model cannot be packed.")


def count_of(shapes: Shapes) -> int:
    """Numbers in all tensors."""
    return sum(math.prod(shape) for shape in shapes.values())
