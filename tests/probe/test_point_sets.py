"""Several losses on several point sets, in one teacher."""

import numpy as np
import pytest
import torch
from oracles import residual_ntk
from torch import nn

import nint
from nint.errors import UsageError
from nint.scores.ntk import ntk_gradient

WIDTH, VISCOSITY = 5, 0.1


def network(seed=0):
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return model


def points(n, seed):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def interior(model, coords):
    x = coords.requires_grad_(True)
    u = model(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope[:, 1].sum(), x, create_graph=True)
    u_xx = second[:, 1:]
    return torch.cat([slope[:, :1] + u * slope[:, 1:] - VISCOSITY * u_xx, u_xx * coords[:, :1] - u.square()], 1)


def wall(model, coords):
    return model(coords)


def joint(inside=11, edge=6, weight=4.0):
    return nint.PointSets(
        interior=nint.PointSet(points(inside, 1), interior, columns=2), boundary=nint.PointSet(points(edge, 2), wall, weight=weight)
    )


def by_oracle(model, sets):
    """Residuals `[rows, r]`, and their loss's K g, with J of every term of the joint loss, by complex steps."""
    theta = torch.cat([model[0].weight.reshape(-1), model[0].bias, model[2].weight.reshape(-1), model[2].bias]).detach().numpy()
    inside, edge = (one.coords.numpy() for one in sets.sets.values())
    first = residual_ntk.residuals(theta, inside, WIDTH, VISCOSITY)
    first_rows = residual_ntk.jacobian(theta, inside, WIDTH, VISCOSITY)
    second = residual_ntk.derivatives(theta, edge, WIDTH)[0]
    columns = []
    for number in range(len(theta)):
        moved = theta.astype(complex)
        moved[number] += 1j * residual_ntk.STEP
        columns.append(residual_ntk.derivatives(moved, edge, WIDTH)[0].imag / residual_ntk.STEP)
    second_rows = np.stack(columns, -1)
    weight = sets.sets["boundary"].weight
    gradient = np.einsum("ncp,nc->p", first_rows, first) + 2 * weight * np.einsum("np,n->p", second_rows, second)
    return first, second, first_rows @ gradient, second_rows @ gradient


def test_residuals_and_kernel_of_the_joint_loss_equal_the_oracle():
    model, sets = network(), joint()
    teacher = nint.Teacher(model, sets.coords, residual=sets.residual, sampler="nint", total_steps=5, chunk_size=4)
    inside, edge, moved_inside, moved_edge = by_oracle(model, sets)
    weight = sets.sets["boundary"].weight
    found = teacher.probe.residual().numpy()
    np.testing.assert_allclose(found[:11], inside, rtol=1e-10)
    np.testing.assert_allclose(found[11:], np.stack([np.sqrt(2 * weight) * edge, np.zeros(6)], 1), rtol=1e-10)
    batch = nint.Teacher(model, sets.coords, residual=sets.residual, sampler="full", total_steps=5).next()
    assert batch.loss().item() == pytest.approx((np.sum(np.mean(inside**2, 1)) + weight * np.sum(edge**2)) / 17)
    found = ntk_gradient(teacher.probe).numpy()
    np.testing.assert_allclose(found[:11], moved_inside, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[11:, 0], np.sqrt(2 * weight) * moved_edge, rtol=1e-9, atol=1e-9)
    assert np.abs(found[11:, 1]).max() == 0


@pytest.mark.parametrize("sampler", ["nint", "nint-fast", "int", "uniform"])
def test_training_and_redrawing(sampler):
    model, sets = network(), joint(80, 30)
    teacher = nint.Teacher(model, sets.coords, residual=sets.residual, sampler=sampler, total_steps=40)
    optimizer, seen = torch.optim.Adam(model.parameters(), lr=1e-2), set()
    before = float(teacher.probe.residual().square().mean())
    for step in range(40):
        if step == 20:
            sets = sets.redrawn(interior=points(90, 7))
            teacher.replace_pool(sets.coords)
        batch = teacher.next()
        seen |= {name for name, count in sets.count(batch.coords[1]).items() if count}
        optimizer.zero_grad()
        batch.loss().backward()
        optimizer.step()
        teacher.observe()
    assert seen == {"interior", "boundary"} and len(teacher.probe) == 120
    teacher.probe.clear_cache()
    assert float(teacher.probe.residual().square().mean()) < 0.5 * before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nint.PointSets(), "at least one set"),
        (lambda: nint.PointSets(a=(points(3, 0), wall)), "The point set 'a' must be a PointSet"),
        (lambda: nint.PointSets(a=nint.PointSet(points(3, 0)[:, 0], wall)), "The point set 'a' must be"),
        (
            lambda: nint.PointSets(a=nint.PointSet(points(3, 0), wall), b=nint.PointSet(points(3, 0)[:, :1], wall)),
            "set 'b' must have as many",
        ),
        (lambda: nint.PointSets(a=nint.PointSet(points(3, 0), wall, weight=0)), "a weight above 0"),
        (lambda: nint.PointSets(a=nint.PointSet(points(3, 0), wall, columns=0)), "at least 1 column"),
        (lambda: joint().redrawn(interor=points(3, 0)), "no point set called 'interor'. Did you mean 'interior'"),
    ],
)
def test_sets_that_do_not_fit(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_a_set_whose_residual_has_other_columns_is_named():
    sets = nint.PointSets(a=nint.PointSet(points(9, 0), wall, columns=2))
    with pytest.raises(UsageError, match=r"set 'a' gives \(4, 1\) where \(4, 2\) is expected; see PointSet\(columns=\)"):
        nint.Teacher(network(), sets.coords, residual=sets.residual, sampler="uniform", total_steps=5)
