"""Size and pixel type of an image, and decoding at any size."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.arguments import finite
from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import GridCoords, Layout, Predict
from nint.signals.image.picture import checked_dpi
from nint.signals.pixels import DTYPES

_CHANNELS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}
DECODED_LIMIT = 2**30
"""Most pixels that are decoded at a time."""

SIDE_LIMIT = 2**24
"""Longest side of a decoded image, of which crops may be taken: float32 coordinates cannot tell more rows apart."""

_BLOCK_POINTS = 2**20
_MOST_ASPECT = 4.0


@dataclass(frozen=True)
class ImageLayout(Layout):
    """Size and pixel type of an image.

    Attributes:
        height: Rows.
        width: Columns.
        channels: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
        bits: Bits of a channel: 8 or 16, or 32 for floats.
        depth: Bits in use of 16, from 1 to 16: 2^depth - 1 is 1 to the network. None is all of them.
        profile: ICC colour profile of the pixels in base64; "" where there is none.
        dpi: Pixels an inch along x and y, for printing; None where that is not known.
    """

    height: int
    width: int
    channels: int
    bits: int = 8
    depth: int | None = None
    profile: str = ""
    dpi: tuple[float, float] | None = None

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
        if self.depth is not None and (self.bits != 16 or whole(self.depth, "image layout: depth") > 16):
            raise UsageError(f"image layout: depth={self.depth} does not fit {self.bits} bits; it must be at most 16, of 16 bits.")
        dpi = None if self.dpi is None else checked_dpi(self.dpi)
        if (self.dpi is None) != (dpi is None):
            raise UsageError(f"image layout: dpi={self.dpi} is out of range; it must be two numbers of pixels an inch.")
        object.__setattr__(self, "dpi", dpi)
        self.profile_bytes  # noqa: B018 (checks it)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Height and width, in pixels, or in inches where these are not square."""
        x, y = self.dpi or (1.0, 1.0)
        square = not 1 / _MOST_ASPECT <= x / y <= _MOST_ASPECT  # what is no resolution but nonsense is left out
        return (float(self.height), float(self.width)) if square else (self.height / y, self.width / x)

    @property
    def profile_bytes(self) -> bytes:
        """The ICC colour profile; empty where there is none.

        Raises:
            UsageError: for one that is not in base64.
        """
        try:
            return base64.b64decode(self.profile, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise UsageError("image layout: profile is not in base64.") from error

    @property
    def top(self) -> int:
        """Stored number that is 1 to the network."""
        return 1 if self.bits == 32 else 2 ** (self.depth or self.bits) - 1

    def as_unit(self, decoded: np.ndarray) -> np.ndarray:
        """Stored pixels as the float32 in [0, 1] that they are to the network, in the shape that they have."""
        return np.asarray(decoded).astype(np.float32) / np.float32(self.top)

    def check_comparable(self, other: Layout) -> None:
        """As in `Layout.check_comparable`; where both have 16 bits, as many of them must be in use.

        Raises:
            UsageError: where they do not mean the same.
        """
        super().check_comparable(other)
        if isinstance(other, ImageLayout) and self.bits == other.bits == 16 and self.top != other.top:
            raise UsageError(
                f"The model was fitted to values from 0 to {self.top}, but those of the input from 0 to {other.top}, so 1 does not mean "
                f"the same; read it with bit_depth={self.depth or 16}."
            )

    @property
    def out_features(self) -> int:
        """Channels."""
        return self.channels

    @property
    def dtype(self) -> np.dtype:
        """Type of a stored pixel."""
        return np.dtype(DTYPES[self.bits])

    @property
    def samples(self) -> int:
        """Pixels."""
        return self.height * self.width

    @property
    def bits_per_sample(self) -> float:
        """Bits of a pixel as stored, all channels together."""
        return self.bits * self.channels

    def describe(self) -> str:
        """One line: "768x512 RGB image, 8 bits"."""
        return f"{self.width}x{self.height} {_CHANNELS[self.channels]} image, {_bits_text(self)}"

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
        if max(rows, columns) > SIDE_LIMIT:
            raise UsageError(f"An image of {columns}x{rows} pixels does not fit in memory; a side may have at most {SIDE_LIMIT:,}.")
        top, left, crop_rows, crop_columns = _checked_crop(crop, rows, columns)
        if crop_rows * crop_columns > DECODED_LIMIT:
            size = f"{crop_columns}x{crop_rows} pixels does not fit in memory: it has more than the limit of {DECODED_LIMIT:,}"
            raise UsageError(f"An image of {size}; decode a smaller one, or crops of it.")
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

    def losses(self, ending: str) -> tuple[str, ...]:
        """The colour profile and the print resolution, where the format has no place for them, and the bits of floats."""
        from nint.signals.image.write import FORMATS, keeps_dpi, keeps_profile, stored_bits

        said = []
        if self.bits == 32 and (bits := stored_bits(ending)) < 32:
            said.append(f"Pixels are stored as {bits} bits; the model has 32-bit floats.")
        if self.profile_bytes and not keeps_profile(FORMATS.get(ending, ""), self.channels):
            said.append(f"The colour profile is not kept, which {ending} has no place for.")
        if self.dpi is not None and not keeps_dpi(FORMATS.get(ending, ""), self.dpi):
            said.append(f"The print resolution is not kept, which {ending} has no place for.")
        return tuple(said)

    def of_decoded(self, **options: Any) -> ImageLayout:
        """As in `Layout.of_decoded`: more pixels an inch where there are more, so that the printed size stays; crops do not change them."""
        options.pop("crop", None)
        if self.dpi is None:
            return self
        rows, columns = self._decoded_size(options.get("scale"), options.get("height"), options.get("width"))
        dpi = checked_dpi((self.dpi[0] * columns / self.width, self.dpi[1] * rows / self.height))
        return dataclasses.replace(self, dpi=dpi)

    def write(self, decoded: np.ndarray, path: Path) -> None:
        """Writes pixels in the format of the ending, with their colour profile; see `nint.signals.image.write.write_image`."""
        from nint.signals.image.write import write_image

        write_image(decoded, path, profile=self.profile_bytes, dpi=self.dpi)

    def _decoded_size(self, scale: float | None, height: int | None, width: int | None) -> tuple[int, int]:
        if height is None and width is None:
            scale = 1.0 if scale is None else finite(scale, "scale")
            if scale <= 0:
                raise UsageError(f"scale={scale:g} is out of range; it must be a finite number above 0.")
            if scale * max(self.height, self.width) > SIDE_LIMIT:
                raise UsageError(
                    f"scale={scale:g} gives an image that does not fit in memory; a side may have at most {SIDE_LIMIT:,} pixels."
                )
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
        return values.numpy() if self.bits == 32 else (values * self.top).round().numpy().astype(self.dtype)


def _bits_text(layout: ImageLayout) -> str:
    if layout.bits == 32:
        return "32-bit float"
    return f"{layout.bits} bits" if layout.depth in (None, 16) else f"{layout.depth} of {layout.bits} bits"


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
