"""LPIPS: how different two images look, as a network trained on photos sees them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.metrics.image import checked_pair
from nint.metrics.lpips_weights import VARIABLE, lpips_weights_path

LPIPS_SIDE = 32
"""Least side of an image in pixels; below 31 the network's last stages have nothing left to look at."""


def lpips(prediction: Any, target: Any) -> float:
    """Learned perceptual image patch similarity (AlexNet, v0.1): 0 for equal images, larger for more different ones.

    Args:
        prediction: `[h, w]` or `[h, w, c]` floats with 1 to 4 channels, array or tensor; clamped to [0, 1]. Grey is repeated into the three
            channels that the network takes, alpha is left out.
        target: The same shape, in [0, 1].

    Returns:
        The distance; NaN where the prediction holds NaN in a channel that counts.

    Raises:
        UsageError: where the weights are missing, a side is shorter than 32 pixels, the shapes differ, or the values are not floats.

    Cost:
        About 0.1 s and 0.1 GiB for 512x512 pixels on one CPU core, in proportion to the pixels; always on the CPU.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, 2018. Differs: from what the paper's
        reference reports, which stretches each image to its own range first and so hides errors of contrast; here values map to 2 v - 1.
    """
    prediction, target = checked_pair(prediction, target)
    if prediction.ndim not in (2, 3) or (prediction.ndim == 3 and not 1 <= prediction.shape[2] <= 4):
        raise UsageError(f"lpips needs images [h, w] or [h, w, c] with 1 to 4 channels, not the shape {prediction.shape}.")
    height, width = prediction.shape[:2]
    if min(height, width) < LPIPS_SIDE:
        raise UsageError(f"lpips needs at least {LPIPS_SIDE} pixels a side, but the image has {width}x{height}.")
    path = lpips_weights_path()
    if not path.is_file():
        raise UsageError(f"LPIPS cannot be measured: {_what_is_missing()}.")

    import torch

    from nint.metrics.alexnet import load_network

    network = load_network(path)
    pair = torch.from_numpy(np.stack([_three_channels(prediction.clip(0, 1)), _three_channels(target)]))
    with torch.inference_mode():
        return float(network(pair))


def why_no_lpips() -> str:
    """Why LPIPS cannot be measured here, as a sentence for a person; empty where it can."""
    try:
        path = lpips_weights_path()
        if not path.is_file():
            return f"LPIPS is not measured: {_what_is_missing()}."

        from nint.metrics.alexnet import load_network

        load_network(path)
    except UsageError as error:
        return f"LPIPS is not measured: {error}"
    return ""


def _what_is_missing() -> str:
    named = os.environ.get(VARIABLE)
    return f"{VARIABLE} names {named}, which is no file" if named else "no weights; `nint assets lpips` gets them"


def _three_channels(image: np.ndarray) -> np.ndarray:
    """`[h, w]` or `[h, w, c]` -> `[3, h, w]` float32."""
    channels = image.reshape(*image.shape[:2], -1)
    colour = channels[..., :3] if channels.shape[2] >= 3 else channels[..., [0, 0, 0]]
    return np.ascontiguousarray(colour.transpose(2, 0, 1), dtype=np.float32)
