"""Shape files: reading OBJ, PLY, STL, OFF, GLB meshes and XYZ, PLY point clouds with normals; writing PLY, OBJ and STL."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError, nearest
from nint.files import quiet_stderr, read_bytes, reason_of, write_atomically
from nint.mesh import Cloud, Mesh
from nint.signals.shape.foreign import own_content
from nint.signals.shape.glb import check_glb
from nint.signals.shape.glb_plain import plain_glb
from nint.signals.shape.obj import unusual_obj
from nint.signals.shape.off import polygons_of_off
from nint.signals.shape.ply import parse_ply, ply_cloud
from nint.signals.shape.ply_mesh import ply_mesh
from nint.signals.shape.stl import read_stl, stl_bytes

READS = (".obj", ".ply", ".stl", ".off", ".glb", ".xyz")
"""Endings that can be read."""

WRITES = (".ply", ".obj", ".stl")
"""Endings that can be written; the first is the default."""

_LARGEST = 1e75
"""Of a coordinate: areas of greater shapes are beyond 64-bit floats."""


def read_shape(path: str | Path) -> Mesh | Cloud:
    """Reads a mesh, as the file has it, or a point cloud with normals. The kind of file is told by its ending.

    Polygons become triangles; the parts of a scene are put in their places and joined. Colours and textures are ignored.

    Raises:
        UsageError: for a file that is missing, empty, cut short, damaged or of another kind, and for points without normals.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in READS:
        raise UsageError(f"'{path}' has no ending of a shape that can be read.{nearest(ending, READS)}")
    data = read_bytes(path, "a shape file")
    readers: dict[str, Callable[[bytes], Mesh | Cloud]] = {
        ".stl": read_stl,
        ".xyz": _read_xyz,
        ".ply": _read_ply,
        ".obj": _read_obj,
        ".off": _read_off,
    }
    try:
        data = own_content(data, ending)
        with warnings.catch_warnings(), quiet_stderr():
            warnings.simplefilter("ignore")
            shape = readers[ending](data) if ending in readers else _read_with_trimesh(data, ending)
    except UsageError as error:
        raise UsageError(f"'{path}' {error}") from error
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # the readers fail in every way on damaged files; the message carries their reason
        raise UsageError(f"'{path}' is damaged, cut short or not a {ending} file{_reason(error)}.") from error
    places = shape.vertices if isinstance(shape, Mesh) else shape.points
    if places.size and not np.isnan(places).all() and np.nanmax(np.abs(places)) > _LARGEST and np.isfinite(places).all():
        raise UsageError(f"'{path}' has coordinates beyond {_LARGEST:g}, which cannot be computed with.")
    return shape


def _reason(error: Exception) -> str:
    """What a library said, without the texts in quotation marks, which are pieces of the file."""
    if not isinstance(error, (ValueError, OSError)):
        return ""  # about the insides of the library
    said = re.sub(r"""(['"]).*?\1""", "a text", reason_of(error))
    return f": {said}"


def write_mesh(mesh: Mesh, path: str | Path) -> None:
    """Writes a mesh in the format of the ending: binary PLY (normals too where there are any), OBJ, or binary STL.

    PLY holds 32-bit floats, or 64 bits where 32 would move vertices noticeably; OBJ holds 12 digits.

    Raises:
        UsageError: for an unknown ending, a mesh without faces, an STL of a shape too far from the origin for its 32-bit floats, or a
            place that cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in WRITES:
        raise UsageError(f"'{path}' has no ending of a mesh that can be written.{nearest(ending, WRITES)}")
    if len(mesh.faces) == 0:
        raise UsageError(f"The mesh has no faces, so there is nothing to write to '{path}'.")
    encode = {".ply": _ply_bytes, ".obj": _obj_bytes, ".stl": _stl_bytes}[ending]
    data = encode(mesh)

    def write(target: Path) -> None:
        target.write_bytes(data)

    write_atomically(path, write)


def _read_with_trimesh(data: bytes, ending: str) -> Mesh:
    try:
        import trimesh
    except ImportError as error:
        raise UsageError(f"cannot be read: {ending} files need the package trimesh; pip install 'nint[shape]'.") from error

    if ending == ".glb":
        data = plain_glb(data, check_glb(data))
    if ending in (".obj", ".off"):  # trimesh wants another package to guess the letters of a comment
        data = data.decode("utf-8", "replace").encode()
    log = logging.getLogger("trimesh")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)  # it says much about materials that nobody reads here
        options: dict[str, Any] = {"skip_materials": True} if ending in (".obj", ".glb") else {}
        mesh = trimesh.load_scene(io.BytesIO(data), file_type=ending[1:], process=False, **options).to_mesh()
    finally:
        log.setLevel(level)
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    if vertices.ndim != 2 or faces.ndim != 2 or vertices.shape[1] != 3 or faces.shape[1] != 3:
        raise UsageError("is damaged: its vertices are not of three coordinates each, or its faces no triangles.")
    return Mesh(vertices, faces)


def _read_obj(data: bytes) -> Mesh:
    return unusual_obj(data) or _read_with_trimesh(data, ".obj")


def _read_off(data: bytes) -> Mesh:
    return polygons_of_off(data) or _read_with_trimesh(data, ".off")


def _read_xyz(data: bytes) -> Cloud:
    text = data.decode("utf-8", "strict").replace(",", " ")
    columns = np.loadtxt(io.StringIO(text), np.float64, ndmin=2)
    if columns.shape[1] == 6 and _like_colours(columns[:, 3:]):
        raise UsageError(
            "has columns 4 to 6 that look like colours (whole numbers from 0 to 255), not normals; give six columns: x y z and the outward "
            "normal nx ny nz."
        )
    if columns.shape[1] == 3:
        raise UsageError("has points without normals; give six columns: x y z and the outward normal nx ny nz.")
    if columns.shape[1] != 6:
        raise UsageError(f"has {columns.shape[1]} columns; a point cloud needs six: x y z and the outward normal nx ny nz.")
    return Cloud(columns[:, :3], columns[:, 3:])


def _like_colours(columns: np.ndarray) -> bool:
    """Whether three columns hold whole numbers from 0 to 255, some of them above 1."""
    return bool(((columns >= 0) & (columns <= 255) & (columns == np.round(columns))).all() and (columns > 1).any())


def _read_ply(data: bytes) -> Mesh | Cloud:
    ply = parse_ply(data)
    return ply_mesh(ply) if ply.has_faces else ply_cloud(ply)


def _fits_32_bits(vertices: np.ndarray) -> bool:
    """Whether 32-bit floats move no vertex by more than a hundred-thousandth of the shape's size."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.spacing(np.float32(np.abs(vertices).max())) <= 1e-5 * np.ptp(vertices, axis=0).max())


def _ply_bytes(mesh: Mesh) -> bytes:
    kind, size = ("float", "<f4") if _fits_32_bits(mesh.vertices) else ("double", "<f8")
    columns = [("xyz"[i], kind, size, mesh.vertices[:, i]) for i in range(3)]
    if mesh.normals is not None:
        columns += [("n" + "xyz"[i], "float", "<f4", mesh.normals[:, i]) for i in range(3)]
    table = np.empty(len(mesh.vertices), [(name, code) for name, _, code, _ in columns])
    for name, _, _, values in columns:
        table[name] = values
    corners = np.empty(len(mesh.faces), [("count", "u1"), ("rows", "<i4", 3)])
    corners["count"], corners["rows"] = 3, mesh.faces
    properties = "".join(f"property {word} {name}\n" for name, word, _, _ in columns)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{properties}"
    header += f"element face {len(corners)}\nproperty list uchar int vertex_indices\nend_header\n"
    return header.encode() + table.tobytes() + corners.tobytes()


def _obj_bytes(mesh: Mesh) -> bytes:
    with io.StringIO() as text:
        np.savetxt(text, mesh.vertices, "v %.12g %.12g %.12g")
        if mesh.normals is not None:
            np.savetxt(text, mesh.normals, "vn %.6g %.6g %.6g")
        rows = mesh.faces + 1
        if mesh.normals is None:
            np.savetxt(text, rows, "f %d %d %d")
        else:
            np.savetxt(text, np.repeat(rows, 2, axis=1), "f %d//%d %d//%d %d//%d")
        return text.getvalue().encode()


def _stl_bytes(mesh: Mesh) -> bytes:
    if not _fits_32_bits(mesh.vertices):
        raise UsageError("The shape is too far from the origin for the 32-bit floats of .stl; use .ply or .obj.")
    return stl_bytes(mesh.vertices, mesh.faces)
