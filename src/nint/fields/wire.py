"""WIRE: complex Gabor wavelets exp(j omega z - |sigma z|^2), complex weights after the first layer, real part out.

Source: Saragadam et al., CVPR 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, linear, uniform_
from nint.settings import setting

_MAX_LOG_PEAK = 40.0
"""Largest ln |psi| that the settings may allow: the next layer squares it, and float32 overflows at exp(88)."""


class ComplexLinear(nn.Module):
    """W z + b with complex W and b, `[..., in] -> [..., out]`.

    Both are stored as real pairs (last axis: real, imaginary part), so that optimizers, checkpoints, `.double()` and K v see
    real parameters only; K is then the kernel over all real and imaginary parts.

    Args:
        in_features: Complex inputs.
        out_features: Complex outputs.
        generator: CPU generator. Real and imaginary parts are each U(+-1/sqrt(in_features)), which is what PyTorch's default
            gives a complex `nn.Linear`.
    """

    def __init__(self, in_features: int, out_features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features, 2))
        self.bias = nn.Parameter(torch.empty(out_features, 2))
        bound = 1 / math.sqrt(in_features)
        uniform_(self.weight, bound, generator)
        uniform_(self.bias, bound, generator)

    def forward(self, z: Tensor) -> Tensor:
        """`[..., in] -> [..., out]`, both complex."""
        return nn.functional.linear(z, torch.view_as_complex(self.weight), torch.view_as_complex(self.bias))


class Gabor(nn.Module):
    """z -> exp(j omega z - |sigma z|^2) for real or complex z, complex out, any shape.

    |psi| is at most exp(omega^2 / (4 sigma^2)), at z = -j omega / (2 sigma^2); at most 1 for real z.
    """

    def __init__(self, omega: float, sigma: float) -> None:
        super().__init__()
        self.omega = omega
        self.sigma = sigma

    def forward(self, z: Tensor) -> Tensor:
        """Complex, of the shape of z."""
        if z.is_complex():
            log_size = -self.omega * z.imag - (self.sigma * z.real).square() - (self.sigma * z.imag).square()
            phase = self.omega * z.real
        else:
            log_size, phase = -(self.sigma * z).square(), self.omega * z
        # Real arithmetic is several times faster on a CPU than the complex exponential.
        size = torch.exp(log_size)
        return torch.complex(size * torch.cos(phase), size * torch.sin(phase))


class RealPart(nn.Module):
    """z -> Re z."""

    def forward(self, z: Tensor) -> Tensor:
        """Real, of the shape of z."""
        return z.real


@dataclass(frozen=True)
class Wire(FieldSpec):
    """Wavelet network; 5x256 has 265,171 real parameters for 2 -> 3 (complex width 181).

    A complex layer holds twice the numbers of a real one, so LxH is built int(H / sqrt(2)) wide.

    Attributes:
        omega: Frequency of every wavelet.
        sigma: Inverse width of every wavelet.
    """

    omega: float = setting(20.0, "frequency of the wavelets", symbol="omega_0", at_least=1e-3, at_most=1e6)
    sigma: float = setting(10.0, "inverse width of the wavelets", symbol="s_0", at_least=1e-3, at_most=1e6)

    default_lr = 5e-3
    lr_source = "Saragadam et al. 2023 (5e-3 to 2e-2) and Liu et al. 2024 (FINER's comparison): 5e-3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.complex_features < 1:
            raise UsageError(
                f"wire: size={self.size} is too narrow; int(width/sqrt(2)) complex units are built, so the width must be at least 2."
            )
        if (self.omega / self.sigma) ** 2 / 4 > _MAX_LOG_PEAK:
            limit = math.sqrt(4 * _MAX_LOG_PEAK)
            raise UsageError(
                f"wire: omega={self.omega:g} with sigma={self.sigma:g} can overflow, because a wavelet peaks at exp(omega^2/(4 sigma^2)); "
                f"omega must be at most {limit * self.sigma:.4g}, or sigma at least {self.omega / limit:.4g}."
            )

    @property
    def complex_features(self) -> int:
        """Width in complex units."""
        return int(self.hidden_features / math.sqrt(2))

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        width = self.complex_features
        complex_layers = dense_parameters(width, out_features, self.hidden_layers - 1, width)
        return (in_features + 1) * width + 2 * complex_layers

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """Gabor layers, then the real part of a complex linear layer."""
        width = self.complex_features
        layers: list[nn.Module] = [linear(in_features, width, generator), Gabor(self.omega, self.sigma)]
        for _ in range(self.hidden_layers - 1):
            layers += [ComplexLinear(width, width, generator), Gabor(self.omega, self.sigma)]
        return nn.Sequential(*layers, ComplexLinear(width, out_features, generator), RealPart())
