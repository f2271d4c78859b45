"""What every figure is: runs that it needs, and a picture with its numbers made from a store of them."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale, Task
from nint.bench.store import Store
from nint.errors import UsageError
from nint.files import write_json
from nint.runs.contents import MODEL
from nint.runs.model import Fit
from nint.runs.snapshots import Snapshot, load_snapshots
from nint.signals.base import Signal


@dataclass(frozen=True)
class Kept:
    """A run that a figure shows.

    Attributes:
        spec: What was asked for.
        record: Its record.
        place: Folder of its model and snapshots.
    """

    spec: RunSpec
    record: dict[str, Any]
    place: Path

    @property
    def signal(self) -> Signal:
        """What was fitted, read again."""
        return self.spec.signal()

    @property
    def model(self) -> Fit | None:
        """The network at the end; None where its file is missing."""
        path = self.place / MODEL
        return Fit.load(path) if path.exists() else None

    @property
    def snapshots(self) -> list[Snapshot]:
        """What was kept on the way, by step."""
        return load_snapshots(self.place)

    @property
    def curve(self) -> list[dict[str, Any]]:
        """Its evaluations, in the order of their steps."""
        rows: list[dict[str, Any]] = self.record["curve"]
        return rows

    @property
    def last(self) -> dict[str, Any]:
        """The last row of the curve; empty where there is none."""
        return self.curve[-1] if self.curve else {}

    @property
    def picture(self) -> np.ndarray | None:
        """The image at the end, from the model; None where it is missing."""
        fit = self.model
        return None if fit is None else fit.decode()

    def psnr_at(self, step: int) -> float | None:
        """PSNR of an evaluation after exactly this step; None where there was none."""
        return next((row.get("psnr") for row in self.curve if row["step"] == step), None)

    def cost(self) -> dict[str, Any]:
        """What the run took, for the figure's numbers."""
        return {name: self.last.get(name) for name in ("step", "training_seconds", "forward_equivalents", "flops")}


@dataclass(frozen=True)
class Figure(ABC):
    """One figure of the paper.

    Attributes:
        name: "fig1" to "fig10"; the files are called so.
        caption: What it shows.
    """

    name: str
    caption: str

    @abstractmethod
    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """The runs that it is made from."""

    @abstractmethod
    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns the numbers that it shows.

        Args:
            runs: Those of `specs` that are in the store and did not fail, in that order; at least one.
            scale: As in `specs`.
            path: Where the picture goes.

        Returns:
            Numbers as JSON. "rows" of them is what the claims of the paper are checked on: row -> column -> value, columns named by the
            paper's own moments ("psnr@60s") whatever the scale.
        """

    def estimated_seconds(self, scale: Scale, inputs: Inputs, seeds: int) -> float:
        """About how long its runs take, those shared with a table included; a part of that where not all of it was measured."""
        tasks = [task for field in dataclasses.fields(scale) if isinstance(task := getattr(scale, field.name), Task)]
        seconds = 0.0
        for spec in self.specs(scale, inputs, seeds):
            task = next((task for task in tasks if (task.steps, task.side) == (spec.steps, spec.square)), None)
            seconds += spec.seconds or (task.run_seconds(spec.sampler != "full") if task else 0.0)
        return seconds

    def write(self, store: Store, scale: Scale, inputs: Inputs, seeds: int, out: Path, facts: dict[str, Any] | None = None) -> list[Path]:
        """Writes NAME.png and NAME.json from what the store holds.

        Runs that are missing or failed are left out of the picture and named in the JSON; without any there is no picture. Originals are
        read from the inputs; where one has gone there is no picture either, and the JSON says so.

        Args:
            store: Finished runs.
            scale: Sizes.
            inputs: Where the inputs lie.
            seeds: As in `specs`.
            out: Folder.
            facts: What is to be written beside the numbers: command, machine, versions.

        Returns:
            The files written.
        """
        records = store.records()
        inputs = copy.copy(inputs)
        inputs.remarks = []  # those of this figure alone
        wanted = list({spec.key: spec for spec in self.specs(scale, inputs, seeds)}.values())
        runs, missing = [], []
        for spec in wanted:
            record = records.get(spec.key)
            if record is None or record.get("error") or not record.get("curve"):
                reason = "not run" if record is None else record.get("error") or "no evaluation"
                missing.append({"key": spec.key, "input": spec.input_name, "field": spec.field, "sampler": spec.sampler, "reason": reason})
            else:
                runs.append(Kept(spec, record, store.place(spec.key)))
        out.mkdir(parents=True, exist_ok=True)
        picture, numbers = out / f"{self.name}.png", out / f"{self.name}.json"
        picture.unlink(missing_ok=True)  # an earlier one of other runs
        found: dict[str, Any] = {"rows": {}}
        if runs:
            try:
                found = self.draw(runs, scale, picture)
            except UsageError as error:  # an input that has gone, a package that is not installed
                found["note"] = str(error)
        content = {
            "figure": self.name,
            "caption": self.caption,
            "scale": scale.name,
            "runs": [described(run) for run in runs],
            "missing": missing,
            "remarks": [*inputs.remarks, *store.problems],
            **found,
            "machines": _each_once(run.record.get("machine") for run in runs),
            "versions": _each_once(run.record.get("versions") for run in runs),
            "facts": facts or {},
        }
        write_json(numbers, content)
        return [path for path in (picture, numbers) if path.exists()]


def _each_once(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value is not None and value not in found:
            found.append(value)
    return found


def described(run: Kept) -> dict[str, Any]:
    """A run in a figure's numbers; of a file without the folder that it lay in on some machine."""
    left_out = ("keep", "group", "evaluate_at", "input")
    spec = {name: value for name, value in dataclasses.asdict(run.spec).items() if name not in left_out and value not in (None, (), "")}
    return {"key": run.spec.key, "input": run.spec.input_name, **spec, **run.cost()}


def decibels(value: float | None) -> str:
    """A PSNR as captions show it."""
    return "" if value is None else f"{value:.2f} dB"


def quality_and_seconds(run: Kept) -> str:
    """The quality at the end and what it took: "31.25 dB, 12 s"."""
    parts = [decibels(run.last.get("psnr")), seconds_text(run.last["training_seconds"])]
    return ", ".join(part for part in parts if part)


def seconds_text(value: float) -> str:
    """Seconds to about two figures: "0.12 s", "5 s", "63 s"."""
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
