"""Soft Mining over whole runs: where the walkers go, what is thrown out, what it needs and what it leaves alone."""

import random

import numpy as np
import pytest
import torch
from oracles.pictures import picture, rows_of, small_siren, teacher_on, train, whole_loss
from torch import nn

from nint.errors import UsageError
from nint.probe.cost import Cost
from nint.probe.objectives import L1, L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.soft_mining import SoftMining, SoftMiningState
from nint.samplers.tree import flatten, unflatten
from nint.signals.base import GridCoords, Pool
from nint.teacher import Teacher
from nint.training.gradient import accumulate_gradient


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(image, field=None, epoch=0, loss=None):
    rows, columns, channels = image.shape
    pool = Pool(GridCoords((rows, columns)), rows_of(image), (rows, columns), epoch=epoch)
    return Probe(field or nn.Linear(2, channels), pool, loss or L2())


class Hill(nn.Module):
    """High near (row, column) = (0.4, -0.5) in coordinates from -1 to 1, else almost nothing."""

    def __init__(self):
        super().__init__()
        self.height = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return 1e-3 + self.height * torch.exp(-((x[:, :1] - 0.4) ** 2 + (x[:, 1:] + 0.5) ** 2) / 0.18)


def distance_to_the_top(grid, steps, **settings):
    """Distance of the walkers, last tenth left out, to the top of the hill after some steps without training, in coordinates."""
    rows, columns = grid
    probe = probe_on(np.zeros((rows, columns, 1), np.uint8), Hill())
    sampler, generator = SoftMining(**settings), rng()
    state = sampler.init(probe, 1000, generator)
    for step in range(steps):
        selection, state = sampler.select(state, step, probe, generator)
        assert ((state.walkers >= 0) & (state.walkers <= 1)).all()
        assert selection.indices.min() >= 0 and selection.indices.max() < rows * columns
        feedback = accumulate_gradient(probe._field, probe.coords, probe.values, selection, L2(), 512, Cost(), want_coord_gradient=True)
        state = sampler.observe(state, step, selection, feedback)
    places = probe.coords[selection.indices[: -len(selection.indices) // 10]]
    return (places - torch.tensor([0.4, -0.5])).norm(dim=1)


@pytest.mark.parametrize("grid", [(40, 60), (60, 40)])
def test_walkers_follow_high_loss(grid):
    following, resting = distance_to_the_top(grid, 60), distance_to_the_top(grid, 60, step_size=0.0, redraw_share=0.0)
    assert following.quantile(0.75) < 0.6
    assert following.median() < 0.6 * resting.median()


def thrown_out(settings, steps, last):
    """Share of the walkers that a step redraws, uniform ones left out, as a mean over the last steps of a training run."""
    sampler = SAMPLERS.parse(settings)
    teacher = teacher_on(picture(32, 48), sampler, total_steps=steps)
    before, shares = None, []
    for step, _, state in train(teacher, steps, lr=2e-3):
        assert ((state.walkers >= 0) & (state.walkers <= 1)).all()
        if step >= steps - last:
            count = len(state.walkers) - int(0.1 * len(state.walkers))
            drift = 20 * before.slopes
            if sampler.longest_step is not None:
                drift = drift * (sampler.longest_step / drift.norm(dim=1, keepdim=True)).clamp(max=1)
            off = (state.walkers - before.walkers - drift).abs().amax(1)[:count]
            shares.append((~(off < 6 * 0.02)).float().mean().item())  # further than noise goes
        before = state
    return np.mean(shares), whole_loss(teacher)


def test_walkers_are_not_thrown_out_wholesale_late_in_training():
    share, loss = thrown_out("soft-mining", 300, 50)
    assert 0.05 < share < 0.2
    assert loss < 6e-3  # it is late
    unlimited, _ = thrown_out("soft-mining:longest_step=none", 300, 50)
    assert unlimited > 0.5  # why there is a limit


@pytest.mark.parametrize("channels", [1, 3])
def test_training_lowers_the_loss(channels):
    teacher = teacher_on(picture(24, 36, channels), "soft-mining")
    before = whole_loss(teacher)
    for _ in train(teacher, 20):
        pass
    assert whole_loss(teacher) < 0.5 * before
    assert teacher.cost.forward == 0


@pytest.mark.parametrize("chunk", [7, 1000])
def test_our_loop_and_a_foreign_one_report_the_same(chunk):
    image = picture(12, 20)
    teacher = teacher_on(image, "soft-mining")
    _, batch, state = next(iter(train(teacher, 1)))
    other = teacher_on(image, "soft-mining")
    selection = other.select()
    assert torch.equal(selection.indices, batch.indices)
    other.report(
        accumulate_gradient(
            small_siren(3), other.probe.coords, other.probe.values, selection, L2(), chunk, Cost(), want_coord_gradient=True
        )
    )
    torch.testing.assert_close(other.state.losses, state.losses)
    torch.testing.assert_close(other.state.slopes, state.slopes, rtol=1e-4, atol=1e-6)


def test_same_seed_same_points_and_the_global_generators_stay_put():
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    runs = [[b.indices.tolist() for _, b, _ in train(teacher_on(picture(12, 20), "soft-mining", seed=s), 4)] for s in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_a_redrawn_pool_starts_afresh():
    teacher = teacher_on(picture(20, 32), "soft-mining")
    for _ in train(teacher, 2):
        pass
    before = teacher.state
    other = picture(30, 18, seed=1)
    teacher.replace_pool(GridCoords((30, 18), low=0.0)[:], rows_of(other), grid=(30, 18))
    batch = teacher.next()
    after, fresh = teacher.state, SoftMining().init(probe_on(other), 100, rng())
    assert batch.indices.shape == (108,)
    assert torch.equal(after.edges, fresh.edges)
    assert after.epoch == before.epoch + 1
    torch.testing.assert_close(after.axes, torch.eye(2))
    torch.testing.assert_close(before.axes, 2 * torch.eye(2))
    assert after.losses is None


def test_state_survives_a_checkpoint():
    teacher = teacher_on(picture(20, 32), "soft-mining")
    for _ in train(teacher, 2):
        pass
    state, tensors = teacher.state, {}
    back = unflatten(flatten(state, "s", tensors), tensors, SoftMiningState)
    for name in ("walkers", "edges", "axes", "losses", "slopes"):
        assert torch.equal(getattr(back, name), getattr(state, name))
    assert back.epoch == 0


@pytest.mark.parametrize("schedule", ["linear", "step", "cosine"])
def test_a_growing_share_is_refused(schedule):
    with pytest.raises(UsageError, match="use constant"):
        SAMPLERS.parse(f"soft-mining:schedule={schedule}")


def test_another_loss_is_pointed_out():
    image = picture(6, 8)
    assert SoftMining().note(probe_on(image)) == ""
    assert "squared error" in SoftMining().note(probe_on(image, loss=L1()))


@pytest.mark.parametrize("grid", [None, (60,), (3, 4, 5)])
def test_signals_without_an_image_grid_are_refused(grid):
    with pytest.raises(UsageError, match="soft-mining needs an image"):
        Teacher(nn.Linear(3, 1), torch.rand(60, 3, generator=rng()), torch.zeros(60, 1), "soft-mining", total_steps=5, grid=grid)
