"""Statistical checks state their false-alarm rate for a fresh seed; the seeds here are fixed, so they never flicker."""

import itertools
import math

import pytest
import torch
from scipy.stats import chi2

from nint.samplers.picker import Picker, random_rows

FALSE_ALARM = 1e-6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_follows(counts, chances):
    """Chi-square test of counted outcomes against their chances. False alarms: 1e-6."""
    counts = torch.as_tensor(counts, dtype=torch.float64)
    expected = torch.as_tensor(chances, dtype=torch.float64) * counts.sum()
    assert expected.min() > 5
    statistic = ((counts - expected).square() / expected).sum().item()
    assert statistic < chi2.isf(FALSE_ALARM, len(counts) - 1)


def assert_distinct(rows, count, n):
    assert rows.dtype == torch.long
    assert len(rows) == count
    assert len(set(rows.tolist())) == count
    assert count == 0 or (rows.min() >= 0 and rows.max() < n)


def test_parts_never_overlap_and_keep_their_order():
    rng = generator()
    for trial in range(50):
        n = 20 + trial
        picker = Picker(n, rng)
        parts = [
            picker.take(torch.tensor([3, 1])),
            picker.top(torch.rand(n, generator=rng), 5),
            picker.random(4),
            picker.weighted(torch.rand(n, generator=rng), 3),
            picker.take(torch.arange(6)),
            picker.random(2),
        ]
        assert torch.equal(picker.indices, torch.cat(parts))
        assert_distinct(picker.indices, len(picker), n)


def test_nothing_taken():
    picker = Picker(5, generator())
    assert_distinct(picker.indices, 0, 5)
    assert len(picker.top(torch.rand(5), 0)) == len(picker.random(0)) == len(picker.take(picker.indices)) == 0
    assert len(picker) == 0


def test_take_leaves_out_what_is_taken():
    picker = Picker(6, generator())
    assert picker.take(torch.tensor([4, 2])).tolist() == [4, 2]
    assert picker.take(torch.tensor([5, 2, 0, 4])).tolist() == [5, 0]
    assert picker.indices.tolist() == [4, 2, 5, 0]


def test_top_is_best_first_among_the_free():
    scores = torch.tensor([0.1, 0.9, 0.5, 0.7, -1.0, 0.8])
    picker = Picker(6, generator())
    assert picker.top(scores, 2).tolist() == [1, 5]
    assert picker.top(scores, 2).tolist() == [3, 2]
    assert picker.top(-scores, 1).tolist() == [4]


def test_nan_scores_come_last_after_minus_infinity():
    scores = torch.tensor([torch.nan, 1.0, -torch.inf, torch.inf, torch.nan, -5.0])
    picker = Picker(6, generator())
    assert picker.top(scores, 4).tolist() == [3, 1, 5, 2]
    assert sorted(picker.top(scores, 2).tolist()) == [0, 4]


@pytest.mark.parametrize("asked", [7, 8, 1000])
def test_more_asked_than_free(asked):
    for fill in (
        lambda picker: picker.top(torch.rand(10, generator=generator()), asked),
        lambda picker: picker.random(asked),
        lambda picker: picker.weighted(torch.ones(10), asked),
    ):
        picker = Picker(10, generator())
        picker.take(torch.tensor([1, 2, 3]))
        assert len(fill(picker)) == 7
        assert sorted(picker.indices.tolist()) == list(range(10))
        assert len(fill(picker)) == 0


def test_random_is_uniform_over_the_free():
    rng, n, taken = generator(1), 12, torch.tensor([0, 5, 11])
    counts = torch.zeros(n)
    for _ in range(6000):
        picker = Picker(n, rng)
        picker.take(taken)
        counts[picker.random(3)[0]] += 1
    assert counts[taken].sum() == 0
    free = [i for i in range(n) if i not in taken.tolist()]
    assert_follows(counts[free], [1 / len(free)] * len(free))


@pytest.mark.parametrize("n", [10, 33])
def test_random_rows_pairs_are_uniform(n):
    """n = 10 takes the permutation, n = 33 the sparse way (2 * 16 < 33); every ordered pair must be as likely."""
    rng = generator(2)
    counts = {pair: 0 for pair in itertools.permutations(range(n), 2)}
    for _ in range(12 * len(counts)):
        counts[tuple(random_rows(n, 2, rng).tolist())] += 1
    assert_follows(list(counts.values()), [1 / len(counts)] * len(counts))


@pytest.mark.parametrize(("n", "count"), [(10**12, 300), (1601, 100), (1599, 100), (17, 1), (5, 5), (4, 0), (0, 0)])
def test_random_rows_are_distinct(n, count):
    """10^12 rows could never be permuted: the sparse way follows the count."""
    assert_distinct(random_rows(n, count, generator(3)), count, n)


def test_sparse_rows_are_uniform_over_the_range():
    rng = generator(4)
    counts = torch.zeros(10)
    for _ in range(40):
        rows = random_rows(10_000, 600, rng)  # about 18 repeats to throw out each time
        assert_distinct(rows, 600, 10_000)
        counts += torch.bincount(rows // 1000, minlength=10)
    assert_follows(counts, [0.1] * 10)


def test_weighted_draws_without_replacement_in_proportion():
    """First and second draw of the sequential scheme: P(i) = w_i / W, P(i, j) = w_i / W * w_j / (W - w_i)."""
    rng, weights = generator(5), torch.tensor([1.0, 2.0, 3.0, 0.0, 6.0])
    pairs = {pair: 0 for pair in itertools.permutations((0, 1, 2, 4), 2)}
    for _ in range(6000):
        picker = Picker(5, rng)
        pairs[tuple(picker.weighted(weights, 2).tolist())] += 1
    total = weights.sum().item()
    chances = [(weights[i] / total * weights[j] / (total - weights[i])).item() for i, j in pairs]
    assert math.isclose(sum(chances), 1, rel_tol=1e-6)
    assert_follows(list(pairs.values()), chances)
    first = [sum(count for pair, count in pairs.items() if pair[0] == i) for i in (0, 1, 2, 4)]
    assert_follows(first, [1 / 12, 2 / 12, 3 / 12, 6 / 12])


def test_weighted_takes_points_of_weight_zero_last():
    weights = torch.tensor([0.0, 1.0, 0.0, 1e-30, 1.0])
    for seed in range(20):
        picker = Picker(5, generator(seed))
        assert sorted(picker.weighted(weights, 3).tolist()) == [1, 3, 4]
        assert sorted(picker.weighted(weights, 3).tolist()) == [0, 2]


def test_weighted_leaves_out_what_is_taken():
    picker = Picker(4, generator())
    picker.take(torch.tensor([2]))
    assert sorted(picker.weighted(torch.tensor([1.0, 1.0, 1e6, 1.0]), 3).tolist()) == [0, 1, 3]


def test_one_seed_gives_one_batch_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()

    def batch(seed):
        picker = Picker(1000, generator(seed))
        picker.random(20)
        picker.weighted(torch.arange(1000.0), 20)
        picker.random(500)
        return picker.indices

    assert torch.equal(batch(7), batch(7))
    assert not torch.equal(batch(7), batch(8))
    assert torch.equal(torch.get_rng_state(), before)
