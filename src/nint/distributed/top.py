"""The B highest scores over all processes, exactly, without any of them seeing the others' scores.

A float's bits, read as a whole number in the right order, are compared sixteen at a time: a histogram of the highest sixteen, summed over
the processes, tells in which of its cells the B-th score lies, one of the next sixteen within that cell tells where in it, and so on until
the score itself is known. Two sums of 65,536 numbers (four for double precision) and one exchange of a number each, whatever the points.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.ntk.products import row_chunks

_BITS = 16
_CELLS = 2**_BITS
_BLOCK = 2**20


def global_top(scores: Tensor, count: int, group: Group, free: Tensor | None = None) -> Tensor:
    """This process's rows among the `count` highest scores of all processes, `[m]` ascending.

    Of equal scores those of lower rows go first, rows counted by rank. NaN counts as lower than every number.

    Args:
        scores: Of this process's rows, `[n]`; n may be 0.
        count: How many are wanted over all processes, at most as many as are free.
        group: The processes.
        free: Rows that may be chosen, `[n]` bool; None is all.

    Cost: three passes over the scores (five for double precision), a million at a time; memory of a few such blocks.
    """
    scores = scores if scores.dtype in (torch.float32, torch.float64) else scores.float()
    if count <= 0:
        return torch.empty(0, dtype=torch.long, device=scores.device)
    width = 8 * scores.element_size()
    shift, prefix, wanted, tied = width, None, count, 0
    while shift > 0:
        shift -= _BITS
        own = _histogram(scores, free, shift, prefix, top=shift == width - _BITS)
        whole = group.sum_(own.clone())
        above = whole.flip(0).cumsum(0)  # of cell c: those in cells c and higher, at 65,535 - c
        cell = _CELLS - 1 - int(torch.searchsorted(above, wanted))
        wanted -= int(above[_CELLS - 1 - cell]) - int(whole[cell])
        tied = int(own[cell])
        digit = cell - _CELLS // 2 if prefix is None else cell
        prefix = digit if prefix is None else (prefix << _BITS) | digit
    before = sum(group.counts(tied)[: group.rank])
    return _rows_at_least(scores, free, int(prefix or 0), min(max(wanted - before, 0), tied))


def _keys(scores: Tensor) -> Tensor:
    """Whole numbers in the order of the scores, `[m]` int64, as wide as the scores are."""
    ordered = torch.nan_to_num(scores, nan=-torch.inf) + 0.0  # -0 counts as 0
    if scores.dtype == torch.float64:
        bits = ordered.view(torch.int64)
        return bits ^ ((bits >> 63) & (2**63 - 1))
    narrow = ordered.view(torch.int32)
    return (narrow ^ ((narrow >> 31) & (2**31 - 1))).long()


def _blocks(scores: Tensor, free: Tensor | None) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """The scores block by block.

    Yields:
        First row, keys `[m]`, and which may be chosen `[m]`.
    """
    for part in row_chunks(len(scores), _BLOCK):
        yield part.start, _keys(scores[part]), None if free is None else free[part]


def _histogram(scores: Tensor, free: Tensor | None, shift: int, prefix: int | None, top: bool) -> Tensor:
    """How many free scores of the given prefix have each value of the next sixteen bits, `[65536]` int64."""
    found = torch.zeros(_CELLS, dtype=torch.long, device=scores.device)
    for _, keys, allowed in _blocks(scores, free):
        if allowed is not None:
            keys = keys[allowed]
        digits = keys >> shift
        if prefix is not None:
            digits = digits[digits >> _BITS == prefix] & (_CELLS - 1)
        found += torch.bincount(digits + _CELLS // 2 if top else digits, minlength=_CELLS)
    return found


def _rows_at_least(scores: Tensor, free: Tensor | None, key: int, ties: int) -> Tensor:
    """Free rows of a higher key, and the first `ties` of those that have it, ascending."""
    found = []
    for start, keys, allowed in _blocks(scores, free):
        higher, same = keys > key, keys == key
        if allowed is not None:
            higher, same = higher & allowed, same & allowed
        if ties:
            kept = torch.nonzero(same)[:ties, 0]
            ties -= len(kept)
            higher[kept] = True
        found.append(torch.nonzero(higher)[:, 0] + start)
    return torch.cat(found) if found else torch.empty(0, dtype=torch.long, device=scores.device)
