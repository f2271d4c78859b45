"""The B highest scores over several processes are those of one stable sort."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from oracles.processes import together

from nint.distributed.shard import Shard, shard_of
from nint.distributed.top import global_top
from nint.signals.leaves import LEAVES, leaf_edges


def stable_sort_top(scores: torch.Tensor, count: int, free: torch.Tensor | None = None) -> set[int]:
    """The oracle: one stable sort in float64, lower rows first among equals, NaN last."""
    wide = scores.double().numpy().copy()
    wide[np.isnan(wide)] = -np.inf
    rows = np.arange(len(wide)) if free is None else np.flatnonzero(free.numpy())
    order = rows[np.argsort(-wide[rows], kind="stable")]
    return set(order[:count].tolist())


def chosen(scores: torch.Tensor, edges: list[int], count: int, free: torch.Tensor | None = None) -> set[int]:
    def work(group):
        start, stop = edges[group.rank], edges[group.rank + 1]
        rows = global_top(scores[start:stop], count, group, None if free is None else free[start:stop])
        assert torch.equal(rows, rows.sort().values)
        return (rows + start).tolist()

    parts = together(len(edges) - 1, work)
    found = [row for part in parts for row in part]
    assert len(found) == len(set(found))
    return set(found)


SHARDS = {"one": [0, 1000], "even": [0, 500, 1000], "uneven": [0, 10, 900, 1000], "empty": [0, 400, 400, 1000, 1000]}


@pytest.mark.parametrize("edges", SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distinct_scores(edges, dtype):
    scores = torch.randn(1000, generator=torch.Generator().manual_seed(1), dtype=dtype)
    for count in (1, 37, 500, 999, 1000):
        assert chosen(scores, edges, count) == stable_sort_top(scores, count)


@pytest.mark.parametrize("edges", SHARDS.values(), ids=SHARDS)
def test_many_ties_at_the_threshold_go_to_the_lower_rows(edges):
    scores = torch.randint(0, 4, (1000,), generator=torch.Generator().manual_seed(2)).float() - 1.5
    for count in (1, 200, 501, 760, 1000):
        assert chosen(scores, edges, count) == stable_sort_top(scores, count)


def test_special_numbers():
    special = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 1.0]
    scores = torch.tensor(special * 10)
    for count in range(0, 90, 7):
        assert chosen(scores, [0, 33, 100], count) == stable_sort_top(torch.nan_to_num(scores, nan=-torch.inf), count)


def test_scores_that_differ_in_the_last_bit_only():
    bits = torch.randperm(4000, generator=torch.Generator().manual_seed(3)).int() + 0x3F7FF800  # across a power of two
    scores = bits.view(torch.float32)
    assert len(scores.unique()) == 4000
    assert chosen(scores, [0, 1999, 4000], 1777) == stable_sort_top(scores, 1777)


def test_only_free_rows_are_chosen_and_ties_count_free_ones_only():
    generator = torch.Generator().manual_seed(4)
    scores = torch.randint(0, 5, (1000,), generator=generator).float()
    free = torch.rand(1000, generator=generator) < 0.4
    for count in (1, 100, int(free.sum())):
        assert chosen(scores, [0, 700, 700, 1000], count, free) == stable_sort_top(scores, count, free)


def test_more_points_than_a_block(monkeypatch):
    monkeypatch.setattr("nint.distributed.top._BLOCK", 64)
    scores = torch.randint(0, 30, (1000,), generator=torch.Generator().manual_seed(5)).float()
    assert chosen(scores, [0, 130, 1000], 333) == stable_sort_top(scores, 333)


@pytest.mark.parametrize(("total", "size"), [(10, 3), (4096, 4), (100_003, 7), (2**37, 64)])
def test_shards_cover_all_rows_once_in_whole_parts(total, size):
    shards = [shard_of(total, rank, size) for rank in range(size)]
    assert shards[0].start == 0
    assert shards[-1].stop == total
    assert all(one.stop == other.start for one, other in itertools.pairwise(shards))
    assert {shard.start for shard in shards} <= set(leaf_edges(total))
    assert max(len(shard) for shard in shards) <= total / size * (1 + size / LEAVES) + 2


def test_own_rows_of_a_shard():
    shard = Shard(10, 3, 6)
    assert shard.own(torch.tensor([5, 0, 3, 6])).tolist() == [2, 0]
