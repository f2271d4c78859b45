"""Checks of what the paper says about settings: how near to the best they stay, and what a change of one brings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nint.bench.claims.verdicts import Check, Missing, Verdict, best_of, cell, contenders, gain_percent, is_better, standing
from nint.bench.published import Rows

CLOSE_PERCENT = 10.0
"""What we take "close" and "barely" to mean."""

FIRST_FIGURE = "fig1 "
"""Of a column of Fig. 1, before its name."""

PER_IMAGE = "fig8 image "
"""Column of an image of Fig. 8, before its name."""


def _known(rows: Rows, wanted: Sequence[str], columns: Sequence[str], printed: bool) -> list[str]:
    """The columns of which something is known of all of some rows: at other sizes than the paper's some targets no row reaches.

    Raises:
        Missing: for a row that is not there, and where no column is left.
    """
    for row in wanted:
        if row not in rows:
            raise Missing(f"There is no row {row}.")
    found = [column for column in columns if all(standing(rows, row, column, printed) is not None for row in wanted)]
    if not found:
        raise Missing(f"There is no column that {' and '.join(wanted)} have.")
    return found


def _value(rows: Rows, row: str, column: str, printed: bool) -> float:
    found = standing(rows, row, column, printed)
    return cell(rows, row, column) if found is None else found


def _gain(rows: Rows, row: str, column: str, than: str, printed: bool) -> float:
    """As `gain_percent`; infinite where only the row gets there, minus infinity where only the other does, 0 where neither."""
    ours, other = (_value(rows, one, column, printed) for one in (row, than))
    if ours == other == math.inf:
        return 0.0
    if math.inf in (ours, other):
        return math.inf if other == math.inf else -math.inf
    return gain_percent(rows, row, column, than)


def stays_close(settings: Sequence[str], columns: Sequence[str]) -> Check:
    """Rows that are within `CLOSE_PERCENT` of the best of the table in every column."""

    def check(rows: Rows, printed: bool) -> Verdict:
        figures, far = {}, []
        for row in settings:
            for column in _known(rows, settings, columns, printed):
                _, best = best_of(contenders(rows, column, printed), column)
                behind = 100 * abs(_value(rows, row, column, printed) / best - 1)
                figures[f"{row}, {column}"] = behind
                if behind > CLOSE_PERCENT:
                    far.append(f"{row}, {column}")
        near = len(figures) - len(far)
        reason = f"Within {CLOSE_PERCENT:g} % of the best in {near} of {len(figures)} cells"
        behind_by = {name: value for name, value in figures.items() if math.isfinite(value)}
        if behind_by:
            worst, most = max(behind_by.items(), key=lambda item: item[1])
            reason += f", at most {most:.1f} % behind ({worst})"
        if never := [name for name in figures if name not in behind_by]:
            reason += f"; not reached: {'; '.join(never)}"
        return Verdict(not far, f"{reason}.", {"near": float(near), "of": float(len(figures)), **figures}, partly=near > 0)

    return check


def hardly_improves(settings: Sequence[str], than: str, columns: Sequence[str]) -> Check:
    """Rows that are not better than another in most cells, and nowhere by more than `CLOSE_PERCENT`."""

    def check(rows: Rows, printed: bool) -> Verdict:
        known = _known(rows, (*settings, than), columns, printed)
        gains = {f"{row}, {column}": _gain(rows, row, column, than, printed) for row in settings for column in known}
        better = {name: value for name, value in gains.items() if value > 0}
        finite = [(name, value) for name, value in gains.items() if math.isfinite(value)]
        if not finite:
            raise Missing(f"There is no column that both {than} and one of the others reach.")
        largest = max(finite, key=lambda item: item[1])
        reason = f"Better than {than} in {len(better)} of {len(gains)} cells, by at most {largest[1]:.1f} % ({largest[0]})"
        alone = [name for name, value in gains.items() if value == math.inf]
        reason += f", where both get there; {than} alone does not get to {'; '.join(alone)}" if alone else ""
        few, small = 2 * len(better) < len(gains), largest[1] <= CLOSE_PERCENT and not alone
        return Verdict(few and small, f"{reason}.", {"better": float(len(better)), "of": float(len(gains))}, partly=few or small)

    return check


def improves_slightly(row: str, than: str, columns: Sequence[str]) -> Check:
    """A row that is better than another in more than half of the cells."""

    def check(rows: Rows, printed: bool) -> Verdict:
        known = _known(rows, (row, than), columns, printed)
        better = [column for column in known if is_better(_value(rows, row, column, printed), _value(rows, than, column, printed), column)]
        reason = f"{row} is better than {than} in {len(better)} of {len(known)} columns{': ' + ', '.join(better) if better else ''}."
        holds = 2 * len(better) > len(known)
        return Verdict(holds, reason, {"better": float(len(better)), "of": float(len(known))}, partly=bool(better))

    return check


def one_metric_only(row: str, than: str, gained: Sequence[str], lost: Sequence[str]) -> Check:
    """A row that is better than another in most of some columns, and not in all of some others."""

    def check(rows: Rows, printed: bool) -> Verdict:
        there, here = (
            sum(is_better(cell(rows, row, column), cell(rows, than, column), column) for column in columns) for columns in (gained, lost)
        )
        reason = f"Against {than}, {row} is better in {there} of {len(gained)} Chamfer distances and in {here} of {len(lost)} IoUs."
        figures = {"gained": float(there), "of": float(len(gained)), "also": float(here)}
        return Verdict(2 * there > len(gained) and here < len(lost), reason, figures, partly=2 * there > len(gained))

    return check


def leads_on_every_image() -> Check:
    """NINT has the highest PSNR of the rows of Fig. 8 on each of its images."""

    def check(rows: Rows, printed: bool) -> Verdict:
        images = list(dict.fromkeys(column for values in rows.values() for column in values if column.startswith(PER_IMAGE)))
        if not images or "nint" not in rows:
            raise Missing("Fig. 8 was not made here.")
        lost = []
        for column in images:
            known = [(row, value) for row, values in rows.items() if (value := values.get(column)) is not None]
            name, best = best_of(known, column)
            if is_better(best, cell(rows, "nint", column), column):
                lost.append(f"{name} ({best:.2f} dB against {cell(rows, 'nint', column):.2f})")
        led = len(images) - len(lost)
        reason = f"NINT leads on {led} of {len(images)} images{'; it loses to ' + ', '.join(lost) if lost else ''}."
        return Verdict(not lost, reason, {"led": float(led), "of": float(len(images))}, partly=led > 0)

    return check
