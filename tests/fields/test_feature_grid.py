import itertools
import math

import numpy as np
import pytest
import torch
from oracles.distributions import assert_uniform
from scipy.interpolate import BSpline, RegularGridInterpolator

from nint.errors import UsageError
from nint.fields.base import build_field
from nint.fields.grid import FeatureGrid, Grid
from nint.fields.written_out import written_out
from nint.machine.grids import FACTORS, Lattice, Levels
from nint.machine.workers import workers

HASHED = Grid(levels=6, max_vertices=2**10, hashed=True, spread=0.5)


def table_of(resolution, dims, features=2):
    vertices = (resolution,) * dims if isinstance(resolution, int) else resolution
    grid = FeatureGrid(Lattice(vertices), features, torch.Generator().manual_seed(0)).double()
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
    assert [lattice.vertices for lattice in spec.lattices(dims)] == [(resolution,) * dims for resolution in expected]
    assert all(r**dims <= spec.max_vertices for r in expected)


@pytest.mark.parametrize(("aspect", "dims"), [("6x1", 2), ("1x2x3", 3), ("1x1x1x2", 4)])
def test_vertices_follow_the_lengths_of_the_axes(aspect, dims):
    lengths = [float(part) for part in aspect.split("x")]
    for lattice in Grid(aspect=aspect).lattices(dims):
        assert math.prod(lattice.vertices) <= 2**16
    vertices = Grid(aspect=aspect, levels=1, base_resolution=12).lattices(dims)[0].vertices
    mean = math.prod(lengths) ** (1 / dims)
    assert vertices == tuple(max(round(12 * length / mean), 2) for length in lengths)


def test_interpolation_between_unlike_axes_equals_scipy():
    grid = table_of((3, 7, 4), 3)
    vertices = grid.table.detach().numpy().reshape(3, 7, 4, 2)
    oracle = RegularGridInterpolator([np.linspace(-1, 1, n) for n in (3, 7, 4)], vertices, method="linear")
    x = np.random.default_rng(0).uniform(-1, 1, (100, 3))
    np.testing.assert_allclose(grid(torch.from_numpy(x)).detach().numpy(), oracle(x), rtol=1e-10, atol=1e-12)


def test_a_hash_sends_each_vertex_to_the_entry_of_its_definition():
    lattice = Lattice((9, 11, 13), 64)
    x = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (50, 3)))
    entry, weight = lattice.corners(x)
    for i, point in enumerate(x.tolist()):
        cell = [min(int((value + 1) * (n - 1) / 2), n - 2) for value, n in zip(point, lattice.vertices, strict=True)]
        for k, corner in enumerate(itertools.product((0, 1), repeat=3)):
            hashed = 0
            for axis in range(3):
                hashed ^= (cell[axis] + corner[axis]) * FACTORS[axis]
            assert entry[i, k] == hashed % 64
    torch.testing.assert_close(weight.sum(-1), torch.ones(50, dtype=torch.float64))


def test_a_table_larger_than_needed_is_the_dense_grid():
    specs = [Grid(levels=4, max_vertices=2**16, hashed=hashed, spread=1.0) for hashed in (False, True)]
    dense, hashed = (build_field(spec, 2, 3, torch.Generator().manual_seed(0)) for spec in specs)
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.equal(dense(x), hashed(x))


SHAPES = [((7,), 0), ((5, 9), 0), ((9, 5), 16), ((4, 5, 6), 0), ((40, 50, 60), 256), ((3, 4, 3, 5), 0), ((30, 4, 30, 5), 64)]


@pytest.mark.parametrize(("vertices", "entries"), SHAPES)
@pytest.mark.parametrize("features", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("n", [1, 63, 200])
def test_native_gather_and_scatter_equal_pytorch_in_float64(vertices, entries, features, n):
    rng = torch.Generator().manual_seed(n)
    lattices = [Lattice(vertices, entries), Lattice((3,) * len(vertices))]
    tables = [torch.randn(lattice.rows, features, generator=rng) for lattice in lattices]
    x = torch.rand(n, len(vertices), generator=rng) * 2.4 - 1.2
    x[0] = 1.0
    out, values = torch.empty(n, 2 * features), torch.randn(n, 2 * features, generator=rng)
    wide, wide_out = [table.double() for table in tables], torch.empty(n, 2 * features, dtype=torch.float64)
    Levels(lattices, tables).gather_(x, out)
    Levels(lattices, wide).gather_(x.double(), wide_out)
    torch.testing.assert_close(out.double(), wide_out, rtol=1e-4, atol=1e-4)
    sums, wide_sums = [torch.zeros_like(table) for table in tables], [torch.zeros_like(table) for table in wide]
    for level in range(2):
        Levels(lattices, sums).scatter_(level, x, values)
        Levels(lattices, wide_sums).scatter_(level, x.double(), values.double())
        torch.testing.assert_close(sums[level].double(), wide_sums[level], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("spec", "dims"),
    [(Grid(spread=0.5), 2), (Grid(spread=0.5, aspect="3x1", size="1x8"), 2), (HASHED, 3), (Grid(spread=0.5, half_side=0.8), 2)],
    ids=str,
)
@pytest.mark.parametrize("n", [1, 300, 5000])
def test_written_out_passes_equal_autograd_in_float64(spec, dims, n):
    field = build_field(spec, dims, 3, torch.Generator().manual_seed(0))
    oracle = build_field(spec, dims, 3, torch.Generator().manual_seed(0)).double()
    rng = torch.Generator().manual_seed(1)
    x, u = torch.rand(n, dims, generator=rng) * 2 - 1, torch.randn(n, 3, generator=rng)
    passes = written_out(field)
    chunks, out = passes.chunks(n, 1024), torch.empty(n, 3)
    passes.forward(x, chunks, out)
    leaf = x.double().requires_grad_()
    expected = oracle(leaf)
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)
    gradient, slopes = passes.gradient(x, chunks, lambda prediction, rows: u[rows], want_slope=True)
    parameters = dict(oracle.named_parameters())
    found = torch.autograd.grad(expected, [*parameters.values(), leaf], u.double(), retain_graph=True)
    for name, wanted in zip(parameters, found, strict=False):  # on average: a point next to 0 of a ReLU may fall to either side of it
        assert (gradient[name] - wanted).abs().sum() <= 1e-3 * wanted.abs().sum(), name
    close = (torch.cat(slopes) - found[-1]).abs().amax(1) <= 1e-3 * found[-1].abs().max()
    assert close.double().mean() >= 0.995  # a point next to the border of a cell may fall to either side, too
    move = {name: torch.randn(p.shape, generator=rng) for name, p in field.named_parameters()}
    passes.tangent(x, chunks, move, out)
    wide = {name: value.double() for name, value in move.items()}
    _, moved = torch.func.jvp(lambda p: torch.func.functional_call(oracle, p, (x.double(),)), (parameters,), (wide,))
    assert torch.isclose(out.double(), moved.detach(), rtol=1e-3, atol=1e-3).double().mean() >= 0.995


def test_the_passes_give_the_same_bits_for_any_number_of_workers():
    field = build_field(Grid(spread=0.5), 2, 3, torch.Generator().manual_seed(0))
    x = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = []
    for number in (1, 2, 3):
        with workers(number):
            passes = written_out(field)
            found.append(passes.gradient(x, passes.chunks(20_000, 4096), lambda prediction, rows: prediction)[0])
    for name in found[0]:
        assert all(torch.equal(found[0][name], other[name]) for other in found[1:])


def test_a_gradient_over_many_points_keeps_the_features_of_a_few(monkeypatch):
    field = build_field(Grid(levels=3, size="1x8"), 2, 3, torch.Generator().manual_seed(0))
    coords, u = torch.rand(5000, 2) * 2 - 1, torch.randn(5000, 3)
    found = []
    for most in (2**20, 600):
        monkeypatch.setattr("nint.fields.grid_passes._BLOCK", most)
        passes = written_out(field)
        found.append(passes.gradient(coords, passes.chunks(5000, 256), lambda prediction, rows: u[rows], want_slope=True))
    (whole, slopes), (parts, slopes_of_parts) = found
    for name in whole:  # the order of a sum in a table differs
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-5, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(slopes, slopes_of_parts, strict=True))


def test_passes_apply_to_grid_networks_as_built_and_to_nothing_else():
    def built():
        return build_field(Grid(size="1x8"), 2, 1, torch.Generator().manual_seed(0))

    assert written_out(built()) is not None
    assert written_out(built().double()) is None
    frozen, hooked, other = built(), built(), built()
    frozen[0].grids[0].table.requires_grad_(False)
    hooked[0].grids[0].register_forward_hook(lambda *_: None)
    other[2] = torch.nn.Sigmoid()
    assert all(written_out(field) is None for field in (frozen, hooked, other))


def test_half_side_is_a_scale_of_the_coordinates():
    wide, plain = (build_field(Grid(spread=0.5, half_side=side), 2, 1, torch.Generator().manual_seed(0)) for side in (4.0, 1.0))
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.equal(wide(4 * x), plain(x)) and [*wide.state_dict()] == [*plain.state_dict()]


@pytest.mark.parametrize("dims", [0, 5])
def test_other_dimensions_are_refused(dims):
    with pytest.raises(UsageError, match=f"{dims} coordinates"):
        Grid().build(dims, 1, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dims", [1, 2])
def test_cubic_interpolation_equals_scipys_b_splines(dims):
    lattice = Lattice((7,) * dims, cubic=True)
    table = torch.randn(lattice.rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = torch.rand(40, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    knots = np.arange(-5.0, 13.0)  # the border is repeated: coefficients beyond it are those of the last vertex
    along = [
        BSpline(knots, np.eye(14)[:, np.clip(np.arange(14) - 3, 0, 6) == vertex].sum(1), 3)((x[:, axis].numpy() + 1) * 3)
        for axis in range(dims)
        for vertex in range(7)
    ]
    basis = np.array(along).reshape(dims, 7, -1)
    weights = basis[0].T if dims == 1 else np.einsum("in,jn->nij", *basis).reshape(len(x), -1)
    entry, weight = lattice.corners(x)
    found = (weight[..., None] * table[entry]).sum(-2)
    np.testing.assert_allclose(found.numpy(), weights @ table.numpy(), rtol=1e-10, atol=1e-12)


def test_cubic_interpolation_is_smooth_across_cells_and_has_second_derivatives():
    field = build_field(
        Grid(interpolation="cubic", levels=2, base_resolution=5, spread=1.0), 1, 1, torch.Generator().manual_seed(0)
    ).double()
    grid = field[0]
    border = torch.tensor([[0.0]], dtype=torch.float64)  # a vertex of the coarse level

    def second(x):
        x = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(grid(x)[:, 0].sum(), x, create_graph=True)
        return torch.autograd.grad(first.sum(), x)[0]

    before, after = second(border - 1e-7), second(border + 1e-7)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)
    assert before.abs() > 0.1
    x = torch.rand(6, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradgradcheck(grid, (x,))
    assert written_out(field.float()) is not None
