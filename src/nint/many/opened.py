"""Reading a dataset of fields: a `torch.utils.data.Dataset` of (parameters, index row), and each field as a `Fit`."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from nint.arguments import place
from nint.errors import UsageError
from nint.files import reason_of
from nint.many.index import metrics_of, read_index
from nint.many.shards import Header, read_header
from nint.packing.header import COORDINATES, FORMAT
from nint.runs.model import Fit
from nint.version import __version__

_OPEN = 16


class FieldDataset(Dataset[tuple[Any, dict[str, Any]]]):
    """Fields of a dataset, in the order of its index; one that is still growing is read as it was when it was opened.

    Args:
        path: The folder.
        split: Only the fields of this split; None takes all.
        flat: Give the parameters of a field as one vector instead of by name.

    Attributes:
        path: The folder.
        index: The rows as a table of pyarrow, those of the split.
        ids: Of the fields, in order.

    Raises:
        UsageError: for a folder that is no dataset, a damaged index, or a split that it does not have.
    """

    def __init__(self, path: str | Path, split: str | None = None, flat: bool = False) -> None:
        self.path, self.split, self.flat = place(path, "path"), split, flat
        self._files: OrderedDict[str, tuple[Any, Header]] = OrderedDict()
        self.index = self._read()
        self.ids: list[str] = self.index.column("id").to_pylist()
        self._places = {id: number for number, id in enumerate(self.ids)}

    def _read(self) -> Any:
        table = read_index(self.path)
        if self.split is None:
            return table
        known = table.column("split").to_pylist()
        if self.split not in known:
            raise UsageError(f"{self.path} has no split '{self.split}'; it has {', '.join(sorted(set(known))) or 'none yet'}.")
        return table.filter([one == self.split for one in known])

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics in the index."""
        return metrics_of(self.index)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> tuple[Any, dict[str, Any]]:
        """(parameters, index row) of a field; metrics that were not measured are NaN.

        Raises:
            IndexError: beyond the last field.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self.path} has {len(self):,} fields")
        row = self.row(number % len(self))
        state = self.state(row)
        return (flattened(state) if self.flat else state), row

    def row(self, number: int) -> dict[str, Any]:
        """What the index says of a field."""
        row: dict[str, Any] = self.index.slice(number, 1).to_pylist()[0]
        for name in self.metrics:
            if row[name] is None:
                row[name] = math.nan
        return row

    def state(self, row: dict[str, Any]) -> dict[str, Tensor]:
        """Name -> parameter of a field, in the order of its network, buffers included.

        Raises:
            UsageError: for a shard that is missing or damaged.
        """
        file, header = self._opened(row["shard"])
        return {name: torch.from_numpy(file.get_slice(name)[row["row"]]) for name in header.names}

    def number_of(self, id: str) -> int:
        """Place of a field.

        Raises:
            UsageError: where there is none of that id.
        """
        if id not in self._places:
            raise UsageError(f"{self.path} has no field '{id}'{'' if self.split is None else f' in the split {self.split}'}.")
        return self._places[id]

    def fit(self, id: str, device: str | torch.device = "cpu") -> Fit:
        """A field as the fitted signal that it is.

        Args:
            id: Of the field.
            device: Where to put it.

        Raises:
            UsageError: for an unknown id, or a damaged dataset.
        """
        row = self.row(self.number_of(id))
        state = {f"field/{name}": value for name, value in self.state(row).items()}
        try:
            header = {
                "format": FORMAT,
                "nint": __version__,
                "field": row["field"],
                "module": row["field"],
                "in_features": row["in_features"],
                "out_features": row["out_features"],
                "coordinates": COORDINATES,
                "layout": json.loads(row["layout"]),
                "metrics": {name: row[name] for name in self.metrics if not math.isnan(row[name])},
                "record": {"source": row["source"], "settings": json.loads(row["settings"]), "steps": row["steps"]},
            }
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"The index of {self.path} cannot be read at '{id}': {reason_of(error)}.") from error
        return Fit.from_parts(state, header, f"{self.path}: {id}").to(device)

    def refresh(self) -> FieldDataset:
        """The dataset as it is now, for one that was growing."""
        return FieldDataset(self.path, self.split, self.flat)

    def _opened(self, name: str) -> tuple[Any, Header]:
        if name in self._files:
            self._files.move_to_end(name)
            return self._files[name]

        from safetensors import SafetensorError, safe_open

        header = read_header(self.path, name)
        try:
            self._files[name] = (safe_open(str(self.path / name), framework="numpy"), header)
        except (SafetensorError, OSError) as error:  # it has gone meanwhile, or too many files are open
            raise UsageError(f"{self.path / name} cannot be opened: {reason_of(error)}.") from error
        if len(self._files) > _OPEN:
            self._files.popitem(last=False)
        return self._files[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict()}  # open files do not travel to the workers of a DataLoader


def open_dataset(path: str | Path, split: str | None = None, *, flat: bool = False) -> FieldDataset:
    """Opens a dataset of fields that `nint fit-all` or `nint.fit_all` has written.

    Args:
        path: The folder.
        split: Only the fields of this split; None takes all.
        flat: Give the parameters of a field as one vector instead of by name.

    Returns:
        A `torch.utils.data.Dataset` of (parameters, index row).

    Raises:
        UsageError: for a folder that is no dataset, a damaged index, or a split that it does not have.
    """
    return FieldDataset(path, split, flat)


def flattened(state: dict[str, Tensor]) -> Tensor:
    """All parameters one after another, `[p]`, in the order of the network."""
    return torch.cat([value.reshape(-1) for value in state.values()])
