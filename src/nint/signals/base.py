"""What is fitted: a signal gives a pool of points, and a layout that turns predictions back into the same kind of thing."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.signals.rows import GridCoords as GridCoords
from nint.signals.rows import RescaledRows as RescaledRows
from nint.signals.rows import RowNumbers as RowNumbers
from nint.signals.rows import RowReader as RowReader
from nint.signals.rows import RowSubset as RowSubset

Predict = Callable[[Any], Tensor]
"""Row access to coordinates `[n, d_in]` (a tensor or `GridCoords`) -> prediction `[n, d_out]`, chunked, no graph."""


MEASURE_UP_TO = 2**22
"""Points up to which coordinates and values are tensors, and quality is measured on every point; beyond, they are read by rows."""

_RANGE_TOLERANCE = 1e-6  # of the range: what float32 and text formats may change of its ends


@dataclasses.dataclass(frozen=True)
class Pool:
    """The points that may be trained on now.

    `coords` and `values` are read by rows only (`coords[rows]`, rows a slice or a tensor of indices), so either may be a
    tensor or something that computes its rows on demand.

    Attributes:
        coords: `[n, d_in]`.
        values: `[n, d_out]`.
        grid: Shape of the regular grid that the points fill in order, or None.
        value_range: Lowest and highest value that the signal's targets can take.
        epoch: Changes whenever points are redrawn; what is cached by index is valid only within its epoch.
    """

    coords: RowReader
    values: RowReader
    grid: tuple[int, ...] | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def in_features(self) -> int:
        """Coordinates a point."""
        return int(self.coords.shape[1])

    @property
    def out_features(self) -> int:
        """Values a point."""
        return int(self.values.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the coordinates lie."""
        return self.coords.device


class Layout(ABC):
    """What a checkpoint must know to turn a field back into the same kind of thing. Subclasses are frozen dataclasses of JSON values."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # every kind is a dataclass

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """File endings, with the dot, that `write` understands; the first is the default."""

    keeps_snapshots: ClassVar[bool] = True
    """Whether `decode` at the signal's own size is cheap and an array, so that a run keeps it at a few steps."""

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value of the targets that the field is trained on."""
        return (0.0, 1.0)

    @property
    @abstractmethod
    def in_features(self) -> int:
        """Coordinates a point; a kind where it is fixed declares a class variable."""

    @property
    @abstractmethod
    def out_features(self) -> int:
        """Values a point; a kind where it is fixed declares a class variable."""

    @property
    def lengths(self) -> tuple[float, ...]:
        """Relative length of each axis, coordinates reaching from -1 to 1 along all of them.

        In the unit that the file tells; where it tells none, neighbouring samples are one unit apart.
        """
        return (1.0,) * self.in_features

    @property
    def unlike(self) -> tuple[int, ...]:
        """Axes of another kind than the rest, such as time, whose length in `lengths` is no more than a guess."""
        return ()

    # To a type checker, `*args: Any, **options: Any` admits whatever a kind takes beside `predict`: its own keyword options.
    @abstractmethod
    def decode(self, predict: Predict, *args: Any, **options: Any) -> Any:
        """Predicts on a grid and returns the native object (an array in the file's own dtype, a mesh, ...).

        Args:
            predict: Rows of coordinates -> values.
            *args: None: every kind takes keywords only.
            **options: Those of the kind.
        """

    @abstractmethod
    def write(self, decoded: Any, path: Path) -> None:
        """Writes what `decode` returned.

        Raises:
            UsageError: where the ending is unknown or cannot hold this content.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line for a person: "768x512 RGB image, 8 bits"."""

    def check_output(self, ending: str, options: Mapping[str, Any]) -> str:
        """Refuses, before anything is predicted, what a file of this ending cannot hold; a sentence on what takes long, else empty.

        Args:
            ending: With the dot, in lower case.
            options: Those of `decode`.

        Raises:
            UsageError: says what would be right.
        """
        return ""

    def losses(self, ending: str) -> tuple[str, ...]:
        """Sentences on what a file of this ending (with the dot, lower case) does not keep of what the signal's own file carried."""
        return ()

    def of_decoded(self, **options: Any) -> Layout:
        """The layout to write with what `decode` gives with these options: itself, where its files say nothing that follows the size."""
        return self

    def check_comparable(self, other: Layout) -> None:
        """Refuses a signal against which a field of this layout cannot be measured.

        Raises:
            UsageError: where their coordinates or channels do not mean the same.
        """
        ours, theirs = ((layout.kind, layout.in_features, layout.out_features) for layout in (self, other))
        if ours != theirs:
            raise UsageError(
                f"The model is of kind {ours[0]}, {ours[1]} coordinates to {ours[2]} channels, "
                f"but the input is of kind {theirs[0]}, {theirs[1]} to {theirs[2]}."
            )

    def placed(self, other: Layout, coords: Any) -> Any:
        """Coordinates of a comparable signal as those of this one; the same where a place has the same coordinates in both.

        Args:
            other: Of the signal; `check_comparable` has passed.
            coords: Read by rows, `[n, d_in]`.
        """
        return coords

    @property
    def samples(self) -> int | None:
        """Samples of the signal itself (pixels, instants, voxels); None where it has no number of its own."""
        return None

    @property
    def bits_per_sample(self) -> float | None:
        """Bits of a sample in the signal itself, all its channels together; None where that is not known."""
        return None

    def to_json(self) -> dict[str, Any]:
        """The kind and all settings, as a checkpoint's header stores them; the inverse of `nint.signals.open.layout_from_json`."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


def same_range(ours: tuple[float, float], theirs: tuple[float, float]) -> bool:
    """Whether two ranges (low, high) are the same but for rounding."""
    tolerance = _RANGE_TOLERANCE * max(abs(ours[1] - ours[0]), abs(theirs[1] - theirs[0]))
    return all(abs(a - b) <= tolerance for a, b in zip(ours, theirs, strict=True))


@dataclasses.dataclass(frozen=True)
class KindDefaults:
    """Settings that the papers use for a kind of signal; what the user names wins.

    Attributes:
        batch_share: Fraction of the pool in a batch, for samplers that have one.
        omega_0: For fields that have it; None is the field's own.
        first_bias: Likewise (FINER).
        half_side: Likewise (grid): how far coordinates reach from 0.
        total_steps: What schedules read.
        source: Where these come from, as a clause.
    """

    batch_share: float = 0.2
    omega_0: float | None = None
    first_bias: float | None = None
    half_side: float | None = None
    total_steps: int = 5000
    source: str = "the settings of Sec. 4.1 of the paper"


class Signal(ABC):
    """One thing to fit, loaded and checked."""

    layout: Layout
    name: str
    """Where it came from, for records: a file name or `sample:NAME`."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of what `evaluate` may return, the leading one first; most kinds declare a class variable."""

    @property
    def defaults(self) -> KindDefaults:
        """Settings that the papers use for this kind; most kinds declare a class variable."""
        return KindDefaults()

    read_with: Mapping[str, Any] = MappingProxyType({})
    """Options by which less than its whole file may have been read, such as a longest side; empty where all of it was."""

    preparation_seconds: float = 0.0
    """Time spent so far on drawing points and computing their targets; it does not count as training."""

    origin: str = ""
    """First sentence of every report: of a sample made by code, that it is synthetic."""

    observed: Tensor | None = None
    """`[n]` bool, false where a point has no value (NaN, transparent); None where every point counts."""

    outlined: ClassVar[bool] = False
    """Whether its pool has no values to look at, only points to count."""

    measured_on_pool: ClassVar[bool] = True
    """Whether PSNR is measured on the points that are trained on, so that some of them can estimate it."""

    @abstractmethod
    def pool(self, device: torch.device) -> Pool:
        """The pool of step 0, on a device."""

    drawing_seconds: float = 0.0
    """Seconds a step that redrawing points takes, by the last draw; 0 where none are redrawn."""

    measured_points: int | None = None
    """Points that `evaluate` predicts; None where they are those of the pool."""

    redraws_named: bool = True
    """Whether it was said how long drawn points are kept, or none are drawn; where not, a recipe may choose."""

    def redrawn_every(self, steps: int) -> Signal:
        """The same signal with points that are kept for so many steps; itself where its points are never redrawn."""
        return self

    def redraw(self, pool: Pool, step: int, seed: int) -> Pool:
        """The pool of a step; the same object unless points are redrawn. A pure function of (step, seed), so resume is exact."""
        return pool

    def layout_rows(self, rows: Tensor) -> Tensor:
        """Where rows of the pool lie among the points that `layout.decode` gives at the signal's own size, for pictures."""
        return rows

    def report(self) -> tuple[str, ...]:
        """Sentences that a person should see before the run: what was guessed, repaired or left out."""
        return (*filter(None, [self.origin]), *self.remarks())

    def remarks(self) -> tuple[str, ...]:
        """What a kind adds to the report."""
        return ()

    def scaling(self) -> dict[str, Any]:
        """The scaling that was applied to the values, for run.json."""
        return {}

    @abstractmethod
    def evaluate(self, predict: Predict) -> dict[str, float]:
        """Quality of a prediction function on the whole signal. A metric that cannot be computed is absent, never 0."""

    def fingerprint(self) -> str:
        """Short hash of the content, so that a resumed run can tell that its input changed."""
        return ""

    def same_content(self, fingerprint: str) -> bool:
        """Whether a fingerprint, which other processes may have made together in another way, is of this content."""
        return fingerprint == self.fingerprint()
