"""EVOS's evaluation steps, crossover, mutation and caches against slow oracles written from the specification."""

import dataclasses

import numpy as np
import pytest
import torch
from oracles.evos import drive, make_field, make_pool, oracle_crossover, oracle_evaluations, oracle_maps, rng
from scipy import stats
from torch import nn

from nint.errors import UsageError
from nint.probe.objectives import L1, L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.base import Feedback
from nint.samplers.evos import Evos, crossover
from nint.signals.base import Pool
from nint.teacher import Teacher

# ---------------------------------------------------------------- evaluation steps


@pytest.mark.parametrize(("total", "count"), [(250, 5), (1000, 14), (5000, 72)])
def test_evaluation_steps(total, count):
    ours = [step for step in range(total) if Evos().evaluates_at(step, total)]
    assert ours == oracle_evaluations(total)
    assert len(ours) == count
    assert ours[0] == 0


def test_expected_share_for_estimates():
    sampler = Evos(schedule="linear")
    assert [sampler.expected_share(step, 1000) for step in (0, 1, 500)] == pytest.approx([1.0, 0.2008, 0.6])
    assert sampler.scoring_forwards(0, 1000) == 0


def test_evaluation_steps_of_odd_settings():
    every = Evos(first_period=1, period_shrink=0)
    assert all(every.evaluates_at(step, 10) for step in range(10))
    steep = Evos(first_period=5, period_shrink=50)  # would reach zero and below
    assert all(isinstance(steep.evaluates_at(step, 20), bool) for step in range(60))
    assert steep.evaluates_at(19, 20)
    late = [step for step in range(1000, 1200) if Evos().evaluates_at(step, 1000)]  # past total_steps the period stays at 50
    assert late == [1000, 1050, 1100, 1150]


@pytest.mark.parametrize("total", range(1, 12))
def test_tiny_runs(total):
    probe = Probe(make_field(1), make_pool((2, 2), 1), L2())
    sizes = [len(selection.indices) for _, selection, _ in drive(Evos(), probe, total, total)]
    assert sizes[0] == 4
    assert min(sizes) >= 1


def test_evaluation_step_takes_all_points_in_order_and_other_steps_do_not():
    probe = Probe(make_field(1), make_pool((8, 8), 1), L2())
    sampler = Evos(first_period=6, period_shrink=3)
    evaluations = [s for s in range(40) if (s + 1) % int(6 - 3 * (s + 1) / 40) == 1]
    for step, selection, state in drive(sampler, probe, 40, 40):
        assert state.evaluating == (step in evaluations)
        if step in evaluations:
            assert torch.equal(selection.indices, torch.arange(64))
        else:
            assert len(selection.indices) == int(0.1 * 64) + int(0.1 * 64)


# ---------------------------------------------------------------- crossover


def test_crossover_on_hand_made_maps():
    # top 4 by E: 0 1 2 3; top 4 by L: 3 2 8 9; both: 2 3; two are missing
    error = torch.tensor([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0], dtype=torch.float64)  # mean 4.5
    detail = torch.tensor([0.0, 0, 30, 40, 0, 0, 0, 0, 20, 10], dtype=torch.float64)  # mean 10
    half = crossover(error, detail, 4, 0.45)  # equal means: one from each
    assert half.tolist() == [2, 3, 0, 8, 1, 4, 5, 6, 7, 9]
    assert crossover(error, detail, 4, 0.0).tolist()[:4] == [2, 3, 0, 1]  # all by E
    assert crossover(error, detail, 4, 0.46).tolist()[:4] == [2, 3, 8, 9]  # 0.49 of 2 is truncated to none
    assert crossover(error, detail, 0, 0.45).tolist() == list(range(10))


@pytest.mark.parametrize("seed", range(12))
def test_crossover_against_sets(seed):
    draw = np.random.default_rng(seed)
    n_points = int(draw.integers(3, 200))
    n = int(draw.integers(0, n_points + 1))
    error = draw.exponential(size=n_points)
    detail = np.exp(draw.normal(0, 2, n_points)) * 1e4 * (error if seed % 2 else 1)  # correlated maps and unrelated ones
    weight = 10.0 ** draw.uniform(-7, -3)
    both, from_error, from_detail = oracle_crossover(error, detail, n, weight)
    ranking = crossover(torch.from_numpy(error), torch.from_numpy(detail), n, weight).tolist()

    assert sorted(ranking) == list(range(n_points))
    a, b = len(both), len(both) + len(from_error)
    assert (set(ranking[:a]), set(ranking[a:b]), set(ranking[b:n])) == (both, from_error, from_detail)
    rest = [i for i in sorted(range(n_points), key=lambda i: -error[i]) if i not in set(ranking[:n])]
    assert ranking[n:] == rest


def test_crossover_of_a_perfect_prediction():
    zero = torch.zeros(6, dtype=torch.float64)
    assert sorted(crossover(zero, zero, 3, 1e-5).tolist()) == list(range(6))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("grid", [(9, 16), (16, 9)])
@pytest.mark.parametrize("text", ["evos:batch_share=0.4", "evos:cfs=false,batch_share=0.4"])
def test_elites_come_from_the_evaluation_forward(channels, grid, text):
    """The whole chain, from the network to the selected pixels, on images that are not square."""
    sampler = SAMPLERS.parse(text)
    probe = Probe(make_field(channels), make_pool(grid, channels), L2())
    before = probe.prediction().clone()
    n = int((0.4 - 0.5 * 0.4) * 144)
    error, detail = oracle_maps(before.numpy() * 2 - 1, probe.values.numpy() * 2 - 1, grid)
    expected = set.union(*oracle_crossover(error, detail, n, 1e-5))
    seen = 0
    for step, selection, _ in drive(sampler, probe, 5, 100, move=0.3):  # later parameters must not matter
        if step:
            assert set(selection.indices[:n].tolist()) == expected
            seen += 1
    assert seen == 4


# ---------------------------------------------------------------- elites and mutation


def test_batches_are_distinct_exact_with_fixed_elites_and_fresh_mutants():
    probe = Probe(make_field(3), make_pool((10, 15), 3), L2())
    n_elites, n_mutants = int((0.2 - 0.1) * 150), int(0.1 * 150)
    elites, mutants = [], []
    for step, selection, _ in drive(Evos(), probe, 30, 5000, move=0.05):
        if step == 0:
            continue
        rows = selection.indices.tolist()
        assert len(set(rows)) == len(rows) == n_elites + n_mutants
        elites.append(rows[:n_elites])
        mutants.append(frozenset(rows[n_elites:]))
    assert all(one == elites[0] for one in elites)
    assert len(set(mutants)) == len(mutants)  # 29 draws of 15 from 135: a repeat has odds below 1e-15


def test_mutants_are_uniform_over_the_rest():
    """Chi-square over 4000 steps; false-alarm rate 1e-6 on each side."""
    probe = Probe(make_field(1), make_pool((6, 10), 1), L2())
    sampler = Evos(batch_share=0.4, first_period=10**6, period_shrink=0, cfs=False)
    n_elites, n_mutants, steps = int(0.2 * 60), int(0.2 * 60), 4000
    counts = np.zeros(60)
    for step, selection, _ in drive(sampler, probe, steps + 1, 10**6, seed=4):
        if step:
            elites = selection.indices[:n_elites].numpy()
            counts[selection.indices[n_elites:].numpy()] += 1
    free = np.setdiff1d(np.arange(60), elites)
    assert counts[elites].sum() == 0
    p, m = n_mutants / len(free), len(free)
    statistic = ((counts[free] - steps * p) ** 2).sum() / (steps * p * (1 - p)) * (m - 1) / m
    assert stats.chi2.isf(1 - 1e-6, m - 1) < statistic < stats.chi2.isf(1e-6, m - 1)


@pytest.mark.parametrize("beta", [0.0, 0.25, 1.0])
def test_mutation_share(beta):
    probe = Probe(make_field(1), make_pool((10, 10), 1), L2())
    for step, selection, _ in drive(Evos(batch_share=0.4, mutation_share=beta), probe, 3, 100):
        if step:
            assert len(selection.indices) == int((0.4 - beta * 0.4) * 100) + int(beta * 0.4 * 100)


def test_a_growing_share_takes_more_of_the_cached_ranking():
    probe = Probe(make_field(1), make_pool((10, 10), 1), L2())
    sampler = Evos(schedule="linear", first_period=10**6, period_shrink=0)
    ranking = None
    for step, selection, state in drive(sampler, probe, 50, 50):
        if step == 0:
            continue
        ranking = state.ranking if ranking is None else ranking
        share = 0.2 + step / 50 * 0.8
        n = int((share - 0.1) * 100)  # mutation keeps to the initial share
        assert torch.equal(selection.indices[:n], ranking[:n])
        assert len(selection.indices) == n + 10
    assert len(selection.indices) > 90


def test_the_crossover_uses_the_share_of_the_evaluation_step():
    grid = (12, 12)
    probe = Probe(make_field(3), make_pool(grid, 3), L2())
    error, detail = oracle_maps(probe.prediction().numpy() * 2 - 1, probe.values.numpy() * 2 - 1, grid)
    n = int((0.2 - 0.1) * 144)
    expected = set.union(*oracle_crossover(error, detail, n, 1e-5))
    for step, selection, _ in drive(Evos(schedule="linear"), probe, 2, 4):
        if step == 1:  # the share has grown to 0.4, but the elites of step 0 lead
            assert set(selection.indices[:n].tolist()) == expected
            assert len(selection.indices) == int((0.4 - 0.1) * 144) + 14


def test_fitness_is_the_squared_error_whatever_the_loss():
    """Channels (3, 0) have the larger square, (2, 2) the larger absolute sum."""
    pool = Pool(torch.zeros(4, 2, dtype=torch.float64), torch.tensor([[3.0, 0], [2, 2], [0, 0], [1, 0]], dtype=torch.float64))
    field = nn.Linear(2, 2).double()
    with torch.no_grad():
        field.weight.zero_()
        field.bias.zero_()
    for loss in (L1(), L2()):
        probe = Probe(field, pool, loss)
        *_, (_, _, state) = drive(Evos(batch_share=0.5), probe, 2, 100)
        assert state.ranking.tolist() == [0, 1, 3, 2]


# ---------------------------------------------------------------- pools without a grid, redrawn pools


@pytest.mark.parametrize("grid", [None, (60,), (3, 4, 5)])
def test_without_an_image_grid_it_ranks_by_squared_error_and_says_so(grid):
    values = torch.rand(60, 1, generator=rng(8), dtype=torch.float64)
    pool = Pool(torch.rand(60, 2, generator=rng(9), dtype=torch.float64), values, grid)
    probe = Probe(make_field(1), pool, L2())
    assert "2-D image grid" in Evos().note(probe)
    error = ((probe.prediction() - values) ** 2).mean(1)
    expected = sorted(range(60), key=lambda i: -float(error[i]))
    for step, selection, _ in drive(Evos(), probe, 3, 100):
        assert selection.objective is None
        if step:
            assert selection.indices[:6].tolist() == expected[: int((0.2 - 0.1) * 60)]


def test_nothing_to_note_on_an_image():
    assert Evos().note(Probe(make_field(1), make_pool((4, 4), 1), L2())) == ""


def test_a_redrawn_pool_is_evaluated_at_once_and_old_ranks_are_never_used():
    sampler, generator = Evos(batch_share=0.5), rng()
    field = make_field(1)
    probe = Probe(field, make_pool((6, 6), 1), L2())
    state = sampler.init(probe, 1000, generator)

    def one(step):
        nonlocal state
        probe.clear_cache()
        selection, state = sampler.select(state, step, probe, generator)
        prediction = probe.prediction()[selection.indices]
        state = sampler.observe(state, step, selection, Feedback(prediction, prediction[:, 0]))
        return selection

    sizes = [len(one(step).indices) for step in range(3)]
    probe.pool = make_pool((6, 8), 1, seed=5, epoch=1)  # another image of another size
    sizes.append(len(one(3).indices))
    selection = one(4)
    error, detail = oracle_maps(probe.prediction().numpy() * 2 - 1, probe.values.numpy() * 2 - 1, (6, 8))
    assert sizes == [36, 18, 18, 48]
    assert set(selection.indices[:12].tolist()) == set.union(*oracle_crossover(error, detail, 12, 1e-5))

    one(5)
    probe.pool = make_pool((6, 8), 1, seed=6, epoch=2)
    assert len(one(6).indices) == 48
    probe.pool = make_pool((6, 8), 1, seed=7, epoch=3)  # right after an evaluation: its forward must not be ranked on new values
    assert len(one(7).indices) == 48


# ---------------------------------------------------------------- contract


def test_state_holds_only_what_a_checkpoint_can_store():
    probe = Probe(make_field(1), make_pool((6, 6), 1), L2())
    seen = set()
    for _, _, state in drive(Evos(), probe, 3, 100):
        for field in dataclasses.fields(state):
            value = getattr(state, field.name)
            assert value is None or isinstance(value, (bool, int, float, torch.Tensor))
            assert not (isinstance(value, torch.Tensor) and value.requires_grad)
            if isinstance(value, torch.Tensor):
                seen.add(field.name)
        with pytest.raises(dataclasses.FrozenInstanceError):
            state.epoch = 3
    assert seen == {"ranking", "luma_error"}


def test_a_run_continued_from_its_state_selects_the_same_points():
    pool = make_pool((6, 9), 3)

    def run(cut):
        probe, generator, sampler = Probe(make_field(3), pool, L2()), rng(3), Evos(first_period=4, period_shrink=2)
        state, rows = sampler.init(probe, 20, generator), []
        for step in range(20):
            probe.clear_cache()
            selection, state = sampler.select(state, step, probe, generator)
            prediction = probe.prediction()[selection.indices]
            state = sampler.observe(state, step, selection, Feedback(prediction, prediction[:, 0]))
            if step == cut:  # what a checkpoint does
                fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
                state = Evos.State(**{k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in fields.items()})
                fresh = torch.Generator()
                fresh.set_state(generator.get_state())
                generator, sampler, probe = fresh, Evos(first_period=4, period_shrink=2), Probe(make_field(3), pool, L2())
            rows.append(selection.indices)
        return rows

    whole = run(None)
    for cut in (0, 1, 7):
        assert all(torch.equal(a, b) for a, b in zip(whole, run(cut), strict=True))


def test_through_a_teacher_in_a_plain_loop():
    pool = make_pool((8, 8), 3)
    field = make_field(3)
    teacher = Teacher(field, pool.coords, pool.values, "evos", total_steps=30, grid=(8, 8))
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        batch = teacher.next()
        prediction = field(batch.coords)
        loss = batch.loss(prediction)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe(prediction)
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    assert teacher.cost.forward == 0  # evos asks for no forward of its own


def test_bad_settings_are_refused():
    for text, words in {
        "evos:mutation_share=1.5": "mutation_share=1.5 is out of range",
        "evos:first_period=0": "first_period=0 is out of range",
        "evos:cfs=maybe": "true or false",
        "evos:cfs_until=2": "cfs_until=2.0 is out of range",
        "evos:interval=dense": "evos has no setting 'interval'",
    }.items():
        with pytest.raises(UsageError, match=words):
            SAMPLERS.parse(text)
    flat = Pool(torch.zeros(4, 2), torch.zeros(4, 1), (2, 2), (1.0, 1.0))
    with pytest.raises(UsageError, match="value range"):
        Evos().init(Probe(nn.Linear(2, 1), flat, L2()), 10, rng())


@pytest.mark.parametrize(("step", "share"), [(0, 0.05), (250, 0.13), (500, 0.21), (1000, 0.35)])
def test_a_growing_batch_starts_with_its_part_of_mutants(step, share):
    sampler, n = Evos(schedule="growing"), 4096
    mutation = 0.5 * min(share, 0.2)
    assert sampler.mutants(step, 1000, n) == pytest.approx(mutation * n, abs=1)  # whole numbers
    assert sampler.elites(step, 1000, n) == pytest.approx((share - mutation) * n, abs=1)
