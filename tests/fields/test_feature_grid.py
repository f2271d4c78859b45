import numpy as np
import pytest
import torch
from oracles.distributions import assert_uniform
from scipy.interpolate import RegularGridInterpolator

from nint.errors import UsageError
from nint.fields.grid import FeatureGrid, Grid


def table_of(resolution, dims, features=2):
    grid = FeatureGrid(resolution, dims, features, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        grid.table.copy_(torch.randn(grid.table.shape, generator=torch.Generator().manual_seed(1)))
    return grid


@pytest.mark.parametrize(("resolution", "dims"), [(2, 1), (7, 1), (5, 2), (4, 3), (3, 4)])
def test_interpolation_equals_scipy(resolution, dims):
    grid = table_of(resolution, dims)
    vertices = grid.table.detach().numpy().reshape(*[resolution] * dims, 2)
    oracle = RegularGridInterpolator([np.linspace(-1, 1, resolution)] * dims, vertices, method="linear")
    x = np.random.default_rng(0).uniform(-1, 1, (200, dims))
    x[:2] = [[-1.0] * dims, [1.0] * dims]
    np.testing.assert_allclose(grid(torch.from_numpy(x)).detach().numpy(), oracle(x), rtol=1e-10, atol=1e-12)


def test_points_outside_take_the_border():
    grid = table_of(5, 2)
    outside = torch.tensor([[-1.7, 0.3], [0.2, 9.0], [4.0, -4.0]], dtype=torch.float64)
    assert torch.equal(grid(outside), grid(outside.clamp(-1, 1)))


def test_vertices_are_returned_as_stored_first_axis_slowest():
    grid = table_of(4, 2)
    axis = torch.linspace(-1, 1, 4, dtype=torch.float64)
    coords = torch.cartesian_prod(axis, axis)
    torch.testing.assert_close(grid(coords), grid.table.detach(), rtol=1e-12, atol=1e-12)


def test_coordinate_derivative():
    grid = table_of(6, 3)
    coords = (torch.rand(10, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradcheck(grid, (coords,), check_forward_ad=True)


def test_initial_values():
    field = Grid().build(2, 3, torch.Generator().manual_seed(0))
    assert_uniform(field[0].grids[-1].table, 1e-4)
    assert_uniform(field[3].weight, 1 / 8)


def test_forward_is_the_network_on_the_levels_side_by_side():
    field = Grid(size="1x8", levels=3, base_resolution=3, growth=2).build(2, 1, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for grid in field[0].grids:
            grid.table.mul_(1e4)
    x = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    columns = []
    for resolution, grid in zip((3, 6, 12), field[0].grids, strict=True):
        vertices = grid.table.detach().numpy().reshape(resolution, resolution, 2)
        columns.append(RegularGridInterpolator([np.linspace(-1, 1, resolution)] * 2, vertices)(x))
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    hidden = np.maximum(np.concatenate(columns, axis=1) @ state["1.weight"].T + state["1.bias"], 0)
    expected = hidden @ state["3.weight"].T + state["3.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "dims", "expected"),
    [
        ({}, 2, [16, 24, 36, 54, 81, 121, 182, 256]),
        ({}, 3, [16, 24, 36, 40]),
        ({}, 4, [16]),
        ({"levels": 3, "growth": 2}, 1, [16, 32, 64]),
        ({"levels": 3, "growth": 1}, 2, [16]),
        ({"base_resolution": 1000, "max_vertices": 1000}, 3, [10]),
        ({"base_resolution": 2, "max_vertices": 16}, 4, [2]),
        ({"levels": 32, "growth": 8, "max_vertices": 2**24}, 2, [16, 128, 1024, 4096]),
    ],
)
def test_resolutions_are_bounded(settings, dims, expected):
    spec = Grid(**settings)
    assert spec.resolutions(dims) == expected
    assert all(r**dims <= spec.max_vertices for r in expected)


@pytest.mark.parametrize("dims", [0, 5])
def test_other_dimensions_are_refused(dims):
    with pytest.raises(UsageError, match=f"{dims} coordinates"):
        Grid().build(dims, 1, torch.Generator().manual_seed(0))
