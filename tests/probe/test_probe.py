import dataclasses

import pytest
import torch
from oracles.dense_ntk import jacobian
from torch import nn

from nint.errors import UsageError
from nint.probe.cost import Cost
from nint.probe.objectives import L1, L2
from nint.probe.probe import Probe
from nint.signals.base import GridCoords, Pool

N = 11


@pytest.fixture
def field():
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return module


@pytest.fixture
def pool():
    generator = torch.Generator().manual_seed(1)
    return Pool(torch.rand(N, 2, generator=generator, dtype=torch.float64), torch.rand(N, 2, generator=generator, dtype=torch.float64))


def counted(field):
    seen = []
    field.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    return seen


def spent(probe):
    return dataclasses.astuple(probe.cost)


def test_nothing_runs_until_asked(field, pool):
    seen = counted(field)
    probe = Probe(field, pool, L2(), 4)
    assert len(probe) == N and probe.epoch == 0 and probe.grid is None and probe.device == torch.device("cpu")
    assert seen == [] and spent(probe) == (0, 0, 0)


def test_prediction_at_most_once_a_step(field, pool):
    seen = counted(field)
    probe = Probe(field, pool, L2(), 4)
    first = probe.prediction()
    assert probe.prediction() is first
    torch.testing.assert_close(probe.residual(), first - pool.values)
    torch.testing.assert_close(probe.loss_gradient(), first - pool.values)  # 2 / c with c = 2
    assert spent(probe) == (N, 0, 0) and seen == [4, 4, 3]
    torch.testing.assert_close(first, field(pool.coords).detach())
    assert not first.requires_grad
    with torch.no_grad():
        field[2].bias.add_(1)
    probe.clear_cache()
    torch.testing.assert_close(probe.prediction(), first + 1)
    assert spent(probe) == (2 * N, 0, 0)


@pytest.mark.parametrize("loss", [L2(), L1()])
def test_gradient_fills_the_prediction_from_the_same_forward(field, pool, loss):
    seen = counted(field)
    probe = Probe(field, pool, loss, 4)
    slopes = probe.gradient()
    prediction = probe.prediction()
    assert spent(probe) == (N, N, 0) and seen == [4, 4, 3]
    torch.testing.assert_close(prediction, field(pool.coords).detach())
    expected = jacobian(field, pool.coords).T @ loss.point_gradient(prediction, pool.values).reshape(-1)
    torch.testing.assert_close(torch.cat([slopes[name].reshape(-1) for name, _ in field.named_parameters()]), expected)


def test_gradient_after_prediction_leaves_it_in_place(field, pool):
    probe = Probe(field, pool, L2(), 4)
    prediction = probe.prediction()
    probe.gradient()
    assert probe.prediction() is prediction
    assert spent(probe) == (2 * N, N, 0)  # a forward without a graph cannot be reused


def test_vjp_and_jvp_equal_the_jacobian(field, pool):
    probe = Probe(field, pool, L2(), 4)
    rows = jacobian(field, pool.coords)
    vector = torch.randn(N, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    pulled = probe.vjp(vector)
    assert spent(probe) == (N, N, 0)
    flat = torch.cat([pulled[name].reshape(-1) for name in probe.parameters()])
    torch.testing.assert_close(flat, rows.T @ vector.reshape(-1))
    torch.testing.assert_close(probe.jvp(pulled), (rows @ flat).reshape(N, 2))
    assert spent(probe) == (N, N, N)


def test_parameters_are_the_trainable_ones_detached(field, pool):
    field[0].bias.requires_grad_(False)
    parameters = Probe(field, pool, L2()).parameters()
    assert sorted(parameters) == ["0.weight", "2.bias", "2.weight"]
    assert not any(p.requires_grad for p in parameters.values())


def test_a_sub_pool(field, pool):
    probe = Probe(field, dataclasses.replace(pool, epoch=3, value_range=(-1.0, 2.0), grid=(1, N)), L2(), 4)
    rows = torch.tensor([9, 0, 4, 4, 7])
    part = probe.on(rows)
    assert len(part) == 5 and part.epoch == 3 and part.grid is None and part.pool.value_range == (-1.0, 2.0)
    assert part.chunk_size == 4 and part.loss is probe.loss
    assert (part.pool.in_features, part.pool.out_features) == (2, 2)
    assert torch.equal(part.coords[:], pool.coords[rows]) and torch.equal(part.values[torch.tensor([1, 0])], pool.values[rows[[1, 0]]])
    torch.testing.assert_close(part.residual(), probe.residual()[rows])
    assert spent(probe) == (N + 5, 0, 0)  # one meter for both
    part.jvp(part.gradient())
    assert spent(probe) == (N + 10, 5, 5)
    nested = probe.on(rows, epoch=8).on(torch.tensor([4, 0]))
    assert nested.epoch == 8
    torch.testing.assert_close(nested.prediction(), probe.prediction()[[7, 9]])


def test_coordinates_that_are_computed_when_asked_for():
    field = nn.Linear(2, 1)
    coords = GridCoords((3, 4))
    probe = Probe(field, Pool(coords, torch.zeros(12, 1), (3, 4)), L2(), 5)
    torch.testing.assert_close(probe.prediction(), field(coords[:]).detach())
    rows = torch.tensor([11, 2])
    torch.testing.assert_close(probe.on(rows).prediction(), field(coords[rows]).detach())
    assert probe.jvp(probe.gradient()).shape == (12, 1)


def test_a_shared_meter(field, pool):
    cost = Cost(forward=5)
    Probe(field, pool, L2(), 4, cost).prediction()
    assert cost.forward == 5 + N


def test_units_of_cost():
    cost = Cost(forward=30, backward=20, jvp=10) + Cost(forward=10)
    assert dataclasses.astuple(cost) == (40, 20, 10)
    assert cost.forward_equivalents(10) == 4 + 2 * 2 + 3 * 1


def test_bad_chunk_size(field, pool):
    with pytest.raises(UsageError, match="chunk_size"):
        Probe(field, pool, L2(), 0)
