"""The network behind LPIPS: AlexNet's five convolutions, and a weight for each of their channels."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nint.metrics.lpips_weights import SHAPES, read_lpips_weights

_STRIDES = (4, 1, 1, 1, 1)
_PADDINGS = (2, 2, 1, 1, 1)
_POOLED_BEFORE = (1, 2)
# What LPIPS subtracts from and divides inputs in [-1, 1] by, channel by channel: ImageNet's mean and deviation on that scale.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class AlexNetDistance(nn.Module):
    """How far two images are apart in AlexNet's features.

    After each convolution and ReLU the features of a pixel are scaled to unit length; their squared differences are weighed channel by
    channel, averaged over pixels, and summed over the five stages.

    Args:
        weights: The tensors of `lpips_weights.SHAPES`.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, 2018, Sec. 3, eq. 1; constants of
        LPIPS v0.1.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        with torch.device("meta"):  # built without values, so that the global generator is not touched
            for stage, (stride, padding) in enumerate(zip(_STRIDES, _PADDINGS, strict=True)):
                channels, inputs, side, _ = SHAPES[f"conv{stage}.weight"]
                self.add_module(f"conv{stage}", nn.Conv2d(inputs, channels, side, stride, padding))
                self.register_parameter(f"head{stage}", nn.Parameter(torch.empty(channels)))
        self.load_state_dict(weights, assign=True)
        self.requires_grad_(False)

    def forward(self, pair: Tensor) -> Tensor:
        """Two images `[2, 3, h, w]` in [0, 1] -> their distance, a scalar."""
        shift, scale = (pair.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        features = (2 * pair - 1 - shift) / scale
        total = pair.new_zeros(())
        for stage in range(len(_STRIDES)):
            if stage in _POOLED_BEFORE:
                features = F.max_pool2d(features, kernel_size=3, stride=2)
            features = F.relu(self.get_submodule(f"conv{stage}")(features), inplace=True)
            unit = features / (features.norm(dim=1, keepdim=True) + _EPSILON)
            total = total + (unit[0] - unit[1]).square().mean((1, 2)) @ self.get_parameter(f"head{stage}")
        return total


@functools.lru_cache(maxsize=1)
def load_network(path: Path) -> AlexNetDistance:
    """The network with the weights of a file, read once a process.

    Raises:
        UsageError: for a file that is missing, damaged or another one.
    """
    return AlexNetDistance(read_lpips_weights(path)).eval()
