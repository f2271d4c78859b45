"""Sec. 11: what one NTK scoring costs, from the records of runs that score often and hardly ever."""

from __future__ import annotations

import dataclasses
from typing import Any

from nint.bench.runs import RunSpec

_STEPS = 40
OFTEN = "nint:refresh_interval=1,decay_rate=0.0"
RARELY = "nint:refresh_interval=1000000,decay_rate=0.0"
"""Alike but for the scorings: neither has an error part, so that without a scoring there is no forward for the selection either."""


def scoring_specs(run: RunSpec, group: str) -> list[RunSpec]:
    """The two runs between which the scorings of `run` (default NINT, in steps) are measured."""
    steps = min(run.steps or _STEPS, _STEPS)
    return [
        dataclasses.replace(run, sampler=sampler, steps=steps, evaluate_at=(steps,), keep=False, group=group) for sampler in (OFTEN, RARELY)
    ]


def scoring_cost(specs: list[RunSpec], records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Milliseconds of a scoring, K g = J (J^T g) over the whole pool with its forward, and its part of the selection of a default run.

    Scorings are counted by the points pushed through forward-mode passes, which nothing else needs.

    Args:
        specs: The default run, then those of `scoring_specs`.
        records: Key -> record.

    Returns:
        "rows" as the claims take them: scoring -> milliseconds, share_of_selection_percent; and what they are made from. Empty rows where
        a run is missing or the two do not differ.
    """
    runs = [record for spec in specs if (record := records.get(spec.key)) and not record.get("error") and "selection_seconds" in record]
    if len(runs) < len(specs):
        return {"rows": {}, "note": "Not all of the runs are there."}
    default, often, rarely = runs
    counts = [run["points_in_jvps"] / run["points"] for run in runs]
    if counts[1] <= counts[2]:
        return {"rows": {}, "note": "The runs score equally often."}
    milliseconds = 1000 * (often["selection_seconds"] - rarely["selection_seconds"]) / (counts[1] - counts[2])
    share = 100 * counts[0] * milliseconds / 1000 / default["selection_seconds"] if default["selection_seconds"] else None
    return {
        "rows": {"scoring": {"milliseconds": milliseconds, "share_of_selection_percent": share}},
        "points": default["points"],
        "parameters": default["parameters"],
        "runs": [
            {
                "key": spec.key,
                "sampler": spec.sampler,
                "steps": run["steps"],
                "scorings": count,
                "selection_seconds": run["selection_seconds"],
                "training_seconds": run["training_seconds"],
            }
            for spec, run, count in zip(specs, runs, counts, strict=True)
        ],
    }
