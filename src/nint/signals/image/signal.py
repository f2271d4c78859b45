"""Images: pixels of a regular grid, coordinates (row, column) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.signals.base import MEASURE_UP_TO, GridCoords, Pool, Predict, Signal
from nint.signals.image.layout import ImageLayout
from nint.signals.image.picture import Picture, checked_depth, checked_profile
from nint.signals.masks import unmasked
from nint.signals.pixels import checked_pixels

_NARROW = 1 / 16
_LPIPS_UP_TO = 2**20  # pixels; half a second on a CPU core at each evaluation


class ImageSignal(Signal):
    """One image to fit.

    Args:
        array: `[h, w]` or `[h, w, c]` with 1 to 4 channels last; uint8, uint16, bool, or float in [0, 1].
        name: Where it came from.
        depth: Bits in use of 16, at least as many as the largest value has: 2^depth - 1 becomes 1. None takes the least of 8, 10, 12, 14
            and 16 that hold it, and `report` says so.
        source: The file that the array came from, for its colour profile, resolution and notes.

    Raises:
        UsageError: for another shape or type, a single pixel, one colour everywhere, floats that are not finite or outside [0, 1], or a
            depth that does not hold the values.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "lpips")
    layout: ImageLayout

    def __init__(self, array: np.ndarray, name: str = "array", *, depth: int | None = None, source: Picture | None = None) -> None:
        self.array = checked_pixels(np.asarray(unmasked(array, name)), name)
        self.name = name
        height, width, *rest = self.array.shape
        channels = rest[0] if rest else 1
        self._guessed = depth is None
        self._notes = source.notes if source else ()
        carried = checked_profile(source.profile, channels, name)[0] if source else b""
        bits = self.array.dtype.itemsize * 8
        used = checked_depth(self.array, depth, name)
        self.layout = ImageLayout(
            height,
            width,
            channels,
            bits,
            depth=used if used < bits else None,
            profile=base64.b64encode(carried).decode(),
            dpi=source.dpi if source else None,
        )

    @cached_property
    def _values(self) -> Tensor:
        pixels = self.array.reshape(-1, self.layout.channels)
        # Divided by numpy on the CPU: CUDA multiplies by the reciprocal, which is not the nearest float32.
        return torch.from_numpy(pixels if self.layout.bits == 32 else pixels.astype(np.float32) / np.float32(self.layout.top))

    def _depth_of_colours(self) -> int:
        """Bits that the channels but alpha take; those of the type where there is no alpha."""
        if self.layout.bits != 16 or self.layout.channels not in (2, 4):
            return self.layout.bits
        return checked_depth(self.array[..., :-1], None, self.name)

    @property
    def image(self) -> Tensor:
        """`[h, w, c]` float32 in [0, 1]; exactly the nearest float32 to pixel/255 or pixel/65535 (or what the layout's depth says)."""
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
        """Which range was taken, what of the file is not kept, and why LPIPS is absent, where it is."""
        return (*self.file_notes(), *filter(None, [self._why_no_lpips()]))

    def file_notes(self) -> tuple[str, ...]:
        """Sentences on the range of the values and on what of the file is not kept."""
        depth, found = self.layout.depth, []
        if depth is not None and self._guessed:
            found.append(
                f"'{self.name}' has no value above {self.layout.top} in its 16 bits, so {depth} bits are taken for its range, to which "
                "PSNR is relative; --bit-depth names another."
            )
        if depth is None and self._guessed and (colours := self._depth_of_colours()) < self.layout.bits:
            found.append(
                f"The colours of '{self.name}' take {colours} of its 16 bits, its opacity all of them, so PSNR is "
                f"relative to {self.layout.top}; without the opacity it would be to theirs."
            )
        seen = self.array if self.observed is None else self.array.reshape(-1, self.layout.channels)[self.observed.numpy()]
        span = (float(seen.max()) - float(seen.min())) / self.layout.top
        if span < _NARROW:
            found.append(
                f"The values of '{self.name}' span {span:.2g} of their range, to which PSNR is relative: relative to the span it is "
                f"{-20 * math.log10(span):.0f} dB lower."
            )
        return (*found, *self._notes)

    def scaling(self) -> dict[str, Any]:
        """Stored numbers that are 0 and 1 to the network."""
        return {"low": 0, "high": self.layout.top}

    def _why_no_lpips(self) -> str:
        from nint.metrics.perceptual import LPIPS_SIDE, why_no_lpips

        if min(self.layout.height, self.layout.width) < LPIPS_SIDE:
            return f"LPIPS is not measured: it needs at least {LPIPS_SIDE} pixels a side."
        if self.layout.height * self.layout.width > _LPIPS_UP_TO:
            return f"LPIPS is not measured: the image has more than {_LPIPS_UP_TO:,} pixels, for which it takes too long."
        return why_no_lpips()

    def fingerprint(self) -> str:
        """Hash of the pixels, their shape, type and depth."""
        depth = "" if self.layout.depth is None else f"{self.layout.depth} bits "
        digest = hashlib.sha256(f"{self.array.shape} {self.array.dtype.name} {depth}".encode())
        digest.update(self.array.data)
        return digest.hexdigest()[:16]

    def coords(self, device: torch.device | str) -> Any:
        """Coordinates of every pixel in row order, `[n, 2]`."""
        return pixel_coords(self.layout.height, self.layout.width, device)


def pixel_coords(height: int, width: int, device: torch.device | str) -> Any:
    """Coordinates of every pixel in row order: a tensor, or lazy beyond 2^22 pixels."""
    coords = GridCoords((height, width), device=device)
    return coords[:] if len(coords) <= MEASURE_UP_TO else coords
