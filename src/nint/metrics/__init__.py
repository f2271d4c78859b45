"""HOW GOOD a prediction is. One module a kind of signal; plain functions of (prediction, target)."""

from nint.metrics.image import psnr, ssim

__all__ = ["psnr", "ssim"]
