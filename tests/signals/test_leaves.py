"""A fingerprint made of parts does not depend on who reads them, and tells every change."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from nint.signals.grid.array import ArraySignal
from nint.signals.grid_rows import rows_of
from nint.signals.leaves import LEAVES, is_leaf_fingerprint, leaf_digests, leaf_edges, leaf_fingerprint


@pytest.mark.parametrize("points", [5, 4096, 10_001])
def test_the_same_whoever_reads_which_parts(points):
    array = np.random.default_rng(0).random((points, 2), dtype=np.float32)
    rows = rows_of(array, 1)
    parts = [range(0, 1000), range(1000, 1000), range(1000, 4000), range(4000, LEAVES)]
    joined = np.concatenate([leaf_digests(rows, part) for part in parts])
    assert leaf_fingerprint(rows, joined) == leaf_fingerprint(rows)
    edges = leaf_edges(points)
    by_hand = hashlib.sha256(f"{(points,)} 2 <f4 ".encode())
    for start, stop in itertools.pairwise(edges):
        by_hand.update(hashlib.sha256(array[start:stop].tobytes()).digest())
    assert leaf_fingerprint(rows) == "leaves:" + by_hand.hexdigest()[:16]


def test_every_change_is_told():
    array = np.random.default_rng(0).integers(0, 9, (60, 70), dtype=np.uint8)
    signal = ArraySignal(array)
    print_ = leaf_fingerprint(rows_of(array, 2))
    assert is_leaf_fingerprint(print_)
    assert not is_leaf_fingerprint(signal.fingerprint())
    assert signal.same_content(print_)
    assert signal.same_content(signal.fingerprint())
    changed = array.copy()
    changed[-1, -1] += 1
    assert not ArraySignal(changed).same_content(print_)
    assert not ArraySignal(array.reshape(70, 60)).same_content(print_)
    assert not ArraySignal(array.astype(np.int16)).same_content(print_)
