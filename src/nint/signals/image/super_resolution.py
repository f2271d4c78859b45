"""Super-resolution: a field sees an image downsampled, and is measured on the image itself."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from nint.errors import UsageError, nearest
from nint.settings import whole
from nint.signals.base import Pool
from nint.signals.image.picture import Picture
from nint.signals.image.signal import ImageSignal, pixel_coords
from nint.signals.pixels import checked_pixels

DOWNSAMPLING = ("box", "bicubic")


class SuperResolutionSignal(ImageSignal):
    """An image of which only a downsampled copy is fitted; layout and evaluation are those of the image itself.

    Both grids are inclusive linspaces over [-1, 1], so both images' outermost pixels lie at the limits. The averaged areas' centres lie a
    little inside of that, so a network is measured up to half a pixel off where it was trained; interpolation that aligns pixel centres is
    not (Table 9 has a row of either kind).

    Args:
        array: As in `ImageSignal`. Rows and columns at the end that `factor` does not divide are left out, and `report` says so.
        factor: Pixels of the image a side of a downsampled pixel; at least 2, at most the shorter side.
        name: Where it came from.
        downsampling: "box": the mean of factor x factor pixels. "bicubic": a = -0.5, widened by the factor so that it does not alias,
            clamped to [0, 1]. Neither is rounded back to the image's bit depth.
        depth: As in `ImageSignal`.
        source: Likewise.

    Raises:
        UsageError: also for a factor out of range, or an image that is the same everywhere once downsampled.

    Attributes:
        low: `[h / factor, w / factor, c]` float32 in [0, 1]: what is fitted.

    Source: the paper, Sec. 9; the grids as in the reference.
    """

    measured_on_pool = False

    def __init__(
        self,
        array: np.ndarray,
        factor: int,
        name: str = "array",
        downsampling: str = "box",
        *,
        depth: int | None = None,
        source: Picture | None = None,
    ) -> None:
        array = checked_pixels(np.asarray(array), name)
        height, width = array.shape[:2]
        if whole(factor, "super_resolution") < 2 or factor > min(height, width):
            raise UsageError(
                f"super_resolution={factor} is out of range for '{name}' of {width}x{height} pixels; it must be a whole number from 2 to "
                "the shorter side."
            )
        if downsampling not in DOWNSAMPLING:
            raise UsageError(f"downsampling={downsampling} is not known.{nearest(str(downsampling), DOWNSAMPLING)}")
        super().__init__(array[: height - height % factor, : width - width % factor], name, depth=depth, source=source)
        self.factor = int(factor)
        self.downsampling = downsampling
        self.original_size = (height, width)
        reduce = _box if downsampling == "box" else _bicubic
        self.low = torch.from_numpy(reduce(self.image.numpy(), self.factor))
        if bool((self.low == self.low[:1, :1]).all()):
            raise UsageError(f"'{name}' has the same value in every pixel once downsampled by {factor}, so there is nothing to learn.")

    def pool(self, device: torch.device | str) -> Pool:
        """Every pixel of the downsampled image in row order."""
        height, width, channels = self.low.shape
        return Pool(coords=pixel_coords(height, width, device), values=self.low.view(-1, channels).to(device), grid=(height, width))

    def layout_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """The middle pixel of each downsampled pixel's area."""
        width = self.low.shape[1]
        row, column = rows.div(width, rounding_mode="floor"), rows % width
        half = self.factor // 2
        return (row * self.factor + half) * self.layout.width + column * self.factor + half

    def remarks(self) -> tuple[str, ...]:
        """What was reduced, how, and what was cut off; then what an image says."""
        layout, (height, width) = self.layout, self.original_size
        cut = ""
        if (layout.height, layout.width) != (height, width):
            cut = f" (cut from {width}x{height}, so that {self.factor} divides both sides)"
        method = {"box": "the mean of areas of {0}x{0}", "bicubic": "bicubic by {0}"}[self.downsampling].format(self.factor)
        fitted = f"{self.low.shape[1]}x{self.low.shape[0]} pixels, {method},"
        return (f"Super-resolution: fitted to {fitted} and measured on {layout.width}x{layout.height}{cut}.", *super().remarks())

    def fingerprint(self) -> str:
        """Hash of the pixels, the factor and the method."""
        text = f"{super().fingerprint()} super-resolution {self.factor} {self.downsampling} of {self.original_size}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _box(image: np.ndarray, factor: int) -> np.ndarray:
    """`[h, w, c]` float32 -> the means of areas of factor x factor pixels, summed in float64."""
    height, width, channels = image.shape
    areas = image.reshape(height // factor, factor, width // factor, factor, channels)
    means: np.ndarray = areas.mean(axis=(1, 3), dtype=np.float64)
    return means.astype(np.float32)


def _bicubic(image: np.ndarray, factor: int) -> np.ndarray:
    from PIL import Image

    height, width, channels = image.shape
    size = (width // factor, height // factor)
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(channels)]
    resized = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in planes]
    stacked: np.ndarray = np.stack(resized, axis=-1)
    return stacked.clip(0, 1)  # it overshoots at edges
