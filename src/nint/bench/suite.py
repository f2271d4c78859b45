"""Several tables and figures on one store: which runs they share, what is missing, what went wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nint.bench import experiments
from nint.bench.execute import check_parallel, missing
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec, merged
from nint.bench.store import Store
from nint.bench.tables.data import table_data
from nint.bench.tables.paper import PaperTable
from nint.bench.tables.write import write_table
from nint.errors import UsageError, nearest
from nint.files import loads, write_json

if TYPE_CHECKING:
    from nint.bench.scales.sizes import Scale
    from nint.bench.tables.cells import TableData

INPUTS = "inputs.json"
EVERYTHING = "all"


class Suite:
    """Tables and figures with their runs.

    Args:
        names: As of `names_of`.
        scale: Sizes.
        inputs: Where the inputs lie.
        seeds: Number of seeds.
        store: Where the runs go.

    Attributes:
        parts: Name -> table or figure.
        specs: Name -> its runs. What any figure needs of a run is kept even where the figure is not asked for, so that the run need not
            be repeated for it later.
    """

    def __init__(self, names: Sequence[str], scale: Scale, inputs: Inputs, seeds: int, store: Store) -> None:
        self.scale, self.inputs, self.seeds, self.store = scale, inputs, seeds, store
        self.parts: dict[str, Any] = {name: experiments.experiment(name) for name in names}
        asked = {name: part.specs(scale, inputs, seeds) for name, part in self.parts.items()}
        unseen = dataclasses.replace(inputs, remarks=[])  # stand-ins of figures that are not asked for are not told
        others = [experiments.experiment(name).specs(scale, unseen, seeds) for name in experiments.EXPERIMENTS if name not in names]
        once = {spec.key: spec for spec in merged(spec for runs in (*asked.values(), *others) for spec in runs)}
        self.specs = {name: [once[spec.key] for spec in merged(runs)] for name, runs in asked.items()}

    @property
    def runs(self) -> list[RunSpec]:
        """Every run once."""
        return merged(spec for runs in self.specs.values() for spec in runs)

    def left(self, name: str | None = None) -> list[RunSpec]:
        """The runs that a part (or any) still needs.

        Raises:
            UsageError: where a finished run was made from another file of the same name.
        """
        return missing(self.runs if name is None else self.specs[name], self.store)

    def check_parallel(self, workers: int, scheduler: str | None) -> None:
        """Refuses parts whose runs cannot share cores, by their names.

        Raises:
            UsageError: as `nint.bench.execute.check_parallel`.
        """
        check_parallel((), workers, scheduler)
        for name in self.specs:
            try:
                check_parallel(self.left(name), workers, scheduler)
            except UsageError as error:
                raise UsageError(f"{name} cannot run so: {error}") from None

    def data(self, name: str, command: str = "") -> TableData | None:
        """A table out of the store alone; None for a figure."""
        part = self.parts[name]
        if not isinstance(part, PaperTable):
            return None
        return table_data(part.at(self.scale, self.inputs, self.seeds), self.store.records(), self.store.problems, command)

    def write(self, name: str, command: str) -> list[Path]:
        """Writes the files of a part, from the store alone."""
        data = self.data(name, command)
        if data is not None:
            return write_table(data, self.store.folder)
        written: list[Path] = self.parts[name].write(
            self.store, self.scale, self.inputs, self.seeds, self.store.folder, {"command": command}
        )
        return written

    def write_claims(self, command: str) -> Path:
        """Writes claims.md: what the tables and figures of this suite say of the paper's claims, beside what the paper's own say."""
        from nint.bench.claims.write import write_claims

        tables = {name: data.measured() for name in self.parts if (data := self.data(name)) is not None}
        about = f"`{command}`: {' '.join(self.scale.about)} A claim without a number of its own is judged by a threshold that it names."
        return write_claims(tables, self.store.folder, about, self.scale.reduced)

    def failed(self) -> list[tuple[RunSpec, str]]:
        """Runs that failed, with the reason."""
        records = self.store.records()
        pairs = ((spec, records.get(spec.key, {}).get("error")) for spec in self.runs)
        return [(spec, error) for spec, error in pairs if error]

    def seconds(self, name: str) -> float:
        """About how long the runs of a part take, as far as that is known: budgets of seconds, and what a table estimates."""
        part, budgets = self.parts[name], sum(spec.seconds or 0.0 for spec in self.specs[name])
        estimated = getattr(part, "estimated_seconds", None)
        return max(estimated(self.scale, self.inputs, self.seeds), budgets) if estimated else budgets


def names_of(words: Sequence[str]) -> list[str]:
    """Names of tables and figures, each once; "all" is every table and figure of the paper.

    Raises:
        UsageError: for none, or one that is not known; the nearest is named.
    """
    found: list[str] = []
    for word in words:
        if word != EVERYTHING and word not in experiments.EXPERIMENTS | experiments.STUDIES:
            known = [*experiments.EXPERIMENTS, *experiments.STUDIES, EVERYTHING, "list"]
            raise UsageError(f"There is no table or figure called '{word}'.{nearest(word, known)}")
        found += experiments.EXPERIMENTS if word == EVERYTHING else [word]
    if not found:
        raise UsageError("nint bench needs NAME: table1 to table10, fig1 to fig10, kernel, all or list.")
    return list(dict.fromkeys(found))


def find_inputs(data: str | None, out: Path) -> Inputs:
    """The inputs in a folder; without one those that an earlier launch into `out` used, else samples.

    Raises:
        UsageError: for a folder that cannot be read or holds nothing known.
    """
    path = out / INPUTS
    if data is not None or not path.exists():
        return Inputs.search(data)
    try:
        return Inputs.from_json(loads(path.read_text(encoding="utf-8"), path.name))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read; give --data again, or remove the file for samples ({error}).") from error


def remember_inputs(inputs: Inputs, out: Path) -> None:
    """Writes down where the inputs lie, so that a later launch needs no --data and tables can be made without the files."""
    write_json(out / INPUTS, inputs.to_json())
