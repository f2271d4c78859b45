"""What a reader must know to trust a table, and where it disagrees with the paper; every sentence comes from the records."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from nint.bench.interleaved import BLOCK_STEPS
from nint.bench.statistics import CONFIDENCE, LEAST_PAIRS, RESAMPLES
from nint.bench.tables.base import Table
from nint.bench.tables.cells import Record, TableData
from nint.bench.tables.columns import COST, FLOPS, ITERATIONS, SECONDS, VALUE, WORK, Column, metric_title, metrics_of, title_of
from nint.bench.tables.rows import Row

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
    "psnr_held_out": "PSNR-HELD-OUT: PSNR of the points that were kept out of training.",
}
_WHY_ABSENT = {
    "lpips": "its weights are not installed where the runs were made (`nint assets lpips` fetches them), or the images are under 32 pixels",
    "pesq": "the package pesq is not installed where the runs were made",
    "stoi": "the package pystoi is not installed where the runs were made",
}


def notes(data: TableData) -> dict[str, list[str]]:
    """How a table was made: heading -> sentences."""
    table, records = data.table, data.records
    good = [record for record in records if record.get("error") is None and not record.get("method")]  # those that were trained
    commands = [data.command] if data.command else sorted({record["command"] for record in records if record.get("command")})
    sections = {
        "Command": [f"`{command}`" for command in commands],
        **{heading: list(sentences) for heading, sentences in table.about},
        "Inputs": [*_inputs(table), *table.remarks, *data.problems],
        "Protocol": [*_protocol(data), *table.protocol],
        "Marks and differences": _statistics(data),
        "Rows": [f"`{row.text}`: {row.note}" for row in table.runs if row.note],
        "Metrics": [
            *(METRICS.get(metric, f"{metric_title(metric)}.") for metric in metrics_of(data.columns)),
            *(
                f"{metric_title(m)} is absent: no run measured it, most likely as {_WHY_ABSENT.get(m, 'it is not defined here')}."
                for m in metrics_of(data.absent)
            ),
        ],
        "Cost": _cost(good),
        "Machine": machines(good),
        "Not run or failed": _gaps(data.found),
    }
    return {heading: sentences for heading, sentences in sections.items() if sentences}


def differences(data: TableData) -> list[str]:
    """A sentence for each row in which ours and the paper's stand on different sides of full training."""
    found = []
    for line in data.lines:
        parts = []
        for column, cell in zip(data.columns, line.cells, strict=True):
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


def _inputs(table: Table) -> list[str]:
    names = table.inputs
    samples = [name for name in names if name.startswith("sample:")]
    found = [f"{', '.join(names)}."]
    if samples and table.published is not None:
        what = "All of them are" if len(samples) == len(names) else f"{', '.join(samples)}: these are"
        found.append(f"{what} sample data, not the paper's.")
    return found


def _over(table: Table) -> str:
    inputs, seeds = len(table.inputs), len(table.seeds)
    return f"{inputs} input{'s' * (inputs > 1)} and {seeds} seed{'s' * (seeds > 1)}"


def _protocol(data: TableData) -> list[str]:
    many = data.table.runs_a_row > 1
    spread = f"mean ± sample standard deviation over {_over(data.table)}" if many else f"of {_over(data.table)}, so there is no spread"
    found = [
        f"Numbers are {spread}. Runs of an input, a network and a seed start from the same weights and take turns, {BLOCK_STEPS} steps "
        "at a time, after a warm-up that is not counted.",
        "Training seconds include selection and exclude evaluation, pictures and setting up. Selecting is the part of them spent on "
        "choosing points.",
        "Quality is that of the parameters after the update. A target counts as reached at the first evaluation that is as good; nothing "
        "is interpolated, so it is found late, never early.",
    ]
    kinds = {column.what if column.what != COST else column.metric for column in data.columns}
    if {FLOPS, "flops"} & kinds:
        found.append("FLOPs are those of the matrix products, selection included: no machine changes them.")
    if {WORK, "forward_equivalents"} & kinds:
        found.append(
            "Forward equivalents are the work in forwards over all points, selection included; a backward counts 2, a forward-mode pass 3. "
            "No machine changes them."
        )
    return found


def _statistics(data: TableData) -> list[str]:
    """What the marks and the differences mean, or why there are none."""
    table, ranked = data.table, data.table.runs_a_row
    printed = ["In the published numbers bold and underlined are the paper's best and second best as printed."] if table.published else []
    if ranked < LEAST_PAIRS:
        return [
            f"Nothing of ours is marked as best: with {_over(table)} there {'is' if ranked == 1 else 'are'} {ranked} run"
            f"{'s' * (ranked > 1)} a row, and an interval of a difference needs at least {LEAST_PAIRS}.",
            *printed,
        ]
    among = "a network" if table.by_field else "a block" if any(row.block for row in table.runs) else "the table"
    return [
        f"Differences are taken run by run from `{table.baseline}` with the same input and seed: their mean, its {CONFIDENCE:.0%} "
        f"bootstrap interval (percentiles of {RESAMPLES:,} resampled means) and the p value of a paired t-test, over {_over(table)}.",
        f"Bold is the best of {among}, where the interval of its difference to the row behind excludes 0; underlined is the second best, "
        "where that too is told from the third. Where some runs lack a value, their number stands behind it and it is not ranked.",
        "With few runs the interval is too narrow (three differences of one sign always exclude 0): read it beside p. Both speak of these "
        "inputs and seeds, and are not corrected for the number of comparisons.",
        *printed,
    ]


def _cost(good: Sequence[Record]) -> list[str]:
    if not good:
        return []
    seconds = sum(record["training_seconds"] for record in good)
    flops = sum(record["curve"][-1].get("flops") or 0 for record in good)
    parts = [record["selection_seconds"] / record["training_seconds"] for record in good if record["training_seconds"]]
    return [
        f"{len(good)} runs (some may be shared with other tables): {seconds:,.0f} s of training and {flops / 1e12:,.3g} TFLOP; selecting "
        f"took {100 * statistics.median(parts):.0f} % of a run's training time in the median."
    ]


def machines(records: Sequence[Record]) -> list[str]:
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


def _gaps(found: Mapping[Row, Sequence[Record | None]]) -> list[str]:
    gaps = []
    for row, runs in found.items():
        missing = sum(record is None for record in runs)
        if missing:
            gaps.append(f"`{row.text}`: {missing} of {len(runs)} runs not made.")
        errors = sorted({record["error"] for record in runs if record is not None and record.get("error")})
        gaps += [f"`{row.text}` failed: {error}" for error in errors]
    return gaps


def _place(column: Column) -> str:
    words = {VALUE: "", ITERATIONS: "iterations to ", SECONDS: "seconds to ", FLOPS: "FLOPs to ", WORK: "forward equivalents to ", COST: ""}
    return words[column.what] + title_of(column)
