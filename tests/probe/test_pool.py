"""Every row is looked at, a part at a time; very long lazy pools are sampled."""

import pytest
import torch
from torch import nn

from nint.errors import UsageError
from nint.probe import pool as module
from nint.probe.pool import checked_pool
from nint.signals.base import Pool


class Lazy:
    """Ones that are made when they are read, but for one row; what was read is kept."""

    device = torch.device("cpu")

    def __init__(self, n, bad=None):
        self.n, self.bad, self.read = n, bad, []

    @property
    def shape(self):
        return (self.n, 1)

    def __len__(self):
        return self.n

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        out = torch.ones(rows.stop - rows.start, 1)
        if self.bad is not None and rows.start <= self.bad < rows.stop:
            out[self.bad - rows.start] = torch.nan
        return out


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 100)
    monkeypatch.setattr(module, "_READ_WHOLE", 1000)
    monkeypatch.setattr(module, "_BLOCK", 10)


@pytest.mark.parametrize("bad", [0, 99, 100, 250])
def test_the_row_is_named_wherever_it_is(small, bad):
    for values in (Lazy(251, bad), Lazy(251, bad)[slice(0, 251)]):
        with pytest.raises(UsageError, match=f"values hold NaN or infinity, first in row {bad};"):
            checked_pool(Pool(torch.zeros(251, 2), values), nn.Linear(2, 1))


def test_lazy_rows_are_read_in_parts_and_only_once(small):
    values = Lazy(251)
    pool = Pool(torch.zeros(251, 2), values)
    assert checked_pool(pool, nn.Linear(2, 1)) is pool
    assert values.read == [(0, 100), (100, 200), (200, 251)]


def test_very_long_lazy_rows_are_sampled_from_end_to_end(small):
    values = Lazy(100_000)
    checked_pool(Pool(torch.zeros(100_000, 2), values), nn.Linear(2, 1))
    assert len(values.read) == 64 and all(stop - start == 10 for start, stop in values.read)
    assert values.read[0][0] == 0 and values.read[-1][1] == 100_000
    assert values.read == sorted(values.read)


def test_the_check_can_be_left_out():
    values = Lazy(251, 3)
    checked_pool(Pool(torch.zeros(251, 2), values), nn.Linear(2, 1), check_finite=False)
    assert values.read == []


def test_whole_numbers_and_complex_ones_are_finite():
    for values in (torch.zeros(5, 1, dtype=torch.uint8), torch.zeros(5, 1, dtype=torch.bool), torch.zeros(5, 1, dtype=torch.complex64)):
        checked_pool(Pool(torch.zeros(5, 2), values), nn.Linear(2, 1))
