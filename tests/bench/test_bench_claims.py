"""claims.md is made of the claims, the published numbers and our rows."""

import json

import pytest

from nint.bench.claims.claims import CLAIMS
from nint.bench.claims.settings_checks import hardly_improves, stays_close
from nint.bench.claims.verdicts import Missing, leads, never_worse
from nint.bench.claims.write import CLAIMS_FILE, figure_rows, verdict_here, write_claims
from nint.bench.published import published
from nint.bench.scales.scales import scale_named


def claim(name):
    return next(one for one in CLAIMS if one.id == name)


def test_our_rows_decide_and_what_was_not_measured_cannot_tell():
    rows = {row: dict(values) for row, values in published("table2").rows.items()}
    assert verdict_here(claim("seconds-saved"), {"table2": rows}, {}).holds
    slow = {row: {**values, "seconds@30": 100.0} for row, values in rows.items()}
    assert verdict_here(claim("seconds-saved"), {"table2": slow}, {}).holds is False
    verdict = verdict_here(claim("seconds-saved"), {}, {})
    assert verdict.holds is None and "table2" in verdict.reason


def test_decibels_after_a_time_are_not_judged_by_smaller_pictures_and_times():
    reached, missed = {"nint": {"fig1 psnr@60s": 31.0}}, {"nint": {"fig1 psnr@60s": 30.0}}
    assert [verdict_here(claim("fig1-psnr"), {}, rows).word for rows in (reached, missed)] == ["holds", "does not hold"]
    assert [verdict_here(claim("fig1-psnr"), {}, rows, reduced=True).word for rows in (reached, missed)] == ["cannot tell"] * 2
    assert scale_named("cpu").reduced and not scale_named("paper").reduced


def test_every_claim_has_a_line_with_both_verdicts(tmp_path):
    (tmp_path / "fig2.json").write_text(json.dumps({"rows": {"kernel": {"diagonal_ratio": 1e4}}}))
    (tmp_path / "fig3.json").write_text("not JSON")
    assert figure_rows(tmp_path) == {"kernel": {"diagonal_ratio": 1e4}}
    path = write_claims({"table2": published("table2").rows}, tmp_path, "About.")
    assert path.name == CLAIMS_FILE
    lines = [line for line in path.read_text().splitlines() if line.startswith("| ") and not line.startswith("| claim")]
    assert len(lines) == len(CLAIMS)
    assert all(line.replace("\\|", "").count("|") == 5 and line.count("**") == 4 for line in lines)
    assert any("26.58" in line and line.count("**holds**") == 2 for line in lines)


def test_what_is_not_reached_is_lost_not_left_out():
    full = {"iterations@25": 10.0, "iterations@30": 20.0, "iterations@35": 30.0, "seconds@25": 1.0}
    never = {"iterations@25": 9.0, "iterations@30": None, "iterations@35": None, "seconds@25": None}
    rows = {"full": full, "nint": never, "nint:batch_share=0.4": full, "nint:batch_share=0.6": full, "nint:batch_share=0.8": full}
    found = leads(("iterations@25", "iterations@30", "iterations@35"))({"full": full, "nint": never}, False)
    assert (found.word, found.figures) == ("in part", {"led": 1.0, "of": 3.0}) and "(20 against not reached)" in found.reason
    assert hardly_improves(tuple(rows)[2:], "nint", ("iterations@25", "iterations@30"))(rows, False).word != "holds"
    close = stays_close(("nint",), ("iterations@25", "iterations@30"))({"full": full, "nint": never}, False)
    assert close.word == "in part" and "not reached: nint, iterations@30" in close.reason
    pairs = {"full field=wire": {"seconds@25": 3.0, "psnr@20s": 1.0}, "nint field=wire": {"seconds@25": None, "psnr@20s": 2.0}}
    assert never_worse(("seconds@25",))(pairs, False).word == "does not hold"
    with pytest.raises(Missing):  # a row that was not run loses nothing
        leads(("iterations@25",))({"full": full, "nint": {"iterations@25": None}}, False)
