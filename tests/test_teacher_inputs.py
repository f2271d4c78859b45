"""What a sampler does not need is not demanded: random networks, BatchNorm, several inputs."""

import numpy as np
import pytest
import torch
from torch import nn

import nint
from nint import Teacher, UnsupportedFieldError, UsageError
from nint.signals.inputs import Columns, Inputs

N = 120
CALLS_NOTHING = ["uniform", "full", "nint-fast", "evos"]
CALLS_FORWARD = ["int", "nint-reference", "nint-ablation:score=error", "int:candidates=60"]


def data(n=N):
    coords = torch.rand(n, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return coords, torch.stack([torch.sin(3 * coords[:, 0]), coords[:, 1] ** 2], 1)


class Jitter(nn.Module):
    """Moves each point at random, as ray samplers do while they train; in evaluation it stands still."""

    def forward(self, x):
        return x + 0.01 * torch.randn_like(x) if self.training else x


class AlwaysRandom(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.1, training=True)


class Centred(nn.Module):
    """Depends on the batch in evaluation too."""

    def forward(self, x):
        return x - x.mean(0)


def network(kind, seed=0):
    torch.manual_seed(seed)
    middle = {
        "batch norm": nn.BatchNorm1d(16),
        "instance norm": nn.Sequential(nn.Unflatten(1, (4, 4)), nn.InstanceNorm1d(4), nn.Flatten()),
        "dropout": nn.Dropout(0.2),
        "jitter": Jitter(),
        "always random": AlwaysRandom(),
        "mixing": Centred(),
    }[kind]
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), middle, nn.Linear(16, 2))


KINDS = ["batch norm", "instance norm", "dropout", "jitter", "always random", "mixing"]


def train(model, teacher, steps=20, call=None):
    optimizer, chosen = torch.optim.Adam(model.parameters(), lr=3e-2), []
    for _ in range(steps):
        batch = teacher.next()
        prediction = (call or model)(batch.coords)
        optimizer.zero_grad()
        batch.loss(prediction).backward()
        optimizer.step()
        teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    return chosen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", [*CALLS_NOTHING, *CALLS_FORWARD])
def test_networks_without_a_kernel_learn(sampler, kind):
    model, (coords, values) = network(kind), data()
    before = float((model.eval()(coords) - values).square().mean().detach())
    model.train()
    teacher = Teacher(model, coords, values, sampler, total_steps=20)
    train(model, teacher)
    assert model.training and all(module.training for module in model.modules())
    assert float((model.eval()(coords) - values).square().mean().detach()) < 0.7 * before


@pytest.mark.parametrize("kind", KINDS)
def test_choosing_leaves_the_network_and_the_global_generator_alone(kind):
    """Running statistics, counters and random states are those of the training forwards alone."""
    model, (coords, values) = network(kind), data()
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    teacher = Teacher(model, coords, values, "int", total_steps=5)
    teacher.next()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["batch norm", "dropout", "jitter"])
def test_scores_are_of_the_network_in_evaluation(kind):
    model, (coords, values) = network(kind), data()
    model(coords)  # gives BatchNorm statistics
    batch = Teacher(model, coords, values, "int", total_steps=5, chunk_size=7).next()
    error = (model.eval()(coords) - values).abs().sum(1)
    assert batch.indices.tolist() == error.topk(N // 5).indices.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", ["nint", "nint-reference:score=kernel", "nint-ablation:score=variance"])
def test_samplers_of_the_kernel_refuse_and_name_the_others(sampler, kind):
    with pytest.raises(UnsupportedFieldError, match=r"or use a sampler that does not need the kernel \((.*)\)\.$") as error:
        Teacher(network(kind), *data(), sampler, total_steps=5)
    message = str(error.value)
    assert message.endswith("(nint-fast, nint-reference, full, uniform, int, evos).") and "\n" not in message


def test_the_named_ones_do_not_refuse_and_dropout_that_is_off_is_no_reason():
    for sampler in ("nint-fast", "nint-reference", "full", "uniform", "int", "evos"):
        Teacher(network("batch norm"), *data(), sampler, total_steps=5)
    Teacher(network("dropout").eval(), *data(), "nint", total_steps=5)


@pytest.mark.parametrize("kind", ["batch norm", "mixing", "always random"])
def test_fit_divides_batches_and_refuses_as_before(kind):
    image = np.random.default_rng(0).random((8, 9, 2)).astype(np.float32)
    with pytest.raises(UnsupportedFieldError, match=r"mixes the points|depends on the other points|is random"):
        nint.fit(image, field=network(kind), sampler="uniform", total_steps=3, device="cpu")


# ---------------------------------------------------------------- several inputs


class Rays(nn.Module):
    """Origins and directions apart."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, origin, direction):
        return self.net(torch.cat([origin, direction], 1))


class RaysAsOne(Rays):
    """The whole tuple or dict as one argument."""

    def forward(self, rays):
        return super().forward(*(rays.values() if isinstance(rays, dict) else rays))


def as_tuple(x):
    return (x[:, :1], x[:, 1:])


def as_dict(x):
    return {"origin": x[:, :1], "direction": x[:, 1:]}


@pytest.mark.parametrize("sampler", [*CALLS_NOTHING, *CALLS_FORWARD, "nint", "nint:candidates=60"])
@pytest.mark.parametrize(
    ("field", "split", "call"),
    [
        (Rays, as_tuple, lambda model: lambda x: model(*x)),
        (Rays, as_dict, lambda model: lambda x: model(**x)),
        (RaysAsOne, as_tuple, lambda model: model),
        (RaysAsOne, as_dict, lambda model: model),
    ],
)
def test_inputs_apart_choose_what_one_tensor_chooses(sampler, field, split, call):
    coords, values = data()
    plain = Rays()
    expected = train(plain.net, Teacher(plain.net, coords, values, sampler, total_steps=20), 8)
    model = field()
    teacher = Teacher(model, split(coords), values, sampler, total_steps=20)
    assert train(model, teacher, 8, call(model)) == expected


def test_a_batch_is_a_tuple_or_a_dict_of_rows():
    coords, values = data()
    batch = Teacher(Rays(), as_dict(coords), values, "uniform", total_steps=5).next()
    assert list(batch.coords) == ["origin", "direction"]
    assert torch.equal(batch.coords["origin"], coords[batch.indices, :1])
    batch = Teacher(Rays(), as_tuple(coords), values, "uniform", total_steps=5).next()
    assert isinstance(batch.coords, tuple) and torch.equal(batch.coords[1], coords[batch.indices, 1:])


def test_a_network_that_the_sampler_never_calls_need_not_take_the_points():
    """The loop renders rays: the network itself takes points of space."""
    coords, values = data()
    Teacher(nn.Linear(3, 4), as_tuple(coords), values, "nint-fast", total_steps=5)
    with pytest.raises(UnsupportedFieldError, match=r"cannot be called with coordinates \(4, 1\) and \(4, 1\) of type float32 and float32"):
        Teacher(nn.Linear(3, 4), as_tuple(coords), values, "int", total_steps=5)


def test_whole_numbers_and_shapes_of_their_own():
    coords, values = data()
    view, patch = torch.arange(N) % 3, torch.rand(N, 2, 4)
    teacher = Teacher(Rays(), (coords, view, patch), values, "nint-fast", total_steps=5)
    batch = teacher.next()
    assert batch.coords[1].dtype == torch.int64 and batch.coords[2].shape == (N // 5, 2, 4)
    assert teacher.probe.places.shape == (N, 11)
    assert torch.equal(teacher.probe.places[:], torch.cat([coords, view[:, None].float(), patch.reshape(N, -1)], 1))


def test_inputs_of_a_network_in_double_precision():
    coords, values = data()
    batch = Teacher(Rays().double(), (*as_tuple(coords), torch.arange(N))[:2], values, "nint", total_steps=5).next()
    assert all(part.dtype == torch.float64 for part in batch.coords)


def test_replaced_inputs_must_be_alike():
    coords, values = data()
    teacher = Teacher(Rays(), as_tuple(coords), values, "nint-fast", total_steps=5)
    teacher.replace_pool(as_tuple(coords.flip(0)), values)
    assert torch.equal(teacher.probe.coords[:][0], coords.flip(0)[:, :1])
    with pytest.raises(UsageError, match=r"The new points have inputs \('origin', 'direction'\), the first ones had 2"):
        teacher.replace_pool(as_dict(coords), values)
    with pytest.raises(UsageError, match="The new points have inputs 1, the first ones had 2"):
        teacher.replace_pool(coords, values)


@pytest.mark.parametrize(
    ("coords", "words"),
    [
        ((), "must be a tuple or a dict of torch tensors"),
        ((np.zeros((N, 2)),), "must be a tuple or a dict of torch tensors"),
        ((torch.zeros(N, 2), torch.tensor(1.0)), "must be a tuple or a dict of torch tensors"),
        ((torch.zeros(N, 2), torch.zeros(N - 1, 2)), "have 120, 119 rows"),
        ((torch.zeros(0, 2),), "have 0 rows"),
        ((torch.zeros(N - 1, 2),), "with the same n"),
        ((torch.zeros(N, 2), torch.full((N,), torch.nan)), "coords hold NaN or infinity, first in row 0"),
    ],
)
def test_inputs_that_do_not_fit(coords, words):
    with pytest.raises(UsageError, match=words):
        Teacher(Rays(), coords, data()[1], "uniform", total_steps=5)


@pytest.mark.parametrize("sampler", ["egra", "expansive", "evos"])
def test_images_of_several_inputs(sampler):
    coords, values = data()
    plain, model = Rays(), Rays()
    expected = train(plain.net, Teacher(plain.net, coords, values, sampler, total_steps=20, grid=(10, 12)), 6)
    teacher = Teacher(model, as_tuple(coords), values, sampler, total_steps=20, grid=(10, 12))
    assert train(model, teacher, 6, lambda x: model(*x)) == expected


def test_a_sampler_that_follows_coordinates_needs_one_tensor():
    with pytest.raises(UsageError, match=r"soft-mining needs coords of one tensor"):
        Teacher(Rays(), as_tuple(data()[0]), data()[1], "soft-mining", total_steps=5, grid=(10, 12))


def test_columns_of_a_subset():
    inputs = Inputs({"a": torch.arange(6), "b": torch.arange(12.0).reshape(6, 2)})
    rows = Columns(inputs)[torch.tensor([4, 1])]
    assert rows.tolist() == [[4, 8, 9], [1, 2, 3]] and len(Columns(inputs)) == 6 and inputs.shape == (6, 3)


@pytest.mark.parametrize(("kind", "sampler"), [("dropout", "int"), ("jitter", "int"), ("dropout", "nint"), ("jitter", "nint")])
def test_a_network_that_is_in_evaluation_at_first_is_still_scored_so_while_it_trains(kind, sampler):
    def teacher_of():
        torch.manual_seed(0)
        model, (coords, values) = network(kind).eval(), data()
        found = Teacher(model, coords, values, sampler, total_steps=5, chunk_size=7)
        return model, found

    model, teacher = teacher_of()
    expected = teacher.next().indices.tolist()
    model, teacher = teacher_of()
    model.train()
    state = torch.get_rng_state()
    assert teacher.next().indices.tolist() == expected
    assert torch.equal(torch.get_rng_state(), state) and model.training


@pytest.mark.parametrize("sampler", ["evos", "egra", "expansive", "soft-mining"])
def test_an_image_of_other_values_than_0_to_1_is_seen_as_it_is(sampler):
    image = torch.rand(8, 9, generator=torch.Generator().manual_seed(0)).reshape(-1, 1)
    coords = torch.cartesian_prod(torch.linspace(-1, 1, 8), torch.linspace(-1, 1, 9))

    def first(values, **options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        teacher = Teacher(model, coords, values, sampler, total_steps=5, grid=(8, 9), **options)
        return teacher.probe.pool.value_range, teacher.next().indices.tolist()

    own, chosen = first(4 * image - 2)
    assert own == pytest.approx((float((4 * image - 2).min()), float((4 * image - 2).max())))
    assert first(4 * image - 2, value_range=own) == (own, chosen)
    assert first(image)[0] == (0.0, 1.0)
    assert first(4 * image - 2, value_range=(0.0, 1.0))[0] == (0.0, 1.0)


@pytest.mark.parametrize("factor", [65536.0, 0.25])
def test_scaled_and_repeated_losses_leave_the_slope_as_it_is(factor):
    image = torch.rand(72, 1, generator=torch.Generator().manual_seed(0))
    coords = torch.cartesian_prod(torch.linspace(-1, 1, 8), torch.linspace(-1, 1, 9))

    def chosen(times, factor):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        teacher = Teacher(model, coords, image, "soft-mining", total_steps=9, grid=(8, 9))
        found = []
        for _ in range(4):
            batch = teacher.next()
            for _ in range(times):  # as the closure of LBFGS
                model.zero_grad()
                (factor * batch.loss(prediction := model(batch.coords))).backward()
            teacher.observe(prediction)
            found.append(batch.indices.tolist())
        return found

    assert chosen(1, factor) == chosen(3, factor) == chosen(3, 1.0) == chosen(1, 1.0)


@pytest.mark.parametrize("values", [torch.float64, torch.float16, torch.uint8])
def test_huber_takes_values_of_another_type_than_the_prediction(values):
    model, (coords, aims) = network("jitter"), data()
    aims = (aims * 100).to(values) if values == torch.uint8 else aims.to(values)
    teacher = Teacher(model, coords, aims, "uniform", total_steps=2, loss="huber")
    batch = teacher.next()
    batch.loss(model(batch.coords)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
