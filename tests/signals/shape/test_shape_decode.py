import numpy as np
import pytest
import torch
from oracles.solids import is_watertight, mesh_volume

from nint.errors import UsageError
from nint.signals.shape.decode import grid_blocks, marching_cubes, surface_normals
from nint.signals.shape.layout import ShapeLayout


def ball(radius, centre=(0.0, 0.0, 0.0)):
    return lambda coords: ((coords[:] - torch.tensor(centre)).norm(dim=1) - radius)[:, None]


def wavy(coords):
    x, y, z = coords[:].double().unbind(1)
    inner = torch.sin(5 * x + 1) * torch.cos(4 * y) + torch.sin(6 * z - x) - 0.3
    edge = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs()) - 0.9  # closed within the cube
    return torch.maximum(inner, edge).float()[:, None]


def layout(target="sdf", scale=1.0, centre=(0.0, 0.0, 0.0), half_side=0.9):
    return ShapeLayout(centre=centre, scale=scale, vertices=10, faces=10, target=target, half_side=half_side)


def meshed(predict, resolution, planes=None):
    blocks = grid_blocks(predict, resolution, 1.0, *([] if planes is None else [planes * resolution**2]))
    vertices, faces = marching_cubes(blocks, 1e-3 * 2 / (resolution - 1))
    return vertices * 2 / (resolution - 1) - 1, faces


@pytest.mark.parametrize("planes", [None, 1, 2, 7, 40])
def test_sphere_is_watertight_with_the_right_volume_in_any_number_of_blocks(planes):
    radius, centre = 0.7, (0.05, -0.1, 0.02)
    vertices, faces = meshed(ball(radius, centre), 41, planes)
    assert is_watertight(faces)
    volume = mesh_volume(vertices - np.array(centre), faces)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)  # positive: faces turn outwards
    assert np.abs(np.linalg.norm(vertices - np.array(centre), axis=1) - radius).max() < 2e-3
    assert len(np.unique(faces)) == len(vertices) == faces.max() + 1


@pytest.mark.parametrize("planes", [1, 3, 10])
def test_blocks_give_the_same_surface_as_one_piece(planes):
    whole, parts = meshed(wavy, 30), meshed(wavy, 30, planes)
    assert is_watertight(whole[1]) and is_watertight(parts[1])
    assert whole[0].shape == parts[0].shape and whole[1].shape == parts[1].shape
    assert np.allclose(np.sort(whole[0], axis=0), np.sort(parts[0], axis=0), atol=1e-5)


@pytest.mark.parametrize("planes", [None, 1, 5])
def test_a_surface_through_points_of_the_grid_stays_closed(planes):
    def cube(coords):  # its faces lie on planes of the 21^3 grid, where the field is exactly 0
        return (coords[:].abs().amax(dim=1) - 0.5).mul(1024).round().div(1024)[:, None]

    vertices, faces = meshed(cube, 21, planes)
    assert is_watertight(faces)
    bevel = 12 * 0.1**2 / 2  # points of the cube's edges count as outside, which cuts each edge by one step
    assert mesh_volume(vertices, faces) == pytest.approx(1 - bevel, rel=0.01)


def test_two_apart_solids_with_empty_blocks_between():
    def two(coords):
        return torch.minimum(ball(0.2, (-0.6, 0.0, 0.0))(coords), ball(0.25, (0.5, 0.0, 0.0))(coords))

    vertices, faces = meshed(two, 61, 3)
    assert is_watertight(faces)
    assert mesh_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * (0.2**3 + 0.25**3), rel=0.02)


def test_axes_and_their_order():
    vertices, _ = meshed(ball(0.2, (0.6, -0.3, 0.1)), 41)
    assert np.allclose((vertices.min(0) + vertices.max(0)) / 2, (0.6, -0.3, 0.1), atol=1e-3)


def test_few_rows_are_asked_for_at_a_time():
    rows = []

    def noted(coords):
        rows.append(len(coords))
        return ball(0.5)(coords)

    blocks = list(grid_blocks(noted, 128, 1.0, 2**16))
    assert max(rows) <= 2**16 and sum(rows) == 128**3
    assert {block.shape for block in blocks} == {(4, 128, 128)}


def test_decode_gives_the_files_units_and_reads_occupancy():
    expected = 4 / 3 * np.pi * (0.5 / 0.02) ** 3
    exact = layout(scale=0.02, centre=(100.0, -50.0, 7.0)).decode(ball(0.5), resolution=48)
    occupied = layout("occupancy", 0.02, (100.0, -50.0, 7.0)).decode(lambda c: torch.sigmoid(-20 * ball(0.5)(c)), resolution=48)
    for mesh in (exact, occupied):
        assert is_watertight(mesh.faces)
        assert mesh_volume(mesh.vertices - np.array((100.0, -50.0, 7.0)), mesh.faces) == pytest.approx(expected, rel=0.01)
        assert np.allclose(mesh.vertices.mean(0), (100, -50, 7), atol=0.1)


def test_half_side_sets_the_cube():
    mesh = layout(half_side=0.45).decode(ball(0.45), resolution=48)
    assert is_watertight(mesh.faces)
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(4 / 3 * np.pi * 0.45**3, rel=0.01)


@pytest.mark.parametrize("resolution", [7, 0, -3, 2.5, "12", True])
def test_impossible_resolutions(resolution):
    with pytest.raises(UsageError, match=r"resolution=.* whole number"):
        layout().decode(ball(0.5), resolution=resolution)


def test_no_surface_and_no_numbers():
    with pytest.raises(UsageError, match="no surface"):
        layout().decode(lambda c: torch.ones(len(c[:]), 1), resolution=16)
    with pytest.raises(UsageError, match="NaN or infinity"):
        layout().decode(lambda c: ball(0.5)(c) / torch.zeros(len(c[:]), 1), resolution=16)


def test_normals_point_outwards_for_both_targets():
    points = np.random.default_rng(0).normal(size=(50, 3)) * 10 + np.array((100.0, -50.0, 7.0))
    outward = (points - np.array((100.0, -50.0, 7.0))) / np.linalg.norm(points - np.array((100.0, -50.0, 7.0)), axis=1, keepdims=True)

    def slope(coords, sign):
        return (sign * 3 * coords / coords.norm(dim=1, keepdim=True))[:, None]

    for target, sign in (("sdf", 1.0), ("occupancy", -1.0)):
        found = layout(target, 0.02, (100.0, -50.0, 7.0)).normals(lambda c, sign=sign: slope(c, sign), points)
        assert np.allclose(found, outward, atol=1e-5)
    assert torch.equal(surface_normals(torch.zeros_like, torch.ones(2, 3)), torch.zeros(2, 3))
