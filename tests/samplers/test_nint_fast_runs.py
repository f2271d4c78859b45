"""NINT without forwards in whole runs: checkpoints, loops of other people, settings."""

import pytest
import torch
from oracles.pictures import picture, rows_of, small_siren
from torch import nn

import nint
from nint.errors import UsageError
from nint.files import load_tensors, save_tensors
from nint.probe.cost import Cost
from nint.probe.objectives import L1, L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers import cells as cells_module
from nint.samplers.base import Feedback
from nint.samplers.nint_fast import NintFast, NintFastState
from nint.samplers.tree import flatten, unflatten
from nint.signals.base import GridCoords, Pool
from nint.teacher import Teacher


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(coords, epoch=0, loss=None):
    values = torch.zeros(len(coords), 1, dtype=coords[:1].dtype)
    return Probe(nn.Linear(coords.shape[1], 1), Pool(coords, values, epoch=epoch), loss or L2())


def told(sampler, state, step, selection, losses):
    """The state after a step whose points have these losses, `[n]` of the whole pool."""
    loss = losses[selection.indices]
    return sampler.observe(state, step, selection, Feedback(loss[:, None], loss))


def advanced(sampler, probe, steps=5, generator=None):
    """A state that has seen a few steps with the error rising along the first axis."""
    generator = generator or rng()
    state = sampler.init(probe, 100, generator)
    for step in range(steps):
        selection, state = sampler.select(state, step, probe, generator)
        state = told(sampler, state, step, selection, (probe.coords[:][:, 0] + 1.1).float())
    return state


# ---------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("sort", [True, False])
def test_state_survives_a_checkpoint(monkeypatch, sort):
    monkeypatch.setattr(cells_module, "MOST_SORTED", 10**6 if sort else 20)
    sampler, generator, probe = NintFast(points_per_cell=10), rng(), probe_on(GridCoords((16, 20)))
    state, tensors = advanced(sampler, probe, generator=generator), {}
    back = unflatten(flatten(state, "s", tensors), tensors, NintFastState, sampler.init(probe, 100, rng(7)))
    assert back.boxes == state.boxes if not sort else back.boxes.bins == state.boxes.bins
    after = generator.get_state()
    (first, one), (second, two) = (sampler.select(s, 5, probe, generator.set_state(after)) for s in (state, back))
    assert torch.equal(first.indices, second.indices)
    one, two = (told(sampler, s, 5, first, torch.rand(320, generator=rng(3))) for s in (one, two))
    torch.testing.assert_close(one.error, two.error, rtol=0, atol=0, equal_nan=True)


def assert_resumed_exactly(source, out, **settings):
    """20 steps and then 20 more are 40 in one go, bit by bit."""
    chosen = {"sampler": "nint-fast", "field": "siren:size=2x10", "total_steps": 40, "lr": 1e-3, "device": "cpu"} | settings
    nint.fit(source, budget=20, out=out, eval_every=40, **chosen)
    resumed = nint.fit(source, budget=40, out=out, resume=True, eval_every=40, **chosen)
    whole = nint.fit(source, budget=40, eval_every=40, **chosen)
    assert resumed.record["steps"] == whole.record["steps"] == 40
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("settings", [{}, {"sampler": "nint-fast:points_per_cell=5,schedule=cosine", "seed": 3}])
def test_an_image_is_resumed_exactly(tmp_path, settings):
    assert_resumed_exactly(picture(12, 18), tmp_path, **settings)


@pytest.mark.parametrize("redraw_every", [3, 8])
def test_a_shape_with_redrawn_points_is_resumed_exactly(tmp_path, redraw_every):
    pytest.importorskip("igl", reason="needs libigl")
    from nint.signals.samples.shapes import sphere
    from nint.signals.shape.signal import ShapeSignal

    signal = ShapeSignal(sphere(1.0, 2), "x", pool_size=400, redraw_every=redraw_every, iou_resolution=8)
    assert_resumed_exactly(signal, tmp_path, sampler="nint-fast:points_per_cell=10")


# ---------------------------------------------------------------- in someone else's loop


class Foreign(nn.Module):
    """Someone else's network."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 48), nn.Linear(48, 1)
        with torch.no_grad():
            for layer in (self.inner, self.outer):
                for parameter in layer.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=rng(1)) / layer.in_features**0.5)

    def forward(self, x):
        return self.outer(torch.sin(4 * self.inner(x)))


def loop(teacher, steps, rate=5e-3):
    """A plain loop with nothing of ours but the teacher; gives the points of each step."""
    optimizer, chosen = torch.optim.Adam(teacher.field.parameters(), lr=rate), []
    for _ in range(steps):
        batch = teacher.next()
        prediction = teacher.field(batch.coords)
        optimizer.zero_grad()
        batch.loss(prediction).backward()
        optimizer.step()
        teacher.observe(prediction)
        chosen.append(batch.indices)
    return chosen


LIVELY = "nint-fast:random_share=0.3,power=2,points_per_cell=15,ema_decay=0.8"


def waves(n=300):
    coords = torch.rand(n, 2, generator=rng(4)) * 2 - 1
    return coords, torch.sin(3 * coords[:, :1] + 2 * coords[:, 1:])


def test_a_foreign_loop_learns():
    coords, values = waves()
    teacher = Teacher(Foreign(), coords, values, "nint-fast", total_steps=80)
    before = (teacher.field(coords) - values).square().mean().item()
    assert all(len(rows.unique()) == len(rows) == 60 for rows in loop(teacher, 80))
    assert (teacher.field(coords) - values).square().mean().item() < 0.1 * before
    assert teacher.step == 80 and teacher.cost == Cost()


def test_a_loop_is_led_to_where_the_error_is():
    coords, _ = waves(1500)
    busy = coords[:, 0] > 0
    noise = torch.randn(1500, 1, generator=rng(5))  # which nobody learns so soon
    teacher = Teacher(Foreign(), coords, noise * busy[:, None], LIVELY, total_steps=120)
    chosen = torch.stack(loop(teacher, 120))
    assert busy[chosen[0]].float().mean() == pytest.approx(0.5, abs=0.04)
    error = (teacher.field(coords) - noise * busy[:, None]).detach().square()[:, 0]
    lead = (0.15 + 0.7 * error[busy].sum() / error.sum()).item()  # were the map that of this moment
    assert busy[chosen[60:]].float().mean() == pytest.approx(lead, abs=0.06)
    assert lead > 0.7


def test_same_seed_same_points_and_the_global_generator_stays_put():
    (coords, values), fields = waves(), [Foreign() for _ in range(3)]
    before = torch.get_rng_state()
    teachers = [Teacher(field, coords, values, "nint-fast", total_steps=9, seed=s) for field, s in zip(fields, (5, 5, 6), strict=True)]
    runs = [[rows.tolist() for rows in loop(teacher, 4)] for teacher in teachers]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(before, torch.get_rng_state())


def test_other_points_and_other_losses_in_a_foreign_loop():
    coords, values = waves()
    teacher = Teacher(Foreign(), coords, values, NintFast(batch_share=0.5), total_steps=20, loss=L1())
    loop(teacher, 3)
    teacher.replace_pool(coords[:100] * 2, values[:100])
    assert all(len(rows.unique()) == 50 and int(rows.max()) < 100 for rows in loop(teacher, 3))
    teacher.replace_pool(coords.repeat(2, 1), values.repeat(2, 1))
    assert all(len(rows.unique()) == 300 for rows in loop(teacher, 3))


def test_float64_in_a_foreign_loop():
    coords, values = waves()
    teacher = Teacher(Foreign().double(), coords.double(), values.double(), "nint-fast", total_steps=20)
    assert all(len(rows.unique()) == 60 for rows in loop(teacher, 5))


def test_an_image_through_the_plug_in():
    image = picture(12, 20)
    coords = GridCoords((12, 20))
    teacher = Teacher(small_siren(3), coords, rows_of(image), "nint-fast:batch_size=30", total_steps=20, grid=(12, 20))
    assert all(len(rows.unique()) == 30 for rows in loop(teacher, 4))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nint-fast:random_share=1.1", "random_share=1.1 is out of range"),
        ("nint-fast:random_share=-0.1", "random_share=-0.1 is out of range"),
        ("nint-fast:power=-1", "power=-1.0 is out of range"),
        ("nint-fast:power=inf", "power=inf is out of range"),
        ("nint-fast:points_per_cell=0", "points_per_cell=0 is out of range"),
        ("nint-fast:points_per_cell=2.5", "points_per_cell"),
        ("nint-fast:ema_decay=1", "ema_decay=1.0 is out of range"),
        ("nint-fast:ema_decay=-0.5", "ema_decay=-0.5 is out of range"),
        ("nint-fast:ema_decay=nan", "ema_decay=nan is out of range"),
        ("nint-fast:batch_share=0", "batch_share=0.0 is out of range"),
        ("nint-fast:batch_share=0.3,batch_size=40", "both set the batch"),
        ("nint-fast:schedule=stepwise", "stepwise is not known"),
        ("nint-fast:refresh_interval=5", "no setting 'refresh_interval'"),
        ("nint-fast:candidates=100", "nint-fast depends on earlier steps"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(text, part):
    with pytest.raises(UsageError, match=part) as caught:
        Teacher(nn.Linear(2, 1), torch.rand(200, 2, generator=rng()), torch.zeros(200, 1), text, total_steps=5)
    assert "\n" not in str(caught.value)


def test_text_form():
    sampler = SAMPLERS.parse("nint-fast:random_share=0.123,points_per_cell=77")
    assert sampler == NintFast(random_share=0.123, points_per_cell=77)
    assert SAMPLERS.text(sampler) == "nint-fast:random_share=0.123,points_per_cell=77"


def test_the_name_of_the_decay_in_version_0_1_0_is_still_read():
    expected = NintFast(ema_decay=0.5, power=1.0)
    assert SAMPLERS.parse("nint-fast:memory=0.5,power=1") == NintFast(memory=0.5, power=1.0) == expected
    assert SAMPLERS.canonical("nint-fast:power=1,memory=0.5") == SAMPLERS.text(expected) == "nint-fast:power=1,ema_decay=0.5"
    for both in (lambda: SAMPLERS.parse("nint-fast:memory=0.5,ema_decay=0.6"), lambda: NintFast(memory=0.5, ema_decay=0.6)):
        with pytest.raises(UsageError, match="ema_decay is given twice"):
            both()
    with pytest.raises(UsageError, match=r"ema_decay=2.0 is out of range"):
        SAMPLERS.parse("nint-fast:memory=2")


def test_a_checkpoint_with_the_old_name_is_resumed(tmp_path):
    chosen = {"field": "siren:size=1x8", "total_steps": 8, "device": "cpu"}
    nint.fit(picture(8, 9), budget=4, out=tmp_path, sampler="nint-fast:ema_decay=0.5", **chosen)
    tensors, header = load_tensors(tmp_path / "checkpoint.safetensors")
    assert "ema_decay=0.5" in header["settings"]["sampler"]
    header["settings"]["sampler"] = header["settings"]["sampler"].replace("ema_decay", "memory")
    header.pop("checksum")  # which earlier versions did not write
    save_tensors(tmp_path / "checkpoint.safetensors", tensors, header)
    resumed = nint.fit(picture(8, 9), budget=8, out=tmp_path, resume=True, sampler="nint-fast:ema_decay=0.5", **chosen)
    assert resumed.record["steps"] == 8


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_its_cost_is_known_before_the_run(schedule):
    sampler = NintFast(batch_share=0.1, schedule=schedule)
    assert sampler.expected_share(50, 100) == pytest.approx(0.1 if schedule == "constant" else 0.55)
    assert sampler.scoring_forwards(50, 100) == 0
    assert sampler.needs == frozenset() and sampler.note(probe_on(GridCoords((5, 5)))) == ""
