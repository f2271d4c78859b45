"""HOW GOOD a prediction is. One module a kind of signal; plain functions of (prediction, target)."""

from nint.metrics.image import psnr, ssim
from nint.metrics.perceptual import lpips

__all__ = ["lpips", "psnr", "ssim"]
