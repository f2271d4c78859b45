"""Images of which some pixels are unobserved: NaN, or transparent where that is asked for. Their colours are not known (inpainting)."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from nint.errors import UsageError
from nint.settings import chosen
from nint.signals.base import Predict
from nint.signals.image.picture import Picture
from nint.signals.image.signal import ImageSignal

TRANSPARENT = ("fit", "unobserved")


class MaskedImageSignal(ImageSignal):
    """An image with unobserved pixels, which count neither in training nor in PSNR.

    Args:
        array: As in `ImageSignal`, without alpha; unobserved pixels may hold anything that is valid.
        observed: `[h, w]` bool.
        name: Where it came from.
        depth: As in `ImageSignal`.
        source: Likewise.
    """

    def __init__(
        self,
        array: np.ndarray,
        observed: np.ndarray,
        name: str = "array",
        *,
        depth: int | None = None,
        source: Picture | None = None,
    ) -> None:
        super().__init__(array, name, depth=depth, source=source)
        self._mask = np.ascontiguousarray(observed).reshape(-1)
        self.observed = torch.from_numpy(self._mask)

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB) over the observed pixels. SSIM and LPIPS look at neighbours, so they are absent."""
        from nint.metrics.image import psnr

        prediction = predict(self.coords("cpu")).detach().cpu()
        return {"psnr": psnr(prediction[self.observed][None], self.image.view(len(prediction), -1)[self.observed][None])}

    def remarks(self) -> tuple[str, ...]:
        """Which metrics are absent, and what an image says of its file."""
        return (*self.file_notes(), "SSIM and LPIPS are not measured: they look at neighbours, of which some are unobserved.")

    def fingerprint(self) -> str:
        """Hash of the pixels and of which are observed."""
        digest = hashlib.sha256(super().fingerprint().encode())
        digest.update(np.packbits(self._mask).tobytes())
        return digest.hexdigest()[:16]


def masked_image(
    array: np.ndarray,
    name: str,
    transparent: str | None,
    reduced: bool,
    *,
    present: np.ndarray | None = None,
    depth: int | None = None,
    source: Picture | None = None,
) -> MaskedImageSignal | None:
    """The signal of an array with unobserved pixels, or None where every pixel counts.

    Args:
        array: `[h, w]` or `[h, w, c]`.
        name: Where it came from.
        transparent: "fit", "unobserved" or None.
        reduced: Whether the pixels are means of areas; then only those of full alpha are observed.
        present: `[h, w]` bool, false where the file has no value; None where it has one everywhere.
        depth: As in `ImageSignal`.
        source: Likewise.

    Raises:
        UsageError: where there is no alpha to go by, or nothing is observed.
    """
    observed = present
    if transparent is not None and chosen(transparent, TRANSPARENT, "transparent") == "unobserved":
        if array.ndim != 3 or array.shape[2] not in (2, 4):
            raise UsageError(f"'{name}' has no alpha channel, so no pixel of it is transparent; leave transparent=unobserved away.")
        alpha = array[..., -1]
        full = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
        opaque = alpha >= full if reduced else alpha > 0
        observed, array = opaque if observed is None else observed & opaque, array[..., :-1]
    observed = with_values(array, observed)
    return None if observed is None else MaskedImageSignal(filled(array, observed, name), observed, name, depth=depth, source=source)


def with_values(array: np.ndarray, present: np.ndarray | None) -> np.ndarray | None:
    """Which pixels have a value: those that are `present`, where that is given, and no NaN; `[h, w]` bool, or None for all of them."""
    if array.dtype.kind != "f" or array.ndim not in (2, 3) or not np.isnan(array).any():
        return present
    whole: np.ndarray = ~np.isnan(array).reshape(*array.shape[:2], -1).any(-1)
    return whole if present is None else present & whole


def filled(array: np.ndarray, observed: np.ndarray, name: str) -> np.ndarray:
    """The array with a colour of its own in the pixels that are not observed, which may hold anything.

    Raises:
        UsageError: where none is observed.
    """
    if not observed.any():
        raise UsageError(f"'{name}' has no observed pixel.")
    result: np.ndarray = np.where(observed[..., None] if array.ndim == 3 else observed, array, array[observed][0])
    return result
