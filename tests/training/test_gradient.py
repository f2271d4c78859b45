import dataclasses

import pytest
import torch
from torch import nn

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.probe.cost import Cost
from nint.probe.objectives import L1, L2, Huber, Objective, PointLoss, make_loss
from nint.samplers.base import Selection
from nint.training import gradient
from nint.training.gradient import _graph_bytes_per_point, accumulate_gradient


class Coupled(Objective):
    """Mean squared error plus differences of neighbours in the batch plus a function of the pool rows."""

    def __call__(self, prediction, values, indices):
        error = prediction - values
        weight = (indices.to(prediction.dtype) + 1).rsqrt()
        return error.square().mean() + 0.5 * error.diff(dim=0).square().mean() + (weight[:, None] * error).sum().tanh()


def plain_coupled(prediction, values, indices):
    return Coupled()(prediction, values, indices)


PLAIN = {
    "l2": (L2(), lambda p, y, i: ((p - y) ** 2).mean()),
    "l1": (L1(), lambda p, y, i: (p - y).abs().mean()),
    "huber": (Huber(0.3), lambda p, y, i: torch.where((p - y).abs() < 0.3, 0.5 * (p - y) ** 2, 0.3 * ((p - y).abs() - 0.15)).mean()),
    "joint": (Coupled(), plain_coupled),
}
ROWS = torch.tensor([3, 19, 0, 7, 8, 22, 14, 5, 1, 11, 17])


def problem(c=2):
    generator = torch.Generator().manual_seed(c)
    field = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, c)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    coords = torch.rand(23, 2, generator=generator, dtype=torch.float64)
    return field, coords, torch.randn(23, c, generator=generator, dtype=torch.float64)


def by_autograd(field, coords, values, plain):
    """(parameter gradients, coordinate gradients, prediction) of the whole batch in one piece."""
    x = coords[ROWS].clone().requires_grad_(True)
    prediction = field(x)
    *slopes, by_coords = torch.autograd.grad(plain(prediction, values[ROWS], ROWS), [*field.parameters(), x])
    return slopes, by_coords, prediction.detach()


@pytest.mark.parametrize("keep", [True, False], ids=["kept graphs", "recomputed"])
@pytest.mark.parametrize("chunk", [1, 4, 11, 100])
@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("name", PLAIN)
def test_equals_plain_autograd(name, c, chunk, keep, monkeypatch):
    monkeypatch.setattr(gradient, "_KEPT_GRAPH_BYTES", 2**30 if keep else 0)
    objective, plain = PLAIN[name]
    field, coords, values = problem(c)
    expected, by_coords, prediction = by_autograd(field, coords, values, plain)
    own = L2() if not isinstance(objective, PointLoss) else objective
    selection = Selection(ROWS, None if own is objective else objective)
    feedback = accumulate_gradient(field, coords, values, selection, own, chunk, Cost(), want_coord_gradient=True)
    for p, slope in zip(field.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, slope, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(feedback.coord_gradient, by_coords, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(feedback.prediction, prediction)
    point_loss = torch.stack(
        [PLAIN["l2" if name == "joint" else name][1](p, y, None) for p, y in zip(prediction, values[ROWS], strict=True)]
    )
    torch.testing.assert_close(feedback.point_loss, point_loss)
    assert not feedback.prediction.requires_grad and not feedback.point_loss.requires_grad
    assert {name: g.data_ptr() for name, g in feedback.gradient.items()} == {n: p.grad.data_ptr() for n, p in field.named_parameters()}


@pytest.mark.parametrize("joint", [False, True], ids=["separable", "joint"])
@pytest.mark.parametrize("name", FIELDS.names())
def test_selected_rows_of_every_network_give_the_gradient_of_the_whole_batch(name, joint):
    form = "grid:size=1x6,levels=2,base_resolution=4" if name == "grid" else f"{name}:size=2x6"
    field = FIELDS.parse(form).build(2, 3, torch.Generator().manual_seed(0)).double()
    _, coords, values = problem(3)
    coords = coords * 2 - 1
    if name == "gauss":
        coords = coords * 0.05  # else nearly all of its units are at zero
    plain = plain_coupled if joint else PLAIN["l2"][1]
    parameters = list(field.parameters())
    expected = torch.autograd.grad(plain(field(coords[ROWS]), values[ROWS], ROWS), parameters)
    assert max(float(slope.abs().max()) for slope in expected) > 1e-6
    accumulate_gradient(field, coords, values, Selection(ROWS, Coupled() if joint else None), L2(), 4, Cost())
    for p, slope in zip(parameters, expected, strict=True):
        torch.testing.assert_close(p.grad, slope, rtol=1e-9, atol=1e-12)


def test_another_way_to_call_the_network():
    field, coords, values = problem()
    calls = []

    def forward(x):
        calls.append(len(x))
        return field(x)

    accumulate_gradient(field, coords, values, Selection(ROWS), L2(), 4, Cost(), forward=forward)
    assert calls == [4, 4, 3]
    expected, _, _ = by_autograd(field, coords, values, PLAIN["l2"][1])
    for p, slope in zip(field.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, slope)


def test_a_separable_objective_that_is_not_the_runs_own_loss():
    field, coords, values = problem()
    feedback = accumulate_gradient(field, coords, values, Selection(ROWS, L1()), L2(), 4, Cost())
    expected, _, prediction = by_autograd(field, coords, values, PLAIN["l1"][1])
    for p, slope in zip(field.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, slope)
    torch.testing.assert_close(feedback.point_loss, (prediction - values[ROWS]).square().mean(1))
    assert feedback.coord_gradient is None


def test_adds_to_what_is_there_and_leaves_frozen_parameters_alone():
    field, coords, values = problem()
    field[0].weight.requires_grad_(False)
    for _ in range(2):
        feedback = accumulate_gradient(field, coords, values, Selection(ROWS), L2(), 5, Cost())
    field[0].weight.requires_grad_(True)
    expected, _, _ = by_autograd(field, coords, values, PLAIN["l2"][1])
    assert field[0].weight.grad is None and "0.weight" not in feedback.gradient
    for p, slope in list(zip(field.parameters(), expected, strict=True))[1:]:
        torch.testing.assert_close(p.grad, 2 * slope)


@pytest.mark.parametrize(
    ("objective", "budget", "expected"),
    [(None, 2**30, (11, 11, 0)), (None, 0, (11, 11, 0)), (Coupled(), 2**30, (11, 11, 0)), (Coupled(), 0, (22, 11, 0))],
)
def test_cost_is_what_the_network_saw(objective, budget, expected, monkeypatch):
    monkeypatch.setattr(gradient, "_KEPT_GRAPH_BYTES", budget)
    field, coords, values = problem()
    seen, cost = [], Cost()
    field.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    accumulate_gradient(field, coords, values, Selection(ROWS, objective), L2(), 4, cost)
    assert dataclasses.astuple(cost) == expected
    assert sum(seen) == expected[0] and max(seen) == 4


@pytest.mark.parametrize("loss", [L2(), L1(), Huber(0.5)], ids=lambda loss: type(loss).__name__)
def test_point_gradient_is_the_derivative_of_point_loss(loss):
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    values = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(loss.point_loss(prediction, values).sum(), prediction)
    torch.testing.assert_close(loss.point_gradient(prediction.detach(), values), expected)


def test_losses_by_name():
    assert isinstance(make_loss("l2"), L2) and isinstance(make_loss("l1"), L1) and isinstance(make_loss("huber"), Huber)
    own = Huber(0.2)
    assert make_loss(own) is own
    with pytest.raises(UsageError, match=r"no loss called 'hubert'\. Known: l2 .* and huber\."):
        make_loss("hubert")
    for bad in (5, None, L2):
        with pytest.raises(UsageError, match=r"^loss= must be a"):
            make_loss(bad)


def test_a_joint_objective_on_a_grid_is_forwarded_once():
    """Its tables are looked up, not computed: a point's graph holds corners, not rows of tables."""
    assert _graph_bytes_per_point(FIELDS.parse("grid").build(2, 3, torch.Generator())) < 20_000
