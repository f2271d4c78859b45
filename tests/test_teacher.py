import dataclasses
import random
from typing import ClassVar

import numpy as np
import pytest
import torch
from oracles.dense_ntk import ntk
from torch import nn

from nint.errors import UnsupportedFieldError, UsageError
from nint.probe.objectives import L1, Objective
from nint.samplers.base import Feedback, Sampler, Selection
from nint.samplers.nint import Nint
from nint.samplers.uniform import Uniform
from nint.signals.base import GridCoords, Pool
from nint.teacher import Teacher

SAMPLERS = ["nint", "nint-fast", "nint-reference", "int", "uniform", "full"]
N = 120


class Foreign(nn.Module):
    """Someone else's network: residual, LayerNorm, nothing of ours. Its weights come from the given seed."""

    def __init__(self, seed=0, c=2, width=24):
        super().__init__()
        self.inner, self.norm = nn.Linear(2, width), nn.LayerNorm(width)
        self.middle, self.outer = nn.Linear(width, width), nn.Linear(width, c)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in (self.inner, self.middle, self.outer):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.in_features**0.5)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator))

    def forward(self, x):
        h = self.inner(3 * x)
        h = h + torch.sin(self.middle(self.norm(h)))
        return self.outer(torch.sin(h))


def data(n=N, c=2, seed=0):
    coords = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return coords, torch.cat([torch.sin(3 * coords[:, :1] * coords[:, 1:]), coords[:, 1:].square()], 1)[:, :c]


def loop(model, teacher, steps, lr=3e-3):
    """A plain loop with nothing of ours but the teacher; gives the points of each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    chosen = []
    for _ in range(steps):
        batch = teacher.next()
        prediction = model(batch.coords)
        loss = batch.loss(prediction)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    return chosen


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_foreign_module_learns_in_a_plain_loop(sampler):
    model, (coords, values) = Foreign(), data()
    before = (model(coords) - values).square().mean().item()
    teacher = Teacher(model, coords, values, sampler, total_steps=80)
    chosen = loop(model, teacher, 80)
    assert teacher.step == 80
    assert all(len(rows) == len(set(rows)) == (N if sampler == "full" else N // 5) for rows in chosen)
    assert (model(coords) - values).square().mean().item() < 0.1 * before


def test_a_batch_is_its_rows_of_the_pool():
    coords, values = data()
    teacher = Teacher(Foreign(), coords, values, total_steps=10)
    batch = teacher.next()
    assert torch.equal(batch.coords, coords[batch.indices]) and torch.equal(batch.values, values[batch.indices])
    assert not batch.coords.requires_grad
    prediction = torch.zeros_like(batch.values)
    assert batch.loss(prediction).item() == pytest.approx(batch.values.square().mean().item())


def test_the_sampler_sees_the_network_as_it_is_now():
    """Algorithm 1 in a loop: each batch is the top of K g at the current weights, for the loss of the loop."""
    model, (coords, values) = Foreign(width=6).double(), data(40)
    coords, values = coords.double(), values.double()
    form = "nint:random_share=0,decay_rate=0,refresh_interval=1"
    teacher = Teacher(model, coords, values, form, total_steps=10, loss="l1", chunk_size=7)
    for _ in range(3):
        slope = torch.sign(model(coords).detach() - values) / 2
        moved = torch.einsum("icjd,jd->ic", ntk(model, coords), slope).norm(dim=1)
        (rows,) = loop(model, teacher, 1, lr=0.05)
        assert rows == moved.argsort(descending=True)[:8].tolist()
    assert dataclasses.astuple(teacher.cost) == (120, 120, 120)


def test_samplers_classes_and_text_forms():
    coords, values = data()
    for form in ("nint:random_share=0.5", Nint(random_share=0.5)):
        assert Teacher(Foreign(), coords, values, form, total_steps=5).sampler == Nint(random_share=0.5)
    assert Teacher(Foreign(), coords, values, Uniform, total_steps=5).sampler == Uniform()


def test_coordinates_that_are_computed_when_asked_for():
    model, grid = Foreign(c=1), GridCoords((9, 11))
    teacher = Teacher(model, grid, torch.zeros(99, 1), "nint", total_steps=5, grid=(9, 11))
    for rows in loop(model, teacher, 3):
        assert len(set(rows)) == 19
    assert teacher.probe.grid == (9, 11)


@dataclasses.dataclass(frozen=True)
class Recorder(Sampler):
    """First points first; remembers what it is told."""

    State: ClassVar[type] = list
    needs: ClassVar[frozenset[str]] = frozenset({"coord_gradient"})

    def select(self, state, step, probe, rng):
        return Selection(torch.arange(4) + step), state

    def observe(self, state, step, selection, feedback):
        return [*state, (step, selection, feedback)]


def test_feedback_of_a_sampler_that_needs_coordinate_gradients():
    model, (coords, values) = Foreign(), data()
    teacher = Teacher(model, coords, values, Recorder(), total_steps=5)
    x = coords[:4].clone().requires_grad_(True)
    expected = model(x)
    (slope,) = torch.autograd.grad((expected - values[:4]).square().mean(), x)
    batch = teacher.next()
    assert batch.coords.is_leaf and batch.coords.requires_grad
    prediction = model(batch.coords)
    batch.loss(prediction).backward()
    teacher.observe(prediction)
    ((step, selection, feedback),) = teacher.state
    assert step == 0 and selection.indices.tolist() == [0, 1, 2, 3]
    assert isinstance(feedback, Feedback)
    torch.testing.assert_close(feedback.coord_gradient, slope)
    torch.testing.assert_close(feedback.prediction, expected.detach())
    torch.testing.assert_close(feedback.point_loss, (expected - values[:4]).square().mean(1).detach())
    assert not feedback.prediction.requires_grad and not feedback.point_loss.requires_grad
    assert {name: id(p) for name, p in feedback.gradient.items()} == {name: id(p.grad) for name, p in model.named_parameters()}
    batch = teacher.next()
    assert batch.indices.tolist() == [1, 2, 3, 4]
    batch.loss(model(batch.coords)).backward()
    teacher.observe(model(batch.coords), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert teacher.state[1][2].point_loss.tolist() == [1, 2, 3, 4]


def test_coordinate_gradients_need_a_backward():
    model, (coords, values) = Foreign(), data()
    teacher = Teacher(model, coords, values, Recorder(), total_steps=5)
    batch = teacher.next()
    with pytest.raises(UsageError, match="backward"):
        teacher.observe(model(batch.coords))
    detached = model(coords[batch.indices])
    batch.loss(detached).backward()
    with pytest.raises(UsageError, match=r"batch\.coords"):
        teacher.observe(detached)


class Weighted(Objective):
    def __call__(self, prediction, values, indices):
        return ((prediction - values).abs() * indices[:, None]).sum()


@dataclasses.dataclass(frozen=True)
class WithObjective(Sampler):
    def select(self, state, step, probe, rng):
        return Selection(torch.tensor([5, 2]), Weighted()), state


def test_an_objective_of_the_samplers_own():
    coords, values = data()
    batch = Teacher(Foreign(), coords, values, WithObjective(), total_steps=5).next()
    assert batch.loss(values[[5, 2]] + 1).item() == pytest.approx(2 * 5 + 2 * 2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_seed_gives_the_same_run_and_the_global_generators_are_left_alone(sampler):
    coords, values = data()
    models = [Foreign() for _ in range(3)]  # the layers' own initialisation draws from the global generator
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    runs = []
    for model, seed in zip(models, (3, 3, 4), strict=True):
        teacher = Teacher(model, coords, values, sampler, total_steps=30, seed=seed)
        runs.append((loop(model, teacher, 12), model.state_dict()))
    (first, weights), (second, again), (other, _) = runs
    assert first == second
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert (first == other) == (sampler in ("int", "full"))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[1], strict=True))
    assert random.getstate() == states[2]


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(2, 2), function

    def forward(self, x):
        return self.function(self.linear(x), x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda h, x: h + torch.randn(h.shape, generator=GENERATOR), "random"),
        (lambda h, x: nn.functional.dropout(h, 0.5), "random"),
        (lambda h, x: h - h.mean(0), "other points"),
        (lambda h, x: torch.softmax(h, 0), "other points"),
        (lambda h, x: h * len(h), "other points"),
        (lambda h, x: h + (x[:, :1] - x[:, :1].mean()), "other points"),
    ],
)
def test_random_and_point_mixing_functions_are_refused_where_the_kernel_is_needed(function, words):
    coords = GridCoords((10, 12))  # the first points share a coordinate
    with pytest.raises(UnsupportedFieldError, match=rf"{words}.*does not need the kernel \(nint-fast, .*uniform") as error:
        Teacher(Function(function), coords, torch.zeros(120, 2), "nint", total_steps=5)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda h, x: h / 0 * 0, "NaN"),
        (lambda h, x: h[:, :1], r"\(4, 1\).*\(4, 2\)"),
        (lambda h, x: h[:, 0], r"\(4,\)"),
        (lambda h, x: h.mean(0, keepdim=True), r"\(1, 2\)"),
        (lambda h, x: h[None], r"\(1, 4, 2\)"),
    ],
)
def test_outputs_that_do_not_fit_the_values_are_refused(function, words):
    coords = GridCoords((10, 12))
    with pytest.raises(UnsupportedFieldError, match=words) as error:
        Teacher(Function(function), coords, torch.zeros(120, 2), "uniform", total_steps=5)
    assert "\n" not in str(error.value)


GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(2), nn.Dropout(0.5), nn.RNN(2, 2)])
def test_random_and_point_mixing_layers_are_refused_by_name(layer):
    coords, values = data()
    with pytest.raises(UnsupportedFieldError, match=type(layer).__name__):
        Teacher(nn.Sequential(nn.Linear(2, 2), layer), coords, values, total_steps=5)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_very_small_pools(n):
    model, (coords, values) = Foreign(), data(n)
    for sampler in SAMPLERS:
        for rows in loop(model, Teacher(model, coords, values, sampler, total_steps=5), 3):
            assert 1 <= len(rows) == len(set(rows)) <= n


def test_replace_pool_drops_what_was_cached_by_index():
    model, (coords, values) = Foreign(), data()
    teacher = Teacher(model, coords, values, "nint:interval=every-50", total_steps=50)
    first, again = loop(model, teacher, 2)
    assert first == again and teacher.cost.jvp == N
    fresh, targets = data(60, seed=1)
    teacher.replace_pool(fresh, targets)
    assert teacher.probe.epoch == 1 and len(teacher.probe) == 60 and teacher.step == 2
    batch = teacher.next()
    assert teacher.cost.jvp == N + 60 and len(batch.indices) == 12
    assert torch.equal(batch.coords, fresh[batch.indices]) and torch.equal(batch.values, targets[batch.indices])


def test_set_pool_takes_the_pools_own_epoch():
    coords, values = data()
    teacher = Teacher(Foreign(), coords, values, total_steps=5)
    pool = Pool(coords + 0.1, values, epoch=7)
    teacher.set_pool(pool)
    assert teacher.probe.pool is pool


def test_pools_that_do_not_fit_are_refused_and_the_old_one_stays():
    coords, values = data()

    @dataclasses.dataclass(frozen=True)
    class NeedsGrid(Uniform):
        needs: ClassVar[frozenset[str]] = frozenset({"grid2d"})

    teacher = Teacher(Foreign(), coords, values, NeedsGrid(), total_steps=5, grid=(10, 12))
    pool = teacher.probe.pool
    for bad, words in (
        ((coords, values[:, :1], (10, 12)), "The new points have 2 coordinates and 1 values each"),
        ((coords[:, :1], values, (10, 12)), "The new points have 1 coordinates and"),
        ((coords, values[1:], None), "with the same n"),
        ((coords, values, (7, 7)), "49 points but there are 120"),
    ):
        with pytest.raises(UsageError, match=words):
            teacher.replace_pool(*bad)
    for grid in (None, (4, 5, 6)):
        with pytest.raises(UsageError, match="2-D grid"):
            teacher.replace_pool(coords, values, grid)
    assert teacher.probe.pool is pool
    batch = teacher.next()
    with pytest.raises(UsageError, match="between"):
        teacher.replace_pool(coords, values, (10, 12))
    teacher.observe(torch.zeros_like(batch.values))
    teacher.replace_pool(coords, values, (10, 12))


def test_calls_out_of_order():
    model, (coords, values) = Foreign(), data()
    teacher = Teacher(model, coords, values, total_steps=5)
    with pytest.raises(UsageError, match=r"next\(\)"):
        teacher.observe(values)
    with pytest.raises(UsageError, match=r"select\(\)"):
        teacher.report(Feedback(values, values[:, 0]))
    batch = teacher.next()
    with pytest.raises(UsageError, match="observe"):
        teacher.next()  # without observe() the step would stay 0 for ever
    for bad in (batch.values[:, 0], batch.values[1:], batch.values[None]):
        with pytest.raises(UsageError, match="shape"):
            teacher.observe(bad)
        with pytest.raises(UsageError, match="shape"):
            batch.loss(bad)
    teacher.observe(batch.values)
    assert teacher.step == 1
    with pytest.raises(UsageError, match=r"next\(\)"):
        teacher.observe(batch.values)
    assert teacher.step == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"total_steps": 0}, "total_steps=0"),
        ({"sampler": "nitn"}, "Did you mean 'nint'"),
        ({"sampler": "nint:random_share=2"}, "random_share"),
        ({"sampler": 5}, "not a sampler"),
        ({"sampler": None}, "not a sampler"),
        ({"loss": "l3"}, "no loss"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"grid": (5, 5)}, "25 points"),
        ({"values": torch.zeros(N)}, "same n"),
        ({"values": torch.zeros(N - 1, 2)}, "same n"),
        ({"coords": torch.zeros(0, 2), "values": torch.zeros(0, 2)}, "same n"),
        ({"coords": torch.zeros(N)}, "same n"),
        ({"coords": np.zeros((N, 2))}, "torch tensors"),
        ({"values": np.zeros((N, 2))}, "torch tensors"),
        ({"values": [[0.0, 0.0]] * N}, "torch tensors"),
    ],
    ids=lambda item: next(iter(item)) if isinstance(item, dict) else "",
)
def test_misuse(change, words):
    coords, values = data()
    options = {"coords": coords, "values": values, "sampler": "nint", "total_steps": 5} | change
    with pytest.raises(UsageError, match=words) as error:
        Teacher(Foreign(), **options)
    assert "\n" not in str(error.value)


def test_a_loss_object():
    coords, values = data()
    loss = L1()
    assert Teacher(Foreign(), coords, values, total_steps=5, loss=loss).next().objective is loss
