"""A teacher of somebody's own residual: scores, K g and loss are of that residual."""

import dataclasses

import numpy as np
import pytest
import torch
from oracles import residual_ntk
from torch import nn
from torch.func import grad, hessian, jvp, vmap

from nint import PointSet, PointSets, Teacher, UnsupportedFieldError, UsageError
from nint.scores.ntk import ntk_gradient

WIDTH, VISCOSITY, N = 7, 0.003, 23


def network(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1)).to(dtype)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=dtype))
    return model


def points(n=N, seed=1, dtype=torch.float64):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def combined(u, u_t, u_x, u_xx, t):
    return torch.cat([u_t + u * u_x - VISCOSITY * u_xx, u_xx * t - u.square()], 1)


def by_autograd(model, coords, create_graph=True):
    x = coords.requires_grad_(True)
    u = model(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope[:, 1].sum(), x, create_graph=create_graph, retain_graph=True)
    return combined(u, slope[:, :1], slope[:, 1:], second[:, 1:], coords[:, :1])


def by_torch_func(model, coords):
    def u(point):
        return model(point[None])[0, 0]

    slope, second = vmap(grad(u))(coords), vmap(grad(lambda point: grad(u)(point)[1]))(coords)
    return combined(model(coords), slope[:, :1], slope[:, 1:], second[:, 1:], coords[:, :1])


def by_hessian(model, coords):
    """Forward mode inside, which plain dual numbers cannot nest."""

    def u(point):
        return model(point[None])[0, 0]

    slope, second = vmap(grad(u))(coords), vmap(hessian(u))(coords)
    return combined(model(coords), slope[:, :1], slope[:, 1:], second[:, 1, 1:], coords[:, :1])


def by_forward_mode(model, coords):
    along = torch.zeros_like(coords)
    along[:, 1] = 1
    time = torch.zeros_like(coords)
    time[:, 0] = 1

    def slope(x):
        return jvp(model, (x,), (along,))[1]

    u, u_t = jvp(model, (coords,), (time,))
    u_x, u_xx = jvp(slope, (coords,), (along,))
    return combined(u, u_t, u_x, u_xx, coords[:, :1])


class Identity(torch.autograd.Function):
    """Does nothing, but has no forward mode."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


def without_forward_mode(model, coords):
    return Identity.apply(by_autograd(model, coords))


WAYS = [by_autograd, by_torch_func, by_hessian, by_forward_mode, without_forward_mode]


@pytest.mark.parametrize("residual", WAYS)
@pytest.mark.parametrize("chunk", [5, None])
def test_kernel_times_gradient_of_a_residual_equals_the_dense_oracle(residual, chunk):
    model, coords = network(), points()
    teacher = Teacher(model, coords, residual=residual, sampler="nint", total_steps=5, chunk_size=chunk)
    theta = torch.cat([model[0].weight.reshape(-1), model[0].bias, model[2].weight.reshape(-1), model[2].bias]).detach().numpy()
    expected = residual_ntk.kernel_times_gradient(theta, coords.numpy(), WIDTH, VISCOSITY)
    found = ntk_gradient(teacher.probe).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(
        teacher.probe.residual().numpy(), residual_ntk.residuals(theta, coords.numpy(), WIDTH, VISCOSITY), rtol=1e-10, atol=1e-12
    )
    assert dataclasses.astuple(teacher.cost) == (N, N, N)
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not coords.requires_grad


def test_algorithm_1_takes_the_top_of_the_residuals_own_kernel():
    model, coords = network(), points()
    teacher = Teacher(
        model, coords, residual=by_autograd, sampler="nint:random_share=0,decay_rate=0,refresh_interval=1", total_steps=4, loss="l2"
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        theta = torch.cat([p.detach().reshape(-1) for p in (model[0].weight, model[0].bias, model[2].weight, model[2].bias)]).numpy()
        moved = np.linalg.norm(residual_ntk.kernel_times_gradient(theta, coords.numpy(), WIDTH, VISCOSITY), axis=1)
        batch = teacher.next()
        assert batch.indices.tolist() == np.argsort(-moved)[: N // 5].tolist()
        loss = batch.loss()
        own = residual_ntk.residuals(theta, coords.numpy()[batch.indices.numpy()], WIDTH, VISCOSITY)
        assert loss.item() == pytest.approx((own**2).mean())  # the mean square
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe()


def train(model, teacher, steps, lr=1e-2):
    optimizer, chosen = torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(steps):
        batch = teacher.next()
        loss = batch.loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe()
        chosen.append(batch.indices.tolist())
    return chosen


@pytest.mark.parametrize("residual", [by_autograd, by_torch_func])
@pytest.mark.parametrize(
    "sampler", ["nint", "nint-fast", "nint-reference:score=kernel", "int", "uniform", "full", "evos", "nint:candidates=90"]
)
def test_every_sampler_without_an_image_trains_on_it_in_single_precision(sampler, residual):
    model, coords = network(dtype=torch.float32), points(200, dtype=torch.float32)
    before = by_autograd(model, coords.clone()).square().mean().item()
    train(model, Teacher(model, coords, residual=residual, sampler=sampler, total_steps=40), 40)
    assert by_autograd(model, coords.clone()).square().mean().item() < 0.5 * before


@pytest.mark.parametrize("sampler", ["expansive", "egra", "soft-mining"])
def test_samplers_of_images_are_refused(sampler):
    with pytest.raises(UsageError, match=r"needs an image .*use nint, int, evos or uniform"):
        Teacher(network(), points(), residual=by_autograd, sampler=sampler, total_steps=5)


def test_residuals_computed_in_the_loop():
    model, coords = network(), points()
    teacher = Teacher(model, coords, residual=by_autograd, sampler="int", total_steps=5)
    for _ in range(2):
        batch = teacher.next()
        residual = by_autograd(model, batch.coords)
        batch.loss(residual).backward()
        teacher.observe(residual)
    assert teacher.step == 2


def test_predictions_in_place_of_residuals_are_noticed():
    """They have the same shape, and the loop would train on u^2."""

    def one(model, coords):
        return by_autograd(model, coords)[:, :1]

    model = network()
    batch = Teacher(model, points(), residual=one, sampler="uniform", total_steps=5).next()
    with pytest.raises(UsageError, match=r"something else than the residuals.*batch\.loss\(\) without arguments"):
        batch.loss(model(batch.coords))


def test_redrawn_points():
    model = network()
    teacher = Teacher(model, points(60), residual=by_autograd, sampler="nint-fast", total_steps=50)
    for number in range(4):
        train(model, teacher, 3)
        fresh = points(60 + 10 * number, seed=10 + number)
        teacher.replace_pool(fresh)
        assert torch.equal(teacher.probe.coords, fresh) and teacher.probe.values.shape == (len(fresh), 2)
    with pytest.raises(UsageError, match="With residual= leave values out"):
        teacher.replace_pool(fresh, torch.zeros(len(fresh), 2))
    with pytest.raises(UsageError, match="The new points have 3 coordinates"):
        teacher.replace_pool(torch.zeros(9, 3, dtype=torch.float64))


def test_data_of_each_point_is_one_more_input():
    """A tuple of coordinates and forcing: the forcing is chosen along with the point."""
    model, coords = network(), points()
    forcing = torch.sin(3 * coords[:, :1])

    def forced(model, inputs):
        x, f = inputs
        return by_autograd(model, x)[:, :1] - f

    teacher = Teacher(model, (coords, forcing), residual=forced, sampler="nint", total_steps=5)
    batch = teacher.next()
    assert torch.equal(batch.coords[1], forcing[batch.indices])
    batch.loss().backward()
    teacher.observe()
    torch.testing.assert_close(teacher.probe.residual(), by_autograd(model, coords.clone())[:, :1].detach() - forcing)


def test_two_teachers_of_two_point_sets_share_a_network():
    model, inside, edge = network(), points(100), points(40, seed=5)
    edge[:, 1] = edge[:, 1].sign()
    interior = Teacher(model, inside, residual=by_autograd, sampler="nint", total_steps=30)
    boundary = Teacher(model, edge, torch.zeros(40, 1, dtype=torch.float64), "nint-fast", total_steps=30)
    before = float(interior.probe.residual().square().mean() + model(edge).detach().square().mean())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        first, second = interior.next(), boundary.next()
        walls = model(second.coords)
        loss = first.loss() + second.loss(walls)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        interior.observe()
        boundary.observe(walls)
    interior.probe.clear_cache()
    assert float(interior.probe.residual().square().mean() + model(edge).detach().square().mean()) < 0.5 * before


# ---------------------------------------------------------------- what is refused


def no_graph(model, coords):
    return by_autograd(model, coords, create_graph=False)


def under_no_grad(model, coords):
    u = model(coords)
    with torch.no_grad():
        factor = u.abs()
    return u * factor


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("residual", [no_graph, under_no_grad, lambda m, x: Identity.apply(no_graph(m, x))])
def test_a_term_without_a_graph_is_never_trained_on_silently(residual, dtype):
    """The viscous term of `no_graph` is three thousandths of the rest, and still seen."""
    with pytest.raises(UnsupportedFieldError, match=r"its K g would be of another loss; give torch.autograd.grad create_graph=True"):
        Teacher(network(dtype=dtype), points(dtype=dtype), residual=residual, sampler="nint", total_steps=5)


def test_a_term_that_is_detached_on_purpose_is_kept():
    def upwind(model, coords):
        u = model(coords)
        return u - 0.5 * u.detach().square()

    teacher = Teacher(network(), points(), residual=upwind, sampler="nint", total_steps=5)
    assert len(train(teacher.field, teacher, 2)) == 2


def freed(model, coords):
    x = coords.requires_grad_(True)
    u = model(x)
    (slope,) = torch.autograd.grad(u.sum(), x)
    return slope[:, :1] + u


@pytest.mark.parametrize(
    ("residual", "words"),
    [
        (lambda m, x: m(x)[:, 0], r"returns \(4,\) for 4 points; it must return \[b, r\], .*residual\[:, None\]"),
        (lambda m, x: m(x).mean(), r"returns \(\) for 4 points"),
        (lambda m, x: (m(x), m(x)), r"returns a tuple; .*torch\.cat"),
        (lambda m, x: m(x[:2]), r"returns \(2, 1\) for 4 points"),
        (lambda m, x: m(x[:, :1]), r"fails on 4 points: RuntimeError \(mat1 and mat2"),
        (lambda m, x: x.sum(1, keepdim=True), "does not depend on the network's trainable weights"),
        (lambda m, x: m(x).detach(), "does not depend on the network's trainable weights"),
        (lambda m, x: m(x) / 0, "NaN or infinity before any training"),
        (freed, r"cannot be differentiated with respect to the weights .*create_graph=True"),
        (lambda m, x: torch.autograd.grad(m(x).sum(), x)[0], r"fails on 4 points: RuntimeError"),
    ],
)
@pytest.mark.parametrize("sampler", ["nint", "uniform"])
def test_functions_that_do_not_work_are_named(residual, words, sampler):
    with pytest.raises(UsageError, match=words) as error:
        Teacher(network(), points(), residual=residual, sampler=sampler, total_steps=5)
    assert "\n" not in str(error.value)


def jittered(model, coords):
    return model(coords + 0.1 * torch.randn_like(coords))


def centred(model, coords):
    u = model(coords)
    return u - u.mean()


@pytest.mark.parametrize(("residual", "words"), [(jittered, "is random"), (centred, "depends on the other points")])
def test_only_samplers_that_need_the_kernel_refuse_random_and_mixing_residuals(residual, words):
    model, coords = network(), points()
    with pytest.raises(UnsupportedFieldError, match=rf"The residual function.*{words}.*does not need the kernel \(nint-fast, .*uniform"):
        Teacher(model, coords, residual=residual, sampler="nint", total_steps=5)
    for sampler in ("uniform", "nint-fast", "int", "evos"):
        state = torch.get_rng_state()
        teacher = Teacher(model, coords, residual=residual, sampler=sampler, total_steps=5)
        teacher.probe.residual()
        assert torch.equal(torch.get_rng_state(), state)
        assert len(train(model, teacher, 3)) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": torch.zeros(N, 1)}, "With residual= leave values out"),
        ({"residual": None}, r"Give values \[n, d_out\], or residual=fn"),
        ({"residual": "burgers"}, "must be a function"),
        ({"grid": (N, 1)}, "A grid belongs to values"),
        ({"precision": "bf16"}, "precision=bf16 is not possible with residual="),
        ({"coords": None}, "must be torch tensors"),
        ({"coords": np.zeros((4, 2))}, "must be torch tensors"),
    ],
)
def test_misuse(change, words):
    options = {"coords": points(), "residual": by_autograd, "sampler": "nint", "total_steps": 5} | change
    with pytest.raises(UsageError, match=words):
        Teacher(network(), **options)


def test_calls_out_of_order():
    model, coords = network(), points()
    teacher = Teacher(model, coords, residual=by_autograd, sampler="uniform", total_steps=5)
    teacher.next()
    with pytest.raises(UsageError, match=r"observe\(\) needs the prediction of the batch; give it, or take the loss"):
        teacher.observe()
    plain = Teacher(model, coords, torch.zeros(N, 1, dtype=torch.float64), "uniform", total_steps=5)
    with pytest.raises(UsageError, match="has values and no residual function"):
        plain.next().loss()


def test_a_state_round_trip_chooses_the_same_points():
    for sampler in ("nint", "nint-fast", "int", "uniform", "evos"):
        model = network()
        teacher = Teacher(model, points(), residual=by_autograd, sampler=sampler, total_steps=20)
        train(model, teacher, 7)
        state, weights = teacher.state_dict(), {name: value.clone() for name, value in model.state_dict().items()}
        expected = train(model, teacher, 5)
        model.load_state_dict(weights)
        again = Teacher(model, points(), residual=by_autograd, sampler=sampler, total_steps=20)
        again.load_state_dict(state)
        assert train(model, again, 5) == expected


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(12), nn.Dropout(0.5)])
@pytest.mark.parametrize("sampler", ["nint-fast", "uniform"])
def test_residuals_of_random_and_mixing_networks_are_taken_as_they_come(layer, sampler):
    for seed in range(5):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), layer, nn.Linear(12, 1))
        if isinstance(layer, nn.BatchNorm1d):
            layer.reset_running_stats()
        teacher = Teacher(net, torch.rand(64, 2), residual=lambda net, x: net(x) - x[:, :1], sampler=sampler, total_steps=3)
        batch = teacher.next()
        residual = net(batch.coords) - batch.coords[:, :1]
        batch.loss(residual).backward()
        if isinstance(layer, nn.BatchNorm1d):
            assert int(layer.num_batches_tracked) == 1


def test_weighted_point_sets_are_for_squares():
    points = torch.rand(8, 2)
    sets = PointSets(a=PointSet(points, lambda net, x: net(x)), b=PointSet(points, lambda net, x: net(x), weight=4.0))
    with pytest.raises(UsageError, match='are for loss="l2"'):
        Teacher(nn.Linear(2, 1), sets.coords, residual=sets.residual, sampler="uniform", total_steps=3, loss="l1")
    even = PointSets(a=PointSet(points, lambda net, x: net(x)))
    Teacher(nn.Linear(2, 1), even.coords, residual=even.residual, sampler="uniform", total_steps=3, loss="l1")
