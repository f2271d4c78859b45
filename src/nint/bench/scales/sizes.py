"""What a scale is made of: the sizes of each of the paper's tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nint.errors import UsageError
from nint.fields import parse_size


@dataclass(frozen=True)
class Task:
    """Sizes of one of the paper's tasks. Every run of a task has the same budget: `steps`, or `seconds`.

    Attributes:
        inputs: How many images of each data set, clips or meshes.
        size: Network, "layers x width", of every row that does not name its own.
        total_steps: What schedules read: the paper's T, scaled.
        steps: Budget in steps; None where it is `seconds`.
        seconds: Budget in training seconds; None where it is `steps`.
        checkpoints: Where quality is tabled, in the unit of the budget: one for each of the paper's; its last ones may be missing.
        targets: Metric -> values to reach; the paper's own, and others where a smaller task cannot reach those.
        evaluations: How often quality is measured, the checkpoints aside.
        side: Images: side of the square that each is cut and resized to.
        options: Options of the input's kind, as (name, value) pairs.
        full_ms: For estimates: milliseconds of a step on all points with a SIREN of `size`; 0 where it was not measured.
        chosen_ms: Likewise of a step of the paper's method.
        evaluation_ms: Likewise of an evaluation, redrawing of points between two of them included.
        sources: What it runs on, where that is not what the table names; as `PaperTable.inputs`.
        timed: Whether seconds are tabled; not where runs share the machine.
    """

    inputs: int
    size: str
    total_steps: int
    steps: int | None = None
    seconds: float | None = None
    checkpoints: tuple[float, ...] = ()
    targets: tuple[tuple[str, tuple[float, ...]], ...] = ()
    evaluations: int = 50
    side: int | None = None
    options: tuple[tuple[str, Any], ...] = ()
    full_ms: float = 0.0
    chosen_ms: float = 0.0
    evaluation_ms: float = 0.0
    sources: tuple[str, ...] = ()
    timed: bool = True

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise UsageError("A task needs one budget: steps or seconds.")

    @property
    def evaluate_at(self) -> tuple[float, ...]:
        """When quality is measured: ever farther apart as in `spread`, and at the checkpoints."""
        if self.steps is not None:
            return tuple(sorted({int(point) for point in self.checkpoints} | set(spread(self.steps, self.evaluations))))
        whole = self.seconds or 0.0
        points = {round(whole * (k / self.evaluations) ** 2, 4) for k in range(1, self.evaluations + 1)}
        return tuple(sorted({float(point) for point in self.checkpoints} | points))

    def targets_of(self, metric: str) -> tuple[float, ...]:
        """Values of a metric to reach."""
        return dict(self.targets).get(metric, ())

    def run_seconds(self, chosen: bool, size: str = "") -> float:
        """About how long a run takes, evaluations included, on the machine that the scale is for; 0 where it was not measured.

        Args:
            chosen: Whether it trains on chosen points rather than on all.
            size: Of its network, where that is not the task's.
        """
        step = (self.chosen_ms if chosen else self.full_ms) * _weights(size or self.size) / _weights(self.size)
        training = self.seconds if self.seconds is not None else (self.steps or 0) * step / 1000
        return training + len(self.evaluate_at) * self.evaluation_ms / 1000 if step else 0.0


def _weights(size: str) -> int:
    """Weights of a network from 2 to 3, about in proportion to which a step takes time."""
    layers, width = parse_size(size)
    return 5 * width + (layers - 1) * width**2


def spread(last: int, count: int) -> list[int]:
    """About `count` whole numbers from 1 to `last`, last (k / count)^2: ever farther apart, near t by 2 sqrt(t last) / count."""
    return sorted({max(round(last * (k / count) ** 2), 1) for k in range(1, count + 1)})


@dataclass(frozen=True)
class Scale:
    """Sizes of everything that `nint bench` runs.

    Attributes:
        name: "smoke", "cpu", "full-size" or "paper".
        about: What was reduced, in sentences for the reader of a table.
        images: Tables 1 and 2.
        sizes: Table 3; a row names its own network.
        structures: Table 4.
        audio: Table 6.
        shapes: Table 7.
        super_resolution: Table 9; `side` is that of the image measured on, which is fitted at half of it.
        large: Table 10.
        minute_s: Training seconds that stand for the paper's 60 s in its figures.
        hyper_parameters: Tables 5 and 8; None is `images`, whose runs they then share.
    """

    name: str
    about: tuple[str, ...]
    images: Task
    sizes: Task
    structures: Task
    audio: Task
    shapes: Task
    super_resolution: Task
    large: Task
    minute_s: float
    hyper_parameters: Task | None = None

    def __post_init__(self) -> None:
        if self.hyper_parameters is None:
            object.__setattr__(self, "hyper_parameters", self.images)

    @property
    def reduced(self) -> bool:
        """Whether its pictures, networks or times are smaller than the paper's."""
        return (self.images.side, self.images.size, self.minute_s) != (512, "5x256", 60.0)
