"""The kinds of signal there are, as a table: file endings, who loads them, who lays them out. Modules are imported when used.

A kind's loader is a function (path, **its own options) -> Signal. An option that was not given is not passed; one that a
kind's loader does not know is refused in one sentence.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.errors import UsageError, nearest

PREFIX = "sample:"
"""Of the names of signals that come with nint."""


@dataclass(frozen=True)
class Kind:
    """One kind of signal.

    Attributes:
        load: "module:function" that reads a path.
        layout: "module:Class" of its layout, as named in checkpoint headers.
        endings: File endings, with the dot, that mean this kind unless `--kind` says otherwise.
        detect: "module:function" path -> bool for endings and folders that several kinds share; asked in table order.
        samples: "module:table" of `sample:NAME` entries, or "".
    """

    load: str
    layout: str
    endings: tuple[str, ...] = ()
    detect: str = ""
    samples: str = ""


KINDS: dict[str, Kind] = {
    "image": Kind(
        "nint.signals.image.loader:load_image",
        "nint.signals.image.signal:ImageLayout",
        (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"),
    ),
    "audio": Kind(
        "nint.signals.audio.signal:load_audio",
        "nint.signals.audio.layout:AudioLayout",
        (".wav", ".flac", ".ogg", ".mp3"),
        samples="nint.signals.samples.audio:SAMPLES",
    ),
    "shape": Kind(
        "nint.signals.shape.signal:load_shape",
        "nint.signals.shape.signal:ShapeLayout",
        (".obj", ".ply", ".stl", ".off", ".glb", ".xyz"),
        samples="nint.signals.samples.shapes:SAMPLES",
    ),
    "video": Kind(
        "nint.signals.grid.video:load_video",
        "nint.signals.grid.video_layout:VideoLayout",
        (".mp4", ".gif"),
        detect="nint.signals.grid.video:is_image_folder",
        samples="nint.signals.grid.video:SAMPLES",
    ),
    "volume": Kind(
        "nint.signals.grid.volume:load_volume",
        "nint.signals.grid.volume_layout:VolumeLayout",
        (".nii", ".nii.gz"),
        detect="nint.signals.grid.volume:is_volume",
        samples="nint.signals.grid.volume:SAMPLES",
    ),
    "array": Kind(
        "nint.signals.grid.array:load_array",
        "nint.signals.grid.array:ArrayLayout",
        (".npy", ".zarr", ".zip"),
        detect="nint.signals.grid.array:is_array",
        samples="nint.signals.samples.arrays:SAMPLES",
    ),
    "points": Kind(
        "nint.signals.points.signal:load_points",
        "nint.signals.points.signal:PointsLayout",
        (".csv", ".npz"),
        samples="nint.signals.samples.points:SAMPLES",
    ),
}


_FOREIGN = {
    "image": (".ppm .pgm .pbm .pnm .heic .heif .avif .jp2 .jxl .exr .hdr .tga .ico .svg .psd .dng .cr2 .nef .arw .pdf", ".png or .tif"),
    "sound": (".aiff .aif .aifc .m4a .aac .opus .wma .au .caf .amr .mka .ac3 .mid", ".wav or .flac"),
    "video": (".mov .mkv .avi .webm .m4v .mpg .mpeg .wmv .flv .ts .mts .3gp .ogv .y4m", ".mp4"),
    "mesh": (".fbx .dae .3mf .gltf .blend .step .stp .iges .igs .usd .usdz .wrl .vtk .vtp", ".ply or .obj"),
    "cloud of points": (".las .laz .pcd .e57 .pts", ".ply or .xyz, with normals"),
    "volume": (".dcm .nrrd .nhdr .mha .mhd .mgz .mgh .mnc .img .vti .czi .nd2 .lif", ".nii.gz or .npy"),
    "array": (".mat .h5 .hdf5 .hdf .nc .npys .pkl .pickle .pt .pth .raw .bin .grib .fits .jld2 .rds", ".npy"),
    "table": (".tsv .txt .dat .xlsx .xls .ods .json .parquet .feather .arrow .sqlite .geojson .shp", ".csv"),
    "archive": (".gz .bz2 .xz .tar .tgz .7z .rar .zst", "a file of its content"),
}
"""What files of these endings hold, which are known but not read, and what to make of them."""

_READ_ANYWAY = "video"  # FFmpeg reads most containers
_CLOSE = 0.75


def resolve(target: str) -> Any:
    """The object behind "module:attribute"."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def ending_of(path: Path) -> str:
    """The file ending in lower case; ".nii.gz" counts as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def detect_kind(path: Path) -> str:
    """The kind that a path is taken for.

    Raises:
        UsageError: for an ending that no kind has.
    """
    for name, kind in KINDS.items():
        if kind.detect and resolve(kind.detect)(path):
            return name
    ending = ending_of(path)
    for name, kind in KINDS.items():
        if ending in kind.endings:
            return name
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder, but not one of numbered images; give a file.")
    raise UsageError(_unknown(path, ending))


def _unknown(path: Path, ending: str) -> str:
    """Why a file is not read, and what would be."""
    for what, (endings, instead) in _FOREIGN.items():
        if ending in endings.split():
            either = f"read it with --kind {what}, or " if what == _READ_ANYWAY else ""
            return f"'{path}' has the ending {ending} ({what}), which is not read as it is; {either}convert it to {instead}."
    known = sorted({known for kind in KINDS.values() for known in kind.endings})
    close = difflib.get_close_matches(ending, known, n=1, cutoff=_CLOSE)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
    return f"'{path}' has an ending that is not known. {hint} Or say what it is with --kind."


def kind_named(name: str) -> Kind:
    """The kind behind a name.

    Raises:
        UsageError: for an unknown name.
    """
    if name not in KINDS:
        raise UsageError(f"There is no kind of signal called '{name}'.{nearest(name, KINDS)}")
    return KINDS[name]


def load(name: str, path: Path, options: dict[str, Any]) -> Any:
    """Loads a path as a kind, with the options that were given (None means not given).

    Raises:
        UsageError: for an option that this kind does not have.
    """
    loader = resolve(kind_named(name).load)
    return loader(path, **given_options(loader, f"{name} signals", options))


def given_options(loader: Callable[..., Any], what: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given (None means not given), all of them among the parameters of a kind's loader.

    Raises:
        UsageError: for an option that the kind does not have.
    """
    given = {key: value for key, value in options.items() if value is not None}
    known = [name for name in inspect.signature(loader).parameters if name not in ("path", "name")]
    for key in given:
        if key not in known:
            flag = "--" + key.replace("_", "-")
            has = ", ".join("--" + option.replace("_", "-") for option in known) or "none"
            raise UsageError(f"{flag} does not apply to {what}; their options: {has}.")
    return given
