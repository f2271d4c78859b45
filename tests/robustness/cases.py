"""What is tried: command lines with damaged files, extreme options and settings, awkward paths, and files that are not what they seem.

Case `number` of a seed is the same on every machine: `make_case` writes its files into an empty folder and returns its command line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import struct
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustness.corpus import SHOWN, SIGNALS, TINY, Sample, extras
from robustness.mutations import damaged

FAMILIES = ("files", "options", "files", "paths", "files", "settings", "files", "options", "models", "specials")
"""Families of cases, in turn."""

WHOLES = (
    *("0", "-1", "1", "2", "70000", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("1" + "0" * 400, "-9223372036854775809", "1_0"),
)
NUMBERS = ("0", "-1", "-0.0", "1", "0.5", "0.001", "200000", "1000000", "1e30", "1e308", "1e400", "-1e308", "1e-320", "nan", "inf", "-inf")

_APPLIES = {
    "max_side": ("image", "video"),
    "super_resolution": ("image",),
    "start": ("audio", "video"),
    "duration": ("audio", "video"),
    "in_dims": ("array", "points"),
    "pool_size": ("shape",),
    "redraw_every": ("shape",),
    "iou_resolution": ("shape",),
    "chamfer_samples": ("shape",),
    "scale": ("image", "video", "volume", "array"),
    "height": ("image", "video"),
    "width": ("image", "video"),
    "crop": ("image",),
    "rate": ("audio",),
    "fps": ("video",),
    "frame": ("video",),
    "shape": ("volume", "array"),
    "resolution": ("shape", "points"),
}
"""Option -> the kinds that have it; an option that is not here is tried with every kind in turn."""

_LONG = ("steps", "seconds", "seeds", "psnr", "total_steps", "batch_size")
"""Options that may rightly make a run long: such a run gets Ctrl-C."""


@dataclass(frozen=True)
class Case:
    """One command line.

    Attributes:
        family: What is tried.
        label: The file and what was done to it, or the option and its value.
        words: The command line, without the program's name.
        writable: Paths, relative to the case's folder, at or below which something may be made or, where it is nint's own, changed.
        inputs: Files and folders that are read; nothing may be made in them.
        replaceable: Files that the command was told to overwrite.
        long: Whether the command may rightly run for long.
    """

    family: str
    label: str
    words: list[str]
    writable: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    replaceable: tuple[str, ...] = ()
    long: bool = False


@dataclass(frozen=True)
class Place:
    """Where a case is made.

    Attributes:
        corpus: Folder of `corpus.write_signals` and `corpus.write_runs`.
        folder: The case's own, empty.
        rng: Decides everything random about it.
        turn: How many cases of the family were made before.
    """

    corpus: Path
    folder: Path
    rng: random.Random
    turn: int = field(default=0)

    def copy(self, name: str, target: str = "") -> Path:
        """Copies a file or folder of the corpus, under another name if one is given."""
        source, place = self.corpus / name, self.folder / (target or name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copyfile(source, place)
        return place


def make_case(seed: int, number: int, corpus: Path, folder: Path) -> Case:
    """Writes the files of a case and returns it.

    Args:
        seed: Of the whole series.
        number: Position in it, from 0.
        corpus: Folder of valid files.
        folder: An empty folder.
    """
    family = FAMILIES[number % len(FAMILIES)]
    turn = number // len(FAMILIES) * FAMILIES.count(family) + FAMILIES[: number % len(FAMILIES)].count(family)
    return _MAKERS[family](Place(corpus, folder, random.Random(f"{seed}-{number}"), turn))


def _file_case(place: Place) -> Case:
    sample = SIGNALS[place.turn % len(SIGNALS)]
    path = place.copy(sample.name)
    done = _damage(path, sample.name, place.rng)
    command = place.rng.choices(("fit", "eval", "compare"), (10, 2, 1))[0]
    label = f"{sample.name} {done}, {command}"
    if command == "eval":
        place.copy(f"run-{sample.kind}", "run")
        return Case("files", label, ["eval", "run", sample.name])
    if command == "compare":
        words = ["compare", sample.name, "--samplers", "uniform", "--steps", "1", "--seeds", "1", "--size", "1x4", "--threads", "1"]
        return Case("files", label, [*words, *extras(sample.kind), "--out", "out"], ("out",))
    pictures = [] if place.rng.random() < 0.1 else ["--no-pictures"]
    return Case("files", label, ["fit", sample.name, *TINY, *pictures, *extras(sample.kind), "--out", "out"], ("out",))


def _model_case(place: Place) -> Case:
    """A damaged model, checkpoint, record or line of a comparison."""
    rng = place.rng
    kind = rng.choice(list(SHOWN))
    sample = next(sample for sample in SIGNALS if sample.name == SHOWN[kind])
    what = rng.choice(("model.safetensors", "checkpoint.safetensors", "run.json", "snapshots", "runs.jsonl"))
    if what == "runs.jsonl":
        place.copy("compared")
        place.copy("a.png")
        done = _damage(place.folder / "compared" / what, what, rng)
        again = ["compare", "a.png", "--samplers", "uniform", "nint", "--steps", "2", "--seeds", "1", "--size", "1x4", "--resume", "--out"]
        return Case("models", f"{what} {done}", rng.choice((["report", "compared"], [*again, "compared"])), ("compared",))
    place.copy(f"run-{kind}", "run")
    place.copy(sample.name)
    target = place.folder / "run" / what
    if what == "snapshots":
        files = sorted(file for file in target.rglob("*") if file.is_file()) if target.is_dir() else []
        target = rng.choice(files) if files else place.folder / "run" / "model.safetensors"
    done = _damage(target, target.name, rng)
    label = f"{kind} {target.name} {done}"
    if what == "checkpoint.safetensors" and rng.random() < 0.6:
        words = ["fit", sample.name, *TINY, "--no-pictures", "--resume", "--out", "run", *extras(kind)]
        words[words.index("--steps") + 1] = "2"
        return Case("models", f"{label}, resume", words, ("run",))
    if what in ("run.json", "snapshots"):
        return Case("models", f"{label}, report", ["report", "run", "--input", sample.name], ("run",))
    file = str(target.relative_to(place.folder))
    out = f"decoded{sample.writable}"
    choices = {
        "inspect": (["inspect", file], ()),
        "decode": (["decode", file, out], (out,)),
        "eval": (["eval", file, sample.name], ()),
        "init": (["fit", sample.name, *TINY, "--no-pictures", "--init", file, "--out", "out", *extras(kind)], ("out",)),
        "report": (["report", "run"], ("run",)),
        "pack": (["pack", file, "small.nint", "--steps", "1"], ("small.nint",)),
        "export": (["export", file, "net.json"], ("net.json", "net.bin", "net.html")),
    }
    name = rng.choice(list(choices))
    words, writable = choices[name]
    return Case("models", f"{label}, {name}", words, writable)


def _option_case(place: Place) -> Case:
    tried = _options()
    command, option, values = tried[place.turn % len(tried)]
    flag = "--" + option.replace("_", "-")
    kinds = _APPLIES.get(option, tuple(SHOWN))
    kind = kinds[place.turn // len(tried) % len(kinds)] if option in _APPLIES else place.rng.choice(kinds)
    sample = next(sample for sample in SIGNALS if sample.name == SHOWN[kind])
    label, long = f"{command} {flag} {' '.join(values)[:40]}, {kind}", option in _LONG
    place.copy(sample.name)
    if command == "decode":
        place.copy(f"run-{kind}", "run")
        out = f"decoded{'.png' if option == 'frame' else sample.writable}"
        return Case("options", label, ["decode", "run", out, flag, *values], (out,))
    if command == "eval":
        place.copy(f"run-{kind}", "run")
        return Case("options", label, ["eval", "run", sample.name, flag, *values])
    if command == "pack":
        place.copy(f"run-{kind}", "run")
        short = [word for key in ("steps", "seconds") if key != option for word in (f"--{key}", "1")]
        return Case("options", label, ["pack", "run", "small.nint", *short, flag, *values], ("small.nint",))
    if command == "bench":
        return Case("options", label, ["bench", "table1", "--scale", "smoke", "--list", flag, *values], ("nint-bench",))
    if command == "decode-all":
        return Case("options", label, ["decode-all", sample.name, flag, *values, "--out", "out"], ("out",))
    if command == "fit-all":
        base = ["fit-all", sample.name, "--quiet"]
    elif command == "compare":
        base = ["compare", sample.name, "--samplers", "uniform", "--seeds", "1"]
    else:
        base = ["fit", sample.name, "--no-pictures", "--quiet"]
    base += ["--size", "1x4"] + ([] if option in ("steps", "seconds", "psnr") else ["--steps", "1"])
    base += [] if option == "threads" else ["--threads", "1"]
    given = [word for key, word in zip(extras(kind)[::2], extras(kind)[1::2], strict=True) if key != flag for word in (key, word)]
    base = (
        [word for word in base if option != "seeds" or word not in ("--seeds",)]
        if option != "seeds"
        else base[: base.index("--seeds")] + base[base.index("--seeds") + 2 :]
    )
    return Case("options", label, [*base, *given, flag, *values, "--out", "out"], ("out",), long=long)


def _setting_case(place: Place) -> Case:
    tried = _settings()
    flag, name, key, value = tried[place.turn % len(tried)]
    place.copy("a.png")
    form = f"{name}:{key}={value}"
    size = [] if flag == "--field" else ["--size", "1x4"]
    words = ["fit", "a.png", "--steps", "2", "--threads", "1", "--quiet", "--no-pictures", *size, flag, form, "--out", "out"]
    return Case("settings", form, words, ("out",), long=key == "batch_size")


def _path_case(place: Place) -> Case:
    """Awkward pairs of input and output in a tree that holds a user's own files, folders and links."""
    rng = place.rng
    for name in ("a.png", "a.gif", "a.zarr", "a.csv"):
        place.copy(name)
    for name in ("curve.png", "error.png", "reconstruction.png", "frames/001.png", "frames/002.png", "snapshots/mine.png", "sub/table.md"):
        place.copy("a.png", name)
    place.copy("run-image", "run")
    place.copy("run-points", "run-points")
    place.copy("compared")
    (place.folder / "mine.json").write_text('{"precious": 1}')
    (place.folder / "table.md").write_text("# Mine\n")
    (place.folder / "report.html").write_text("<p>Mine</p>")
    (place.folder / "tensorboard").mkdir()
    (place.folder / "tensorboard" / "events").write_text("mine")
    (place.folder / "run" / "notes.txt").write_text("mine")
    (place.folder / "link.png").symlink_to("a.png")
    (place.folder / "here").symlink_to(".")
    (place.folder / "tied").symlink_to("frames")
    os.link(place.folder / "a.png", place.folder / "twin.png")
    sources = (
        "a.png",
        "curve.png",
        "error.png",
        "reconstruction.png",
        "frames",
        "a.zarr",
        "link.png",
        "twin.png",
        "here/a.png",
        "tied",
        "a.csv",
        "a.gif",
    )
    folders = (
        ".",
        "here",
        "frames",
        "tied",
        "a.zarr",
        "sub",
        "snapshots",
        "run",
        "compared",
        "new",
        "frames/new",
        "a.zarr/new",
        "a.png",
        "a.png/new",
        "run/snapshots",
    )
    files = (
        "a.png",
        "link.png",
        "twin.png",
        "curve.png",
        "a.csv",
        "mine.json",
        "run/run.json",
        "run/model.safetensors",
        "frames/003.png",
        "new.png",
        "new.json",
        "table.md",
        "frames",
        "here/a.png",
    )
    force = ["--force"] if rng.random() < 0.5 else []
    source, folder, file = rng.choice(sources), rng.choice(folders), rng.choice(files)
    command = rng.choice(("fit", "fit", "fit", "compare", "compare", "decode", "decode", "eval", "report", "at"))
    writable: tuple[str, ...] = (folder,)
    replaceable: tuple[str, ...] = ()
    if command == "fit":
        words = ["fit", source, *TINY, *rng.choice(([], ["--html"], ["--json", file], ["--tensorboard"])), *force, "--out", folder]
        writable = (folder, file) if "--json" in words else (folder,)
    elif command == "compare":
        words = ["compare", source, "--samplers", "uniform", "--steps", "1", "--seeds", "1", "--size", "1x4", *force, "--out", folder]
    elif command == "decode":
        words, writable, replaceable = ["decode", "run", file, *force], (file,), (file,) if force else ()
    elif command == "at":
        words, writable = ["decode", "run-points", file, "--at", "a.csv", *force], (file,)
        replaceable = (file,) if force and file != "a.csv" else ()
    elif command == "eval":
        words, writable = ["eval", "run", source, "--json", file], (file,)
    else:
        words, writable = ["report", rng.choice(("run", "compared")), "--out", file], (file,)
    read = () if command in ("decode", "report") else ("a.csv",) if command == "at" else (source,)
    return Case("paths", " ".join(words), words, writable, read, replaceable)


def _special_case(place: Place) -> Case:
    makers = _specials()
    name, make = makers[place.turn % len(makers)]
    words = make(place)
    return Case("specials", name, words, ("out", "decoded.png"))


def _damage(path: Path, name: str, rng: random.Random) -> str:
    """Damages a file, or one file of a folder, in place; returns what was done."""
    if path.is_dir():
        path = rng.choice(sorted(file for file in path.rglob("*") if file.is_file()))
        name = path.name
    data, done = damaged(path.read_bytes(), name, rng)
    path.write_bytes(data)
    return done


def _options() -> list[tuple[str, str, tuple[str, ...]]]:
    """(command, option, values) for every numeric option at every edge, in a fixed shuffled order."""
    from nint.cli.main import COMMANDS

    found = []
    for command, (target, _) in COMMANDS.items():
        module, _, name = target.partition(":")
        options = getattr(__import__(module, fromlist=[name]), name)
        hints = typing.get_type_hints(options)
        for option in dataclasses.fields(options):
            parts = typing.get_args(hints[option.name]) or (hints[option.name],)
            flat = [part for whole in parts for part in (typing.get_args(whole) or (whole,))]
            several = option.name in ("crop", "shape")
            edges = WHOLES if int in flat else NUMBERS if float in flat else ()
            found += [(command, option.name, (value,) * (4 if option.name == "crop" else 3 if several else 1)) for value in edges]
            found += [(command, option.name, ("0", "0", value, value)) for value in edges if option.name == "crop"]
    found += [("decode", "slice", (f"{axis}:{value}",)) for axis in ("0", "z", "9", "") for value in WHOLES]
    found += [
        ("fit", "size", (f"{layers}x{width}",)) for layers in ("0", "1", "100000", "9" * 30) for width in ("0", "1", "100000", "9" * 30)
    ]
    random.Random(0).shuffle(found)
    return found


def _settings() -> list[tuple[str, str, str, str]]:
    """(option, name, setting, value) for every numeric setting of every sampler, field and optimizer, in a fixed shuffled order."""
    from nint.fields import FIELDS
    from nint.samplers import SAMPLERS
    from nint.training.optimizers import OPTIMIZERS

    found = []
    for flag, registry in (("--sampler", SAMPLERS), ("--field", FIELDS), ("--optimizer", OPTIMIZERS)):
        for name in registry.names():
            cls = registry.get(name)
            hints = typing.get_type_hints(cls)
            for setting in dataclasses.fields(cls):
                parts = typing.get_args(hints[setting.name]) or (hints[setting.name],)
                edges = NUMBERS if float in parts else WHOLES if int in parts else ()
                found += [(flag, name, setting.name, value) for value in edges]
    random.Random(0).shuffle(found)
    return found


def _specials() -> list[tuple[str, Callable[[Place], list[str]]]]:
    """Files that are not what they seem, each with the command line that reads it."""
    found: list[tuple[str, Callable[[Place], list[str]]]] = []

    def fit(name: str | bytes, *words: str) -> list[str]:
        return ["fit", os.fsdecode(name), *TINY, "--no-pictures", *words, "--out", "out"]

    def add(name: str, write: Callable[[Path], Any], target: str, *words: str) -> None:
        def make(place: Place) -> list[str]:
            write(place.folder / target)
            return fit(target, *words)

        found.append((name, make))

    for sample in SIGNALS:
        ending = ".nii.gz" if sample.name.endswith(".nii.gz") else Path(sample.name).suffix
        if sample.name != f"a{ending}":
            continue
        add(f"a pipe named x{ending}", os.mkfifo, f"x{ending}")
        add(f"an endless device named x{ending}", lambda path: path.symlink_to("/dev/zero"), f"x{ending}")
        add(f"a folder named x{ending}", Path.mkdir, f"x{ending}")
        add(f"an empty file x{ending}", Path.touch, f"x{ending}")
        add(f"a link to itself x{ending}", lambda path: path.symlink_to(path.name), f"x{ending}")
        add(f"3 GiB of nothing named x{ending}", lambda path: os.truncate(_touched(path), 3 * 2**30), f"x{ending}")
        add(f"text named x{ending}", lambda path: path.write_text("This is a text and nothing else.\n" * 9), f"x{ending}")
        found.append((f"a name that is not UTF-8, {sample.name}", _odd_name(sample, fit)))
    add("an .npy that promises 1e6 x 1e6", lambda path: path.write_bytes(_npy_header("(1000000, 1000000)")), "x.npy")
    add("an .npy of objects", lambda path: path.write_bytes(_npy_header("(2,)", "|O") + b"\x80\x04N."), "x.npy")
    add("a zarr of 1e9 x 1e9", lambda path: _zarr(path, [10**9, 10**9], [1000, 1000]), "x.zarr")
    add("a zarr with chunks of no length", lambda path: _zarr(path, [16, 16], [0, 16]), "x.zarr")
    add("a zarr in one chunk of 1e10", lambda path: _zarr(path, [10**5, 10**5], [10**5, 10**5]), "x.zarr")
    add("a WAV of 1 Hz", lambda path: path.write_bytes(_wav(1, 2000)), "x.wav")
    add("a WAV of 4 GHz", lambda path: path.write_bytes(_wav(2**32 - 1, 2000)), "x.wav")
    add("a WAV that promises 4 GB", lambda path: path.write_bytes(_wav(8000, 2000, promised=2**32 - 64)), "x.wav")
    add("a PLY that promises 1e12 faces", lambda path: path.write_text(_ply(10**12)), "x.ply")
    add("a CSV with one endless line", lambda path: path.write_text("1," * 2_000_000), "x.csv")
    add("a CSV of a million columns", lambda path: path.write_text(("1," * 100_000 + "1\n") * 2), "x.csv")
    add("an OBJ whose face points nowhere", lambda path: path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999\n"), "x.obj")
    add("an OFF that promises 1e12 vertices", lambda path: path.write_text("OFF\n1000000000000 1 0\n0 0 0\n"), "x.off")
    for header in ("siren:size=3x40000", "siren:size=99999999999x3", "grid:levels=9999", "nosuch:size=3x4", "siren:size=1x4,omega_0=nan"):
        found.append((f"a model that says {header}", _model_of(header)))
    return found


def _odd_name(sample: Sample, fit: Callable[..., list[str]]) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        name = os.fsdecode(b"caf\xe9-" + sample.name.encode())
        place.copy(sample.name, name)
        return fit(name, *extras(sample.kind))

    return make


def _model_of(text: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        path = place.copy("run-image", "run") / "model.safetensors"
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        own = json.loads(header["__metadata__"]["nint"])
        own["field"] = text
        header["__metadata__"]["nint"] = json.dumps(own)
        raw = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(raw)) + raw + data[8 + length :])
        return place.rng.choice((["decode", "run/model.safetensors", "decoded.png"], ["inspect", "run/model.safetensors"]))

    return make


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _npy_header(shape: str, kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (118 - len(header)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def _zarr(path: Path, shape: list[int], chunks: list[int]) -> None:
    path.mkdir()
    about = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(about))


def _wav(rate: int, samples: int, promised: int | None = None) -> bytes:
    body = random.Random(0).randbytes(2 * samples)
    size = len(body) if promised is None else promised
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2 % 2**32, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", (36 + size) % 2**32, b"WAVE") + form + struct.pack("<4sI", b"data", size) + body


def _ply(faces: int) -> str:
    properties = "".join(f"property float {name}\n" for name in "xyz")
    head = (
        f"ply\nformat ascii 1.0\nelement vertex 4\n{properties}element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return head + "0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 2 3\n"


_MAKERS: dict[str, Callable[[Place], Case]] = {
    "files": _file_case,
    "models": _model_case,
    "options": _option_case,
    "settings": _setting_case,
    "paths": _path_case,
    "specials": _special_case,
}
