import dataclasses

import pytest
import torch
from oracles.dense_ntk import ntk
from oracles.naive_samplers import NaiveNintReference
from torch import nn

from nint.probe.cost import Cost
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.nint_reference import NintReference
from nint.samplers.schedules import batch_share
from nint.signals.base import Pool


class CheapProbe:
    """Stands in for a network of n points: fixed residuals, and a kernel that ranks the points by falling index."""

    def __init__(self, n, epoch=0):
        self.n, self.epoch = n, epoch
        self.device = torch.device("cpu")
        self.cost = Cost()
        self.error = torch.arange(n, dtype=torch.float32)[:, None]  # the last points are the worst fitted

    def __len__(self):
        return self.n

    def residual(self):
        return self.error

    def vjp(self, cotangent):
        assert cotangent is self.error  # the raw residual
        return {}

    def jvp(self, tangent):
        self.cost.jvp += self.n
        return torch.arange(self.n, 0, -1, dtype=torch.float32)[:, None]


def scan(sampler, n, count, epoch_at=lambda step: 0):
    """(whether K g was computed, n_ntk, n_error, n_random) of each step, told apart by the parts' known order."""
    probe, rng = CheapProbe(n), torch.Generator().manual_seed(0)
    state = sampler.init(probe, 5000, rng)
    found = []
    for step in range(count):
        probe.epoch = epoch_at(step)
        before = probe.cost.jvp
        selection, state = sampler.select(state, step, probe, rng)
        rows = selection.indices
        assert len(rows) == int(0.2 * n) and len(torch.unique(rows)) == len(rows)
        n_ntk = leading(rows, torch.arange(len(rows)))
        n_error = leading(rows[n_ntk:], torch.arange(n - 1, n - 1 - len(rows) + n_ntk, -1))
        found.append((probe.cost.jvp > before, n_ntk, n_error, len(rows) - n_ntk - n_error))
    return found


def leading(rows, expected):
    different = torch.nonzero(rows != expected)[:, 0]
    return int(different[0]) if len(different) else len(rows)


def scorings(sampler, count, n=10_000):
    return [step for step, row in enumerate(scan(sampler, n, count)) if row[0]]


def test_published_counts_at_512():
    n = 512 * 512
    found = scan(NintReference(score="kernel"), n, 111)
    assert [step for step, row in enumerate(found) if row[0]] == [0, 9, 19, 29, 39, 49]
    counts = [row[1] for row in found]
    edges = [
        (0, 19, 5786),
        (19, 29, 2128),
        (29, 39, 783),
        (39, 49, 288),
        (49, 59, 105),
        (59, 69, 38),
        (69, 79, 14),
        (79, 89, 5),
        (89, 99, 1),
    ]
    for start, stop, expected in edges:
        assert counts[start:stop] == [expected] * (stop - start)
    assert counts[99:] == [0] * 12
    # int(B (1 - p - 0.7)) with B = 52428 and the published p, then the rest random
    for step, p in ((0, 0.1104), (9, 0.1104), (19, 0.0406), (29, 0.0149), (39, 0.0055), (49, 0.0020), (59, 0.00074), (99, 0)):
        assert found[step][2] == pytest.approx(52428 * (0.3 - p), abs=52428 * 6e-5)
        assert found[step][3] == 52428 - found[step][1] - found[step][2]
    assert found[110][2:] == (15728, 36700)  # 30 % of 52428 and the rest


def test_published_remainder_at_256():
    counts = [row[1] for row in scan(NintReference(score="kernel"), 256 * 256, 91)]
    assert counts[59:69] == [9] * 10 and counts[69:79] == [3] * 10 and counts[79:89] == [1] * 10 and counts[89:] == [0, 0]


@pytest.mark.parametrize(
    ("settings", "number", "last"),
    [
        ("nint-reference:score=kernel,refresh_interval=1", 5, 4),
        ("nint-reference:score=kernel", 6, 49),
        ("nint-reference:score=kernel,refresh_interval=20", 6, 99),
        ("nint-reference:score=kernel,refresh_interval=50", 6, 249),
        ("nint-reference:score=kernel,decay_rate=0.1", 51, 499),
        ("nint-reference:score=kernel,decay_rate=0.5", 11, 99),
        ("nint-reference:score=kernel,decay_rate=2", 3, 19),
    ],
)
def test_published_number_of_scorings(settings, number, last):
    found = scorings(SAMPLERS.parse(settings), last + 130)
    assert len(found) == number
    assert found[-1] == last


@pytest.mark.parametrize("settings", [(0.2, 0.7, 10, 1.0), (0.3, 0.5, 4, 0.7), (0.2, 0.0, 3, 1.0), (0.5, 0.25, 7, 2.0)])
def test_counts_of_the_naive_sampler(settings):
    share, xi, alpha, lam = settings
    naive = NaiveNintReference(share, xi, alpha, lam)
    sampler = NintReference(score="kernel", batch_share=share, random_share=xi, refresh_interval=alpha, decay_rate=lam)
    probe, rng = CheapProbe(3001), torch.Generator().manual_seed(0)
    state = sampler.init(probe, 5000, rng)
    for step in range(80):
        before = probe.cost.jvp
        selection, state = sampler.select(state, step, probe, rng)
        due, n_ntk, n_error, n_random = naive.counts(3001)
        rows = selection.indices
        assert len(rows) == n_ntk + n_error + n_random
        assert rows[:n_ntk].tolist() == list(range(n_ntk))
        assert rows[n_ntk : n_ntk + n_error].tolist() == list(range(3000, 3000 - n_error, -1))
        assert (probe.cost.jvp > before) == (due and n_ntk > 0)


@pytest.mark.parametrize("score", ["prediction", "kernel"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "step"])
@pytest.mark.parametrize("c", [1, 3])
def test_follows_the_naive_sampler_on_a_network(c, schedule, score):
    """L1 errors, either score, indices kept between refreshes and cut or filled, on an MLP in float64 that is being trained."""
    n, generator = 80, torch.Generator().manual_seed(0)
    field = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, c)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    coords = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    values = torch.randn(n, c, generator=generator, dtype=torch.float64)
    probe, rng = Probe(field, Pool(coords, values), L2(), 16), torch.Generator().manual_seed(1)
    settings = {"batch_share": 0.5, "random_share": 0.3, "refresh_interval": 4}
    sampler = NintReference(score=score, schedule=schedule, **settings)
    naive = NaiveNintReference(0.5, 0.3, 4, 1.0, score)
    optimizer = torch.optim.SGD(field.parameters(), lr=0.05)
    total = 40
    state, ntk_sizes, stale, short = sampler.init(probe, total, rng), set(), 0, 0
    for step in range(26):
        probe.clear_cache()
        before = probe.cost.jvp
        selection, state = sampler.select(state, step, probe, rng)
        naive.batch_share = batch_share(schedule, 0.5, step, total)
        parts = naive.step(probe.prediction().tolist(), values.tolist(), lambda: ntk(field, coords).tolist())
        scored = parts.ntk + parts.error
        rows = selection.indices.tolist()
        assert rows[: len(scored)] == scored
        assert len(rows) == len(set(rows)) == int(naive.batch_share * n) == len(scored) + parts.n_random
        assert (probe.cost.jvp > before) == (score == "kernel" and parts.scored and len(parts.ntk) > 0)
        short += parts.short
        ntk_sizes.add(len(parts.ntk))
        stale += bool(parts.ntk) and not parts.scored
        optimizer.zero_grad()
        (field(coords[rows]) - values[rows]).square().mean().backward()
        optimizer.step()
    assert len(ntk_sizes) >= 4 and stale > 5
    assert (schedule != "constant" or 0 in ntk_sizes) and (short > 0) == (schedule == "step")


@pytest.mark.parametrize("c", [1, 3])
def test_the_first_batch_as_released_is_the_top_of_the_squared_prediction(c):
    generator = torch.Generator().manual_seed(4)
    field = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, c)).double()
    coords, values = (
        torch.rand(90, 2, generator=generator, dtype=torch.float64),
        torch.rand(90, c, generator=generator, dtype=torch.float64),
    )
    probe = Probe(field, Pool(coords, values), L2(), 16)
    sampler = SAMPLERS.parse("nint-reference:batch_share=0.9")
    selection, _ = sampler.select(sampler.init(probe, 100, generator), 0, probe, generator)
    squared = [sum(value * value for value in row) for row in field(coords).tolist()]
    assert selection.indices[:8].tolist() == sorted(range(90), key=lambda i: -squared[i])[:8]  # int(81 * .1104)
    assert (probe.cost.forward, probe.cost.backward, probe.cost.jvp) == (90, 0, 0)


def test_forward_mode_is_asked_of_a_network_only_where_the_kernel_is_the_score():
    assert NintReference().requires() == {"prediction"} and NintReference(score="kernel").requires() == {"prediction", "kernel"}


@pytest.mark.parametrize("score", ["prediction", "kernel"])
def test_cost_of_a_step(score):
    field, coords, values = nn.Linear(2, 1), torch.rand(50, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(50, 1)
    probe, rng = Probe(field, Pool(coords, values), L2(), 16), torch.Generator().manual_seed(1)
    sampler, last = NintReference(score=score, batch_share=0.8), (0, 0, 0)
    state = sampler.init(probe, 100, rng)
    for step in range(12):
        probe.clear_cache()
        _, state = sampler.select(state, step, probe, rng)
        now = dataclasses.astuple(probe.cost)
        assert tuple(b - a for a, b in zip(last, now, strict=True)) == (
            (100, 50, 50) if step in (0, 9) and score == "kernel" else (50, 0, 0)
        )
        last = now


def test_a_stale_ranking_is_never_used_on_redrawn_points():
    """Redrawn at 5, 25, 64 and 70: rescored at once while scoring goes on, no NTK part at all once it has stopped (t = 59)."""
    found = scan(NintReference(score="kernel"), 256 * 256, 80, lambda step: sum(step >= change for change in (5, 25, 64, 70)))
    assert [step for step, row in enumerate(found) if row[0]] == [0, 5, 9, 19, 25, 29, 39, 49]
    counts = [row[1] for row in found]
    assert counts[5] == counts[0] == 1446 and counts[25] == counts[24] == 532
    assert counts[59:64] == [9] * 5 and counts[64:] == [0] * 16


def test_only_scoring_steps_count():
    """With every-2, u = 10 comes at t = 18: the staircase counts scoring steps, and the steps between keep the whole batch."""
    assert scorings(NintReference(score="kernel", interval="every-2"), 130) == [0, 18, 38, 58, 78, 98]
    probe, rng = CheapProbe(1000), torch.Generator().manual_seed(0)
    sampler = NintReference(score="kernel", interval="every-2")
    state, batches = sampler.init(probe, 5000, rng), []
    for step in range(6):
        selection, state = sampler.select(state, step, probe, rng)
        batches.append(selection.indices.tolist())
    assert batches[0] == batches[1] != batches[2] == batches[3] != batches[4] == batches[5]
    assert batches[0][:22] == list(range(22))  # int(200 * 0.1104)
