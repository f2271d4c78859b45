"""`claims.md`: every claim of the paper with two verdicts, of its own printed numbers and of what was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nint.bench.claims.claims import CLAIMS
from nint.bench.claims.settings_checks import FIRST_FIGURE, PER_IMAGE
from nint.bench.claims.verdicts import Claim, Verdict
from nint.bench.published import Rows
from nint.files import loads, write_text

CLAIMS_FILE = "claims.md"


def figure_rows(folder: Path) -> dict[str, dict[str, float | None]]:
    """The "rows" of every figure's JSON in a folder, put together.

    Of a cell that two have the first counts; a file that cannot be read is left out.
    """
    found: dict[str, dict[str, float | None]] = {}
    for path in sorted([*folder.glob("fig*.json"), *folder.glob("scoring.json")]):
        try:
            content = loads(path.read_text(encoding="utf-8"), path.name)
            rows = dict(content.get("rows", {}))
            if path.stem == "fig1":  # whose claim is about its own photo
                rows = {row: {**values, **{f"{FIRST_FIGURE}{name}": one for name, one in values.items()}} for row, values in rows.items()}
            for shown in content.get("images", ()) if path.stem == "fig8" else ():  # whose claim is about every image
                rows[shown["row"]] = {**rows.get(shown["row"], {}), f"{PER_IMAGE}{shown['image']}": shown["psnr"]}
            for row, values in rows.items():
                found[row] = {**values, **found.get(row, {})}
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            continue
    return found


def verdict_here(claim: Claim, tables: Mapping[str, Rows], figures: Rows, reduced: bool = False) -> Verdict:
    """What the measured numbers say of a claim.

    Args:
        claim: Which.
        tables: Table name -> our rows under the paper's names (`TableData.measured`).
        figures: Rows of the figures, for claims that no table carries.
        reduced: Whether they were measured at smaller sizes or times than the paper's.
    """
    if not claim.measured and claim.table not in tables:
        return Verdict(None, f"{claim.table or 'It'} was not measured here.")
    found = claim.on_measured(figures if claim.measured else tables[claim.table])
    if found.holds is None or not (claim.absolute and reduced):
        return found
    return Verdict(None, f"{found.reason[:-1]}; at reduced sizes and times the two cannot be compared.", found.figures)


def write_claims(tables: Mapping[str, Rows], out: Path, about: str, reduced: bool = False) -> Path:
    """Writes `out`/claims.md.

    Args:
        tables: Table name -> our rows under the paper's names.
        out: Folder with the figures' JSON.
        about: What was measured, in a sentence.
        reduced: Whether sizes or times are smaller than the paper's.
    """
    figures = figure_rows(out)
    lines = ["# The paper's claims", "", about, "", "| claim | where | the paper's own numbers | measured here |", "|---|---|---|---|"]
    lines += [_line(claim, tables, figures, reduced) for claim in CLAIMS]
    path = out / CLAIMS_FILE
    write_text(path, "\n".join([*lines, ""]))
    return path


def _line(claim: Claim, tables: Mapping[str, Rows], figures: Rows, reduced: bool) -> str:
    cells = [claim.says, claim.where, _said(claim.on_published()), _said(verdict_here(claim, tables, figures, reduced))]
    return f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _said(verdict: Verdict) -> Any:
    return f"**{verdict.word}**. {verdict.reason}"
