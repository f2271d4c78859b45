"""What a TIFF says of its axes beyond their names: distances of neighbours along them, by ImageJ or OME, and a place on Earth."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

NOT_ON_EARTH = "Where the file lies on Earth (GeoTIFF) is not kept."

_GEO_TAGS = (33550, 33922, 34264, 34735)  # pixel scale, tie points, transformation, directory of keys
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_GREY = ("MINISBLACK", "MINISWHITE")
_PLAIN_ALPHA = (2,)  # of tag 338, ExtraSamples
_ALPHA = ((1,), _PLAIN_ALPHA)
_MOST_XML = 2**24


def axis_spacing(file: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Distances between neighbours of a TIFF opened by tifffile.

    Returns:
        (axis letter -> distance above 0, axis letter -> its unit); an axis of which nothing is said is absent.
    """
    if file.is_imagej:
        return _of_imagej(file)
    if file.is_ome:
        return _of_ome(file.ome_metadata or "")
    return {}, {}


def bands_of(page: Any) -> int:
    """How many bands a page has that it does not call colours: samples of grey, unless the second of two is said to be alpha; else 0.

    Source: TIFF 6.0, section 18, ExtraSamples.
    """
    samples = int(page.samplesperpixel)
    with_alpha = samples == 2 and tuple(map(int, page.extrasamples)) in _ALPHA
    return samples if samples > 1 and getattr(page.photometric, "name", "") in _GREY and not with_alpha else 0


def is_rgb(page: Any) -> bool:
    """Whether the samples of a page are red, green and blue, and at most alpha beyond them, by which they are not multiplied."""
    beyond = tuple(map(int, page.extrasamples))[: max(0, int(page.samplesperpixel) - 3)]
    return getattr(page.photometric, "name", "") == "RGB" and int(page.samplesperpixel) in (3, 4) and beyond in ((), _PLAIN_ALPHA)


def lies_on_earth(page: Any) -> bool:
    """Whether a page has a place on Earth.

    Source: OGC GeoTIFF 1.1, 7.1 and B.6.
    """
    return any(tag in page.tags for tag in _GEO_TAGS)


def print_resolution(page: Any) -> tuple[float, float] | None:
    """Pixels an inch along x and y, where a page says it."""
    unit = page.tags.get("ResolutionUnit")
    inch = {"inch": 1.0, "cm": 2.54}.get(_RESOLUTION_UNITS.get(int(unit.value) if unit else 2, ""))
    values = [_per_unit(page, name) for name in ("XResolution", "YResolution")]
    if inch is None or None in values:
        return None
    x, y = (value * inch for value in values if value is not None)
    return x, y


def _of_imagej(file: Any) -> tuple[dict[str, float], dict[str, str]]:
    said = file.imagej_metadata or {}
    unit = str(said.get("unit", "")).replace("\\u00B5", "u").replace("µ", "u")
    found: dict[str, Any] = {}
    if unit:
        per_unit = {axis: _per_unit(file.pages[0], f"{axis}Resolution") for axis in "XY"}
        found = {axis: 1 / value for axis, value in per_unit.items() if value}
    found |= {"Z": said.get("spacing"), "T": said.get("finterval")}
    spacing = _sound(found)
    return spacing, {axis: "s" if axis == "T" else unit for axis in spacing if unit or axis == "T"}


def _of_ome(xml: str) -> tuple[dict[str, float], dict[str, str]]:
    try:
        root = ElementTree.fromstring(xml) if len(xml) < _MOST_XML else None
    except ElementTree.ParseError:
        root = None
    pixels = None if root is None else next((node for node in root.iter() if node.tag.endswith("Pixels")), None)
    if pixels is None:
        return {}, {}
    names = {axis: f"PhysicalSize{axis}" for axis in "XYZ"} | {"T": "TimeIncrement"}
    spacing = _sound({axis: pixels.get(name) for axis, name in names.items()})
    usual = dict.fromkeys("XYZ", "µm") | {"T": "s"}
    return spacing, {axis: pixels.get(f"{names[axis]}Unit", usual[axis]).replace("µ", "u") for axis in spacing}


def _per_unit(page: Any, name: str) -> float | None:
    tag = page.tags.get(name)
    try:
        above, below = tag.value
        return above / below if above > 0 and below > 0 else None
    except (AttributeError, TypeError, ValueError):
        return None


def _sound(values: dict[str, Any]) -> dict[str, float]:
    """Those that are finite numbers above 0."""
    found = {}
    for axis, value in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number) and number > 0:
            found[axis] = number
    return found
