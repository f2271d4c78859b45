"""Whether a file of a shape has colours or textures, which a field of the shape does not keep."""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = 2**16
_PLY = re.compile(rb"^property [^\n]*\b(?:diffuse_)?(?:red|r|s|u|texture_u|texcoord)\r?$", re.MULTILINE)
_OBJ = re.compile(rb"^(?:vt |usemtl |v(?:[ \t]+\S+){6,}[ \t]*\r?$)", re.MULTILINE)
_GLB = re.compile(rb'"(?:COLOR_0|TEXCOORD_0|baseColorTexture)"')


def has_colours(path: Path) -> bool:
    """Whether a PLY, OBJ or GLB file says how its surface looks; others cannot."""
    ending = path.suffix.lower()
    if ending == ".obj":
        return _OBJ.search(path.read_bytes()) is not None
    if ending not in (".ply", ".glb"):
        return False
    with open(path, "rb") as file:
        head = file.read(20)
        more = int.from_bytes(head[12:16], "little") if ending == ".glb" else _HEAD
        head += file.read(more)
    if ending == ".ply":
        return _PLY.search(head.partition(b"end_header")[0]) is not None
    return _GLB.search(head) is not None
