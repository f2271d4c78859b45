"""HOW GOOD a prediction is. One module a kind of signal; plain functions of (prediction, target)."""

from nint.metrics.audio import pesq, si_snr, stoi
from nint.metrics.image import psnr, ssim
from nint.metrics.perceptual import lpips
from nint.metrics.shape import chamfer, iou, surface_chamfer

LOWER_IS_BETTER = frozenset({"lpips", "chamfer"})
"""Metrics of which a smaller value is better; of all others a larger one is."""

__all__ = ["LOWER_IS_BETTER", "chamfer", "iou", "lpips", "pesq", "psnr", "si_snr", "ssim", "stoi", "surface_chamfer"]
