"""Getting a shape ready: cleaned, turned outwards, without inner faces, and a few sentences on what was done and how sound it is."""

from __future__ import annotations

import numpy as np

from nint.errors import UsageError
from nint.mesh import Cloud, Mesh, checked_cloud, cleaned, face_normals, sample_surface, soundness, unit, volume
from nint.signals.shape.distance import NearestRule, TriangleDistance
from nint.signals.shape.outer import outer_surface

_PROBES = 2000
_BESIDE = 1e-4  # of the longest side: how far from the surface the winding number is looked at
_EVEN = 0.01  # winding numbers of libigl are within 0.005
_SOLID = 0.75  # winding number above which a side of the surface is taken to be solid
_AROUND = 1.5  # radius, in half diagonals of the bounding box, of the sphere from which a cloud is looked at
_TURNED, _CONSISTENT = (
    0.25,
    0.9,
)  # fraction of that sphere on the outer side of the cloud: below which it is turned, above which it is closed


def prepared(shape: Mesh | Cloud, name: str) -> tuple[Mesh | Cloud, tuple[str, ...]]:
    """A shape that can be fitted, in the same units, and what a person should know of it.

    A mesh whose faces turn inwards, or a cloud whose normals point inwards, is turned. Bodies of a mesh that overlap or contain each other
    are united. Holes are left open and reported.

    Raises:
        UsageError: for a shape without a surface, or with values that are not finite.
    """
    if isinstance(shape, Cloud):
        return _outward_cloud(*checked_cloud(shape, name))
    mesh, notes = cleaned(shape, name)
    sides = _windings(mesh)
    facing = None if sides is None else sides.mean(0)
    if facing is not None and facing.mean() < -_EVEN:
        mesh, shape = (Mesh(part.vertices, np.ascontiguousarray(part.faces[:, ::-1])) for part in (mesh, shape))
        sides = None if sides is None else -sides
        notes += ("Its faces turned inwards, so all of them were flipped.",)
    outer = outer_surface(mesh, shape)
    if outer.note:
        mesh, sides = outer.mesh, _windings(outer.mesh)
        notes += (outer.note,)
    return mesh, (*notes, *_sentences(mesh, sides))


def _outward_cloud(cloud: Cloud, notes: tuple[str, ...]) -> tuple[Cloud, tuple[str, ...]]:
    """The cloud with its normals outwards, judged from a sphere around it, all of which lies on the outer side of a closed surface."""
    low, high = cloud.points.min(0), cloud.points.max(0)
    size = (high - low).max()
    directions = unit(np.random.default_rng(0).normal(size=(_PROBES, 3)))
    around = directions * _AROUND * np.linalg.norm((high - low) / size) / 2
    distance = NearestRule((cloud.points - (low + high) / 2) / size, cloud.normals).signed_distance(around)
    outside = float((distance > 0).mean())
    if outside < _TURNED:
        cloud, outside = Cloud(cloud.points, -cloud.normals), 1 - outside
        notes += ("Its normals pointed inwards, so all of them were turned.",)
    if outside < _CONSISTENT:
        notes += (
            f"From {1 - outside:.0%} of the directions around it the normals point away, so the cloud is open or its normals are not all "
            "outward, and the sign of the distance may be wrong.",
        )
    return cloud, notes


def _windings(mesh: Mesh) -> np.ndarray | None:
    """Winding numbers just outside and just inside the surface `[2, n]`, at points spread over it; None where they cannot be computed.

    Their mean is one half where the face looks out of a solid, minus one half where it looks into one, about 0 where nothing is enclosed,
    and 1 or more where both sides are solid.
    """
    centre = mesh.vertices.mean(0)
    size = np.ptp(mesh.vertices, axis=0).max()
    vertices = (mesh.vertices - centre) / size
    points, rows = sample_surface(vertices, mesh.faces, _PROBES, np.random.default_rng(0))
    step = _BESIDE * face_normals(vertices, mesh.faces)[rows]
    surface = TriangleDistance(vertices, mesh.faces)
    try:
        return np.stack([surface.winding_number(points + step), surface.winding_number(points - step)])
    except UsageError:  # without libigl a closed mesh can still be judged as a whole
        if not soundness(mesh.faces).watertight:
            return None
        sign = 1.0 if volume(vertices, mesh.faces) >= 0 else -1.0
        return np.array([[0.0], [sign]])


def _sentences(mesh: Mesh, sides: np.ndarray | None) -> list[str]:
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
    if sides is None:
        return said
    facing = sides.mean(0)
    inwards = float((facing < -0.25).mean())
    if inwards:
        said.append(f"About {max(inwards, 0.001):.1%} of its surface faces inwards, where the sign of the distance may be wrong.")
    inner = float((sides.min(0) > _SOLID).mean())
    if inner:
        said.append(
            f"About {max(inner, 0.001):.1%} of its surface has solid on both sides, and counts as surface all the same, because its bodies "
            f"could not be united{_why_not()}."
        )
    if (facing < _EVEN).all():
        said.append("It encloses nothing, so no point lies inside and a fit of it has no surface to decode.")
    return said


def _why_not() -> str:
    from importlib.util import find_spec

    missing = find_spec("manifold3d") is None
    return (
        " without the package manifold3d; pip install 'nint[shape]'"
        if missing
        else ": they are not closed, face different ways, or cut through themselves"
    )
