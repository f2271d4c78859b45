"""The header of a GLB file, checked before anything is allocated for it: its sizes, and whether its geometry can be read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

from nint.errors import UsageError

_MAGIC, _JSON = b"glTF", b"JSON"
_MOST_CORNERS = 2**26
_DRACO, _INSTANCES = "KHR_draco_mesh_compression", "EXT_mesh_gpu_instancing"
_PACKED = ("EXT_meshopt_compression", "KHR_meshopt_compression")


def check_glb(data: bytes) -> dict[str, Any]:
    """Refuses a GLB file that promises more than it holds, or whose geometry trimesh would misread or pass over.

    Returns:
        Its header.

    Raises:
        UsageError: without the file's name; for chunks or accessors longer than the file, for scenes that repeat their meshes beyond
            2^26 corners of triangles, and for compressed meshes, sparse accessors, instances, data in other files, and no scene.
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
    _check_readable(header, [meshes[mesh] for mesh in set(used) if mesh < len(meshes)])
    if meshes and not _dicts(header, "scenes"):
        raise UsageError("has meshes but no scene, so nothing says which of them stand where; export it again with a scene.")
    return header


def _check_readable(header: dict[str, Any], meshes: list[dict[str, Any]]) -> None:
    """Refuses geometry that is stored in a way that trimesh does not read.

    Args:
        header: Of the file.
        meshes: Those that its nodes show.

    Raises:
        UsageError: names the extension, or says where the geometry is.
    """
    required = header.get("extensionsRequired")
    for name in _PACKED:
        if isinstance(required, list) and name in required:
            raise UsageError(_compressed(name))
    if any(_INSTANCES in _extensions(node) for node in _dicts(header, "nodes")):
        raise UsageError(f"repeats its meshes with {_INSTANCES}, which cannot be read; export each copy as a node of its own.")
    accessors, views, buffers = (_dicts(header, name) for name in ("accessors", "bufferViews", "buffers"))
    for primitive in (primitive for mesh in meshes for primitive in _dicts(mesh, "primitives")):
        for accessor in (accessors[place] for place in geometry_of(primitive) if place < len(accessors)):
            if "sparse" in accessor:
                raise UsageError("has sparse accessors, which cannot be read; export it without them.")
            if "bufferView" not in accessor and _DRACO in _extensions(primitive) and find_spec("DracoPy") is None:
                raise UsageError(_compressed(_DRACO))
            view = _at(views, accessor.get("bufferView"))
            uri = _at(buffers, view.get("buffer")).get("uri")
            if isinstance(uri, str) and not uri.startswith("data:"):
                raise UsageError("keeps its geometry in another file; export it as one .glb file with everything in it.")
            packed = [name for name in _PACKED if name in _extensions(view)]
            if packed and view.get("buffer") and uri is None:  # only buffer 0 has bytes without an address
                raise UsageError(_compressed(packed[0]))


def _compressed(extension: str) -> str:
    return f"has a mesh compressed with {extension}, which cannot be read; export it without compression."


def geometry_of(primitive: dict[str, Any]) -> list[int]:
    """The accessors of a primitive's positions and, where it has some, of its corners, in this order."""
    attributes = primitive.get("attributes")
    places = [attributes.get("POSITION") if isinstance(attributes, dict) else None, primitive.get("indices")]
    return [place for place in places if isinstance(place, int) and place >= 0]


def _extensions(item: dict[str, Any]) -> dict[str, Any]:
    found = item.get("extensions")
    return found if isinstance(found, dict) else {}


def _at(items: list[dict[str, Any]], place: Any) -> dict[str, Any]:
    """An item of a list; {} where there is none."""
    return items[place] if isinstance(place, int) and 0 <= place < len(items) else {}


def _corners(primitive: dict[str, Any], counts: list[int]) -> int:
    places = geometry_of(primitive)
    return counts[places[-1]] if places and places[-1] < len(counts) else 0


def _dicts(header: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = header.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UsageError(f"is damaged: its {name} cannot be understood.")
    return found


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise UsageError("is damaged: a number in its header is missing or out of range.")
    return value
