"""Batch schedules and scoring schedules against brute-force oracles written from the specification."""

import itertools
import math
from fractions import Fraction

import pytest

from nint.errors import UsageError
from nint.samplers.schedules import SHARE_SCHEDULES, batch_share, check_interval, last_scoring, scores_at, scorings_before


def oracle_share(schedule: str, share: Fraction, t: int, total: int) -> float:
    if schedule == "constant":
        return float(share)
    if schedule == "linear":
        return float(share + Fraction(t, total) * (1 - share))
    if schedule == "step":
        return float(min(share + math.floor(Fraction(t) / Fraction(total, 10)) * (1 - share) / 10, Fraction(1)))
    if schedule == "growing":
        stage = math.floor(Fraction(16 * t, total))  # 0 to 15
        return float(min(share * (Fraction(1, 4) + Fraction(3, 2) * Fraction(stage, 15)), Fraction(1)))
    return float(1 - (1 - share) * Fraction(1 + math.cos(math.pi * t / total)) / 2)


def oracle_scorings(interval: str, total: int) -> list[int]:
    """Walks the segments of the table one by one."""
    if interval == "incremental":
        start = int(0.25 * total)
        length = (total - start) // 5
        segments = [(0, start, 1)]
        segments += [(start + i * length, start + (i + 1) * length, 10 * (i + 1)) for i in range(5)]
        segments.append((start + 5 * length, total, 50))  # what five equal whole segments leave over
    else:
        length = int(0.75 * total) // 5
        segments = [(i * length, (i + 1) * length, 40 - 10 * i) for i in range(4)]
        segments.append((4 * length, total, 1))
    return [t for begin, end, every in segments for t in range(begin, end) if t % every == 0]


# ---------------------------------------------------------------- batch schedules


@pytest.mark.parametrize("schedule", SHARE_SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3, 7, 10, 99, 250, 1000, 5000])
@pytest.mark.parametrize("share", [Fraction(1, 5), Fraction(1, 2), Fraction(1)])
def test_share_at_every_step(schedule, total, share):
    for t in {*range(min(total, 300)), *range(0, total, 37), total - 1}:
        ours = batch_share(schedule, float(share), t, total)
        assert math.isclose(ours, oracle_share(schedule, share, t, total), abs_tol=1e-12)
        assert 0 < ours <= 1


@pytest.mark.parametrize(
    ("schedule", "first", "middle", "last"),
    [
        ("constant", 0.2, 0.2, 0.2),
        ("linear", 0.2, 0.6, 0.2 + 0.8 * 4999 / 5000),
        ("step", 0.2, 0.6, 0.92),
        ("cosine", 0.2, 0.6, 1 - 0.4 * (1 + math.cos(math.pi * 0.9998))),
        ("growing", 0.05, 0.2 * (0.25 + 1.5 * 8 / 15), 0.35),
    ],
)
def test_share_at_the_ends(schedule, first, middle, last):
    at = [batch_share(schedule, 0.2, t, 5000) for t in (0, 2500, 4999)]
    assert at == pytest.approx([first, middle, last], abs=1e-12)


def test_step_has_ten_stages_that_change_at_tenths():
    shares = [round(batch_share("step", 0.2, t, 5000), 9) for t in range(5000)]
    assert sorted(set(shares)) == [0.2, 0.28, 0.36, 0.44, 0.52, 0.6, 0.68, 0.76, 0.84, 0.92]
    assert [t for t in range(1, 5000) if shares[t] != shares[t - 1]] == list(range(500, 5000, 500))


def test_growing_has_sixteen_stages():
    shares = [batch_share("growing", 0.2, t, 1600) for t in range(1600)]
    assert [t for t in range(1, 1600) if shares[t] != shares[t - 1]] == list(range(100, 1600, 100))


@pytest.mark.parametrize("schedule", SHARE_SCHEDULES)
def test_steps_after_the_end_count_as_the_end(schedule):
    late = [batch_share(schedule, 0.2, t, 100) for t in (100, 101, 250)]
    assert late == [pytest.approx({"constant": 0.2, "growing": 0.35}.get(schedule, 1.0))] * 3


@pytest.mark.parametrize("total", [100, 4321])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_growing_share_costs_what_a_constant_one_does(share, total):
    assert sum(batch_share("growing", share, t, total) for t in range(total)) == pytest.approx(share * total, rel=0.01)


# ---------------------------------------------------------------- scoring schedules


@pytest.mark.parametrize(
    ("interval", "count"), [("incremental", 1422), ("decremental", 2157), ("dense", 5000), ("every-2", 2500), ("every-5", 1000)]
)
def test_scorings_in_5000_steps(interval, count):
    assert sum(scores_at(interval, t, 5000) for t in range(5000)) == count


@pytest.mark.parametrize("interval", ["incremental", "decremental"])
@pytest.mark.parametrize("total", [20, 21, 40, 100, 250, 999, 1000, 4321, 5000])
def test_segments(interval, total):
    ours = [t for t in range(total) if scores_at(interval, t, total)]
    assert ours == oracle_scorings(interval, total)


def test_segment_boundaries_of_5000_steps():
    def gaps(interval, begin, end):
        at = [t for t in range(begin, end) if scores_at(interval, t, 5000)]
        return {b - a for a, b in itertools.pairwise(at)}

    for begin, end, every in ((0, 1250, 1), (1250, 2000, 10), (2000, 2750, 20), (2750, 3500, 30), (3500, 4250, 40), (4250, 5000, 50)):
        assert gaps("incremental", begin, end) == {every}
    assert not scores_at("incremental", 1251, 5000)
    for begin, end, every in ((0, 750, 40), (750, 1500, 30), (1500, 2250, 20), (2250, 3000, 10), (3000, 5000, 1)):
        assert gaps("decremental", begin, end) == {every}
    assert not scores_at("decremental", 2999, 5000)
    assert scores_at("decremental", 3001, 5000)


@pytest.mark.parametrize("interval", ["dense", "every-1", "every-7", "incremental", "decremental"])
def test_the_first_step_always_scores_and_small_runs_do_not_divide_by_zero(interval):
    for total in range(1, 60):
        assert scores_at(interval, 0, total)
        assert all(isinstance(scores_at(interval, t, total), bool) for t in range(2 * total))
    assert scores_at(interval, 0, 0)
    assert scores_at(interval, 3, 0) in (True, False)


@pytest.mark.parametrize("interval", ["dense", "every-1", "every-7", "incremental", "decremental"])
@pytest.mark.parametrize("total", [1, 3, 20, 57, 1000])
def test_counts_and_the_last_scoring_without_walking_through_the_steps(interval, total):
    count, last = 0, -1
    for step in range(2 * total + 60):
        assert scorings_before(interval, step, total) == count
        assert last_scoring(interval, step, total) == last
        if scores_at(interval, step, total):
            count, last = count + 1, step


def test_long_runs_cost_no_time():
    assert scorings_before("incremental", 10**12, 10**12) == 250_000_000_000 + 150_000_000_000 * 137 // 600
    assert last_scoring("every-999999999", 10**12, 10**12) == 999_999_999_000


@pytest.mark.parametrize("k", [1, 2, 3, 10, 123])
def test_every_k(k):
    assert [t for t in range(400) if scores_at(f"every-{k}", t, 400)] == list(range(0, 400, k))


@pytest.mark.parametrize(
    "word",
    ["", "dense2", "every-0", "every-", "every-K", "every--3", "every-2.5", "every-05", "Dense", "incrementel", "every-" + "9" * 5000],
)
def test_bad_intervals(word):
    with pytest.raises(UsageError, match=r"interval=.* is not a scoring schedule; use dense"):
        check_interval(word)


@pytest.mark.parametrize("word", ["dense", "every-1", "every-50", "incremental", "decremental"])
def test_good_intervals(word):
    assert check_interval(word) is None


# ---------------------------------------------------------------- names


def test_bad_names_point_to_the_nearest():
    with pytest.raises(UsageError, match="'linear'"):
        batch_share("liner", 0.2, 0, 10)
    with pytest.raises(UsageError, match="interval=sometimes is not a scoring schedule"):
        scores_at("sometimes", 1, 10)


def test_a_schedule_of_zero_steps():
    for schedule in SHARE_SCHEDULES:
        assert batch_share(schedule, 0.2, 0, 0) == pytest.approx(0.05 if schedule == "growing" else 0.2)
