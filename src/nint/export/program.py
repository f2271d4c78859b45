"""A network as a list of a few plain operations, from which every other form is written.

Each operation maps `[n, k]` to `[n, m]`; complex layers become real ones on the real parts followed by the imaginary ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.fields.aspect import Unit
from nint.fields.ffn import FourierFeatures
from nint.fields.finer import VariableSine
from nint.fields.gauss import Gaussian
from nint.fields.grid import FeatureGrid, MultiResolution
from nint.fields.pemlp import PositionalEncoding
from nint.fields.siren import Sine
from nint.fields.wire import ComplexLinear, Gabor, RealPart
from nint.machine.grids import Lattice


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        kind: "linear": W h + b; "sine": sin(omega h); "finer": sin(omega (|h| + 1) h); "gauss": exp(-(scale h)^2); "relu";
            "fourier": sin and cos of 2 pi B h; "positional": h, then sin and cos of 2^k h; "gabor": exp(j omega h - |sigma h|^2), of
            complex h where "complex" is 1; "half": the first half, which are the real parts; "grids": multilinear interpolation in
            several grids, side by side.
        numbers: Plain settings by name.
        tensors: float32 weights by name.
    """

    kind: str
    numbers: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


def program_of(module: nn.Module) -> list[Step]:
    """The operations of one of nint's networks.

    Raises:
        UsageError: for a module with a part that is not one of nint's.
    """
    if not isinstance(module, nn.Sequential):
        raise UsageError(f"A {type(module).__name__} is not one of nint's networks, so only .pt2 can be written of it.")
    steps: list[Step] = []
    turned_complex = False
    for part in _parts(module):
        steps.append(_step(part, turned_complex))
        turned_complex = isinstance(part, ComplexLinear)
        if isinstance(part, (Sine, VariableSine)):
            steps.append(Step("sine" if isinstance(part, Sine) else "finer", {"omega": part.omega_0}))
    return steps


def _parts(module: nn.Sequential) -> list[nn.Module]:
    """The layers, where the real part of a complex layer is taken together with it."""
    found: list[nn.Module] = []
    for part in module:
        found += _parts(part) if isinstance(part, nn.Sequential) else [part]
    return found


def _step(part: nn.Module, is_complex: bool) -> Step:
    """The operation of a layer; of a sine layer its linear part.

    Raises:
        UsageError: for a layer that is not one of nint's.
    """
    if isinstance(part, (Sine, VariableSine)):
        part = part.linear
    if isinstance(part, nn.Linear):
        return Step("linear", {}, {"weight": _plain(part.weight), "bias": _plain(part.bias)})
    if isinstance(part, ComplexLinear):
        return Step("linear", {}, _real_form(part))
    if isinstance(part, nn.ReLU):
        return Step("relu")
    if isinstance(part, Gaussian):
        return Step("gauss", {"scale": part.scale})
    if isinstance(part, FourierFeatures):
        return Step("fourier", {}, {"weight": _plain(part.frequencies)})
    if isinstance(part, PositionalEncoding):
        return Step("positional", {"frequencies": part.frequencies})
    if isinstance(part, Gabor):
        return Step("gabor", {"omega": part.omega, "sigma": part.sigma, "complex": int(is_complex)})
    if isinstance(part, RealPart):
        return Step("half")
    if isinstance(part, MultiResolution):
        grids = [grid for grid in part.grids if isinstance(grid, FeatureGrid)]
        if any(grid.lattice.cubic for grid in grids):
            raise UsageError("Of a grid with cubic interpolation only .pt2 can be written.")  # which traces the network itself
        sizes: dict[str, float] = {"levels": len(grids)}
        for number, grid in enumerate(grids):
            sizes |= {f"vertices{number}_{axis}": count for axis, count in enumerate(grid.lattice.vertices)}
            sizes[f"entries{number}"] = grid.lattice.entries
        return Step("grids", sizes, {f"table{number}": _plain(grid.table) for number, grid in enumerate(grids)})
    if isinstance(part, Unit):
        return Step("unit", {f"axis{axis}": factor for axis, factor in enumerate(part.factors.tolist())})
    raise UsageError(f"The layer {type(part).__name__} is not one of nint's, so only .pt2 can be written of this network.")


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().float().contiguous()


def _real_form(layer: ComplexLinear) -> dict[str, Tensor]:
    """W z + b on [Re z, Im z]: the block matrix [[Re W, -Im W], [Im W, Re W]]."""
    weight, bias = _plain(layer.weight), _plain(layer.bias)
    real, imaginary = weight[..., 0], weight[..., 1]
    rows = torch.cat([torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)])
    return {"weight": rows.contiguous(), "bias": torch.cat([bias[:, 0], bias[:, 1]])}


def lattices_of(numbers: dict[str, float]) -> list[Lattice]:
    """The lattices of a step of grids."""
    found = []
    for level in range(int(numbers["levels"])):
        named = (name for name in numbers if name.startswith(f"vertices{level}_"))
        vertices = tuple(int(numbers[name]) for name in sorted(named))
        found.append(Lattice(vertices, int(numbers[f"entries{level}"])))
    return found
