"""The tables of a PLY file, whose lists may have another length in every row."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from nint.errors import UsageError
from nint.signals.shape.ply import TYPES, Element, Ply


@dataclass(frozen=True, eq=False)
class Lists:
    """A column of lists.

    Attributes:
        values: Their items, row after row.
        lengths: Items of each row, int64.
    """

    values: np.ndarray
    lengths: np.ndarray


Table = dict[str, np.ndarray | Lists]
"""The columns by their names. Where lists of a binary table differ in length, its columns of numbers are left out."""


def read_tables(ply: Ply) -> dict[str, Table]:
    """All elements of a PLY file that have rows, by their names.

    Raises:
        UsageError: without the file's name; for a file whose lists reach beyond its end or stop before it, and for rows that are too short.

    Cost: a second for a million binary rows whose lists differ in length, or for a million rows of text.
    """
    elements = [element for element in ply.elements if element.count]
    if len({element.name for element in elements}) < len(elements):
        raise UsageError("is damaged: its header has an element twice.")
    if any(element.lists and len({name for name, _ in element.properties}) < len(element.properties) for element in elements):
        raise UsageError("is damaged: its header has a property twice.")
    tables = {}
    if not ply.order:
        lines, at = [line for line in ply.body.decode().splitlines() if line.strip()], 0
        for element in elements:
            tables[element.name] = _of_text(element, lines[at : at + element.count])
            at += element.count
        return tables
    at = 0
    for element in elements:
        table, at = _of_bytes(element, ply.order, ply.body, at)
        tables[element.name] = table
    if at < len(ply.body):
        raise UsageError(f"is damaged: {len(ply.body) - at:,} bytes follow the last row that it promises.")
    return tables


def _of_text(element: Element, lines: list[str]) -> Table:
    """The table in some lines.

    Raises:
        UsageError: for rows that are too short.
    """
    if not element.lists:
        numbers = np.loadtxt(lines, np.float64, comments=None, usecols=range(len(element.properties)), ndmin=2)
        return {name: numbers[:, i].astype(TYPES[kind]) for i, (name, kind) in enumerate(element.properties)}
    pieces: list[list[str]] = [[] for _ in element.properties]
    lengths: list[list[int]] = [[] for _ in element.properties]
    plan = [(pieces[i], lengths[i], name in element.lists) for i, (name, _) in enumerate(element.properties)]
    for words in map(str.split, lines):
        at = 0
        for texts, counts, is_list in plan:
            count = int(words[at]) if is_list and at < len(words) else 1
            at += is_list
            texts.append(" ".join(words[at : at + count]))
            counts.append(count)
            at += count
    table: Table = {}
    for (name, kind), texts, counts in zip(element.properties, pieces, lengths, strict=True):
        values = np.fromstring(" ".join(texts), np.float64, sep=" ")
        if min(counts) < 0 or len(values) != sum(counts):
            raise UsageError("is damaged: a row has fewer numbers than it promises.")
        table[name] = Lists(values, np.array(counts, np.int64)) if name in element.lists else values.astype(TYPES[kind])
    return table


def _of_bytes(element: Element, order: str, body: bytes, at: int) -> tuple[Table, int]:
    """The table that begins at a byte, and where it ends."""
    row = _first_row(element, order, body, at)
    if row is None or at + element.count * row.itemsize > len(body):
        return _walked(element, order, body, at)
    rows = np.frombuffer(body, row, element.count, at)
    table: Table = {}
    for i, (name, _) in enumerate(element.properties):
        column = rows[str(i)]
        if name not in element.lists:
            table[name] = column
        elif (column == column[0]).all():
            table[name] = Lists(rows[f"{i} items"].reshape(-1), column.astype(np.int64))
        else:
            return _walked(element, order, body, at)
    return table, at + rows.nbytes


def _first_row(element: Element, order: str, body: bytes, at: int) -> np.dtype[np.void] | None:
    """The type of rows whose lists are as long as in the row that begins at a byte; None where such a row does not fit into the file."""
    fields: list[tuple[str, np.dtype[np.generic], tuple[int, ...]]] = []
    for i, (name, kind) in enumerate(element.properties):
        number = np.dtype(order + TYPES[kind])
        fields.append((str(i), number, ()))
        if name in element.lists:
            if at + number.itemsize > len(body):
                return None
            length, item = int(np.frombuffer(body, number, 1, at)[0]), np.dtype(order + TYPES[element.lists[name]])
            if not 0 <= length * item.itemsize <= len(body):
                return None
            fields.append((f"{i} items", item, (length,)))
            at += length * item.itemsize
        at += number.itemsize
    return np.dtype(fields)


def _walked(element: Element, order: str, body: bytes, at: int) -> tuple[Table, int]:
    """The lists of a table, row by row, and where it ends.

    Raises:
        UsageError: where it does not fit into the file.
    """
    plan, gap = [], 0
    for name, kind in element.properties:
        code = np.dtype(TYPES[kind])
        if name in element.lists:
            plan.append((gap, struct.Struct(order + code.char).unpack_from, code.itemsize, np.dtype(TYPES[element.lists[name]]).itemsize))
            gap = 0
        else:
            gap += code.itemsize
    starts, lengths = [], []
    try:
        for _ in range(element.count):
            for skipped, unpack, size, item in plan:
                at += skipped
                (length,) = unpack(body, at)
                at += size
                starts.append(at)
                lengths.append(length)
                at += length * item
            at += gap
    except struct.error:
        at = len(body) + 1
    if min(lengths, default=0) < 0:
        raise UsageError("is damaged: a list has a length below 0.")
    if at > len(body):
        raise UsageError(f"is cut short: it promises {element.rows} and ends before the last of them.")
    table: Table = {}
    for i, (name, kind) in enumerate(element.lists.items()):
        counts = np.array(lengths[i :: len(plan)], np.int64)
        table[name] = Lists(_items(body, np.array(starts[i :: len(plan)], np.int64), counts, np.dtype(order + TYPES[kind])), counts)
    return table, at


def _items(body: bytes, starts: np.ndarray, lengths: np.ndarray, kind: np.dtype[np.generic]) -> np.ndarray:
    """The items of lists that begin at some bytes, one after another."""
    edges = np.zeros(len(body) + 1, np.int8)
    edges[starts] += 1
    edges[starts + lengths * kind.itemsize] -= 1
    items: np.ndarray = np.frombuffer(body, np.uint8)[np.cumsum(edges[:-1], dtype=np.int8).view(bool)].view(kind)
    return items
