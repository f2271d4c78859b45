"""Images: pixels of a regular grid, coordinates (row, column) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import hashlib
import math
import operator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.signals.base import GridCoords, Layout, Pool, Predict, Signal
from nint.signals.pixels import DTYPES, checked_pixels, downsample, whole

_CHANNELS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}
_BLOCK_POINTS = 2**20
_MATERIALISE_UP_TO = 2**22
_LPIPS_UP_TO = 2**20  # pixels; half a second on a CPU core at each evaluation


@dataclass(frozen=True)
class ImageLayout(Layout):
    """Size and pixel type of an image.

    Attributes:
        height: Rows.
        width: Columns.
        channels: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
        bits: Bits of a channel: 8 or 16, or 32 for floats.
    """

    height: int
    width: int
    channels: int
    bits: int = 8

    kind: ClassVar[str] = "image"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
    in_features: ClassVar[int] = 2

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            whole(getattr(self, name), f"image layout: {name}")
        for name, known in (("channels", _CHANNELS), ("bits", DTYPES)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value not in known:
                raise UsageError(f"image layout: {name}={value} is not known; it must be one of {', '.join(map(str, known))}.")

    @property
    def out_features(self) -> int:
        return self.channels

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(DTYPES[self.bits])

    def describe(self) -> str:
        return f"{self.width}x{self.height} {_CHANNELS[self.channels]} image, {'32-bit float' if self.bits == 32 else f'{self.bits} bits'}"

    def decode(
        self,
        predict: Predict,
        *,
        scale: float | None = None,
        height: int | None = None,
        width: int | None = None,
        crop: tuple[int, int, int, int] | None = None,
    ) -> np.ndarray:
        """Predicts the image at any size.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            scale: Size relative to the fitted image; 1 where nothing else is asked.
            height: Rows of the decoded image; alone it keeps the aspect.
            width: Columns of the decoded image; alone it keeps the aspect.
            crop: (top, left, height, width) in pixels of the decoded image; only these are predicted.

        Returns:
            `[h, w]` (grey) or `[h, w, c]` in the layout's own dtype: clamped to [0, 1], rounded to the nearest integer (ties to even).

        Raises:
            UsageError: for a size or crop that cannot be, or a prediction of NaN.

        Cost:
            One forward a pixel, in blocks of about 2^20 points: memory beyond the output does not grow with the image.
        """
        rows, columns = self._decoded_size(scale, height, width)
        top, left, crop_rows, crop_columns = _checked_crop(crop, rows, columns)
        try:
            decoded = np.empty((crop_rows, crop_columns, self.channels), self.dtype)
            grid = GridCoords((rows, columns))  # only its two axes are stored
        except (MemoryError, ValueError, RuntimeError) as error:  # the last is torch's word for it
            raise UsageError(
                f"An image of {columns}x{rows} pixels does not fit in memory; decode a smaller one, or crops of it."
            ) from error
        within = torch.arange(left, left + crop_columns)
        step = max(1, _BLOCK_POINTS // crop_columns)
        for start in range(0, crop_rows, step):
            block = torch.arange(top + start, top + min(start + step, crop_rows))
            points = (block[:, None] * columns + within).reshape(-1)
            decoded[start : start + len(block)] = self._quantised(predict(grid[points])).reshape(len(block), crop_columns, self.channels)
        return decoded[..., 0] if self.channels == 1 else decoded

    def write(self, decoded: np.ndarray, path: Path) -> None:
        """Writes pixels in the format of the ending; see `nint.signals.image_write.write_image`."""
        from nint.signals.image_write import write_image

        write_image(decoded, path)

    def _decoded_size(self, scale: float | None, height: int | None, width: int | None) -> tuple[int, int]:
        if height is None and width is None:
            scale = 1.0 if scale is None else float(scale)
            if not (math.isfinite(scale) and scale > 0):
                raise UsageError(f"scale={scale:g} is out of range; it must be a finite number above 0.")
            return max(1, round(self.height * scale)), max(1, round(self.width * scale))
        if scale is not None:
            raise UsageError("Give either a scale or a height and width, not both.")
        if height is None:
            width = whole(width, "width")
            return max(1, round(width * self.height / self.width)), width
        height = whole(height, "height")
        return height, max(1, round(height * self.width / self.height)) if width is None else whole(width, "width")

    def _quantised(self, prediction: Tensor) -> np.ndarray:
        values = prediction.detach().to("cpu", torch.float32)
        if torch.isnan(values).any():
            raise UsageError("The model predicts NaN, so there is no image to decode.")
        values = values.clamp(0, 1)
        return values.numpy() if self.bits == 32 else (values * (2**self.bits - 1)).round().numpy().astype(self.dtype)


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
    ) -> ImageSignal:
        """An array as in the constructor, with the options of `load_image`."""
        if max_side is not None:
            array = downsample(checked_pixels(np.asarray(array), name), max_side)
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
        return Pool(coords=self._coords(device), values=self._values.to(device), grid=(self.layout.height, self.layout.width))

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB), SSIM (7x7 uniform window) where both sides have at least 7 pixels, and LPIPS unless `report` says why not.

        Args:
            predict: Rows of coordinates (given on the CPU) -> values.

        Cost:
            A forward a pixel; of the metrics LPIPS is the dearest, see `nint.metrics.lpips`.
        """
        from nint.metrics.image import SSIM_SIDE, psnr, ssim
        from nint.metrics.perceptual import lpips

        prediction = predict(self._coords("cpu")).detach().cpu().view(self.image.shape)
        found = {"psnr": psnr(prediction, self.image)}
        if min(self.layout.height, self.layout.width) >= SSIM_SIDE["uniform"]:
            found["ssim"] = ssim(prediction, self.image)
        if not self._why_no_lpips():
            found["lpips"] = lpips(prediction, self.image)
        return found

    def report(self) -> tuple[str, ...]:
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

    def _coords(self, device: torch.device | str) -> Any:
        return pixel_coords(self.layout.height, self.layout.width, device)


def pixel_coords(height: int, width: int, device: torch.device | str) -> Any:
    """Coordinates of every pixel in row order: a tensor, or lazy beyond 2^22 pixels."""
    coords = GridCoords((height, width), device=device)
    return coords[:] if len(coords) <= _MATERIALISE_UP_TO else coords


def load_image(
    path: str | Path,
    max_side: int | None = None,
    super_resolution: int | None = None,
    downsampling: str | None = None,
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
        name: Name for records; the file's own where None.

    Raises:
        UsageError: for a file that cannot be read or an image that cannot be fitted.
    """
    from nint.signals.image_files import read_image

    return ImageSignal.from_array(read_image(path), name or Path(path).name, max_side, super_resolution, downsampling)


def _checked_crop(crop: tuple[int, int, int, int] | None, rows: int, columns: int) -> tuple[int, int, int, int]:
    if crop is None:
        return 0, 0, rows, columns
    try:
        top, left, height, width = (operator.index(number) for number in crop)
    except (TypeError, ValueError) as error:
        raise UsageError(f"crop={crop} cannot be read; it must be four whole numbers: top, left, height, width.") from error
    if top < 0 or left < 0 or height < 1 or width < 1 or top + height > rows or left + width > columns:
        asked = f"crop={top},{left},{height},{width} (top, left, height, width)"
        raise UsageError(f"{asked} is not inside the decoded image of {rows} rows and {columns} columns.")
    return top, left, height, width
