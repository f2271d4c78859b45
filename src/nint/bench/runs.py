"""One independent run as plain data, so that it can travel to another process or machine and be recognised when it is there already."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nint.bench.inputs import content_of, read_signal
from nint.bench.names import SAMPLE, short_name
from nint.errors import UsageError
from nint.training.budgets import Budget

if TYPE_CHECKING:
    from nint.runs.job import Job
    from nint.signals.base import Signal

_BESIDE_THE_RESULT = ("group", "keep", "snapshots_at", "log", "label")
_LATER = ("threads", "content", "method")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides one run.

    Attributes:
        input: A path or "sample:NAME".
        field: Text form of the network; empty leaves it to the recipe.
        sampler: Text form of the sampler; empty leaves it to the recipe.
        recipe: "paper" or "default".
        seed: Of the start weights and of the sampler.
        steps: Budget in steps; this or `seconds`.
        seconds: Budget in training seconds.
        evaluate_at: Steps (or training seconds) after which every metric is measured in any case.
        eval_every: Further evaluations every so many steps (or training seconds); None is none.
        square: Images: centre-cropped to a square and resized to this side.
        options: Options of the input's kind, as (name, value) pairs.
        settings: Further settings of the job, as (name, value) pairs: lr, lr_schedule, optimizer, total_steps, loss, device.
            Without total_steps, schedules read the budget's steps (under a budget of seconds the kind's own number), or what another
            recipe than the paper's chooses.
        keep: Keep the model and snapshots.
        group: Runs of one group are interleaved; it does not change the result. Empty: a group of its own.
        threads: CPU threads of PyTorch; None is whatever the launch gives. They change floating-point sums, and the clock.
        content: Fingerprint of the signal, where a run on another content of the same name is another run.
        snapshots_at: When snapshots are kept; empty is at `evaluate_at`.
        log: Folder of a TensorBoard log, relative to that of the store; empty writes none.
        method: What stands in the place of training (`nint.bench.classical`); empty trains.
        label: What its input is called where "folder/file" does not tell it from another of its experiment; empty is that.

    Raises:
        UsageError: unless there is one budget, and for values that JSON cannot carry.
    """

    input: str
    field: str = "siren"
    sampler: str = "nint"
    recipe: str = "paper"
    seed: int = 0
    steps: int | None = None
    seconds: float | None = None
    evaluate_at: tuple[float, ...] = ()
    eval_every: float | None = None
    square: int | None = None
    options: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    keep: bool = False
    group: str = ""
    threads: int | None = None
    content: str = ""
    snapshots_at: tuple[float, ...] = ()
    log: str = ""
    method: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise UsageError("A run needs one budget: steps or seconds.")
        if not isinstance(self.input, str):
            raise UsageError(f"A run's input must be a path or sample:NAME, not a {type(self.input).__name__}.")
        for name in ("options", "settings"):
            pairs = getattr(self, name)
            pairs = pairs.items() if isinstance(pairs, dict) else pairs
            object.__setattr__(self, name, tuple((str(key), _hashable(value)) for key, value in pairs))
        for name in ("evaluate_at", "snapshots_at"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        try:
            json.dumps(dataclasses.asdict(self), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"A run must be plain data that JSON can carry: {error}.") from error

    @functools.cached_property
    def key(self) -> str:
        """16 hex digits that differ wherever the result may differ.

        Of a file only its name and its folder's count, so that results are found again where the data lie elsewhere. Beside regular
        evaluations further points do not make another run; see `evaluated`.
        """
        plain = {name: value for name, value in dataclasses.asdict(self).items() if name not in _BESIDE_THE_RESULT}
        # Fields that came later count only where they are set, so that runs of earlier versions are found again.
        plain = {name: value for name, value in plain.items() if value or name not in _LATER}
        plain["input"] = short_name(self.input)
        if self.eval_every is not None:
            del plain["evaluate_at"]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]

    def evaluated(self, curve: Iterable[dict[str, Any]]) -> bool:
        """Whether a finished run of this key was evaluated wherever this spec asks for it.

        Under a budget of seconds it always was, or at most one regular evaluation later.
        """
        return self.steps is None or {int(point) for point in self.evaluate_at} <= {row["step"] for row in curve}

    @property
    def input_name(self) -> str:
        """The sample, or "folder/file", or what it is called instead."""
        return self.label or short_name(self.input)

    @property
    def title(self) -> str:
        """One line for a person: "kodak/kodim04.png nint siren seed 0"."""
        if self.method:
            return f"{self.input_name} {self.method}"
        parts = [self.input_name, self.sampler or "recipe's sampler", self.field or "recipe's field", f"seed {self.seed}"]
        return " ".join(parts if self.recipe == "paper" else [*parts, f"recipe {self.recipe}"])

    @property
    def budget(self) -> Budget:
        """When the run stops."""
        return Budget(steps=self.steps, seconds=self.seconds)

    def signal(self) -> Signal:
        """What is fitted, read once a process for runs that share it.

        Raises:
            UsageError: where it cannot be read, or `square` does not fit it.
        """
        return read_signal(self.input, self.square, self.options)

    def job(self) -> Job:
        """Reads the input (once a process for runs that share it) and checks every setting.

        Raises:
            UsageError: says what is wrong and what would be right.
        """
        from nint.runs.job import make_job

        settings = dict(self.settings)
        if self.recipe == "paper":
            settings.setdefault("total_steps", self.steps)
        job = make_job(
            self.signal(),
            recipe=self.recipe,
            budget=self.budget,
            field=self.field or None,
            sampler=self.sampler or None,
            seed=self.seed,
            **settings,
        )
        # Where the signal came from, for a report that looks for it later.
        source = self.input if self.input.startswith(SAMPLE) else os.path.abspath(self.input)
        return dataclasses.replace(job, source=source, signal_options=job.signal_options | dict(self.options))

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON gives it back."""
        found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunSpec:
        """What `to_json` gave.

        Raises:
            UsageError: for anything else.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise UsageError(f"This is not a run: {error}.") from error


def merged(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Each run once, in the order in which they come; it is kept where any of its copies is.

    Raises:
        UsageError: for two files that differ but have the same name and folder, whose runs would be taken for each other.
    """
    found: dict[str, RunSpec] = {}
    for spec in specs:
        known = found.setdefault(spec.key, spec)
        _check_same_input(known, spec)
        if spec.keep and not known.keep:
            found[spec.key] = dataclasses.replace(known, keep=True)
    return list(found.values())


def _check_same_input(one: RunSpec, other: RunSpec) -> None:
    """Refuses runs of one key on two files; a file that is not there is not looked at.

    Raises:
        UsageError: names both.
    """
    if one.input == other.input or one.content:  # which the key counts
        return
    contents = {content_of(one.input), content_of(other.input)} - {None}
    if len(contents) > 1:
        raise UsageError(
            f"{one.input} and {other.input} are different files, but runs on them go by the same name, {short_name(one.input)}; rename one "
            "of their folders."
        )


def _hashable(value: Any) -> Any:
    """A value as an argument of a cached function; lists become tuples."""
    return tuple(_hashable(item) for item in value) if isinstance(value, (list, tuple)) else value
