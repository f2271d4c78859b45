"""The network: a frozen spec that travels in the checkpoint and builds a plain `nn.Module`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nint.errors import UsageError
from nint.fields.aspect import in_one_unit, lengths_of
from nint.settings import check, label_of, setting

MOST_PARAMETERS = 2**28
"""Of a network that is built from a spec: 1 GiB of weights, and four times that while Adam trains it."""


def parse_size(size: str) -> tuple[int, int]:
    """(hidden_layers, hidden_features) of a text such as "5x256".

    Raises:
        UsageError: unless it is two whole numbers of at least 1 around an x.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,5})", size)
    if not match:
        raise UsageError(f"size={size} cannot be read; write LAYERSxWIDTH, for example 5x256.")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class FieldSpec(ABC):
    """Base of every network spec. Hyper-parameters are the fields of the dataclass.

    Attributes:
        size: "LxH": L hidden layers of width H, then a linear output layer.
        aspect: "6x1": relative lengths of the axes. The network then sees coordinates in one unit along all of them, its box as large as
            [-1, 1]^d; None is [-1, 1] along each, as in the paper.
    """

    size: str = setting("5x256", "hidden layers x width, then a linear output layer")
    aspect: str | None = setting(None, "relative lengths of the axes, such as 6x1, so that one unit is one length along each")

    default_lr: ClassVar[float] = 1e-4
    """Learning rate that the network's own authors use with Adam."""

    lr_source: ClassVar[str] = ""
    """Where `default_lr` comes from."""

    start_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that decide the start weights and nothing else."""

    builds_aspect: ClassVar[bool] = False
    """Whether `build` itself follows the lengths of the axes; else `build_field` scales the coordinates."""

    def __post_init__(self) -> None:
        check(self, label_of(type(self)))
        parse_size(self.size)
        lengths_of(self.aspect)

    @property
    def hidden_layers(self) -> int:
        """L of `size`."""
        return parse_size(self.size)[0]

    @property
    def hidden_features(self) -> int:
        """H of `size`."""
        return parse_size(self.size)[1]

    def parameter_count(self, in_features: int, out_features: int) -> int | None:
        """Trainable numbers of the network that `build` makes, without making it; None where a spec cannot tell.

        Args:
            in_features: Coordinate dimensions.
            out_features: Output channels.
        """
        return None

    @abstractmethod
    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """A freshly initialised network `[..., in_features] -> [..., out_features]`.

        Args:
            in_features: Coordinate dimensions.
            out_features: Output channels.
            generator: CPU generator for the initial weights; the global one is never touched.
        """


def build_field(spec: FieldSpec, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
    """`spec.build`, once its size is known to be possible.

    Raises:
        UsageError: for a network of more than `MOST_PARAMETERS` parameters, before anything is allocated, or an aspect of other axes.
    """
    count = spec.parameter_count(in_features, out_features)
    if count is not None and count > MOST_PARAMETERS:
        raise UsageError(
            f"{label_of(type(spec))}: size={spec.size} makes a network of {count:,} parameters; at most {MOST_PARAMETERS:,} are possible, "
            "so choose a smaller one."
        )
    field = spec.build(in_features, out_features, generator)
    return field if spec.builds_aspect else in_one_unit(field, spec.aspect, in_features)
