"""Arrays: numbers of any regular grid, coordinates in [-1, 1] on each axis, values scaled to [0, 1] by their range."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nint.errors import UsageError
from nint.signals.base import GridCoords, Predict
from nint.signals.grid.grid_layout import GridLayout, alpha_in_png, check_rgb
from nint.signals.grid.gridded import GridSignal, axis_count
from nint.signals.grid.spacing import Spacing, checked_spacing
from nint.signals.grid_rows import Scan
from nint.signals.limits import check_decoded
from nint.signals.masks import unmasked

_MOST_CHANNELS = 4
_MOST_GUESSED_AXES = 4
_TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class ArrayLayout(GridLayout):
    """Shape and type of an array. Further attributes as in `GridLayout`.

    Attributes:
        axes: A letter an axis of the grid, slowest first, where a TIFF named them: T, Z, Y, X.
        spacing: Distance between neighbours along each axis, where a TIFF told it.
        rgb: Whether the channels are red, green and blue, and alpha where there is a fourth, by the TIFF that they came from.
    """

    axes: str = ""
    spacing: Spacing | None = None
    rgb: bool = False

    kind: ClassVar[str] = "array"
    suffixes: ClassVar[tuple[str, ...]] = (".npy", ".zarr", ".png", *_TIFF)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.axes, str) or (self.axes and len(self.axes) != len(self.grid)):
            raise UsageError(f"array layout: axes={self.axes} must be a letter for each of {len(self.grid)} axes.")
        object.__setattr__(self, "spacing", checked_spacing(self.spacing, len(self.grid), "array layout"))
        check_rgb(self.rgb, self.channels, "array layout")

    @property
    def steps(self) -> tuple[float, ...]:
        """Distance of neighbours along each axis; 1 along those in `unlike`."""
        if self.spacing is None:
            return super().steps
        return tuple(1.0 if axis in self.unlike else step for axis, step in enumerate(self.spacing.in_nifti()[0]))

    @property
    def unlike(self) -> tuple[int, ...]:
        """Axes that are no length: all but those called X, Y or Z where a TIFF named the axes."""
        return tuple(axis for axis, letter in enumerate(self.axes) if letter not in "XYZ")

    def describe(self) -> str:
        """One line: "64x64 array of 2 channels, float32"."""
        shape = "x".join(map(str, self.grid))
        channels = "" if self.channels is None else f" of {self.channels} channel{'s' * (self.channels > 1)}"
        return f"{shape} array{channels}, {np.dtype(self.dtype).name}"

    def decode(self, predict: Predict, *, scale: float | None = None, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Predicts the array on a grid of any size between the same corners.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            scale: Size of every axis relative to the fitted one; 1 where nothing else is asked.
            shape: Points an axis.

        Returns:
            `[*shape]`, and the channels last where the array has that axis, in the array's own type: within the range of the fitted
            values, whole numbers rounded to the nearest. Memory-mapped where it is larger than 256 MiB.

        Raises:
            UsageError: for a size that cannot be, or a prediction of NaN.

        Cost:
            One forward a point, in blocks of at most 2^20 points.
        """
        size = self.resized(scale, shape)
        check_decoded(size)
        return self.decode_grid(predict, GridCoords(size))

    def write(self, decoded: np.ndarray, path: Path) -> None:
        """Writes .npy or a zarr folder; .tif where the array has two axes, or those that a TIFF named; .png where it is a picture.

        In a .tif three channels are colours unless the array's own TIFF had them otherwise, and all others are bands. It keeps the spacing
        that the array's own file told, adapted to the size, as ImageJ or OME notes it.

        Raises:
            UsageError: where the ending is unknown or cannot hold this array.
        """
        from nint.signals.grid.files import write_npy, write_zarr

        ending = path.suffix.lower()
        if ending not in self.suffixes:
            raise UsageError(f"'{path}' has no ending that an array can be written with; use {', '.join(self.suffixes)}.")
        if ending == ".png" or (ending in _TIFF and self._is_picture() and self._is_coloured()):
            self._write_image(decoded, path)
        elif ending in _TIFF:
            self._write_tiff(decoded, path)
        else:
            (write_npy if ending == ".npy" else write_zarr)(decoded, path)

    def _write_image(self, decoded: np.ndarray, path: Path) -> None:
        from nint.signals.image.write import write_image

        if not self._is_picture():
            only = "only two-dimensional uint8 and uint16 with 1, 3 or 4 channels are images"
            raise UsageError(f"A {self.describe()} cannot be written as {path.suffix}; {only}, use .npy or .zarr.")
        write_image(decoded.astype(np.dtype(self.dtype).newbyteorder("="), copy=False), path)

    def losses(self, ending: str) -> tuple[str, ...]:
        """That the last of four channels is no alpha, which a .png takes it for."""
        return alpha_in_png(self.channels, self.rgb, ending)

    def _is_coloured(self) -> bool:
        """Whether a TIFF of the array says that channels are colours: those of which the own file says so, or three of no TIFF."""
        return self.channels in (None, 1) or self.rgb or (self.channels == len("rgb") and not self.axes)

    def _is_picture(self) -> bool:
        dtype = np.dtype(self.dtype)
        return (
            self.in_features == 2 and (self.channels or 1) in (1, 3, 4) and dtype.kind == "u" and dtype.itemsize <= 2 and not self.spacing
        )

    def _write_tiff(self, decoded: np.ndarray, path: Path) -> None:
        from nint.signals.grid.tiff_files import write_grid

        axes = self.axes or ("YX" if self.in_features == 2 else "")
        if not axes:
            raise UsageError(f"A {self.describe()} cannot be written as {path.suffix}, as its axes have no names; use .npy or .zarr.")
        spacing = None if self.spacing is None else self.spacing.regridded(self.grid, decoded.shape[: len(self.grid)])
        write_grid(decoded, axes, spacing, path, self.rgb)


class ArraySignal(GridSignal):
    """One array to fit.

    Args:
        array: numpy array, memory-mapped or not, or zarr array; bool, integers or floats. NaN marks points that were not observed.
            Beyond 2^22 points it is read when needed, so it must not be changed.
        in_dims: How many leading axes are coordinates; a last axis beyond them holds channels. None guesses: all axes, but 2 of 3
            where the last axis has at most 4 entries.
        name: Where it came from.
        axes: A letter an axis of the grid, where the file names them.
        spacing: Distances of neighbours, where the file tells them.
        notes: Sentences for the report.
        scanned: As in `GridSignal`.
        rgb: As in `ArrayLayout`.

    Raises:
        UsageError: for another type, no or a single point, one value everywhere, infinity, NaN everywhere, or axes that do not fit.
    """

    layout_class: ClassVar[type[GridLayout]] = ArrayLayout
    layout: ArrayLayout

    def __init__(
        self,
        array: Any,
        *,
        in_dims: int | None = None,
        name: str = "array",
        axes: str = "",
        spacing: Spacing | None = None,
        notes: tuple[str, ...] = (),
        scanned: Scan | None = None,
        rgb: bool = False,
    ) -> None:
        array = unmasked(array, name)
        if not hasattr(array, "chunks"):
            array = np.asanyarray(array)
        ndim = len(array.shape)
        if ndim == 0:
            raise UsageError(f"'{name}' is a single number; an array to fit has at least one axis.")
        self._guessed = in_dims is None
        dims = guess_dims(tuple(array.shape), name) if in_dims is None else axis_count(in_dims, ndim, name)
        fits = len(axes) == dims  # not where in_dims says otherwise than the file
        super().__init__(array, dims, name, scanned=scanned, axes=axes if fits else "", spacing=spacing if fits else None, rgb=rgb and fits)
        self._notes = notes

    def remarks(self) -> tuple[str, ...]:
        """Which axes are taken for coordinates, where that was guessed, and what PSNR is relative to."""
        said = [*self._notes, f"PSNR is relative to the range of the values, {self.layout.low:g} to {self.layout.high:g}."]
        axes, channels = len(self.layout.grid), self.layout.channels
        if self._guessed and (axes > 1 or channels):
            guess = f"All {axes} axes are" if channels is None else f"The first {axes} axes are"
            said.insert(
                0, f"{guess} taken for coordinates{f', the last for {channels} channels' if channels else ''}; in_dims says otherwise."
            )
        if self.layout.axes:
            values = f", {channels} channels are values" if channels else ""
            said.insert(0, f"The axes {', '.join(self.layout.axes.lower())} of the file are coordinates{values}.")
        if self.layout.spacing:
            said.append(f"Points are {self.layout.spacing.describe(self.layout.axes)} apart, which a .tif keeps and other files do not.")
        return (*said, *super().remarks())


def guess_dims(shape: tuple[int, ...], name: str) -> int:
    """How many leading axes of an array are coordinates, by its shape alone.

    Args:
        shape: Of the array.
        name: What messages call it.

    Raises:
        UsageError: for more axes than can be guessed.
    """
    if len(shape) > _MOST_GUESSED_AXES:
        raise UsageError(
            f"'{name}' has {len(shape)} axes; say how many of them are coordinates with in_dims={len(shape) - 1} or {len(shape)}."
        )
    return 2 if len(shape) == 3 and shape[2] <= _MOST_CHANNELS else len(shape)


def is_array(path: Path) -> bool:
    """Whether a folder is one of zarr, whatever its name, or a TIFF is taken for an array."""
    from nint.signals.grid.files import is_zarr_folder
    from nint.signals.grid.tiff_files import is_array_tiff

    return is_zarr_folder(path) or is_array_tiff(path)


def load_array(path: str | Path, *, in_dims: int | None = None, max_points: int | None = None) -> ArraySignal:
    """Opens an array: .npy or .tif (memory-mapped where it is not compressed), or zarr (a folder or a .zip).

    Args:
        path: The file or folder.
        in_dims: As in `ArraySignal`; all axes of a .tif but channels where None.
        max_points: Most points of a compressed file, and of a zarr array beyond those that are stored.

    Raises:
        UsageError: for a file that cannot be read or an array that cannot be fitted.
    """
    from nint.signals.grid.files import open_npy, open_zarr
    from nint.signals.grid.tiff_files import read_grid
    from nint.signals.grid.zarr_meaning import with_missing

    path = Path(path)
    ending = path.suffix.lower()
    if path.is_dir() or ending in (".zarr", ".zip"):
        array, notes = with_missing(open_zarr(path, max_points), path.name)
        return ArraySignal(array, in_dims=in_dims, name=path.name, notes=notes)
    if ending in _TIFF:
        grid = read_grid(path, max_points)
        dims = len(grid.axes) if in_dims is None else in_dims
        return ArraySignal(grid.array, in_dims=dims, name=path.name, axes=grid.axes, spacing=grid.spacing, notes=grid.notes, rgb=grid.rgb)
    if ending != ".npy":
        raise UsageError(f"'{path}' is not a file of one array that can be read; .npy, .zarr and .tif are.")
    return ArraySignal(open_npy(path), in_dims=in_dims, name=path.name)
