"""The sizes in the header of a GLB file, checked before anything is allocated for them."""

from __future__ import annotations

import json
from typing import Any

from nint.errors import UsageError

_MAGIC, _JSON = b"glTF", b"JSON"
_MOST_CORNERS = 2**26


def check_glb(data: bytes) -> None:
    """Refuses a GLB file that promises more than it holds.

    Raises:
        UsageError: without the file's name; for chunks or accessors longer than the file, and for scenes that repeat their meshes beyond
            2^26 corners of triangles.
    """
    if data[:4] != _MAGIC or len(data) < 20 or data[16:20] != _JSON:
        raise UsageError("is not a GLB file.")
    total, length = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
    if total > len(data) or 20 + length > total:
        raise UsageError(f"is cut short: it promises {max(total, 20 + length):,} bytes and holds {len(data):,}.")
    header = json.loads(data[20 : 20 + length])
    if not isinstance(header, dict):
        raise UsageError("is damaged: its header cannot be understood.")
    accessors, meshes, nodes = (_dicts(header, name) for name in ("accessors", "meshes", "nodes"))
    counts = [_whole(accessor.get("count")) for accessor in accessors]
    most = max(counts, default=0)
    if most > len(data):
        raise UsageError(f"is damaged: it promises {most:,} items in {len(data):,} bytes.")
    corners = [sum(_corners(primitive, counts) for primitive in _dicts(mesh, "primitives")) for mesh in meshes]
    used = [_whole(node["mesh"]) for node in nodes if "mesh" in node]
    drawn = sum(corners[mesh] for mesh in used if mesh < len(corners))
    if drawn > max(_MOST_CORNERS, sum(counts)):
        raise UsageError(
            f"repeats its meshes to {drawn:,} corners of triangles, more than the limit of {_MOST_CORNERS:,}; store it as .ply."
        )


def _corners(primitive: dict[str, Any], counts: list[int]) -> int:
    attributes = primitive.get("attributes")
    places = attributes.get("POSITION") if isinstance(attributes, dict) else None
    accessor = primitive.get("indices", places)
    return counts[accessor] if isinstance(accessor, int) and 0 <= accessor < len(counts) else 0


def _dicts(header: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = header.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UsageError(f"is damaged: its {name} cannot be understood.")
    return found


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise UsageError("is damaged: a number in its header is missing or out of range.")
    return value
