"""Images: pixels of a regular grid, coordinates (row, column) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.signals.base import MEASURE_UP_TO, GridCoords, Pool, Predict, Signal
from nint.signals.image_layout import ImageLayout
from nint.signals.pixels import checked_pixels, downsample

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

    @classmethod
    def from_array(
        cls,
        array: np.ndarray,
        name: str = "array",
        max_side: int | None = None,
        super_resolution: int | None = None,
        downsampling: str | None = None,
        transparent: str | None = None,
    ) -> ImageSignal:
        """An array as in the constructor, with the options of `load_image`; floats that are NaN are unobserved."""
        from nint.signals.masked_image import masked_image

        array = np.asarray(array)
        if max_side is not None:
            array = downsample(checked_pixels(array, name), max_side)
        masked = masked_image(array, name, transparent, reduced=max_side is not None)
        if masked is not None:
            if super_resolution is not None:
                raise UsageError("super_resolution needs every pixel; leave it away for an image with unobserved ones.")
            return masked
        if super_resolution is None and downsampling is None:
            return cls(array, name)

        from nint.signals.super_resolution import SuperResolutionSignal

        if super_resolution is None:
            raise UsageError(f"downsampling={downsampling} has no effect without super_resolution; give that too.")
        return SuperResolutionSignal(array, super_resolution, name, downsampling or "box")

    @classmethod
    def from_pil(cls, image: Any, name: str | None = None, **options: Any) -> ImageSignal:
        """A PIL image of any mode, upright as its EXIF orientation asks.

        Args:
            image: The image, or an opened file of one.
            name: Where it came from; its file where None.
            **options: Those of `load_image`.

        Raises:
            UsageError: also for a file of 16-bit colour that was opened with Pillow, which would reduce it to 8 bits.
        """
        from nint.signals.image_files import pil_to_array

        name = name or Path(getattr(image, "filename", "") or "PIL image").name
        raw_modes = [str(tile[3]) for tile in getattr(image, "tile", [])]
        if any(";16" in raw for raw in raw_modes) and not image.mode.startswith("I"):
            raise UsageError(f"'{name}' has 16 bits a channel, which Pillow reduces to 8; give the file's path instead.")
        try:
            image.load()
        except Exception as error:  # a damaged file behind the image fails in any way
            raise UsageError(f"'{name}' cannot be read: {str(error).strip().rstrip('.')}.") from error
        return cls.from_array(pil_to_array(image), name, **options)

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
            A forward a pixel; of the metrics LPIPS is the dearest, see `nint.metrics.lpips`.
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
        return tuple(filter(None, [self._why_no_lpips()]))

    def _why_no_lpips(self) -> str:
        from nint.metrics.perceptual import LPIPS_SIDE, why_no_lpips

        if min(self.layout.height, self.layout.width) < LPIPS_SIDE:
            return f"LPIPS is not measured: it needs at least {LPIPS_SIDE} pixels a side."
        if self.layout.height * self.layout.width > _LPIPS_UP_TO:
            return f"LPIPS is not measured: the image has more than {_LPIPS_UP_TO:,} pixels, for which it takes too long."
        return why_no_lpips()

    def fingerprint(self) -> str:
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


def load_image(
    path: str | Path,
    max_side: int | None = None,
    super_resolution: int | None = None,
    downsampling: str | None = None,
    transparent: str | None = None,
    *,
    name: str | None = None,
) -> ImageSignal:
    """Loads an image file; formats, modes and depths as in `nint.signals.image_files.read_image`.

    Args:
        path: The file.
        max_side: Longest side in pixels; a larger image is averaged down to it, its aspect and bit depth kept.
        super_resolution: Fit the image downsampled by this whole factor, and measure on the whole of it; see
            `nint.signals.super_resolution`.
        downsampling: How super-resolution downsamples: "box" (its default) or "bicubic".
        transparent: "fit" (the default): alpha is a channel like the others. "unobserved": alpha is dropped, and pixels of which it is
            0 are left out of training.
        name: Name for records; the file's own where None.

    Raises:
        UsageError: for a file that cannot be read or an image that cannot be fitted.
    """
    from nint.signals.image_files import read_image

    return ImageSignal.from_array(read_image(path), name or Path(path).name, max_side, super_resolution, downsampling, transparent)
