"""A fingerprint that several processes can make together: one hash a part of the rows, and one of all those.

Every grid is divided into the same number of parts, whoever reads them, so that the fingerprint does not depend on the number of readers.
"""

from __future__ import annotations

import hashlib

import numpy as np

from nint.signals.grid_rows import Rows, block_points

LEAVES = 4096
"""Parts of every signal."""

_PREFIX = "leaves:"


def leaf_edges(total: int) -> list[int]:
    """Where the parts of so many rows begin, and where the last one ends, `LEAVES + 1` numbers; parts may be empty."""
    return [number * total // LEAVES for number in range(LEAVES + 1)]


def leaf_digests(rows: Rows, held: range) -> np.ndarray:
    """Hashes of some parts, `[len(held), 32]` uint8. Cost: a pass over them."""
    edges, step = leaf_edges(len(rows)), block_points(rows.channels)
    found = np.zeros((len(held), 32), np.uint8)
    for place, leaf in enumerate(held):
        digest = hashlib.sha256()
        for start in range(edges[leaf], edges[leaf + 1], step):
            digest.update(np.ascontiguousarray(rows.between(start, min(start + step, edges[leaf + 1]))).data)
        found[place] = np.frombuffer(digest.digest(), np.uint8)
    return found


def leaf_fingerprint(rows: Rows, digests: np.ndarray | None = None) -> str:
    """The fingerprint of rows.

    Args:
        rows: All of them.
        digests: Hashes of all parts, `[LEAVES, 32]`, where they are known; computed where None.
    """
    digests = leaf_digests(rows, range(LEAVES)) if digests is None else digests
    whole = hashlib.sha256(f"{rows.grid} {rows.channels} {rows.dtype.str} ".encode())
    whole.update(np.ascontiguousarray(digests).data)
    return _PREFIX + whole.hexdigest()[:16]


def is_leaf_fingerprint(text: str) -> bool:
    """Whether a fingerprint is of this kind."""
    return text.startswith(_PREFIX)
