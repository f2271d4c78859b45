"""What a teacher refuses when it is made, in one sentence that says what would work, and the gradient modes it may be called in."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import nint
from nint.errors import UnsupportedFieldError, UsageError
from nint.probe.objectives import L1
from nint.signals.base import GridCoords
from nint.teacher import Teacher

N = 40


def data(n=N):
    coords = torch.rand(n, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return coords, coords.square()


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))


def steps(model, teacher, count):
    optimizer, chosen = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(count):
        batch = teacher.next()
        with torch.enable_grad():
            prediction = model(batch.coords)
            loss = batch.loss(prediction)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    return chosen


# ---------------------------------------------------------------- points


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("which", ["coords", "values"])
@pytest.mark.parametrize("sampler", ["nint", "nint-fast", "uniform"])
def test_points_that_are_not_finite(sampler, which, bad):
    coords, values = data()
    (coords if which == "coords" else values)[17, 1] = bad
    with pytest.raises(UsageError, match=rf"^{which} hold NaN or infinity, first in row 17; leave such points out\.$"):
        Teacher(mlp(), coords, values, sampler, total_steps=5)


def test_new_points_that_are_not_finite_leave_the_old_ones_in_place():
    coords, values = data()
    teacher = Teacher(mlp(), coords, values, "uniform", total_steps=5)
    pool, broken = teacher.probe.pool, values.clone()
    broken[3] = torch.nan
    with pytest.raises(UsageError, match="values hold NaN or infinity, first in row 3"):
        teacher.replace_pool(coords, broken)
    assert teacher.probe.pool is pool


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (lambda x: x, r"not a function; wrap it in a module whose forward\(\) calls it"),
        (torch.tanh, "not a function; wrap it in a module"),
        (nn.Linear, r"not the class Linear; make one of it first, Linear\(\.\.\.\)\.$"),
        ("siren", "not the text 'siren'; give the network that is to be trained"),
        (None, "not None; give the network that is to be trained"),
    ],
)
def test_what_is_no_network(field, said):
    with pytest.raises(UsageError, match=rf"^field must be a torch\.nn\.Module, {said}"):
        Teacher(field, *data(), "uniform", total_steps=3)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (nn.MSELoss(), r"^loss= must be a name, not an object of class MSELoss\. "),
        (lambda prediction, values: 0, r"^loss= must be a name, not a function\. "),
        (mlp(), r"^loss= must be a name, not an object of class Sequential\. "),
        ("bce", r"^There is no loss called 'bce'\. "),
        (None, r"^loss= must be a name, not None\. "),
    ],
)
def test_a_loss_that_is_not_known_says_how_to_give_ones_own(loss, said):
    known = r"Known: l2 \(mean square\), l1 \(mean absolute error\) and huber; .*PointLoss, or residual= .*\.$"
    with pytest.raises(UsageError, match=said + known):
        Teacher(mlp(), *data(), "uniform", total_steps=3, loss=loss)
    with pytest.raises(UsageError, match=said + r"Known: l2 \(mean square\), l1 \(mean absolute error\) and huber\.$"):
        nint.fit(np.eye(6), loss=loss, budget=1)


def test_the_class_of_a_loss():
    with pytest.raises(UsageError, match=r"must be a PointLoss, not the class L1; make one of it, L1\(\)\."):
        Teacher(mlp(), *data(), "uniform", total_steps=3, loss=L1)
    assert isinstance(Teacher(mlp(), *data(), "uniform", total_steps=3, loss=L1()).loss, L1)


@pytest.mark.parametrize("sampler", ["nint", "nint-fast", "int", "uniform"])
def test_a_wrong_number_of_outputs_is_so_under_any_sampler(sampler):
    coords, _ = data()
    with pytest.raises(UnsupportedFieldError, match=r"^The network maps \(4, 2\) to \(4, 2\); with these values it must give \(4, 3\)\.$"):
        Teacher(mlp(), coords, torch.zeros(N, 3), sampler, total_steps=3)


@pytest.mark.parametrize("grid", [None, (N,)])
def test_a_sampler_of_images_says_how_points_become_one(grid):
    coords, values = data()
    said = r"use nint, int, evos or uniform, or give grid=\(rows, columns\) where"
    with pytest.raises(UsageError, match=f"egra needs an image .*{said}"):
        Teacher(mlp(), coords, values, "egra", total_steps=3, grid=grid)
    Teacher(mlp(), coords, values, "egra", total_steps=3, grid=[5, 8]).replace_pool(coords, values, [8, 5])
    with pytest.raises(UsageError, match=r"use nint, int, evos or uniform\.$"):
        nint.fit("sample:chirp", duration=0.01, sampler="egra", budget=1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *[("total_steps", value, "a whole number of at least 1") for value in (3.7, "10", True, 0)],
        *[("chunk_size", value, "a whole number of at least 1") for value in (2.5, "many", 0)],
        *[("seed", value, "whole number") for value in (1.5, "1")],
        ("seed", 2**62, "less than 2"),
    ],
)
def test_numbers_that_are_not_whole(name, value, said):
    options = {"total_steps": 3, name: value}
    with pytest.raises(UsageError, match=rf"^{name}={value!r} .*{said}"):
        Teacher(mlp(), *data(), "uniform", **options)
    with pytest.raises(UsageError, match=rf"^{name}={value!r} .*{said}"):
        nint.fit(np.eye(6), field="siren:size=1x4", budget=1, **options)


@pytest.mark.parametrize("grid", ["5x8", (5.0, 8), 40, (), (0, 8)], ids=repr)
def test_a_grid_that_is_none(grid):
    coords, values = data()
    teacher = Teacher(mlp(), coords, values, "uniform", total_steps=3)
    for ask in (
        lambda: Teacher(mlp(), coords, values, "uniform", total_steps=3, grid=grid),
        lambda: teacher.replace_pool(coords, values, grid),
    ):
        with pytest.raises(UsageError, match=r"must hold the number of points along each axis, for example grid=\(rows, columns\)"):
            ask()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"field": lambda x: x}, "field must be a text form such as 'siren', a FieldSpec or a torch.nn.Module, not a function"),
        ({"field": nn.Linear}, "not the class Linear; make one of it first"),
        ({"sampler": 3}, "3 is not a sampler"),
        ({"sampler": nn.Linear}, "The class Linear is no sampler; give a text form such as 'nint', or a Sampler"),
        ({"lr": "high"}, "lr='high' must be a finite number"),
        ({"warm_up": "long"}, "warm_up='long' must be a fraction"),
        ({"max_kilobytes": "3"}, "max_kilobytes='3' must be a finite number"),
        ({"eval_every": 2.5}, "eval_every=2.5 is out of range; it must be a whole number"),
        ({"device": 3}, "device=3 must be auto, cpu, cuda or mps"),
    ],
)
def test_a_fit_of_what_cannot_be(options, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        nint.fit(np.eye(6), **({"budget": 1, "field": "siren:size=1x4"} | options))


# ---------------------------------------------------------------- networks


class NoJvp(torch.autograd.Function):
    """A sine without a forward-mode derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * torch.cos(x)


class Calls(nn.Module):
    """A network whose hidden activation is a given function."""

    def __init__(self, activation, output=lambda y: y):
        super().__init__()
        self.net, self.activation, self.output = mlp(), activation, output

    def forward(self, x):
        return self.output(self.net[2](self.activation(self.net[0](x))))


def half_without_graph(x):
    with torch.no_grad():
        factor = x.abs()
    return factor * x


@pytest.mark.parametrize("sampler", ["nint", "nint-reference:score=kernel", "nint:candidates=20"])
def test_a_missing_forward_mode_is_named_with_the_samplers_that_work(sampler):
    coords, values = data()
    with pytest.raises(UnsupportedFieldError, match="forward-mode derivative, which K v needs, cannot be computed") as caught:
        Teacher(Calls(NoJvp.apply), coords, values, sampler, total_steps=5)
    message = str(caught.value)
    assert "nint-fast, nint-reference, full, uniform, int, evos" in message and "\n" not in message
    assert "expansive" not in message  # these points are no image


@pytest.mark.parametrize("sampler", ["nint-fast", "nint-reference", "full", "uniform", "int", "evos"])
def test_the_named_samplers_do_work(sampler):
    coords, values = data()
    model = Calls(NoJvp.apply)
    assert len(steps(model, Teacher(model, coords, values, sampler, total_steps=5), 3)) == 3


def test_a_fit_of_a_module_without_forward_mode():
    image = np.random.default_rng(0).random((8, 9, 2)).astype(np.float32)
    assert nint.fit(image, field=Calls(NoJvp.apply), sampler="uniform", total_steps=3, device="cpu").record["steps"] == 3
    with pytest.raises(
        UnsupportedFieldError, match=r"use a sampler that does not need it \(nint-fast, nint-reference, full, uniform, int, evos, expansive"
    ):
        nint.fit(image, field=Calls(NoJvp.apply), sampler="nint", total_steps=3, device="cpu")


def test_derivatives_that_do_not_belong_together_are_refused():
    """Forward mode goes through `no_grad`, reverse mode does not: J v and J^T u would be of two Jacobians."""
    coords, values = data()
    with pytest.raises(UnsupportedFieldError, match=r"derivatives differ.*use detach\(\) where it has torch.no_grad\(\)"):
        Teacher(Calls(half_without_graph), coords, values, "nint", total_steps=5)
    Teacher(Calls(lambda x: x.detach().abs() * x), coords, values, "nint", total_steps=5)
    Teacher(Calls(half_without_graph), coords, values, "uniform", total_steps=5)


@pytest.mark.parametrize(
    ("output", "kind"),
    [(lambda y: (y, y.mean()), "tuple"), (lambda y: {"rgb": y}, "dict"), (lambda y: [y], "list"), (lambda y: None, "NoneType")],
)
@pytest.mark.parametrize("sampler", ["nint", "int"])
def test_an_output_that_is_no_tensor_is_named(sampler, output, kind):
    coords, values = data()
    with pytest.raises(
        UnsupportedFieldError, match=rf"returns a {kind}, but it must return one tensor.*\(nint-fast, full, uniform, evos\)"
    ):
        Teacher(Calls(torch.tanh, output), coords, values, sampler, total_steps=5)


def test_a_module_that_returns_more_works_where_only_the_loop_calls_it():
    coords, values = data()
    model = Calls(torch.tanh, lambda y: (y, y.mean()))
    teacher = Teacher(model, coords, values, "nint-fast", total_steps=5)
    for _ in range(2):
        batch = teacher.next()
        prediction, _ = model(batch.coords)
        batch.loss(prediction).backward()
        teacher.observe(prediction)
    assert teacher.step == 2


def test_fit_refuses_an_output_that_is_no_tensor_whatever_the_sampler():
    image = np.random.default_rng(0).random((8, 9, 2)).astype(np.float32)
    with pytest.raises(UnsupportedFieldError, match="returns a tuple, but it must return one tensor"):
        nint.fit(image, field=Calls(torch.tanh, lambda y: (y, y)), sampler="uniform", total_steps=3, device="cpu")


def test_a_network_that_cannot_be_called_with_these_coordinates():
    coords, values = data()
    with pytest.raises(UnsupportedFieldError, match=r"cannot be called with coordinates \(4, 2\) of type float64 \(.*\); it must map"):
        Teacher(mlp(), coords.double(), values, "uniform", total_steps=5)
    with pytest.raises(UnsupportedFieldError, match="cannot be called with coordinates"):
        Teacher(nn.Bilinear(2, 2, 2), coords, values, "uniform", total_steps=5)


# ---------------------------------------------------------------- precision and gradient modes


@pytest.mark.parametrize("sampler", ["nint", "int", "nint-fast"])
def test_single_precision_points_and_a_network_in_double(sampler):
    coords, values = data()
    model = mlp().double()
    teacher = Teacher(model, coords, values, sampler, total_steps=5)
    assert teacher.probe.coords[:2].dtype == torch.float64
    as_doubles = Teacher(mlp().double(), coords.double(), values.double(), sampler, total_steps=5)
    assert steps(model, teacher, 3) == steps(as_doubles.field, as_doubles, 3)


def test_targets_in_double_precision_and_a_network_in_single():
    coords, values = data()
    model = mlp()
    wide = steps(model, Teacher(model, coords, values.double(), "nint", total_steps=5), 3)
    other = mlp()
    assert wide == steps(other, Teacher(other, coords, values, "nint", total_steps=5), 3)


@pytest.mark.parametrize("sampler", ["nint", "nint-reference:score=kernel", "int"])
@pytest.mark.parametrize("field", ["siren:size=2x8", "finer:size=2x8", "grid:levels=2,size=1x8", "grid:levels=2,interpolation=cubic"])
def test_targets_in_double_precision_and_the_written_out_passes(field, sampler):
    chosen = []
    for kind in (torch.float32, torch.float64):
        coords, values = data()
        model = nint.FIELDS.parse(field).build(2, 2, torch.Generator().manual_seed(0))
        chosen.append(steps(model, Teacher(model, coords, values.to(kind), sampler, total_steps=5), 3))
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8, 1), (8, 2), (9,)])
def test_losses_that_are_not_one_for_each_point_of_the_batch(shape):
    coords, values = data()
    model = mlp()
    teacher = Teacher(model, coords, values, "nint-fast:batch_size=8", total_steps=5)
    batch = teacher.next()
    with pytest.raises(UsageError, match=r"must hold one loss for each point of the batch, \(8,\)"):
        teacher.observe(model(batch.coords), torch.rand(shape))
    teacher.observe(model(batch.coords), torch.rand(8))
    assert teacher.step == 1


def test_lazy_coordinates_of_a_network_in_double():
    model = mlp().double()
    teacher = Teacher(model, GridCoords((5, 8)), torch.zeros(40, 2), "nint", total_steps=5, grid=(5, 8))
    assert teacher.next().coords.dtype == torch.float64
    assert teacher.probe.coords.shape == (40, 2) and teacher.probe.device == torch.device("cpu")


@pytest.mark.parametrize("sampler", ["nint", "nint-reference", "int", "nint-fast", "evos"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_calls_within_another_gradient_mode(mode, sampler):
    """The teacher is made and asked inside the mode; what it chooses is what it chooses outside."""
    coords, values = data()
    plain = mlp()
    expected = steps(plain, Teacher(plain, coords, values, sampler, total_steps=6), 4)
    model = mlp()
    with mode():
        teacher = Teacher(model, coords.clone(), values.clone(), sampler, total_steps=6)
    optimizer, chosen = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(4):
        with mode():
            batch = teacher.next()
        prediction = model(batch.coords)
        optimizer.zero_grad()
        batch.loss(prediction).backward()
        optimizer.step()
        with mode():
            teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    assert chosen == expected


def test_a_network_from_inference_mode_is_refused():
    with torch.inference_mode():
        model = mlp()
    with pytest.raises(UsageError, match=r"made inside torch.inference_mode\(\), so it cannot be trained"):
        Teacher(model, *data(), "uniform", total_steps=5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_fit_within_another_gradient_mode(mode):
    image = np.random.default_rng(0).random((9, 8, 3)).astype(np.float32)
    chosen = {"field": "siren:size=1x8", "sampler": "nint", "total_steps": 4, "device": "cpu"}
    expected = nint.fit(image, **chosen)
    with mode():
        fit = nint.fit(image, **chosen)
        points = torch.zeros(3, 2)
        slopes, values = fit.gradient(points), fit(points)
    assert all(torch.equal(value, fit.state_dict()[name]) for name, value in expected.state_dict().items())
    assert torch.equal(slopes, expected.gradient(np.zeros((3, 2)))) and torch.equal(values, expected(np.zeros((3, 2))))
