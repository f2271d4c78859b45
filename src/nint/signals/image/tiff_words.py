"""What a TIFF says in words, display settings, scales and blocks of data, none of which a model keeps: one line says so."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from nint.signals.image.picture import not_kept

_TAGS = {270: "description", 306: "date", 315: "artist", 33432: "copyright"}
_BLOCKS = {34665: "EXIF data", 34853: "EXIF data", 700: "XMP data", 34377: "Photoshop data"}
_DESCRIPTION, _GDAL = 270, 42112
_OF_PROGRAMS = ("ImageJ=", '{"shape":', "<?xml", "<OME")  # descriptions that say how the numbers lie
_IMAGEJ = {
    "Labels": "labels",
    "Info": "info",
    "LUTs": "colour tables",
    "Ranges": "display ranges",
    "ROI": "regions",
    "Overlays": "overlays",
}
_SCALES = ("scale", "offset")
_AS_STORED = ("scale 1", "offset 0")
_MOST_XML = 2**24


def words_left_out(file: Any, name: str) -> list[str]:
    """Sentences on the words of a TIFF opened by tifffile.

    Args:
        file: The file.
        name: What the sentences call it.
    """
    try:
        return _sentences(file, name)
    except Exception:  # damaged words, on which tifffile fails in any way; the numbers are sound
        return []


def blocks_of(page: Any) -> list[str]:
    """What else cameras and editors put into a page, which Pillow tells of the pages that it reads: "EXIF data", "XMP data", ..."""
    return list(dict.fromkeys(what for tag, what in _BLOCKS.items() if tag in page.tags))


def _sentences(file: Any, name: str) -> list[str]:
    page = file.pages[0]
    found = [what for tag, what in _TAGS.items() if _says(page, tag)]
    if file.is_imagej:
        found += [what for key, what in _IMAGEJ.items() if key in (file.imagej_metadata or {})]
    if file.is_ome and any(node.get("Name") for node in _nodes(file.ome_metadata, "Channel")):
        found.append("names of the channels")
    items = _nodes(getattr(page.tags.get(_GDAL), "value", ""), "Item")
    scales = [f"{item.get('role')} {float(item.text or ''):g}" for item in items if item.get("role") in _SCALES]
    if len(items) > len(scales):
        found.append("metadata of GDAL")
    said = [not_kept(found, name)]
    if set(scales) - set(_AS_STORED):
        said.append(f"By GDAL, the numbers of '{name}' stand for others ({', '.join(dict.fromkeys(scales))}), which is not kept.")
    return [sentence for sentence in said if sentence]


def _says(page: Any, tag: int) -> bool:
    text = str(getattr(page.tags.get(tag), "value", "")).strip().rstrip("\0")
    return bool(text) and not (tag == _DESCRIPTION and text.startswith(_OF_PROGRAMS))


def _nodes(xml: Any, tag: str) -> list[ElementTree.Element]:
    """Elements of a name in a text of XML; none where it is damaged."""
    try:
        text = str(xml or "").strip().rstrip("\0")
        return [node for node in ElementTree.fromstring(text).iter() if node.tag.endswith(tag)] if 0 < len(text) < _MOST_XML else []
    except ElementTree.ParseError:
        return []
