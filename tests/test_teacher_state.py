"""A teacher that is saved and loaded goes on as if nothing had been."""

import copy
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from nint import SAMPLERS, Teacher
from nint.errors import UsageError

EVERYWHERE = [
    "nint", "nint:random_share=0.2,interval=every-3", "nint-fast", "nint-reference", "nint-reference:score=kernel", "int:interval=every-4",
    "uniform", "full", "evos", "nint:candidates=40", "nint-ablation:score=variance,draw=density",
]  # fmt: skip
IMAGES = ["evos:schedule=step", "expansive", "egra", "soft-mining"]
GRID = (8, 9)


def model(seed=0):
    generator = torch.Generator().manual_seed(seed)
    field = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 2))
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / 2)
    return field


def points():
    rows, columns = torch.linspace(-1, 1, GRID[0]), torch.linspace(-1, 1, GRID[1])
    coords = torch.cartesian_prod(rows, columns)
    return coords, torch.stack([torch.sin(5 * coords[:, 0]), torch.cos(4 * coords[:, 1])], 1) / 2 + 0.5


def made(field, sampler, total_steps=40):
    return Teacher(field, *points(), sampler, total_steps=total_steps, seed=3, grid=GRID)


def trained(field, teacher, optimizer, steps):
    chosen = []
    for _ in range(steps):
        batch = teacher.next()
        prediction = field(batch.coords)
        optimizer.zero_grad()
        batch.loss(prediction).backward()
        optimizer.step()
        teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    return chosen


def through_torch(state, path):
    torch.save(state, path / "teacher.pt")
    return torch.load(path / "teacher.pt", weights_only=True)


def through_safetensors(state, path):
    texts = {name: value for name, value in state.items() if isinstance(value, str)}
    save_file({name: value for name, value in state.items() if name not in texts}, path / "teacher.safetensors", metadata=texts)
    with safe_open(path / "teacher.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()} | file.metadata()  # noqa: SIM118


@pytest.mark.parametrize("sampler", [*EVERYWHERE, *IMAGES])
@pytest.mark.parametrize("kept", [through_torch, through_safetensors])
def test_the_same_points_are_chosen_after_a_round_trip(tmp_path, sampler, kept):
    field = model()
    optimizer, teacher = torch.optim.SGD(field.parameters(), lr=0.1), made(field, sampler)
    trained(field, teacher, optimizer, 13)
    state, weights = kept(teacher.state_dict(), tmp_path), copy.deepcopy(field.state_dict())
    expected = trained(field, teacher, optimizer, 12)
    again = model(1)
    fresh = made(again, sampler)
    again.load_state_dict(weights)
    fresh.load_state_dict(state)
    assert fresh.step == 13
    assert trained(again, fresh, torch.optim.SGD(again.parameters(), lr=0.1), 12) == expected
    assert vars(fresh.cost) == vars(teacher.cost)


def test_every_sampler_makes_a_round_trip_here():
    assert {SAMPLERS.name_of(SAMPLERS.parse(form)) for form in [*EVERYWHERE, *IMAGES]} == set(SAMPLERS.names(plugins=False))


@pytest.mark.parametrize("sampler", [*EVERYWHERE, *IMAGES])
def test_a_state_within_a_step_chooses_its_batch_again(tmp_path, sampler):
    field = model()
    optimizer, teacher = torch.optim.SGD(field.parameters(), lr=0.1), made(field, sampler)
    trained(field, teacher, optimizer, 6)
    batch = teacher.next()
    assert teacher.pending is batch
    state = through_torch({"of the run": teacher.state_dict(before_batch=True)}, tmp_path)["of the run"]
    fresh = made(field, sampler)
    fresh.load_state_dict(state)
    assert fresh.step == 6 and fresh.pending is None
    assert torch.equal(fresh.next().indices, batch.indices) and vars(fresh.cost) == vars(teacher.cost)


def test_it_is_plain():
    field = model()
    teacher = made(field, "nint")
    trained(field, teacher, torch.optim.SGD(field.parameters(), lr=0.1), 3)
    state = teacher.state_dict()
    assert all(isinstance(value, (str, torch.Tensor)) for value in state.values()) and {"teacher", "rng"} < set(state)
    before = {name: value.clone() for name, value in state.items() if isinstance(value, torch.Tensor)}
    trained(field, teacher, torch.optim.SGD(field.parameters(), lr=0.1), 9)
    assert all(torch.equal(state[name], value) for name, value in before.items())  # a copy


def test_replaced_points():
    field = model()
    optimizer, teacher = torch.optim.SGD(field.parameters(), lr=0.1), made(field, "nint")
    trained(field, teacher, optimizer, 4)
    coords, values = points()
    teacher.replace_pool(coords.flip(0), values.flip(0), GRID)
    trained(field, teacher, optimizer, 4)
    state, weights = teacher.state_dict(), copy.deepcopy(field.state_dict())
    expected = trained(field, teacher, optimizer, 8)
    field.load_state_dict(weights)
    fresh = made(field, "nint")
    fresh.replace_pool(coords.flip(0), values.flip(0), GRID)
    fresh.load_state_dict(state)
    assert trained(field, fresh, torch.optim.SGD(field.parameters(), lr=0.1), 8) == expected


@pytest.mark.parametrize(
    ("sampler", "steps", "said"),
    [
        ("uniform", 40, r"^This state is of another teacher: sampler was nint, now uniform\.$"),
        ("nint:random_share=0.5", 40, r"sampler was nint, now nint:random_share=0\.5\.$"),
        ("nint:candidates=20", 40, r"sampler was nint, now nint:candidates=20\.$"),
        ("nint", 50, r"teacher: total_steps was 40, now 50\.$"),
    ],
)
def test_the_state_of_another_teacher_is_refused(sampler, steps, said):
    state = made(model(), "nint").state_dict()
    with pytest.raises(UsageError, match=said):
        made(model(), sampler, steps).load_state_dict(state)


def test_the_state_of_an_earlier_version_tells_no_text_form():
    state = made(model(), "nint").state_dict()
    text = json.loads(state["teacher"])
    del text["named"]
    older = state | {"teacher": json.dumps(text)}
    made(model(), "nint").load_state_dict(older)
    with pytest.raises(UsageError, match=r"sampler was Nint\(.*now Uniform\("):
        made(model(), "uniform").load_state_dict(older)


@pytest.mark.parametrize("state", [{}, {"teacher": "no json"}, {"teacher": "{}"}, {"teacher": 3, "rng": torch.zeros(1)}])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(UsageError, match="This is not the state of a teacher"):
        made(model(), "nint").load_state_dict(state)


def test_not_between_a_batch_and_its_report():
    field = model()
    teacher = made(field, "uniform")
    state = teacher.state_dict()
    batch = teacher.next()
    for ask in (teacher.state_dict, lambda: teacher.load_state_dict(state)):
        with pytest.raises(UsageError, match="between steps, not between a batch and its observe"):
            ask()
    teacher.observe(field(batch.coords))
    teacher.load_state_dict(state)
    assert teacher.step == 0


@pytest.mark.parametrize("sampler", ["nint-fast", "int:interval=every-5", "nint", "evos", "uniform"])
@pytest.mark.parametrize("count", [60, 84])
def test_the_state_of_other_points_is_refused(sampler, count):
    coords, values = points()
    state = made(model(), sampler).state_dict()
    other = Teacher(model(), coords.repeat(2, 1)[:count], values.repeat(2, 1)[:count], sampler, total_steps=40, seed=3)
    with pytest.raises(UsageError, match=f"points was 72, now {count}"):
        other.load_state_dict(state)


def test_a_generator_of_another_device_is_refused_and_nothing_is_taken():
    state = made(model(), "uniform").state_dict()
    teacher = made(model(), "uniform")
    for _ in range(2):
        batch = teacher.next()
        teacher.observe(batch.values)
    before = teacher.state_dict()["rng"]
    with pytest.raises(UsageError, match="it was saved on another device"):
        teacher.load_state_dict({**state, "rng": state["rng"][:16]})
    assert teacher.step == 2 and torch.equal(teacher.state_dict()["rng"], before)
