"""What the paper's experiments are run on: data sets under the names of their downloads, else samples that say that they are."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nint.bench.datasets import TITLES, search
from nint.errors import UsageError, nearest
from nint.signals.stamp import Stamp, stamp_of

if TYPE_CHECKING:
    import numpy as np

    from nint.signals.base import Signal
    from nint.signals.grid.volume import VolumeSignal

_PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle", "retina", "ihc", "hubble")
_SAMPLES = {
    "kodak": tuple(f"sample:{name}" for name in _PHOTOS),
    "div2k": tuple(f"sample:{name}" for name in (*_PHOTOS[3:], *_PHOTOS[:3])),
    "ffhq": ("sample:retina", "sample:hubble", "sample:astronaut"),
    "speech": ("sample:chirp",),
    "meshes": ("sample:torus", "sample:sphere", "sample:box"),
    "volumes": ("sample:phantom",),
}
_IMAGES = ("kodak", "div2k", "ffhq")
_OWN_NAMES = {"bunny": ("bun_zipper",), "dragon": ("dragon_vrip",), "buddha": ("happy_vrip",)}
"""Files of the Stanford repository that are not called like what they show."""


@dataclass
class Inputs:
    """Where the inputs of the experiments lie.

    Attributes:
        data: The folder that was searched; None where there is none.
        found: Data set ("kodak", "div2k", "ffhq", "large", "speech", "meshes", "volumes") -> paths in order.
        remarks: Sentences about what stands in for what; grows as inputs are asked for.
    """

    data: str | None = None
    found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def search(cls, data: str | Path | None = None) -> Inputs:
        """Looks through a folder and everything below it.

        Raises:
            UsageError: for a folder that is missing or cannot be read, or in which nothing is known.
        """
        if data is None:
            return cls(remarks=["No --data: every input is one of nint's samples, not the paper's data."])
        found = search(Path(data))
        if not any(found.values()):
            raise UsageError(f"--data {data} holds none of the data sets that are looked for: {'; '.join(TITLES.values())}.")
        return cls(str(data), found)

    @property
    def sample_only(self) -> bool:
        """Whether every input is one of nint's samples."""
        return not any(self.found.values())

    def images(self, dataset: str, count: int) -> list[str]:
        """Up to `count` images of "kodak", "div2k" or "ffhq"; a remark says where there are fewer.

        Raises:
            UsageError: for another data set.
        """
        if dataset not in _IMAGES:
            raise UsageError(f"There is no data set of images called '{dataset}'.{nearest(dataset, _IMAGES)}")
        return self._some(dataset, count)

    def speech(self, count: int) -> list[str]:
        """Up to `count` clips of speech; a remark says where there are fewer."""
        return self._some("speech", count)

    def image(self, name_hint: str) -> str:
        """One image.

        Args:
            name_hint: "kodim04", "div2k/02" (the file, else the third of the data set), "ffhq". Where it is missing, another one of the
                data set stands in for it, always the same, and a remark says so.

        Raises:
            UsageError: for a data set that is not known.
        """
        folder, _, stem = name_hint.lower().rpartition("/")
        dataset = folder or next((name for name in _IMAGES if stem.startswith(name)), "kodak")
        if dataset not in _IMAGES:
            raise UsageError(f"There is no data set of images called '{dataset}'.{nearest(dataset, _IMAGES)}")
        paths = self._paths(dataset)
        for path in self.found.get(dataset, ()):
            if Path(path).stem.lower() == stem:
                return path
        number = re.search(r"\d+$", stem)
        chosen = paths[(int(number[0]) - (dataset == "kodak") if number else 0) % len(paths)]
        if stem != dataset or not self.found.get(dataset):
            self._remark(f"{_short(chosen)} stands in for {name_hint}.")
        return chosen

    def named(self, wanted: Iterable[str], count: int) -> list[str]:
        """Paths or "sample:NAME", each once.

        Args:
            wanted: Data sets ("kodak", "speech"), "image:NAME", "mesh:NAME", "volume:NAME" or "sample:NAME".
            count: How many of each data set, at most.

        Raises:
            UsageError: for a data set that is not known.
        """
        found: list[str] = []
        for text in wanted:
            kind, _, name = text.partition(":")
            if kind == "sample":
                found.append(text)
            elif kind == "image":
                found.append(self.image(name))
            elif kind == "mesh":
                found.append(self.mesh(name))
            elif kind == "volume":
                found.append(self.volume(name))
            else:
                found += self.speech(count) if kind == "speech" else self.images(kind, count)
        return list(dict.fromkeys(found))

    def mesh(self, name: str = "armadillo") -> str:
        """One mesh; where it is missing, another stands in for it, and a remark says so."""
        return self._one("meshes", name, f"the mesh {name}")

    def volume(self, name: str = "ch2") -> str:
        """One volume; where it is missing, another stands in for it, and a remark says so."""
        return self._one("volumes", name, f"the volume {name}")

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it; remarks are left out, since they come again."""
        return {"data": self.data, "found": {name: list(paths) for name, paths in self.found.items()}}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Inputs:
        """What `to_json` gave, whether or not the files are still there.

        Raises:
            UsageError: for anything else.
        """
        try:
            found = {str(name): tuple(map(str, paths)) for name, paths in values["found"].items()}
            return cls(values["data"], found) if any(found.values()) else cls.search()
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"This does not name inputs: {error}.") from error

    def _one(self, dataset: str, name: str, what: str) -> str:
        paths = self._paths(dataset)
        for wanted in (name.lower(), *_OWN_NAMES.get(name.lower(), ())):
            close = [path for path in self.found.get(dataset, ()) if wanted in Path(path).stem.lower()]
            if close:
                return min(close, key=lambda path: (len(Path(path).stem), path))
        self._remark(f"{_short(paths[0])} stands in for {what}.")
        return paths[0]

    def _some(self, dataset: str, count: int) -> list[str]:
        paths = self._paths(dataset)
        if len(paths) < count:
            self._remark(f"Of {count} inputs from {TITLES[dataset]}, {len(paths)} are there and used.")
        return list(paths[:count])

    def _paths(self, dataset: str) -> tuple[str, ...]:
        paths = self.found.get(dataset, ())
        if paths:
            return paths
        if dataset == "ffhq" and self.found.get("large"):
            self._remark(
                f"No {TITLES[dataset]} in {self.data}: another large image, {Path(self.found['large'][0]).name}, stands in for them."
            )
            return self.found["large"]
        if self.data is not None:
            self._remark(f"No {TITLES[dataset]} in --data: samples of nint's stand in for them.")
        return _installed(dataset)

    def _remark(self, sentence: str) -> None:
        if sentence not in self.remarks:
            self.remarks.append(sentence)


def _short(path: str) -> str:
    return path if path.startswith("sample:") else Path(path).name


def _installed(dataset: str) -> tuple[str, ...]:
    from nint.signals.kinds import PREFIX
    from nint.signals.samples.images import sample_names

    known = set(sample_names())
    return tuple(sample for sample in _SAMPLES[dataset] if sample.removeprefix(PREFIX) in known)


def read_signal(source: str, square: int | None, options: tuple[tuple[str, Any], ...]) -> Signal:
    """The signal of a run, cached for runs that share it, until its file changes.

    Args:
        source: A path or "sample:NAME".
        square: Images: side of the square that is cut from its middle and resized. Volumes: side of the cube, of averages over voxels.
        options: Options of the input's kind, as (name, value) pairs.

    Raises:
        UsageError: where it cannot be read, or `square` does not fit it.
    """
    return _read(source, square, options, stamp_of(source))


def pixels_of(signal: Signal) -> np.ndarray:
    """The image that a signal is measured on, `[h, w]` or `[h, w, c]`.

    Raises:
        UsageError: for a signal that is no image.
    """
    from nint.signals.image.signal import ImageSignal

    whole = getattr(signal, "inner", signal)  # of one with unobserved points
    if not isinstance(whole, ImageSignal):
        raise UsageError(f"{signal.name} is of kind {signal.layout.kind}, not an image.")
    return whole.array


@functools.lru_cache(maxsize=8)
def _read(source: str, square: int | None, options: tuple[tuple[str, Any], ...], stamp: Stamp) -> Signal:
    from nint.signals.grid.volume import VolumeSignal
    from nint.signals.image.loader import from_array
    from nint.signals.image.signal import ImageSignal
    from nint.signals.open import open_signal

    if square is None:
        return open_signal(source, **dict(options))
    whole = open_signal(source)
    if isinstance(whole, VolumeSignal):
        return VolumeSignal(_cube(whole, square), name=whole.name)
    if not isinstance(whole, ImageSignal):
        raise UsageError(f"square={square} is for images and volumes; {source} is of kind {whole.layout.kind}.")
    return from_array(_square(whole.array, square, whole.name), whole.name, **dict(options))


def _square(pixels: Any, side: int, name: str) -> Any:
    """The largest centred square of an image, resized to a side with Lanczos.

    Raises:
        UsageError: for another depth than 8 bits, and a side below 1.
    """
    import numpy as np
    from PIL import Image

    if pixels.dtype != np.uint8:
        raise UsageError(f"{name} has {pixels.dtype.itemsize * 8} bits a channel; square={side} takes images of 8 bits.")
    if side < 1:
        raise UsageError(f"square={side} must be at least 1.")
    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    image = Image.fromarray(pixels[top : top + edge, left : left + edge])
    return np.asarray(image if edge == side else image.resize((side, side), Image.Resampling.LANCZOS))


def _cube(volume: VolumeSignal, side: int) -> np.ndarray:
    """The largest centred cube of a volume, averaged to a side: `[side, side, side, c]` float32."""
    import torch

    grid = volume.layout.grid
    edge = min(grid)
    middle = tuple(slice((length - edge) // 2, (length - edge) // 2 + edge) for length in grid)
    values = volume.pool(torch.device("cpu")).values[: math.prod(grid)].reshape(*grid, -1)[middle]
    averaged: np.ndarray = torch.nn.functional.adaptive_avg_pool3d(values.movedim(-1, 0), side).movedim(0, -1).numpy()
    return averaged


def content_of(source: str) -> str | None:
    """16 hex digits of a file's bytes; None for a sample, a folder and a file that is not there."""
    if source.startswith("sample:") or not os.path.isfile(source):
        return None
    return _digest(source, stamp_of(source))


@functools.lru_cache(maxsize=1024)
def _digest(source: str, stamp: Stamp) -> str:
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
