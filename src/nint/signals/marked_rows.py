"""Row numbers of the points that carry a mark, found by rank queries: 9/8 bytes a point, however many are marked."""

from __future__ import annotations

import torch
from torch import Tensor

from nint.ntk.products import row_chunks

BLOCK = 64
"""Points whose marked ones are counted together."""

_BUILD_BLOCKS = 2**14
_LOOK_UP = 2**16


class MarkedRows:
    """Row numbers, ascending, of all points with one mark; indexed like an int64 tensor `[m]`.

    The marked points before each block of 64 are counted once. The k-th marked point lies in the last block with at most k before it.

    Args:
        marks: `[n]` uint8, n a multiple of `BLOCK` (further points carry another mark).
        mark: Which one.

    Cost:
        n / 8 bytes beside the marks; of each row asked for, a binary search and 64 marks.
    """

    def __init__(self, marks: Tensor, mark: int) -> None:
        self.marks = marks
        self.mark = mark
        blocks = marks.view(-1, BLOCK)
        self._before = torch.zeros(len(blocks) + 1, dtype=torch.int64, device=marks.device)
        for part in row_chunks(len(blocks), _BUILD_BLOCKS):
            self._before[1:][part] = (blocks[part] == mark).sum(1)
        torch.cumsum(self._before, 0, out=self._before)
        self._count = int(self._before[-1])

    def __len__(self) -> int:
        return self._count

    @property
    def device(self) -> torch.device:
        """Where the marks lie."""
        return self.marks.device

    def to(self, device: torch.device | str) -> MarkedRows:
        """The same rows on a device; itself where they lie there."""
        marks = self.marks.to(device)
        return self if marks is self.marks else MarkedRows(marks, self.mark)

    def __getitem__(self, which: slice | Tensor) -> Tensor:
        """A slice or a tensor of numbers in [0, m) -> row numbers."""
        if isinstance(which, slice):
            which = torch.arange(*which.indices(len(self)), device=self.device)
        rows = torch.empty_like(which)
        blocks = self.marks.view(-1, BLOCK)
        for part in row_chunks(len(which), _LOOK_UP):
            wanted = which[part].contiguous()
            block = torch.searchsorted(self._before, wanted, right=True) - 1
            ahead = (wanted - self._before[block]).to(torch.uint8)
            seen = (blocks[block] == self.mark).cumsum(1, dtype=torch.uint8)
            rows[part] = block * BLOCK + (seen <= ahead[:, None]).sum(1)
        return rows
