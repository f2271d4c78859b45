"""A network's weights as levels at a number of bits, and levels as the bytes of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.packing.allocation import allocated, output_errors
from nint.packing.choice import Choice
from nint.packing.container import join
from nint.packing.header import short
from nint.packing.levels import Levels, quantise, top_of
from nint.packing.state import check_finite, encode_levels, raw

_PROBES = 4096


@dataclass(frozen=True)
class Coding:
    """How the weights of one network become a file.

    Attributes:
        header: As of `Fit.header`.
        floats: The tensors that are quantised, by name.
        whole: Those of whole numbers, which are stored as they are.
        errors: Of `allocation.output_errors`: what quantising each tensor does to the outputs.
    """

    header: dict[str, Any]
    floats: dict[str, Tensor]
    whole: dict[str, Tensor]
    errors: Any

    @property
    def counts(self) -> dict[str, int]:
        """Weights of each tensor."""
        return {name: tensor.numel() for name, tensor in self.floats.items()}

    @property
    def total(self) -> int:
        """Weights in all."""
        return sum(self.counts.values())

    def rounded(self, mean: float) -> Choice:
        """Every weight at the nearest level, at a mean number of bits that the sensitivity of the tensors divides among them."""
        given = allocated(self.errors, self.counts, mean)
        return Choice({name: quantise(tensor, top_of(given[name])) for name, tensor in self.floats.items()}, mean)

    def data(self, levels: Mapping[str, Levels], about: dict[str, Any]) -> bytes:
        """The bytes of a file.

        Args:
            levels: By name.
            about: Its header.
        """
        tables, stream = encode_levels(dict(levels))
        extra = {"x": raw(self.whole)} if self.whole else {}
        shapes = [[name, list(tensor.shape)] for name, tensor in self.floats.items()]
        named = {} if self.header["field"] is not None else {"n": shapes}
        return join(short(about) | {"t": tables} | extra | named, stream)

    def size(self, mean: float, about: dict[str, Any]) -> int:
        """Bytes of a file with the weights rounded at a mean number of bits."""
        return len(self.data(self.rounded(mean).levels, about))


def coding_of(field: nn.Module, header: dict[str, Any], extent: Tensor) -> Coding:
    """The coding of a network's weights as they are now.

    Args:
        field: The network, in single precision.
        header: As of `Fit.header`.
        extent: `[d_in]` largest absolute coordinates, within which the sensitivity of each tensor is measured.

    Raises:
        UsageError: for weights that are not finite.
    """
    exact = {name: tensor.clone() for name, tensor in field.state_dict().items()}
    floats = {name: tensor for name, tensor in exact.items() if tensor.is_floating_point() or tensor.is_complex()}
    check_finite(floats)
    whole = {name: tensor for name, tensor in exact.items() if name not in floats}
    coords = (torch.rand(_PROBES, len(extent), generator=torch.Generator().manual_seed(0)) * 2 - 1) * extent.cpu()
    return Coding(header, floats, whole, output_errors(field, coords.to(next(field.parameters()).device)))
