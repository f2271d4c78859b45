"""Checks that serve one or two claims only; the common ones are in verdicts.py."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from nint.bench.claims.verdicts import (
    Check,
    Missing,
    Verdict,
    cell,
    contenders,
    gain_percent,
    is_better,
    leads,
    pairs,
    sampler_of,
    standing,
)
from nint.bench.published import Rows, published, row_parts

_POINTS, _WEIGHTS = 512 * 512, 2 * 256 + 4 * 256 * 256 + 256 * 3
_LEAST_PASSES = 5  # forward 1, reverse 2, forward mode 2 with the activations at hand; a pass is two operations a weight and point
_CARD_TFLOPS = 82.6  # peak of an RTX 4090 in float32, NVIDIA's Ada whitepaper
_SCORING_S = 3.2e-3

SCORING_AGAINST_THE_CARD = (
    f"No table has it; but K g of all {_POINTS:,} points is at least {2 * _LEAST_PASSES * _POINTS * _WEIGHTS / 1e12:.2f} TFLOP, which in "
    f"3.2 ms is {2 * _LEAST_PASSES * _POINTS * _WEIGHTS / _SCORING_S / 1e12:.0f} TFLOP/s, and the card's peak in float32 is "
    f"{_CARD_TFLOPS}: so it was fewer points, half precision, or a clock that does not wait for the card."
)


def cannot_tell(reason: str) -> Check:
    """No table decides it, ours included."""
    return lambda rows, printed: Verdict(None, reason)


def nearly_halved(row: str) -> Check:
    """At least 40 % of the seconds saved at each of the three targets."""

    def check(rows: Rows, printed: bool) -> Verdict:
        saved = {f"{target} dB": gain_percent(rows, row, f"seconds@{target}", "full") for target in (25, 30, 35)}
        reason = f"Less time than full training: {', '.join(f'{value:.1f} % to {name}' for name, value in saved.items())}."
        return Verdict(all(value >= 40 for value in saved.values()), reason, saved, partly=any(value >= 40 for value in saved.values()))

    return check


def row_beats(row: str, than: str, columns: Sequence[str]) -> Check:
    """A row is at least as good as another in every column."""

    def check(rows: Rows, printed: bool) -> Verdict:
        worse = [column for column in columns if is_better(cell(rows, than, column), cell(rows, row, column), column)]
        kept = len(columns) - len(worse)
        reason = f"{row} is at least as good as {than} in {kept} of {len(columns)} cells{', not in ' + ', '.join(worse) if worse else ''}."
        return Verdict(not worse, reason, {"kept": float(kept), "of": float(len(columns))}, partly=kept > 0)

    return check


def cell_is(row: str, column: str, stated: float) -> Check:
    """A value is the stated one (published) or at least that (ours)."""

    def check(rows: Rows, printed: bool) -> Verdict:
        value = cell(rows, row, column)
        holds = abs(value - stated) < 0.005 if printed else value >= stated
        return Verdict(holds, f"{value:g} at {column}; {stated:g} stated.", {column: value})

    return check


def at_least(row: str, column: str, stated: float) -> Check:
    """A measured value reaches a bound."""
    return lambda rows, printed: _bound(rows, row, column, stated, "at least")


def at_most(row: str, column: str, stated: float) -> Check:
    """A measured value keeps below a bound."""
    return lambda rows, printed: _bound(rows, row, column, stated, "at most")


def _bound(rows: Rows, row: str, column: str, stated: float, words: str) -> Verdict:
    value = cell(rows, row, column)
    holds = value >= stated if words == "at least" else value <= stated
    return Verdict(holds, f"{column} is {value:.4g}; {words} {stated:g} is asked for.", {column: value})


def saves_at_least(row: str, column: str, percent: float) -> Check:
    """A row is faster than full training by a share that we take the words to mean."""

    def check(rows: Rows, printed: bool) -> Verdict:
        saved = gain_percent(rows, row, column, "full")
        return Verdict(saved >= percent, f"It saves {saved:.2f} % of full training's time.", {column: saved}, partly=saved > 0)

    return check


def ranks(row: str, columns: Sequence[str], place: int, need: int) -> Check:
    """A row is among the first `place` in at least `need` of the columns."""

    def check(rows: Rows, printed: bool) -> Verdict:
        found = {}
        for column in columns:
            known = standing(rows, row, column, printed)
            value = cell(rows, row, column) if known is None else known
            found[column] = 1.0 + sum(is_better(other, value, column) for _, other in contenders(rows, column, printed))
        there = sum(rank <= place for rank in found.values())
        behind = ", ".join(f"{column} ({rank:.0f})" for column, rank in found.items() if rank > place)
        reason = f"Among the first {place} in {there} of {len(columns)} columns{'; further back in ' + behind if behind else ''}."
        return Verdict(there >= need, reason, {"columns": float(there)} | found, partly=there > 0)

    return check


def leads_everywhere() -> Check:
    """NINT leads in every column of SSIM and LPIPS that the rows have."""

    def check(rows: Rows, printed: bool) -> Verdict:
        columns = list(dict.fromkeys(column for row in rows.values() for column in row if column.startswith(("ssim@", "lpips@"))))
        return leads(columns)(rows, printed)

    return check


def _by_size(rows: Rows) -> list[tuple[str, str, str]]:
    """(size, Stand., NINT), the smallest network first."""

    def weights(size: str) -> int:
        layers, width = map(int, size.split("x"))
        return (layers - 1) * width * width + 6 * width

    found = [(str(row_parts(full)[1]).partition("size=")[2], full, nint) for full, nint in pairs(rows)]
    return sorted((item for item in found if item[0]), key=lambda item: weights(item[0]))


def savings_grow(column: str) -> Check:
    """The share saved is larger with every larger network."""

    def check(rows: Rows, printed: bool) -> Verdict:
        known = [item for item in _by_size(rows) if rows[item[1]].get(column) is not None and rows[item[2]].get(column) is not None]
        saved = {size: gain_percent(rows, nint, column, full) for size, full, nint in known}
        if len(saved) < 2:
            raise Missing("There are not two sizes that reach the target.")
        values = list(saved.values())
        rises = sum(a < b for a, b in itertools.pairwise(values))
        reason = f"Saved: {', '.join(f'{size} {value:.1f} %' for size, value in saved.items())}."
        return Verdict(rises == len(values) - 1, reason, saved, partly=values[-1] > values[0])

    return check


def gap_widens(column: str) -> Check:
    """The lead of NINT over full training is larger with the largest network than with the smallest."""

    def check(rows: Rows, printed: bool) -> Verdict:
        gaps = {size: cell(rows, nint, column) - cell(rows, full, column) for size, full, nint in _by_size(rows)}
        if len(gaps) < 2:
            raise Missing("There are not two sizes to compare.")
        values = list(gaps.values())
        reason = f"Ahead by {', '.join(f'{value:.2f} ({size})' for size, value in gaps.items())}."
        return Verdict(values == sorted(values) and values[-1] > values[0], reason, gaps, partly=values[-1] > values[0])

    return check


def column_is_a_fixed_length(rows: Rows, printed: bool) -> Verdict:
    """Table 3's last column: a run of fixed length always has a time; a target may never be reached."""
    if not printed:
        return Verdict(None, "Ours is the time to 25 dB, as the text has it.")
    never = [row for row, values in rows.items() if values["seconds@25"] is None]
    step = cell(rows, "full field=siren:size=5x256", "seconds@25") / 3000
    table2 = cell(published("table2").rows, "full", "seconds@35") / cell(published("table2").rows, "full", "iterations@35")
    reason = (
        f"{len(never)} rows have no time, which 3000 iterations always take, and with 5x256 they would have taken {1000 * step:.0f} ms "
        f"each against {1000 * table2:.0f} in Table 2: the text is right, the caption is not."
    )
    return Verdict(
        not never and step > table2 / 2, reason, {"rows without": float(len(never)), "ms": 1000 * step, "ms in Table 2": 1000 * table2}
    )


def same_until_the_first_quarter(rows: Rows, printed: bool) -> Verdict:
    """Table 8: targets that the default reaches within 1250 of 5000 iterations, where the incremental interval is dense."""
    if not printed:
        return Verdict(None, "Depends on how many steps the schedules are laid out for; a test of the interval's own.")
    off = {}
    for target in ("30", "ssim0.8", "lpips0.2"):
        default, own = (cell(rows, row, f"iterations@{target}") for row in ("nint", "nint:interval=incremental"))
        if default <= 1250:
            off[f"iterations@{target}"] = 100 * (own / default - 1)
    lambda2 = published("table5").rows["nint:decay_rate=2.0"]
    alike = [column for column in off if lambda2[column] == rows["nint:interval=incremental"][column]]
    reason = f"It differs from the default by {', '.join(f'{value:+.1f} % ({column})' for column, value in off.items())}"
    if alike:
        reason += f"; {' and '.join(alike)} are those of lambda = 2 in Table 5"
    return Verdict(all(abs(value) <= 1 for value in off.values()), f"{reason}.", off)


def chamfer_is_squared(rows: Rows, printed: bool) -> Verdict:
    """Table 7: what a mean squared distance would mean beside the same row's IoU."""
    if not printed:
        return Verdict(None, "Ours is not squared, and says so.")
    row = min((row for row in rows if sampler_of(row) == "nint"), key=lambda row: cell(rows, row, "chamfer@10000"))
    apart = math.sqrt(cell(rows, row, "chamfer@10000") * 1e-3)
    # The volume between the surfaces is (1 - IoU) V, spread over the area A; V / A is under 0.4 for any solid in a cube of side 2.
    between = (1 - cell(rows, row, "iou@10000")) * 0.4
    reason = (
        f"As a mean of squares it puts the surfaces about {apart:.3f} apart, while an IoU of {cell(rows, row, 'iou@10000'):g} leaves "
        f"at most {between:.3f}: the numbers are plain distances."
    )
    return Verdict(apart <= 3 * between, reason, {"apart": apart, "between": between})


def scoring_time(rows: Rows, printed: bool) -> Verdict:
    """Milliseconds of one scoring and its part of the selection; more milliseconds than stated say nothing, on another machine."""
    ms, share = cell(rows, "scoring", "milliseconds"), cell(rows, "scoring", "share_of_selection_percent")
    reason = f"{ms:.3g} ms, {share:.2f} % of the selection; 3.2 ms and 3.6 % stated."
    figures = {"milliseconds": ms, "share": share}
    if ms > 3.2:
        return Verdict(None, f"{reason[:-1]}, on the paper's card.", figures)
    return Verdict(share <= 3.6, reason, figures, partly=True)
