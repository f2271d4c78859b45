"""A checksum of everything in a checkpoint, by which one that was damaged or edited is found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

KEY = "checksum"
"""Key of the header; checkpoints up to version 0.1.0 have none."""


def checksum(tensors: dict[str, Tensor], header: dict[str, Any]) -> str:
    """32 hex digits that change with any tensor, its name, type and shape, and with anything of the header but `KEY`.

    Args:
        tensors: By name.
        header: Values as JSON gives them back; infinities and NaN count as null.

    Cost: one pass over the bytes.
    """
    plain = json.loads(json.dumps({key: value for key, value in header.items() if key != KEY}), parse_constant=lambda _: None)
    found = hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
