"""What the paper claims, against its own numbers: the verdicts, and that a number typed wrong changes them."""

import pytest

from nint.bench.claims.claims import CLAIMS, claim, claims_on
from nint.bench.claims.verdicts import Verdict, leads
from nint.bench.published import published, published_tables
from nint.errors import UsageError

VERDICTS = {
    "time-halved": "in part",
    "quality-kept": "in part",
    "table1-leads": "in part",
    "table2-leads": "holds",
    "iterations-saved": "holds",
    "seconds-saved": "holds",
    "fig3-psnr": "holds",
    "fig4-leads": "cannot tell",
    "size-seconds": "holds",
    "size-savings-grow": "holds",
    "size-1x64": "holds",
    "size-never-worse": "in part",
    "table3-caption": "does not hold",
    "structure-seconds": "holds",
    "structure-psnr": "in part",
    "structure-never-worse": "in part",
    "default-near-top": "in part",
    "default-psnr30": "does not hold",
    "default-ssim0.8": "holds",
    "alpha50-lpips0.2": "holds",
    "xi0.6-psnr30": "holds",
    "lambda2-fastest": "holds",
    "worst-stay-close": "in part",
    "larger-batches": "holds",
    "step-slightly": "in part",
    "default-9-of-12": "holds",
    "incremental-psnr30": "holds",
    "incremental-starts-dense": "does not hold",
    "dense2-is-2": "cannot tell",
    "shape-iou": "in part",
    "shape-chamfer": "in part",
    "shape-schedule": "in part",
    "shape-chamfer-squared": "does not hold",
    "shape-int-chamfer": "holds",
    "audio-leads": "in part",
    "super-resolution-quality": "does not hold",
    "super-resolution-seconds": "in part",
    "large-image-seconds": "holds",
    "large-image-leads": "holds",
    "diagonal-varies": "cannot tell",
    "diagonal-at-edges": "cannot tell",
    "strong-off-diagonal": "cannot tell",
    "int-is-identity": "cannot tell",
    "first-order": "cannot tell",
    "fig1-psnr": "cannot tell",
    "fig8-best": "cannot tell",
    "fig5-psnr": "cannot tell",
    "scoring-ms": "cannot tell",
}


def changed(table, row, column, value):
    rows = published(table).rows
    assert column in rows[row]
    rows[row][column] = value
    return rows


def test_every_claim_has_its_verdict():
    assert {one.id: one.on_published().word for one in CLAIMS} == VERDICTS
    for one in CLAIMS:
        verdict = one.on_published()
        assert verdict.reason.endswith(".") and one.where and one.says.endswith(".")
        assert (one.table in published_tables()) if one.table else (verdict.holds is None and one.unprinted)
        assert verdict.figures or verdict.holds is None


def test_claims_are_found_by_id_and_table():
    assert claim("seconds-saved").table == "table2"
    assert {one.id for one in claims_on("table10")} == {"large-image-seconds", "large-image-leads"}
    with pytest.raises(UsageError, match="Did you mean 'shape-iou'"):
        claim("shape-iuo")


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("seconds-saved", 100 * (49.11 - 25.05) / 49.11),
        ("iterations-saved", 100 * (523 - 384) / 523),
        ("size-seconds", 100 * (35.42 - 22.16) / 35.42),
        ("size-1x64", 100 * (13.890 - 11.835) / 11.835),
        ("structure-seconds", 100 * (83.30 - 47.23) / 83.30),
        ("structure-psnr", 100 * (18.88 - 16.75) / 16.75),
        ("large-image-seconds", 100 * (141.53 - 97.32) / 141.53),
        ("super-resolution-seconds", 100 * (8.63 - 7.91) / 8.63),
        ("table1-leads", 4),
        ("shape-iou", 3),
        ("shape-chamfer", 1),
        ("default-9-of-12", 9),
        ("worst-stay-close", 19),
        ("larger-batches", 5),
        ("step-slightly", 1),
        ("shape-int-chamfer", 5),
        ("audio-leads", 8),
    ],
)
def test_the_figures(name, figure):
    assert next(iter(claim(name).on_published().figures.values())) == pytest.approx(figure)


# The cells that a stated figure or a stated order rests on: a slip of the pen in any of them changes the verdict.
SLIPS = [
    ("seconds-saved", "table2", "full", "seconds@30", 49.21),
    ("seconds-saved", "table2", "nint:random_share=0.7", "seconds@30", 25.09),
    ("iterations-saved", "table2", "nint:random_share=0.7", "iterations@30", 389),
    ("iterations-saved", "table2", "full", "iterations@30", 532),
    ("table2-leads", "table2", "uniform", "seconds@25", 5.49),
    ("table2-leads", "table2", "expansive:random_share=0.5", "seconds@35", 101.01),
    ("fig3-psnr", "table4", "nint field=siren", "psnr@60s", 34.20),
    ("size-seconds", "table3", "nint field=siren:size=5x256", "seconds@25", 22.61),
    ("size-savings-grow", "table3", "nint field=siren:size=3x256", "seconds@25", 41.75),
    ("size-1x64", "table3", "full field=siren:size=1x64", "psnr@500", 11.385),
    ("size-never-worse", "table3", "full field=siren:size=3x64", "psnr@500", 22.019),
    ("structure-seconds", "table4", "nint field=wire", "seconds@25", 74.23),
    ("structure-never-worse", "table4", "nint field=gauss", "psnr@20s", 24.16),
    ("default-psnr30", "table5", "nint", "seconds@30", 20.59),
    ("default-ssim0.8", "table5", "nint:random_share=0.8", "seconds@ssim0.8", 25.04),
    ("alpha50-lpips0.2", "table5", "nint:refresh_interval=50", "seconds@lpips0.2", 79.03),
    ("xi0.6-psnr30", "table5", "nint:random_share=0.6", "iterations@30", 386),
    ("lambda2-fastest", "table5", "nint:decay_rate=2.0", "seconds@ssim0.9", 102.65),
    ("default-9-of-12", "table8", "nint", "seconds@lpips0.2", 93.51),
    ("larger-batches", "table8", "nint:batch_share=0.4", "iterations@30", 319),
    ("incremental-psnr30", "table8", "nint:interval=incremental", "seconds@30", 25.94),
    ("shape-schedule", "table7", "nint:schedule=step", "chamfer@2000", 6.108),
    ("super-resolution-quality", "table9", "nint", "psnr@1000", 26.266),
    ("super-resolution-seconds", "table9", "full", "seconds@20", 6.83),
    ("large-image-seconds", "table10", "nint", "seconds@30", 93.72),
    ("large-image-leads", "table10", "evos", "psnr@1000", 31.993),
]


@pytest.mark.parametrize(("name", "table", "row", "column", "wrong"), SLIPS)
def test_a_number_typed_wrong_changes_the_verdict(name, table, row, column, wrong):
    one = claim(name)
    assert one.table == table
    assert one.verdict(changed(table, row, column, wrong), True).word != VERDICTS[name]


@pytest.mark.parametrize(("name", "count"), [("table1-leads", 4), ("shape-iou", 3), ("shape-chamfer", 1)])
def test_a_lead_that_is_lost_or_won_is_counted(name, count):
    one, table = claim(name), claim(name).table
    column = {"table1": "psnr@250", "table7": "iou@500" if name == "shape-iou" else "chamfer@10000"}[table]
    better = 0.1 if column.startswith("chamfer") else 99.0
    assert one.verdict(changed(table, "uniform", column, better), True).figures["led"] == count - 1


def test_our_own_numbers_take_the_same_shape():
    rows = {
        "full": {"seconds@25": 10.0, "seconds@30": 40.0, "seconds@35": 100.0},
        "uniform": {"seconds@25": 9.0, "seconds@30": 30.0, "seconds@35": 90.0},
        "nint": {"seconds@25": 8.0, "seconds@30": 30.0, "seconds@35": None},  # the default, named without its settings
        "nint-fast": {"seconds@25": 1.0, "seconds@30": 1.0, "seconds@35": 1.0},
    }
    saved = claim("seconds-saved").on_measured(rows)
    assert saved.word == "in part" and next(iter(saved.figures.values())) == pytest.approx(25.0)
    rows["nint"]["seconds@30"] = 20.0
    assert claim("seconds-saved").on_measured(rows).word == "holds"  # more than was stated
    rows["nint"]["seconds@30"] = 41.0
    assert claim("seconds-saved").on_measured(rows).word == "does not hold"
    missing = claim("time-halved").on_measured(rows)
    assert missing.word == "cannot tell" and missing.reason == "There is no seconds@35 of nint:random_share=0.7."
    others = {"evos lr=1e-3": {"seconds@30": 0.1}, "recipe=default": {"seconds@30": 0.1}, "full field=siren lr=1e-3": {}}
    assert claim("seconds-saved").on_measured(rows | others) == claim("seconds-saved").on_measured(rows)
    assert leads(("seconds@25",))(rows, False).holds  # a variant of ours is no rival
    assert claim("iterations-saved").on_measured({}).holds is None


@pytest.mark.parametrize("one", CLAIMS, ids=lambda one: one.id)
def test_rows_that_lack_everything_cannot_tell(one):
    assert one.on_measured({}).holds is None
    assert one.on_measured({"full": {}, "nint": {}}).holds is None


@pytest.mark.parametrize(
    ("name", "rows", "word"),
    [
        ("diagonal-varies", {"kernel": {"diagonal_ratio": 250.0}}, "holds"),
        ("diagonal-varies", {"kernel": {"diagonal_ratio": 8.0}}, "does not hold"),
        ("diagonal-at-edges", {"kernel": {"edge_ratio": 0.9}}, "does not hold"),
        ("int-is-identity", {"int": {"same_points": 1.0}}, "holds"),
        ("first-order", {"step": {"relative_error": 0.02}}, "does not hold"),
        ("scoring-ms", {"scoring": {"milliseconds": 30.0, "share_of_selection_percent": 2.0}}, "cannot tell"),
        ("fig1-psnr", {"nint": {"fig1 psnr@60s": 31.0}}, "holds"),
        ("fig1-psnr", {"nint": {"psnr@60s": 31.0}}, "cannot tell"),
        ("fig4-leads", {"full": {"ssim@10s": 0.7, "lpips@10s": 0.3}, "nint": {"ssim@10s": 0.8, "lpips@10s": 0.4}}, "in part"),
        (
            "fig5-psnr",
            {
                "full field=siren:size=3x64": {"psnr@150s": 20.0},
                "nint field=siren:size=3x64": {"psnr@150s": 20.5},
                "full field=siren:size=5x256": {"psnr@150s": 30.0},
                "nint field=siren:size=5x256": {"psnr@150s": 32.0},
            },
            "holds",
        ),
    ],
)
def test_claims_without_a_table_are_decided_by_measuring(name, rows, word):
    assert claim(name).measured
    assert claim(name).on_measured(rows).word == word


def test_a_verdict_has_a_word():
    assert [Verdict(holds, ".", {}, partly).word for holds, partly in ((True, True), (False, True), (False, False), (None, True))] == [
        "holds",
        "in part",
        "does not hold",
        "cannot tell",
    ]


def test_the_best_on_every_image_of_a_figure():
    one = claim("fig8-best")
    rows = {"nint": {"fig8 image a": 30.0, "fig8 image b": 29.0}, "uniform": {"fig8 image a": 29.0, "fig8 image b": 28.5}}
    assert one.on_measured(rows).word == "holds"
    rows["evos"] = {"fig8 image a": 28.0, "fig8 image b": 29.5}
    lost = one.on_measured(rows)
    assert lost.word == "in part" and lost.reason == "NINT leads on 1 of 2 images; it loses to evos (29.50 dB against 29.00)."
    assert one.on_measured({"nint": {"psnr@60s": 30.0}}).word == "cannot tell"
