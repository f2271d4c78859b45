"""The sentence about the machine that runs were made on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def machines(records: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each machine with its versions that some runs come from, and one where they come from several launches.

    Args:
        records: Of runs that did not fail.
    """
    found = set()
    for record in records:
        machine, versions, threads = record["machine"], record["versions"], record["threads"]
        found.add(
            f"{machine['name']} ({machine['device']}), {machine['system']}, {threads} thread{'s' * (threads > 1)}, chunks of "
            f"{record['chunk_size']:,} points, nint {versions['nint']}, torch {versions['torch']}, Python {versions['python']}."
        )
    launches = len({record.get("launch") for record in records})
    if launches > 1:
        found.add(f"The runs come from {launches} launches, whose seconds need not be comparable.")
    return sorted(found)
