"""What of a file of a shape a field does not keep: colours, textures and materials, and of GLB further scenes and motion."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from nint.errors import listed

_HEAD = 2**16
_PLY = re.compile(rb"^property [^\n]*\b(?:diffuse_)?(?:red|r|s|u|texture_u|texcoord)\r?$", re.MULTILINE)
_OBJ = re.compile(rb"^(?:vt |usemtl |v(?:[ \t]+\S+){6,}[ \t]*\r?$)", re.MULTILINE)
_GLB = re.compile(rb'"(?:COLOR_0|TEXCOORD_0|(?:baseColor|emissive|diffuse)Factor|\w*Texture)"')
_STL = b"COLOR="  # of the program Magics; others give no sign that their two bytes of a triangle are a colour


def left_out(path: Path) -> tuple[str, ...]:
    """Sentences on what a shape file holds that is not fitted."""
    said = [f"The colours or textures of '{path.name}' are left out: a field of a shape knows no colours."] if has_colours(path) else []
    if path.suffix.lower() == ".glb":
        said += _of_scenes(json.loads(_head(path)[20:]), path.name)
    return tuple(said)


def _of_scenes(header: dict[str, Any], name: str) -> list[str]:
    """Sentences on the parts of a GLB file, which was read, beside the one scene and the one state that are fitted."""
    others, said = len(header.get("scenes") or ()) - 1, []
    if others > 0:
        told = "the one that it names" if "scene" in header else "the first one"
        said.append(f"'{name}' also holds {others} further scene{'s' * (others > 1)}, left out; {told} is fitted.")
    targets = any(primitive.get("targets") for mesh in header.get("meshes") or () for primitive in mesh.get("primitives") or ())
    moving = [
        what
        for what, there in (("animations", header.get("animations")), ("blend shapes", targets), ("bones", header.get("skins")))
        if there
    ]
    if moving:
        said.append(f"The {listed(moving)} of '{name}' are left out; the shape is fitted at rest.")
    return said


def _head(path: Path) -> bytes:
    """The header of a GLB file with the 20 bytes before it; of any other file the first 64 KB."""
    with open(path, "rb") as file:
        head = file.read(20)
        return head + file.read(int.from_bytes(head[12:16], "little") if path.suffix.lower() == ".glb" else _HEAD)


def has_colours(path: Path) -> bool:
    """Whether a shape file says how its surface looks; a point cloud in text cannot."""
    ending = path.suffix.lower()
    if ending == ".obj":
        return _OBJ.search(path.read_bytes()) is not None
    if ending == ".off":
        return _coloured_off(path.read_text("utf-8-sig", "replace"))
    if ending not in (".ply", ".glb", ".stl"):
        return False
    head = _head(path)
    if ending == ".ply":
        return _PLY.search(head.partition(b"end_header")[0]) is not None
    return _STL in head[:80] if ending == ".stl" else _GLB.search(head) is not None


def _coloured_off(text: str) -> bool:
    """Whether an OFF file that was read has colours, or places in a texture, of its vertices or numbers behind the corners of a face."""
    lines = [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]
    kind, _, behind = lines[0].upper().partition("OFF")
    if "C" in kind or "ST" in kind:
        return True
    counts, body = (behind.split(), lines[1:]) if behind.split() else (lines[1].split(), lines[2:])
    points, faces = int(counts[0]), int(counts[1])
    wide = (4 if "4" in kind else 3) * (2 if "N" in kind else 1)
    if any(len(row.split()) > wide for row in body[:points]):
        return True
    return any(len(words) > 1 + int(words[0]) for words in map(str.split, body[points : points + faces]))
