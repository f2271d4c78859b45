"""What a reader must know to trust a table, and where it disagrees with the paper; every sentence comes from the records."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.bench.tables.columns import COST, FLOPS, ITERATIONS, SECONDS, VALUE, Column, metric_title, title_of
from nint.bench.tables.rows import PAPER_LR, Row

if TYPE_CHECKING:
    from nint.bench.tables.base import Table
    from nint.bench.tables.data import Line

METRICS = {
    "psnr": "PSNR: 10 log10(1 / mean squared error) in dB, predictions clamped to [0, 1].",
    "ssim": "SSIM: scikit-image's default, a 7x7 uniform window, mean over channels. EVOS reports an 11x11 Gaussian one, another number.",
    "lpips": "LPIPS: AlexNet, version 0.1, values mapped to [-1, 1] by 2 v - 1 (the paper's code stretches each image to its own range).",
    "si_snr": "SI-SNR: zero mean, scale invariant, in dB.",
    "stoi": "STOI: the classic measure, not the extended one.",
    "pesq": "PESQ: wide band at 16 kHz.",
    "iou": "IoU: of the points of a regular grid inside the shape and inside the prediction.",
    "chamfer": "Chamfer e-3: mean of the two directed mean distances, not squared, times 1000, of 30,000 surface points each with fixed "
    "seeds, on a shape whose longest side is 0.9.",
}
_WHY_ABSENT = {
    "lpips": "its weights are not installed where the runs were made (`nint assets lpips` fetches them), or the images are under 32 pixels",
    "pesq": "the package pesq is not installed where the runs were made",
    "stoi": "the package pystoi is not installed where the runs were made",
}
_DIGITS = {"psnr": 2, "si_snr": 2, "ssim": 4, "lpips": 4, "iou": 4, "stoi": 3, "pesq": 3, "chamfer": 3}
_SHORT = {"psnr": 1, "ssim": 2, "lpips": 2}


def digits(metric: str, short: bool = False) -> int:
    """Decimals of a metric."""
    return _SHORT.get(metric, 3) if short else _DIGITS.get(metric, 3)


def decimals(column: Column, size: float) -> int:
    """Decimals of a column whose values are about of a size."""
    if column.what == VALUE:
        return digits(column.metric)
    if column.what == ITERATIONS:
        return 0
    if column.what == FLOPS or column.metric == "flops":
        return 1 if size >= 10 else 2
    return 1 if column.metric == "selecting" else 2 if size >= 1 else 3


def as_shown(column: Column, value: float) -> float:
    """A value rounded as it is shown; values that look the same are ranked the same."""
    return float(f"{value:.4g}") if column.what == FLOPS else round(value, decimals(column, value))


def differences(columns: Sequence[Column], lines: Sequence[Line]) -> list[str]:
    """A sentence for each row in which ours and the paper's stand on different sides of full training."""
    found = []
    for line in lines:
        parts = []
        for column, cell in zip(columns, line.cells, strict=True):
            if cell.ratio is None or cell.published_ratio is None:
                continue
            here, there = (side(column, round(value, 3)) for value in (cell.ratio, cell.published_ratio))
            if here * there < 0:
                word = "better" if here > 0 else "worse"
                parts.append(f"{_place(column)} ({word} here, {cell.ratio:.3f}; {cell.published_ratio:.3f} in the paper)")
        if parts:
            found.append(f"`{line.row.text}` stands on the other side of full training than in the paper in {', '.join(parts)}.")
    return found


def side(column: Column, ratio: float) -> int:
    """1 where a ratio to full training is better than it, -1 where worse, 0 where equal."""
    sign = (ratio > 1) - (ratio < 1)
    return -sign if column.lower_is_better else sign


def notes(
    table: Table,
    scale: Scale,
    specs: Mapping[Row, Sequence[RunSpec]],
    found: Mapping[Row, Sequence[dict[str, Any] | None]],
    metrics: Sequence[str],
    absent: Sequence[str],
    problems: Sequence[str],
    facts: Mapping[str, Any],
) -> dict[str, list[str]]:
    """Heading -> sentences."""
    runs = [spec for each in specs.values() for spec in each]
    records = [record for each in found.values() for record in each if record is not None]
    good = [record for record in records if record.get("error") is None]
    command = facts.get("command") or next((record["command"] for record in records if record.get("command")), "")
    sections = {
        "Command": [f"`{command}`"] if command else [],
        f"Scale: {scale.name}": [*scale.about],
        "Inputs": [*_inputs(runs), *problems],
        "Protocol": [*_protocol(table, runs), *table.remarks],
        "Rows": [f"`{row.text}`: {row.note}" for row in specs if row.note],
        "Metrics": [
            *(METRICS.get(metric, f"{metric_title(metric)}.") for metric in metrics),
            *(
                f"{metric_title(m)} is absent: no run measured it, most likely as {_WHY_ABSENT.get(m, 'it is not defined here')}."
                for m in absent
            ),
        ],
        "Cost": _cost(good),
        "Machine": _machines(good),
        "Not run or failed": _gaps(found),
    }
    return {heading: sentences for heading, sentences in sections.items() if sentences}


def _inputs(runs: Sequence[RunSpec]) -> list[str]:
    names = list(dict.fromkeys(spec.input_name for spec in runs))
    samples = [name for name in names if name.startswith("sample:")]
    found = [f"{', '.join(names)}."]
    if samples:
        what = "All of them are" if len(samples) == len(names) else f"{', '.join(samples)}: these are"
        found.append(f"{what} sample data, not the paper's.")
    return found


def _protocol(table: Table, runs: Sequence[RunSpec]) -> list[str]:
    task = runs[0]
    seeds, inputs = len({spec.seed for spec in runs}), len({spec.input_name for spec in runs})
    over = f"{inputs} input{'s' * (inputs > 1)} and {seeds} seed{'s' * (seeds > 1)}"
    spread = f"mean ± sample standard deviation over {over}" if seeds * inputs > 1 else f"{over}, so there is no spread"
    budget = f"{task.steps:,} steps" if task.steps is not None else f"{task.seconds:g} training seconds"
    marked = "the rows of a network" if table.pairs else "the rows with the paper's settings, and of each other block"
    return [
        f"Every run has {budget} and Adam at {PAPER_LR:g}, constant, where its row says nothing else; numbers are {spread}.",
        "Runs of an input and a seed start from the same weights and take turns, after a warm-up that is thrown away. The clock counts "
        "selection and training, not evaluation; the paper's counts evaluation too, so only ratios to `full` (its Stand.) compare.",
        "Quality is that of the parameters after the update. A target counts as reached at the first evaluation that is as good; "
        "evaluations lie ever farther apart and nothing is interpolated, so it is found late, never early.",
        "FLOPs are those of the matrix products, selection included: no machine changes them.",
        f"Bold is the best and underlined the second best of {marked}; the marks do not ask whether a difference exceeds the spread. "
        "Where some runs lack a value, their number stands behind it and it is not ranked.",
    ]


def _cost(good: Sequence[dict[str, Any]]) -> list[str]:
    if not good:
        return []
    seconds = sum(record["training_seconds"] for record in good)
    flops = sum(record["curve"][-1].get("flops") or 0 for record in good)
    shares = [record["selection_seconds"] / record["training_seconds"] for record in good if record["training_seconds"]]
    return [
        f"{len(good)} runs (some are shared with other tables): {seconds:,.0f} s of training and {flops / 1e12:,.3g} TFLOP; selecting "
        f"took {100 * statistics.median(shares):.0f} % of a run's training time in the median."
    ]


def _machines(good: Sequence[dict[str, Any]]) -> list[str]:
    found = set()
    for record in good:
        machine, versions, threads = record["machine"], record["versions"], record["threads"]
        found.add(
            f"{machine['name']} ({machine['device']}), {machine['system']}, {threads} thread{'s' * (threads > 1)}, chunks of "
            f"{record['chunk_size']:,} points, nint {versions['nint']}, torch {versions['torch']}, Python {versions['python']}."
        )
    launches = len({record.get("launch") for record in good})
    if launches > 1:
        found.add(f"The runs come from {launches} launches, whose seconds need not be comparable.")
    return sorted(found)


def _gaps(found: Mapping[Row, Sequence[dict[str, Any] | None]]) -> list[str]:
    gaps = []
    for row, runs in found.items():
        missing = sum(record is None for record in runs)
        if missing:
            gaps.append(f"`{row.text}`: {missing} of {len(runs)} runs not made.")
        errors = sorted({record["error"] for record in runs if record is not None and record.get("error")})
        gaps += [f"`{row.text}` failed: {error}" for error in errors]
    return gaps


def _place(column: Column) -> str:
    words = {VALUE: "", ITERATIONS: "iterations to ", SECONDS: "seconds to ", FLOPS: "FLOPs to ", COST: ""}
    return words[column.what] + title_of(column)
