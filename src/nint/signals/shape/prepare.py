"""Getting a shape ready: cleaned, turned outwards, and a few sentences on how sound it is."""

from __future__ import annotations

import numpy as np

from nint.errors import UsageError
from nint.mesh import Cloud, Mesh, checked_cloud, cleaned, face_normals, sample_surface, soundness, volume
from nint.signals.shape.distance import TriangleDistance

_PROBES = 2000
_BESIDE = 1e-4  # of the longest side: how far from the surface the winding number is looked at
_EVEN = 0.01  # winding numbers of libigl are within 0.005


def prepared(shape: Mesh | Cloud, name: str) -> tuple[Mesh | Cloud, tuple[str, ...]]:
    """A shape that can be fitted, in the same units, and what a person should know of it.

    A mesh whose faces turn the wrong way round is turned. Holes are left open and reported.

    Raises:
        UsageError: for a shape without a surface, or with values that are not finite.
    """
    if isinstance(shape, Cloud):
        return checked_cloud(shape, name)
    mesh, notes = cleaned(shape, name)
    facing = _facing(mesh)
    if facing is not None and facing.mean() < -_EVEN:
        mesh = Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces[:, ::-1]))
        facing = -facing
        notes += ("Its faces turned inwards, so all of them were flipped.",)
    return mesh, (*notes, *_sentences(mesh, facing))


def _facing(mesh: Mesh) -> np.ndarray | None:
    """The winding number on the surface itself, halfway between its two sides, at points spread over it.

    One half where the face looks out of a solid, minus one half where it looks into one, about 0 where nothing is enclosed.
    """
    centre = mesh.vertices.mean(0)
    size = np.ptp(mesh.vertices, axis=0).max()
    vertices = (mesh.vertices - centre) / size
    points, rows = sample_surface(vertices, mesh.faces, _PROBES, np.random.default_rng(0))
    step = _BESIDE * face_normals(vertices, mesh.faces)[rows]
    surface = TriangleDistance(vertices, mesh.faces)
    try:
        beside: np.ndarray = surface.winding_number(points + step) + surface.winding_number(points - step)
        return beside / 2
    except UsageError:  # without libigl a closed mesh can still be judged as a whole
        return np.full(1, np.sign(volume(vertices, mesh.faces)) / 2) if soundness(mesh.faces).watertight else None


def _sentences(mesh: Mesh, facing: np.ndarray | None) -> list[str]:
    sound = soundness(mesh.faces)
    said = []
    if sound.watertight:
        said.append(f"The mesh is watertight: each of its {sound.edges:,} edges joins two faces that turn the same way.")
    else:
        parts = (
            (sound.open_edges, "border a hole"),
            (sound.crowded_edges, "join more than two faces"),
            (sound.turned_edges, "join faces that turn opposite ways"),
        )
        listed = ", ".join(f"{count:,} {what}" for count, what in parts if count)
        said.append(f"The mesh is not watertight: of its {sound.edges:,} edges {listed}; inside is where the winding number exceeds 1/2.")
    if facing is None:
        return said
    inwards = float((facing < -0.25).mean())
    if inwards:
        said.append(f"About {max(inwards, 0.001):.1%} of its surface faces inwards, where the sign of the distance may be wrong.")
    if (facing < _EVEN).all():
        said.append("It encloses nothing, so no point lies inside and a fit of it has no surface to decode.")
    return said
