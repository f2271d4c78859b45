import dataclasses
import math

import pytest
import torch
from oracles.dense_ntk import ntk
from oracles.naive_samplers import NaiveNint
from torch import nn

from nint.errors import UsageError
from nint.probe.objectives import L1, L2, Huber
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.int import Int
from nint.samplers.nint import Nint
from nint.samplers.schedules import scores_at
from nint.scores.residual import gradient_norm
from nint.signals.base import Pool

N = 90


def small_problem(c=2, n=N, seed=0):
    """A float64 MLP and targets, so that rankings agree with the oracle to the last point."""
    generator = torch.Generator().manual_seed(seed)
    field = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, c)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    coords = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 2 - 1
    return field, Pool(coords, torch.randn(n, c, generator=generator, dtype=torch.float64))


def steps(sampler, field, pool, count, total_steps=100, loss=None, redraw=None, lr=0.02):
    """Trains for a while; gives (step, probe, selection, points pushed through forward mode) of each step, before its update."""
    probe = Probe(field, pool, loss or L2(), 32)
    rng = torch.Generator().manual_seed(5)
    optimizer = torch.optim.SGD(field.parameters(), lr=lr)
    state = sampler.init(probe, total_steps, rng)
    for step in range(count):
        if redraw:
            probe.pool = redraw(pool, step)
        probe.clear_cache()
        before = probe.cost.jvp
        selection, state = sampler.select(state, step, probe, rng)
        yield step, probe, selection, probe.cost.jvp - before
        rows = selection.indices
        optimizer.zero_grad()
        probe.loss(field(probe.coords[rows]), probe.values[rows], rows).backward()
        optimizer.step()


def refreshes(sampler, count, **options):
    field, pool = small_problem(c=1)
    return [step for step, _, _, jvps in steps(sampler, field, pool, count, **options) if jvps]


def assert_distinct(rows, count, n):
    assert len(rows) == len(set(rows.tolist())) == count
    assert rows.min() >= 0 and rows.max() < n


@pytest.mark.parametrize(
    ("settings", "alpha", "xi", "lam", "share"),
    [
        ("nint", 10, 0.7, 1.0, 0.2),
        ("nint:batch_share=0.5,random_share=0.35,refresh_interval=4,decay_rate=0.3", 4, 0.35, 0.3, 0.5),
        ("nint:batch_share=0.3,random_share=0,refresh_interval=3", 3, 0, 1.0, 0.3),
        ("nint:batch_share=0.4,random_share=0.25,decay_rate=0,refresh_interval=5", 5, 0.25, 0, 0.4),
    ],
)
@pytest.mark.parametrize("c", [1, 2])
def test_follows_the_naive_sampler(settings, alpha, xi, lam, share, c):
    field, pool = small_problem(c)
    naive = NaiveNint(share, xi, alpha, lam)
    seen = set()
    for step, probe, selection, jvps in steps(SAMPLERS.parse(settings), field, pool, 24):
        parts = naive.step(step, probe.prediction().tolist(), pool.values.tolist(), lambda: ntk(field, pool.coords).tolist())
        scored = parts.ntk + parts.error
        rows = selection.indices.tolist()
        assert rows[: len(scored)] == scored
        assert_distinct(selection.indices, len(scored) + parts.n_random, N)
        assert len(rows) == int(share * N)
        assert bool(jvps) == parts.scored
        assert selection.objective is None
        seen.add((bool(parts.ntk), bool(parts.error), bool(parts.n_random), parts.scored))
    assert len(seen) > 1  # steps with and without a refresh


def test_pure_form_is_the_top_of_the_kernel_product_at_every_step():
    """Algorithm 1: no random part, no decay, rescored each step."""
    field, pool = small_problem(c=3)
    sampler = Nint(random_share=0, decay_rate=0, refresh_interval=1)
    for _, probe, selection, jvps in steps(sampler, field, pool, 8):
        gradient = 2 / 3 * (probe.prediction() - pool.values)
        moved = torch.einsum("icjd,jd->ic", ntk(field, pool.coords), gradient).norm(dim=1)
        assert selection.indices.tolist() == sorted(range(N), key=lambda i: -moved[i].item())[:18]
        assert jvps == N


def test_shares_of_the_paper():
    """(1 - xi) exp(-lambda t / alpha), continuous: figures by hand for xi = 0.7, lambda = 1, alpha = 10."""
    sampler = Nint()
    assert sampler.ntk_share(0) == pytest.approx(0.3)
    assert sampler.ntk_share(7) == pytest.approx(0.3 * 0.49658530)
    assert sampler.ntk_share(10) == pytest.approx(0.3 * 0.36787944)
    assert sampler.ntk_share(50) == pytest.approx(0.3 * 0.00673795)
    assert Nint(random_share=0.2, decay_rate=0.5, refresh_interval=5).ntk_share(10) == pytest.approx(0.8 * math.exp(-1))
    assert Nint(decay_rate=0).ntk_share(10**6) == pytest.approx(0.3)


@pytest.mark.parametrize("step", [0, 3, 17, 40, 60, 200])
@pytest.mark.parametrize("n", [1, 2, 97, 5000])
def test_batches_hold_exactly_b_distinct_points(step, n):
    field, pool = small_problem(c=1, n=n)
    probe = Probe(field, pool, L2(), 2048)
    sampler, rng = Nint(), torch.Generator().manual_seed(0)
    selection, _ = sampler.select(sampler.init(probe, 5000, rng), step, probe, rng)
    assert_distinct(selection.indices, max(int(0.2 * n), 1), n)


def test_scoring_stops_once_its_part_is_empty():
    """B = 18: int(18 * 0.3 exp(-t / 10)) is 0 from t = 17 on, so that t = 0 and 10 are the only refreshes."""
    assert int(18 * 0.3 * math.exp(-1.6)) == 1 and int(18 * 0.3 * math.exp(-1.7)) == 0
    assert refreshes(Nint(), 45) == [0, 10]
    assert refreshes(Nint(decay_rate=0), 45) == [0, 10, 20, 30, 40]
    assert refreshes(Nint(decay_rate=0, refresh_interval=1), 6) == [0, 1, 2, 3, 4, 5]
    assert refreshes(Nint(random_share=1), 12) == []


def test_cost_of_a_step():
    """A refresh shares its forward with the errors: n forwards, n backwards, n forward-mode passes; other steps n forwards."""
    field, pool = small_problem()
    last = (0, 0, 0)
    for step, probe, _, _ in steps(Nint(), field, pool, 12):
        now = dataclasses.astuple(probe.cost)
        assert tuple(b - a for a, b in zip(last, now, strict=True)) == ((N, N, N) if step in (0, 10) else (N, 0, 0))
        last = now


def test_with_the_identity_for_a_kernel_it_is_int(monkeypatch):
    monkeypatch.setattr("nint.samplers.nint.ntk_gradient_norm", gradient_norm)
    field, pool = small_problem(c=1)
    probe, rng = Probe(field, pool, L2(), 32), torch.Generator().manual_seed(0)
    for nint in (Nint(random_share=0), Nint(random_share=0, decay_rate=0, refresh_interval=1)):
        ours, _ = nint.select(nint.init(probe, 100, rng), 0, probe, rng)
        theirs, _ = Int().select(Int().init(probe, 100, rng), 0, probe, rng)
        assert ours.indices.tolist() == theirs.indices.tolist()


def test_the_gradient_is_that_of_the_loss_in_use():
    field, pool = small_problem(c=2)
    _, probe, selection, _ = next(steps(Nint(random_share=0, decay_rate=0), field, pool, 1, loss=L1()))
    sign = torch.sign(probe.prediction() - pool.values) / 2
    moved = torch.einsum("icjd,jd->ic", ntk(field, pool.coords), sign).norm(dim=1)
    assert selection.indices.tolist() == sorted(range(N), key=lambda i: -moved[i].item())[:18]


def test_a_new_epoch_forces_rescoring():
    """Points redrawn at steps 4 and 13; refreshes are due at 0 and 10, and stop when their part is empty at 17."""

    def redraw(pool, step):
        epoch = sum(step >= change for change in (4, 13, 30))
        return dataclasses.replace(pool, coords=pool.coords.roll(7 * epoch, 0), values=pool.values.roll(7 * epoch, 0), epoch=epoch)

    assert refreshes(Nint(), 40, redraw=redraw) == [0, 4, 10, 13]
    field, pool = small_problem(c=1)
    naive = NaiveNint()
    for step, probe, selection, _ in steps(Nint(), field, pool, 16, redraw=redraw):
        parts = naive.step(
            step,
            probe.prediction().tolist(),
            probe.values.tolist(),
            lambda coords=probe.coords: ntk(field, coords).tolist(),
            pool=probe.epoch,
        )
        assert selection.indices.tolist()[: len(parts.ntk + parts.error)] == parts.ntk + parts.error


def test_a_smaller_pool_after_a_redraw():
    def redraw(pool, step):
        return dataclasses.replace(
            pool, coords=pool.coords[: N - 40 * (step > 2)], values=pool.values[: N - 40 * (step > 2)], epoch=step > 2
        )

    field, pool = small_problem()
    for step, _, selection, _ in steps(Nint(interval="every-2"), field, pool, 6, redraw=redraw):
        n = 50 if step > 2 else N
        assert_distinct(selection.indices, int(0.2 * n), n)


def batches(sampler, count, **options):
    field, pool = small_problem(c=1)
    return [selection.indices.tolist() for _, _, selection, _ in steps(sampler, field, pool, count, **options)]


def test_keep_goes_back_to_the_whole_batch():
    found = batches(Nint(interval="every-3"), 9)
    for step in range(9):
        assert (found[step] == found[3 * (step // 3)]) and (step % 3 or step == 0 or found[step] != found[step - 1])


def test_redraw_keeps_the_scored_part_and_draws_the_rest_anew():
    """B = 18, of which int(0.7 * 18) = 12 are random."""
    found = batches(Nint(interval="every-3", between="redraw"), 9)
    for step in range(9):
        scoring = found[3 * (step // 3)]
        assert found[step][:6] == scoring[:6]
        assert len(set(found[step])) == 18
        if step % 3:
            assert set(found[step][6:]) != set(scoring[6:])


def test_dense_draws_the_random_part_anew_at_every_step():
    found = batches(Nint(), 5)
    assert len({tuple(sorted(rows[6:])) for rows in found}) == 5


@pytest.mark.parametrize("interval", ["every-4", "incremental", "decremental"])
def test_only_scoring_steps_look_at_the_network(interval):
    field, pool = small_problem(c=1)
    scored, total = [], 0
    for step, probe, _, _ in steps(Nint(interval=interval), field, pool, 60, total_steps=60):
        if probe.cost.forward > total:
            scored.append(step)
        total = probe.cost.forward
    assert scored == [step for step in range(60) if scores_at(interval, step, 60)]
    assert 0 < len(scored) < 60


def test_an_interval_that_skips_multiples_of_alpha_does_not_put_refreshes_off():
    """Scored at 0, 4, 8, ...; K g is due at multiples of 10, so it is renewed at the first scoring step from each of them on."""
    assert refreshes(Nint(interval="every-4", decay_rate=0), 45) == [0, 12, 20, 32, 40]
    assert refreshes(Nint(interval="every-25", decay_rate=0), 80) == [0, 25, 50, 75]


def test_a_new_epoch_scores_whatever_the_interval():
    def redraw(pool, step):
        return dataclasses.replace(pool, epoch=int(step >= 5))

    assert refreshes(Nint(interval="every-100"), 20, redraw=redraw) == [0, 5]


def test_batch_grows_with_its_schedule():
    field, pool = small_problem(c=1)
    for step, _, selection, _ in steps(Nint(schedule="linear"), field, pool, 10, total_steps=10):
        assert_distinct(selection.indices, int((0.2 + 0.08 * step) * N), N)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nint:random_share=1.5", "random_share"),
        ("nint:random_share=-0.1", "random_share"),
        ("nint:refresh_interval=0", "refresh_interval"),
        ("nint:refresh_interval=2.5", "whole number"),
        ("nint:decay_rate=-1", "decay_rate"),
        ("nint:decay_rate=nan", "finite"),
        ("nint:batch_share=0", "batch_share"),
        ("nint:batch_share=1.5", "batch_share"),
        ("nint:interval=sometimes", "every-5"),
        ("nint:interval=every-0", "every-5"),
        ("nint:between=drop", "keep"),
        ("nint:schedule=steps", "step"),
        ("nint:random=0.5", "random_share"),
    ],
)
def test_bad_settings(text, words):
    with pytest.raises(UsageError, match=words) as error:
        SAMPLERS.parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("loss", [L1(), Huber(0.01), L2()], ids=["l1", "huber", "l2"])
def test_the_error_part_has_the_worst_points_whatever_the_loss(loss):
    field, pool = small_problem(c=1)
    pool = dataclasses.replace(pool, values=pool.values + 5)  # beyond the Huber delta everywhere
    for step, probe, selection, _ in steps(Nint(decay_rate=1e6, random_share=0.0), field, pool, 4, loss=loss):
        if step:
            worst = torch.topk(probe.residual().abs().sum(1), len(selection.indices)).indices
            assert set(selection.indices.tolist()) == set(worst.tolist())
