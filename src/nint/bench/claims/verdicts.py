"""What a claim of the paper is, and the ways to check one on the cells of a table, published or our own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nint.bench.published import STANDARD, Row, Rows, lower_is_better, published, row_parts
from nint.bench.tables.columns import EFFORTS
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.samplers import SAMPLERS


@dataclass(frozen=True)
class Verdict:
    """What the numbers say of a claim.

    Attributes:
        holds: Whether they bear it out; None where they cannot tell.
        reason: One sentence with the figures.
        figures: Name -> value of what was computed.
        partly: Of a claim that does not hold: whether a part of it does, or the direction without the size.
    """

    holds: bool | None
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    partly: bool = False

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if self.holds is None:
            return "cannot tell"
        return "holds" if self.holds else "in part" if self.partly else "does not hold"


class Missing(Exception):
    """A cell that a check needs is not there."""


Check = Callable[[Rows, bool], Verdict]
"""(rows, whether they are the published ones, which must give the very figure that the text states) -> verdict."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        id: Short name, the same in every report.
        where: Section of the paper, and the table that it rests on.
        says: What it says, in our words.
        check: How it is checked.
        table: The table whose rows the check takes; "" where the paper prints no numbers for it.
        measured: What rows `on_measured` takes where that is not a table of the paper: row and columns.
        unprinted: Why the published numbers cannot tell, where `table` is "".
        absolute: Whether it states a quality after a time, which numbers of smaller pictures, networks or times cannot bear out or refute.
    """

    id: str
    where: str
    says: str
    check: Check
    table: str = ""
    measured: str = ""
    unprinted: str = ""
    absolute: bool = False

    def on_published(self) -> Verdict:
        """The verdict of the paper's own numbers."""
        if not self.table:
            return Verdict(None, self.unprinted)
        return self.verdict(published(self.table).rows, True)

    def on_measured(self, rows: Rows) -> Verdict:
        """The verdict of our own numbers.

        A stated size is reached where ours is at least as large; a smaller one of the same sign holds in part.

        Args:
            rows: Rows and columns named as in the published table (or as `measured` says). Others are left out: rows with further settings
                of the run (a learning rate, a recipe) are not the paper's.
        """
        return self.verdict({row: values for row, values in rows.items() if _has_the_papers_form(row)}, False)

    def verdict(self, rows: Rows, printed: bool) -> Verdict:
        """Checks rows; what they lack is the reason of a verdict that cannot tell."""
        try:
            return self.check(rows, printed)
        except Missing as missing:
            return Verdict(None, str(missing))


def cell(rows: Rows, row: str, column: str) -> float:
    """A value that must be there.

    Raises:
        Missing: says what is not there.
    """
    value = (rows.get(row) or _same_row(rows, row)).get(column)
    if value is None:
        raise Missing(f"There is no {column} of {row}.")
    return value


def standing(rows: Rows, row: str, column: str, printed: bool) -> float | None:
    """A value to rank by: infinity for a measured row that never reached what another row of the table did; None where nothing is known.

    Args:
        rows: Of a table.
        row: Which.
        column: Which.
        printed: Whether they are the published ones, whose gaps stay gaps.
    """
    values = rows.get(row) or _same_row(rows, row)
    value = values.get(column)
    if value is not None or printed or column.partition("@")[0] not in EFFORTS or all(one is None for one in values.values()):
        return value
    reached = any(other.get(column) is not None for name, other in rows.items() if not sampler_of(name).startswith("nint-"))
    return math.inf if reached else None


def shown(value: float) -> str:
    """A value of `standing` in a sentence."""
    return f"{value:g}" if math.isfinite(value) else "not reached"


def _has_the_papers_form(row: str) -> bool:
    try:
        return "=" not in sampler_of(row)
    except UsageError:
        return False


def _same_row(rows: Rows, row: str) -> Row:
    """The row of the same sampler and network under another text form: nint is nint:random_share=0.7."""
    wanted = _plain(row)
    return next((values for other, values in rows.items() if _plain(other) == wanted), {}) if wanted else {}


def _plain(row: str) -> tuple[str, str] | None:
    """The shortest text forms of a row; None where it names no sampler."""
    try:
        sampler, network = row_parts(row)
        return SAMPLERS.text(SAMPLERS.parse(sampler)), "" if network is None else FIELDS.text(FIELDS.parse(network))
    except UsageError:
        return None


def sampler_of(row: str) -> str:
    """The id of a row's sampler, without its settings."""
    return row_parts(row)[0].partition(":")[0]


def gain_percent(rows: Rows, row: str, column: str, than: str) -> float:
    """How much better a row is than another in percent of the other: higher where more is better, lower where less is."""
    ours, other = cell(rows, row, column), cell(rows, than, column)
    return 100 * (1 - ours / other if lower_is_better(column) else ours / other - 1)


def compared(figures: dict[str, float], stated: float, printed: bool, tolerance: float, what: str) -> Verdict:
    """The first of the figures against the one that the text states (in percent)."""
    name, value = next(iter(figures.items()))
    text = f"{what} {value:.2f} % ({name}); {stated:g} % stated"
    if printed:
        near = abs(value - stated) <= tolerance
        return Verdict(near, f"{text}{'' if near else ', which is not the figure of the table'}.", figures, partly=value > 0)
    return Verdict(value >= stated - tolerance, f"{text}.", figures, partly=value > 0)


def gain(row: str, column: str, stated: float, what: str, tolerance: float = 0.005, than: str = STANDARD) -> Check:
    """One row is better than another by a stated percentage (published: to the printed digits)."""

    def check(rows: Rows, printed: bool) -> Verdict:
        return compared({f"{row}, {column}": gain_percent(rows, row, column, than)}, stated, printed, tolerance, what)

    return check


def largest_gain(columns: Sequence[str], stated: float, what: str, tolerance: float = 0.005) -> Check:
    """The largest gain ("up to") of NINT over Stand. in any pair of rows with the same network."""

    def check(rows: Rows, printed: bool) -> Verdict:
        found = {
            f"{row_parts(nint)[1]}, {column}": gain_percent(rows, nint, column, full)
            for full, nint in pairs(rows)
            for column in columns
            if rows[full].get(column) is not None and rows[nint].get(column) is not None
        }
        if not found:
            raise Missing("There is no pair of rows to compare.")
        return compared(dict(sorted(found.items(), key=lambda item: -item[1])), stated, printed, tolerance, what)

    return check


def pairs(rows: Rows) -> list[tuple[str, str]]:
    """Stand. and NINT with the same network, in the order of the rows."""
    return [
        (row, "nint" + row.removeprefix(STANDARD))
        for row in rows
        if row_parts(row)[0] == STANDARD and "nint" + row.removeprefix(STANDARD) in rows
    ]


def never_worse(columns: Sequence[str]) -> Check:
    """NINT is at least as good as Stand. with every network at every checkpoint."""

    def check(rows: Rows, printed: bool) -> Verdict:
        seen, worse = 0, []
        for full, nint in pairs(rows):
            for column in columns:
                theirs, ours = (standing(rows, row, column, printed) for row in (full, nint))
                if theirs is None or ours is None or theirs == ours == math.inf:
                    continue
                seen += 1
                if is_better(theirs, ours, column):
                    worse.append(f"{row_parts(nint)[1]} at {column} ({shown(ours)} against {shown(theirs)})")
        if not seen:
            raise Missing("There is no pair of rows to compare.")
        figures = {"cells": float(seen), "worse": float(len(worse))}
        reason = f"NINT is worse in {len(worse)} of {seen} cells: {'; '.join(worse)}." if worse else f"NINT is ahead in all {seen} cells."
        return Verdict(not worse, reason, figures, partly=len(worse) < seen)

    return check


def leads(columns: Sequence[str], need: float = 1.0) -> Check:
    """The best row of NINT is at least as good as every row of other samplers, in more than half of the columns or in all.

    Args:
        columns: Where.
        need: Fraction of the columns in which it must lead: 1 all, 0.5 more than half.
    """

    def check(rows: Rows, printed: bool) -> Verdict:
        lost, seen = [], 0
        for column in columns:
            known = [(row, value) for row in rows if (value := standing(rows, row, column, printed)) is not None]
            ours = [(row, value) for row, value in known if sampler_of(row) == "nint"]
            # Our own variants of NINT in a measured table are no rivals of it.
            rivals = [(row, value) for row, value in known if not sampler_of(row).startswith("nint")]
            if not ours or not rivals:
                continue
            seen += 1
            (_, ours_best), (rival, best) = (best_of(group, column) for group in (ours, rivals))
            if is_better(best, ours_best, column):
                lost.append(f"{column} to {rival} ({shown(best)} against {shown(ours_best)})")
        if not seen:
            raise Missing("There is no row of nint, or no rival.")
        led = seen - len(lost)
        figures = {"led": float(led), "of": float(seen)}
        holds = led == seen if need == 1 else led > need * seen
        return Verdict(holds, f"NINT leads in {led} of {seen}{'; it loses ' + ', '.join(lost) if lost else ''}.", figures, partly=led > 0)

    return check


def best_row(row: str, columns: Sequence[str]) -> Check:
    """A row is the best of its table in every one of the columns (a tie counts)."""

    def check(rows: Rows, printed: bool) -> Verdict:
        lost, figures = [], {}
        for column in columns:
            found = standing(rows, row, column, printed)
            value = figures[column] = cell(rows, row, column) if found is None else found
            name, best = best_of(contenders(rows, column, printed), column)
            if is_better(best, value, column):
                lost.append(f"{name} is ahead in {column} ({shown(best)} against {shown(value)})")
        reason = "; ".join(lost) if lost else f"{row} is ahead: {', '.join(f'{value:g} ({name})' for name, value in figures.items())}"
        return Verdict(not lost, f"{reason}.", figures, partly=len(lost) < len(columns))

    return check


def contenders(rows: Rows, column: str, printed: bool = True) -> list[tuple[str, float]]:
    """(row, value) of a table about settings: all that have the column but our own variants of NINT, which the paper does not have.

    Raises:
        Missing: where there is nothing to compare.
    """
    found = [
        (row, value)
        for row in rows
        if not sampler_of(row).startswith("nint-") and (value := standing(rows, row, column, printed)) is not None
    ]
    if len(found) < 2:
        raise Missing(f"There are not two rows with {column}.")
    return found


def best_of(group: Sequence[tuple[str, float]], column: str) -> tuple[str, float]:
    """The best (row, value), the first of equals."""
    return (min if lower_is_better(column) else max)(group, key=lambda pair: pair[1])


def is_better(a: float | None, b: float | None, column: str) -> bool:
    """Whether a is strictly better than b."""
    return a is not None and b is not None and (a < b if lower_is_better(column) else a > b)
