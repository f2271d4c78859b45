"""Finding the paper's data sets in a folder, under the names of their downloads."""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nint.errors import UsageError

TITLES = {
    "kodak": "Kodak photos (kodim*.png)",
    "div2k": "DIV2K images (*.png in a folder div2k*)",
    "ffhq": "FFHQ images (in a folder ffhq*)",
    "speech": "speech (*.flac, as in LibriSpeech)",
    "meshes": "meshes (.off, .ply, .obj or .stl, as of the Stanford repository)",
    "volumes": "volumes (.nii or .nii.gz)",
}
"""Data set -> what is looked for."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_MESHES = (".off", ".ply", ".obj", ".stl")
_VOLUMES = (".nii", ".nii.gz")
_LARGE_SIDE = 1024


def search(data: Path) -> dict[str, tuple[str, ...]]:
    """Looks through a folder and everything below it.

    Args:
        data: The folder; it may itself be a data set.

    Returns:
        Data set -> paths in order. Of images of one name in a data set the first counts, since copies lie in folders of their own; so
        does the first of clips of speech that have one name and content. "large" is the first image of at least 1024 x 1024 pixels that
        belongs to no other. Where DIV2K's validation images are there, its training images are left out; its low-resolution copies always
        are.

    Raises:
        UsageError: for a folder that is missing or cannot be read.
    """
    files = _files(data)
    pictures = [path for path in files if path.suffix.lower() in _PICTURES]
    kodak = [path for path in pictures if re.fullmatch(r"kodim\d+\.png", path.name.lower())]
    numbered = [path for path in pictures if path.suffix.lower() == ".png" and path.stem.isdigit()]
    div2k = [path for path in numbered if _below(path, data, "div2k") and not _below(path, data, "", "_lr")]
    validation = [path for path in div2k if _below(path, data, "div2k_valid")]
    ffhq = [path for path in pictures if _below(path, data, "ffhq")]
    taken = {*kodak, *div2k, *ffhq}
    return {
        "kodak": _named_once(_texts(kodak, lambda path: path.name.lower())),
        "div2k": _named_once(_texts(validation or div2k, lambda path: path.name)),
        "ffhq": _named_once(_texts(ffhq, lambda path: path.name)),
        "large": _texts(_first_large(path for path in pictures if path not in taken)),
        "speech": _told_once(_texts(path for path in files if path.suffix.lower() == ".flac")),
        "meshes": _texts(path for path in files if path.suffix.lower() in _MESHES),
        "volumes": _texts(path for path in files if path.name.lower().endswith(_VOLUMES)),
    }


def _files(data: Path) -> list[Path]:
    if not data.is_dir():
        raise UsageError(f"--data {data} is {'not a folder' if data.exists() else 'not there'}; give the folder that holds the data sets.")

    def refuse(error: OSError) -> None:
        if Path(error.filename or data) == data:  # a folder below it that is closed is as good as not there
            raise UsageError(f"--data {data} cannot be read: {error.strerror or error}.") from error

    found: list[Path] = []
    for folder, _, names in os.walk(data, onerror=refuse):
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _below(path: Path, data: Path, start: str, part: str = "") -> bool:
    """Whether a folder between the data folder (itself included) and a file has such a name, in any case."""
    folders = (data.absolute().name, *path.relative_to(data).parts[:-1])
    return any(name.lower().startswith(start) and part in name.lower() for name in folders)


def _first_large(paths: Iterable[Path]) -> list[Path]:
    from PIL import Image

    for path in paths:
        try:
            with Image.open(path) as image:
                if min(image.size) >= _LARGE_SIDE:
                    return [path]
        except Exception:  # whatever else has the ending of a picture
            continue
    return []


def _texts(paths: Iterable[Path], order: Callable[[Path], Any] = str) -> tuple[str, ...]:
    return tuple(str(path) for path in sorted(paths, key=lambda path: (order(path), str(path))))


def _named_once(paths: Iterable[str]) -> tuple[str, ...]:
    """The first path of each name, whatever its ending."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(Path(path).stem.lower(), path)
    return tuple(found.values())


def _told_once(paths: Iterable[str]) -> tuple[str, ...]:
    """The first path of each name and content."""
    found: dict[str, list[str]] = {}
    for path in paths:
        known = found.setdefault(Path(path).name, [])
        if not any(_equal(path, other) for other in known):
            known.append(path)
    return tuple(sorted(path for known in found.values() for path in known))


def _equal(path: str, other: str) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:  # it is refused when it is read
        return False
