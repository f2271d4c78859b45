"""Images: pixels of a regular grid, coordinates (row, column) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.signals.base import MEASURE_UP_TO, GridCoords, Pool, Predict, Signal
from nint.signals.image.layout import ImageLayout
from nint.signals.pixels import checked_pixels

_LPIPS_UP_TO = 2**20  # pixels; half a second on a CPU core at each evaluation


class ImageSignal(Signal):
    """One image to fit.

    Args:
        array: `[h, w]` or `[h, w, c]` with 1 to 4 channels last; uint8, uint16, bool, or float in [0, 1].
        name: Where it came from.

    Raises:
        UsageError: for another shape or type, a single pixel, one colour everywhere, or floats that are not finite or outside [0, 1].
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "lpips")
    layout: ImageLayout

    def __init__(self, array: np.ndarray, name: str = "array") -> None:
        self.array = checked_pixels(np.asarray(array), name)
        self.name = name
        height, width, *channels = self.array.shape
        self.layout = ImageLayout(height, width, channels[0] if channels else 1, self.array.dtype.itemsize * 8)

    @cached_property
    def _values(self) -> Tensor:
        pixels = self.array.reshape(-1, self.layout.channels)
        # Divided by numpy on the CPU: CUDA multiplies by the reciprocal, which is not the nearest float32.
        return torch.from_numpy(pixels if self.layout.bits == 32 else pixels.astype(np.float32) / np.float32(2**self.layout.bits - 1))

    @property
    def image(self) -> Tensor:
        """`[h, w, c]` float32 in [0, 1]; exactly the nearest float32 to pixel/255 or pixel/65535."""
        return self._values.view(self.layout.height, self.layout.width, self.layout.channels)

    def pool(self, device: torch.device | str) -> Pool:
        """Every pixel in row order; the coordinates stay lazy beyond 2^22 pixels."""
        return Pool(coords=self.coords(device), values=self._values.to(device), grid=(self.layout.height, self.layout.width))

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB), SSIM (7x7 uniform window) where both sides have at least 7 pixels, and LPIPS unless `report` says why not.

        Args:
            predict: Rows of coordinates (given on the CPU) -> values.

        Cost:
            A forward a pixel; of the metrics LPIPS is the most expensive, see `nint.metrics.lpips`.
        """
        from nint.metrics.image import SSIM_SIDE, psnr, ssim
        from nint.metrics.perceptual import lpips

        prediction = predict(self.coords("cpu")).detach().cpu().view(self.image.shape)
        found = {"psnr": psnr(prediction, self.image)}
        if min(self.layout.height, self.layout.width) >= SSIM_SIDE["uniform"]:
            found["ssim"] = ssim(prediction, self.image)
        if not self._why_no_lpips():
            found["lpips"] = lpips(prediction, self.image)
        return found

    def remarks(self) -> tuple[str, ...]:
        """Why LPIPS is absent, where it is."""
        return tuple(filter(None, [self._why_no_lpips()]))

    def _why_no_lpips(self) -> str:
        from nint.metrics.perceptual import LPIPS_SIDE, why_no_lpips

        if min(self.layout.height, self.layout.width) < LPIPS_SIDE:
            return f"LPIPS is not measured: it needs at least {LPIPS_SIDE} pixels a side."
        if self.layout.height * self.layout.width > _LPIPS_UP_TO:
            return f"LPIPS is not measured: the image has more than {_LPIPS_UP_TO:,} pixels, for which it takes too long."
        return why_no_lpips()

    def fingerprint(self) -> str:
        """Hash of the pixels, their shape and type."""
        digest = hashlib.sha256(f"{self.array.shape} {self.array.dtype.name} ".encode())
        digest.update(self.array.data)
        return digest.hexdigest()[:16]

    def coords(self, device: torch.device | str) -> Any:
        """Coordinates of every pixel in row order, `[n, 2]`."""
        return pixel_coords(self.layout.height, self.layout.width, device)


def pixel_coords(height: int, width: int, device: torch.device | str) -> Any:
    """Coordinates of every pixel in row order: a tensor, or lazy beyond 2^22 pixels."""
    coords = GridCoords((height, width), device=device)
    return coords[:] if len(coords) <= MEASURE_UP_TO else coords
