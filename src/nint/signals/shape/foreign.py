"""Content of another kind than a file's ending says, and the marks that editors put before a text."""

from __future__ import annotations

import codecs
import re

from nint.errors import UsageError
from nint.signals.shape.stl import is_binary_stl

_HEAD = 2**16
_MARKS = (
    (b"\x89PNG", "", "a PNG picture"),
    (b"\xff\xd8\xff", "", "a JPEG picture"),
    (b"GIF8", "", "a GIF picture"),
    (b"%PDF", "", "a PDF document"),
    (b"PK\x03\x04", "", "a ZIP archive"),
    (b"\x1f\x8b", "", "a gzip archive"),
    (b"glTF", ".glb", "a GLB file"),
    (b"ply\n", ".ply", "a PLY file"),
    (b"ply\r", ".ply", "a PLY file"),
)
_COMMENTS = rb"\A(?:[ \t\r]*(?:#[^\n]*)?\n)*"
_TEXTS = (  # first line, a line that follows, ending, words
    (re.compile(rb"\A\s*solid\b"), re.compile(rb"\bfacet\s"), ".stl", "an STL file"),
    (re.compile(_COMMENTS + rb"(?:ST)?C?N?4?n?OFF\b"), re.compile(rb"\n"), ".off", "an OFF file"),
    (re.compile(_COMMENTS + rb"(?:mtllib|[ogv])[ \t]"), re.compile(rb"^v[ \t]+[-+.\d]", re.MULTILINE), ".obj", "an OBJ file"),
)
_NAMES = {".obj": "an OBJ", ".ply": "a PLY", ".stl": "an STL", ".off": "an OFF", ".glb": "a GLB", ".xyz": "an XYZ"}


def own_content(data: bytes, ending: str) -> bytes:
    """The content of a shape file without the mark that says that it is UTF-8; a binary STL file, whose start may be anything, as it is.

    Args:
        data: The bytes of the file.
        ending: Of its name.

    Raises:
        UsageError: without the file's name; for a text in UTF-16, and for what begins like a file of another kind.
    """
    if ending == ".stl" and is_binary_stl(data):
        return data
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and ending != ".glb":
        raise UsageError("is text in UTF-16; store it as UTF-8.")
    data = data.removeprefix(codecs.BOM_UTF8)
    head = data[:_HEAD]
    found = next(((own, words) for mark, own, words in _MARKS if data.startswith(mark)), None)
    found = found or next(((own, words) for first, line, own, words in _TEXTS if first.search(head) and line.search(head)), None)
    found = found or ((".stl", "an STL file") if is_binary_stl(data) else None)
    if found is not None and found[0] != ending:
        raise UsageError(f"is not {_NAMES[ending]} file: it looks like {found[1]}.")
    return data
