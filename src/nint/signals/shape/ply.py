"""The header of a PLY file, checked against the file's length before anything is read, and the table of a point cloud."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np

from nint.errors import UsageError
from nint.mesh import Cloud

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_MANY = {"vertex": "vertices", "face": "faces", "edge": "edges"}
_LONGEST_HEADER = 2**20


@dataclass(frozen=True)
class Element:
    """One table of a PLY file.

    Attributes:
        name: "vertex", "face", ...
        count: Rows that the header promises.
        properties: (name, type) of each column in order; of a list, the type of its length.
        lists: Of the columns that are lists, the type of their items.
    """

    name: str
    count: int
    properties: tuple[tuple[str, str], ...]
    lists: dict[str, str] = field(default_factory=dict)

    @property
    def least_bytes(self) -> int:
        """The length of a binary row whose lists are empty."""
        return sum(np.dtype(TYPES[kind]).itemsize for _, kind in self.properties)

    @property
    def rows(self) -> str:
        """How many rows of what the header promises, for messages."""
        return f"{self.count:,} " + _MANY.get(self.name, f"rows of '{self.name}'" if self.name.isidentifier() else "rows")


@dataclass(frozen=True)
class Ply:
    """A PLY file whose length agrees with its header.

    Attributes:
        order: Byte order, "<" or ">"; "" where the file is text.
        elements: In the order of the file.
        body: What follows the header.
    """

    order: str
    elements: tuple[Element, ...]
    body: bytes

    @property
    def has_faces(self) -> bool:
        """Whether it is a mesh."""
        return any(element.name in ("face", "tristrips") and element.count for element in self.elements)


def parse_ply(data: bytes) -> Ply:
    """Reads the header of a PLY file.

    Raises:
        UsageError: without the file's name; for a header that cannot be understood or that promises more than the file holds.
    """
    head, end, rest = data[:_LONGEST_HEADER].partition(b"end_header")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if not end or not lines or lines[0] != ["ply"]:
        raise UsageError("is not a PLY file.")
    order = next((_ORDERS.get(line[1]) for line in lines if line[0:1] == ["format"] and len(line) > 1), None)
    if order is None:
        raise UsageError("is damaged: its header names no known format.")
    elements: list[Element] = []
    for line in lines:
        if line[:1] == ["element"]:
            if len(line) != 3 or not line[2].isdecimal() or len(line[2]) > 30:
                raise UsageError("is damaged: its header has an element without a number of rows.")
            elements.append(Element(line[1], int(line[2]), ()))
        elif line[:1] == ["property"]:
            is_list = line[1:2] == ["list"]
            known = len(line) == (5 if is_list else 3) and all(word in TYPES for word in line[1 + is_list : -1])
            if not elements or not known or (is_list and TYPES[line[2]][0] == "f"):
                raise UsageError("is damaged: its header has a property that cannot be understood.")
            last, name = elements[-1], line[-1]
            lists = last.lists | {name: line[3]} if is_list else last.lists
            elements[-1] = Element(last.name, last.count, (*last.properties, (name, line[1 + is_list])), lists)
    newline = rest.find(b"\n")
    ply = Ply(order, tuple(elements), data[len(head) + len(end) + newline + 1 :])
    _check_length(ply)
    return ply


def _check_length(ply: Ply) -> None:
    """Refuses a header that promises more than the file holds.

    Raises:
        UsageError: names both numbers.
    """
    left = len(ply.body) if ply.order else sum(1 for line in ply.body.splitlines() if line.strip())
    for element in ply.elements:
        if not element.count:
            continue
        size = element.least_bytes if ply.order else 1
        if size == 0 or element.count > left // size:
            raise UsageError(f"is cut short: it promises {element.rows} and holds at most {left // max(size, 1):,}.")
        left -= element.count * size


def ply_cloud(ply: Ply) -> Cloud:
    """The points and normals of a PLY file without faces.

    Raises:
        UsageError: without the file's name; where there are no points with normals.
    """
    element = ply.elements[0] if ply.elements else None
    if element is None or element.name != "vertex" or element.lists:
        raise UsageError("has neither faces nor a first element called vertex.")
    names = [name for name, _ in element.properties]
    if not {"nx", "ny", "nz"} <= set(names):
        raise UsageError("has points but neither faces nor normals; a point cloud needs the properties nx, ny and nz.")
    if not {"x", "y", "z"} <= set(names) or len(set(names)) < len(names):
        raise UsageError("is damaged: its points have no x, y and z, or a property twice.")
    if element.count == 0:
        raise UsageError("is a point cloud without a point.")
    table: np.ndarray
    if ply.order:
        table = np.frombuffer(ply.body, np.dtype([(name, ply.order + TYPES[kind]) for name, kind in element.properties]), element.count)
        columns = {name: table[name] for name in names}
    else:
        table = np.loadtxt(io.StringIO(ply.body.decode("ascii")), np.float64, ndmin=2, max_rows=element.count)
        if table.shape != (element.count, len(names)):
            raise UsageError(f"is damaged: it promises {element.count:,} points of {len(names)} numbers and holds {table.shape[0]:,}.")
        columns = {name: table[:, i] for i, name in enumerate(names)}
    places, normals = (
        np.stack([columns[name].astype(np.float64) for name in group], axis=1) for group in (("x", "y", "z"), ("nx", "ny", "nz"))
    )
    return Cloud(places, normals)
