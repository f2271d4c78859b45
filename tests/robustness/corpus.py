"""Small valid files of every kind that nint reads, written by other libraries, and files that nint itself writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TINY = ("--steps", "1", "--size", "1x4", "--threads", "1", "--quiet")


@dataclass(frozen=True)
class Sample:
    """A valid input.

    Attributes:
        name: Its file name; the ending tells the kind.
        kind: The kind of signal.
        writable: Ending that a decoded signal of this kind can be written with.
    """

    name: str
    kind: str
    writable: str


SIGNALS = (
    Sample("a.png", "image", ".png"),
    Sample("deep.png", "image", ".png"),
    Sample("alpha.png", "image", ".png"),
    Sample("a.jpg", "image", ".png"),
    Sample("a.tif", "image", ".tif"),
    Sample("float.tif", "image", ".tif"),
    Sample("stack.tif", "volume", ".npy"),
    Sample("a.webp", "image", ".png"),
    Sample("a.bmp", "image", ".png"),
    Sample("a.gif", "video", ".gif"),
    Sample("a.wav", "audio", ".wav"),
    Sample("float.wav", "audio", ".wav"),
    Sample("a.flac", "audio", ".flac"),
    Sample("a.ply", "shape", ".ply"),
    Sample("binary.ply", "shape", ".ply"),
    Sample("cloud.ply", "shape", ".ply"),
    Sample("a.obj", "shape", ".obj"),
    Sample("a.stl", "shape", ".stl"),
    Sample("text.stl", "shape", ".stl"),
    Sample("a.off", "shape", ".ply"),
    Sample("a.xyz", "shape", ".ply"),
    Sample("a.glb", "shape", ".ply"),
    Sample("a.csv", "points", ".csv"),
    Sample("a.npz", "points", ".npz"),
    Sample("a.npy", "array", ".npy"),
    Sample("a.zarr", "array", ".npy"),
    Sample("a.nii", "volume", ".nii"),
    Sample("a.nii.gz", "volume", ".nii.gz"),
    Sample("a.mp4", "video", ".mp4"),
)
"""Inputs of `nint fit`."""

SHOWN = {"image": "a.png", "audio": "a.wav", "shape": "a.ply", "video": "a.gif", "volume": "a.nii", "array": "a.npy", "points": "a.csv"}
"""Kind -> the input that stands for it where options are tried."""


def write_signals(folder: Path) -> None:
    """Writes every sample of `SIGNALS`; the same bytes each time, where the library allows it."""
    rng = np.random.default_rng(0)
    images, sounds, shapes = _image_files(rng), _sound_files(rng), _shape_files(rng)
    grids = _grid_files(rng)
    for sample in SIGNALS:
        (images | sounds | shapes | grids)[sample.name](folder / sample.name)


def write_runs(run: Callable[[list[str]], None], read_all: bool = True) -> None:
    """Makes finished runs of nint: `run-KIND` of each kind, and a comparison `compared`.

    Args:
        run: Runs a command line, without the program's name, in the folder of `write_signals`.
        read_all: Read every sample once too, so that what reads it is imported before it is tried damaged.
    """
    for kind, name in SHOWN.items():
        run(["fit", name, *TINY, "--out", f"run-{kind}", *extras(kind)])
    for sample in SIGNALS if read_all else ():
        fit = ["fit", sample.name, *TINY, *extras(sample.kind), "--no-pictures", "--force", "--out", "tried"]
        run(["eval", f"run-{sample.kind}", sample.name] if sample.name in SHOWN.values() else fit)
    run(["compare", "a.png", "--samplers", "uniform", "nint", "--steps", "2", "--seeds", "1", "--size", "1x4", "--out", "compared"])
    run(["report", "run-image"])


def extras(kind: str) -> tuple[str, ...]:
    """Options that keep a kind small."""
    return ("--pool-size", "64", "--iou-resolution", "8") if kind == "shape" else ()


def _image_files(rng: np.random.Generator) -> dict[str, Callable[[Path], object]]:
    import tifffile
    from PIL import Image

    def pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)

    frames = [Image.fromarray(pixels(9, 8, 3)) for _ in range(3)]
    return {
        "a.png": Image.fromarray(pixels(12, 10, 3)).save,
        "deep.png": Image.fromarray(pixels(9, 7, dtype=np.uint16)).save,
        "alpha.png": Image.fromarray(pixels(8, 9, 4)).save,
        "a.jpg": Image.fromarray(pixels(16, 10, 3)).save,
        "a.tif": lambda path: tifffile.imwrite(path, pixels(11, 10, 3), photometric="rgb"),
        "float.tif": lambda path: tifffile.imwrite(path, rng.random((9, 8), dtype=np.float32)),
        "stack.tif": lambda path: tifffile.imwrite(path, pixels(4, 7, 8), photometric="minisblack"),
        "a.webp": Image.fromarray(pixels(10, 12, 3)).save,
        "a.bmp": Image.fromarray(pixels(9, 9, 3)).save,
        "a.gif": lambda path: frames[0].save(path, save_all=True, append_images=frames[1:], duration=100),
    }


def _sound_files(rng: np.random.Generator) -> dict[str, Callable[[Path], object]]:
    import soundfile

    tone = 0.5 * np.sin(np.arange(1200) / 20) + 0.05 * rng.standard_normal(1200)
    stereo = np.stack([tone, tone[::-1]], axis=1)
    return {
        "a.wav": lambda path: soundfile.write(path, stereo, 8000, subtype="PCM_16"),
        "float.wav": lambda path: soundfile.write(path, tone, 8000, subtype="FLOAT"),
        "a.flac": lambda path: soundfile.write(path, tone, 8000),
    }


def _shape_files(rng: np.random.Generator) -> dict[str, Callable[[Path], object]]:
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=1)
    directions = rng.standard_normal((60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cloud = np.concatenate([directions, directions], axis=1)
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    header = f"ply\nformat ascii 1.0\nelement vertex {len(cloud)}\n{names}end_header\n"
    rows = "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in cloud)
    return {
        "a.ply": lambda path: mesh.export(path, encoding="ascii"),
        "binary.ply": lambda path: mesh.export(path),
        "cloud.ply": lambda path: path.write_text(header + rows),
        "a.obj": lambda path: mesh.export(path),
        "a.stl": lambda path: mesh.export(path),
        "text.stl": lambda path: mesh.export(path, file_type="stl_ascii"),
        "a.off": lambda path: mesh.export(path),
        "a.xyz": lambda path: path.write_text(rows),
        "a.glb": lambda path: mesh.export(path),
    }


def _grid_files(rng: np.random.Generator) -> dict[str, Callable[[Path], object]]:
    import nibabel
    import zarr

    volume = rng.random((6, 7, 5), dtype=np.float32)
    brain = nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0]))
    coords, values = rng.random((40, 2)), rng.random((40, 1))
    table = "x,y,height\n" + "".join(f"{x:.6f},{y:.6f},{v:.6f}\n" for (x, y), (v,) in zip(coords, values, strict=True))
    return {
        "a.csv": lambda path: path.write_text(table),
        "a.npz": lambda path: np.savez_compressed(path, coords=coords, values=values),
        "a.npy": lambda path: np.save(path, volume[..., 0]),
        "a.zarr": lambda path: zarr.save_array(str(path), volume),
        "a.nii": lambda path: nibabel.save(brain, path),
        "a.nii.gz": lambda path: nibabel.save(brain, path),
        "a.mp4": lambda path: _write_video(path, rng.integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)),
    }


def _write_video(path: Path, frames: np.ndarray) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
