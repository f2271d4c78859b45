"""full, uniform and int against slow oracles written from the specification."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from nint.errors import UsageError
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.base import Feedback
from nint.samplers.full import Full
from nint.samplers.int import Int
from nint.samplers.nint import Nint
from nint.samplers.uniform import Uniform
from nint.signals.base import GridCoords, Pool


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_probe(n: int = 60, channels: int = 3, grid=None, epoch: int = 0, seed: int = 0) -> Probe:
    generator = rng(seed)
    field = nn.Linear(2, channels).double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    coords = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    values = torch.randn(n, channels, generator=generator, dtype=torch.float64)
    return Probe(field, Pool(coords, values, grid, epoch=epoch), L2())


def drive(sampler, probe: Probe, steps: int, total: int, seed: int = 0, move: float = 1.0):
    """Yields (step, selection); the parameters jump about between steps, so that scores change."""
    generator, noise = rng(seed), rng(77)
    start = [parameter.detach().clone() for parameter in probe._field.parameters()]
    state = sampler.init(probe, total, generator)
    for step in range(steps):
        probe.clear_cache()
        selection, state = sampler.select(state, step, probe, generator)
        yield step, selection
        prediction = probe.prediction()[selection.indices]
        state = sampler.observe(state, step, selection, Feedback(prediction, prediction[:, 0]))
        with torch.no_grad():
            for parameter, origin in zip(probe._field.parameters(), start, strict=True):
                parameter.copy_(origin + move * torch.randn(parameter.shape, generator=noise, dtype=parameter.dtype))


def l1_errors(probe: Probe) -> np.ndarray:
    """sum_c |f(x) - y| in plain numpy."""
    weight, bias = (p.detach().numpy() for p in probe._field.parameters())
    return np.abs(probe.coords.numpy() @ weight.T + bias - probe.values.numpy()).sum(1)


def assert_top(indices: torch.Tensor, scores: np.ndarray, count: int) -> None:
    """The `count` largest; among equals at the threshold, any."""
    rows = indices.tolist()
    assert len(rows) == len(set(rows)) == count
    threshold = sorted(scores, reverse=True)[count - 1]
    slack = 1e-9 * max(abs(threshold), 1.0)
    assert {i for i, score in enumerate(scores) if score > threshold + slack} <= set(rows)
    assert min(scores[i] for i in rows) >= threshold - slack


# ---------------------------------------------------------------- full


def test_full_takes_every_point_in_order_at_no_cost():
    probe = make_probe(17)
    sampler = Full()
    selection, _ = sampler.select(sampler.init(probe, 10, rng()), 3, probe, rng())
    assert torch.equal(selection.indices, torch.arange(17))
    assert selection.objective is None
    assert dataclasses.asdict(probe.cost) == {"forward": 0, "backward": 0, "jvp": 0}


# ---------------------------------------------------------------- uniform


@pytest.mark.parametrize("grid", [(6, 10), (10, 6)])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 1.0])
def test_uniform_takes_distinct_points_and_is_fresh_each_step(grid, share):
    probe = make_probe(60, grid=grid)
    draws = [selection.indices.tolist() for _, selection in drive(Uniform(batch_share=share), probe, 8, 100)]
    for rows in draws:
        assert len(set(rows)) == len(rows) == max(int(share * 60), 1)
        assert set(rows) <= set(range(60))
    if share == 0.2:
        assert len({tuple(rows) for rows in draws}) == 8
    if share == 1.0:
        assert all(sorted(rows) == list(range(60)) for rows in draws)


def inclusion_statistic(counts: np.ndarray, draws: int, batch: int) -> float:
    """Chi-square of inclusion counts for draws without replacement: n - 1 degrees of freedom after the (n - 1) / n correction."""
    n = len(counts)
    p = batch / n
    return float(((counts - draws * p) ** 2).sum() / (draws * p * (1 - p)) * (n - 1) / n)


@pytest.mark.parametrize(("n", "share"), [(64, 0.25), (64, 0.9), (300, 0.03)])  # the last one takes the branch for small shares
def test_uniform_is_uniform(n, share):
    """Chi-square with a false-alarm rate of 1e-6 on each side."""
    probe, draws, batch = make_probe(n), 4000, int(share * n)
    sampler, generator = Uniform(batch_share=share), rng(3)
    state = sampler.init(probe, 5000, generator)
    counts = np.zeros(n)
    for step in range(draws):
        selection, state = sampler.select(state, step, probe, generator)
        counts[selection.indices.numpy()] += 1
    assert counts.sum() == draws * batch
    low, high = stats.chi2.isf([1 - 1e-6, 1e-6], n - 1)
    assert low < inclusion_statistic(counts, draws, batch) < high

    honest = np.random.default_rng(0).multivariate_hypergeometric([1] * n, batch, size=draws).sum(0)
    assert inclusion_statistic(honest, draws, batch) < high  # the statistic accepts an outside sampler
    honest[:2] = 0
    assert inclusion_statistic(honest, draws, batch) > high  # and rejects one that never takes points 0 and 1


def test_uniform_follows_its_seed_and_leaves_the_global_generator_alone():
    probe = make_probe()
    before = torch.get_rng_state()
    runs = [[s.indices.tolist() for _, s in drive(Uniform(), probe, 3, 10, seed=seed, move=0)] for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(before, torch.get_rng_state())
    assert probe.cost.backward == probe.cost.jvp == 0


def test_uniform_works_on_lazy_coordinates():
    grid = (5, 9)
    pool = Pool(GridCoords(grid), torch.zeros(45, 1), grid)
    sampler = Uniform(batch_share=0.4)
    probe = Probe(nn.Linear(2, 1), pool, L2())
    selection, _ = sampler.select(sampler.init(probe, 10, rng()), 0, probe, rng())
    assert len(set(selection.indices.tolist())) == 18


@pytest.mark.parametrize("name", ["uniform", "int"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "step", "cosine"])
def test_batch_follows_the_share_schedule(name, schedule):
    probe, total = make_probe(200), 20
    sampler = SAMPLERS.parse(f"{name}:batch_share=0.3,schedule={schedule}")
    for step, selection in drive(sampler, probe, total, total):
        share = {
            "constant": 0.3,
            "linear": 0.3 + step / total * 0.7,
            "step": 0.3 + (step // 2) * 0.07,
            "cosine": 1 - 0.7 * (1 + np.cos(np.pi * step / total)) / 2,
        }[schedule]
        assert abs(len(selection.indices) - share * 200) < 1 + 1e-6  # int(); a float may fall on either side of a whole number
        assert len(selection.indices) <= share * 200 + 1e-6


# ---------------------------------------------------------------- int


@pytest.mark.parametrize(("grid", "channels"), [(None, 3), ((6, 10), 1), ((10, 6), 3)])
def test_int_is_the_exact_top_of_the_l1_error(grid, channels):
    probe = make_probe(60, channels, grid)
    for _, selection in drive(Int(batch_share=0.35), probe, 6, 100):
        assert_top(selection.indices, l1_errors(probe), 21)
        assert selection.objective is None


def test_int_scores_by_l1_and_not_by_the_norm():
    values = torch.tensor([[3.0, 0.0], [2.0, 2.0], [0.0, 0.0], [0.0, 3.5]], dtype=torch.float64)
    field = nn.Linear(2, 2).double()
    with torch.no_grad():
        field.weight.zero_()
        field.bias.zero_()
    probe = Probe(field, Pool(torch.zeros(4, 2, dtype=torch.float64), values), L2())
    _, selection = next(drive(Int(batch_share=0.25), probe, 1, 10))
    assert selection.indices.tolist() == [1]


def test_int_with_ties():
    field = nn.Linear(2, 1).double()
    with torch.no_grad():
        field.weight.zero_()
        field.bias.zero_()
    values = torch.tensor([1.0, 2, 1, 1, 3, 1, 0, 1], dtype=torch.float64)[:, None]
    probe = Probe(field, Pool(torch.zeros(8, 2, dtype=torch.float64), values), L2())
    _, selection = next(drive(Int(batch_share=0.5), probe, 1, 10))
    assert_top(selection.indices, values[:, 0].numpy(), 4)


@pytest.mark.parametrize("between", ["keep", "redraw"])
@pytest.mark.parametrize(
    ("interval", "scoring"),
    [
        ("dense", set(range(60))),
        ("every-2", set(range(0, 60, 2))),
        ("every-5", set(range(0, 60, 5))),
        ("incremental", set(range(15)) | {20}),  # T = 60: dense to 15, then 9-step segments of every 10, 20, 30, 40, 50
        ("decremental", {0, 20, 30} | set(range(36, 60))),  # D = 45, 9-step segments of every 40, 30, 20, 10, then dense
    ],
)
def test_int_intervals(interval, scoring, between):
    """INT has no random part, so both rules for steps between scorings give back the last scored batch."""
    probe = make_probe()
    sampler = Int(interval=interval, between=between)
    batch = None
    for step, selection in drive(sampler, probe, 60, 60, move=2.0):
        if step in scoring:
            assert_top(selection.indices, l1_errors(probe), 12)
            assert batch is None or set(selection.indices.tolist()) != batch  # the parameters move enough to see a rescoring
            batch = set(selection.indices.tolist())
        else:
            assert set(selection.indices.tolist()) == batch


def test_int_asks_for_forwards_only_where_it_scores():
    probe = make_probe(60)
    sampler, generator = Int(interval="every-3"), rng()
    state = sampler.init(probe, 9, generator)
    spent = []
    for step in range(9):
        probe.clear_cache()
        before = probe.cost.forward
        _, state = sampler.select(state, step, probe, generator)
        spent.append(probe.cost.forward - before)
    assert spent == [60, 0, 0] * 3
    assert probe.cost.backward == probe.cost.jvp == 0


def test_int_rescores_a_redrawn_pool_at_once():
    sampler, generator = Int(interval="every-5", batch_share=0.3), rng()
    probe = make_probe(60)
    state = sampler.init(probe, 100, generator)
    _, state = sampler.select(state, 0, probe, generator)
    redrawn = make_probe(40, epoch=1, seed=4)
    selection, state = sampler.select(state, 1, redrawn, generator)
    assert_top(selection.indices, l1_errors(redrawn), 12)
    again, _ = sampler.select(state, 2, redrawn, generator)
    assert torch.equal(selection.indices, again.indices)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own forward-mode rules
def test_both_rules_between_scorings_where_there_is_a_random_part():
    """keep: the whole batch, random part included; redraw: the scored part stays, the random part is drawn again."""
    batches = {}
    for between in ("keep", "redraw"):
        sampler = Nint(random_share=0.5, interval="every-4", between=between, batch_share=0.4)
        batches[between] = [s.indices.tolist() for _, s in drive(sampler, make_probe(), 4, 100)]
    assert all(batch == batches["keep"][0] for batch in batches["keep"])
    scored = [batch[:12] for batch in batches["redraw"]]
    drawn = [frozenset(batch[12:]) for batch in batches["redraw"]]
    assert all(part == scored[0] for part in scored)
    assert len(set(drawn)) == 4
    assert all(len(part) == 12 and not part & set(scored[0]) for part in drawn)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uniform:batch_share=0", "batch_share=0.0 is out of range"),
        ("uniform:batch_share=1.1", "batch_share=1.1 is out of range"),
        ("uniform:schedule=stepwise", "Did you mean 'step'"),
        ("int:interval=every-0", "interval=every-0 is not a scoring schedule"),
        ("int:between=both", "between=both is not known"),
        ("full:batch_share=0.2", "full has no setting 'batch_share'"),
    ],
)
def test_bad_settings_are_refused(text, words):
    with pytest.raises(UsageError, match=words):
        SAMPLERS.parse(text)
