"""The claims of the paper on other signals (Sec. 7, 9, 10), on the kernel (Sec. 3.2, 11, Eq. 7) and on figures without a table."""

from __future__ import annotations

from nint.bench.claims import checks as own
from nint.bench.claims import settings_checks as settings
from nint.bench.claims.verdicts import Claim, gain, leads

_IOU, _CHAMFER = (tuple(f"{metric}@{step}" for step in (500, 1000, 2000, 5000, 10000)) for metric in ("iou", "chamfer"))
_SINGLE = ("psnr@1000", "ssim@1000", "lpips@1000")

OTHER_SIGNALS = (
    Claim("shape-iou", "Sec. 7, Table 7", "The highest IoU at every checkpoint.", leads(_IOU), "table7"),
    Claim("shape-chamfer", "Sec. 7, Table 7", "The best Chamfer distance in most cases.", leads(_CHAMFER, need=0.5), "table7"),
    Claim(
        "shape-schedule",
        "Sec. 7, Table 7",
        "The step schedule improves NINT throughout.",
        own.row_beats("nint:schedule=step", "nint", (*_IOU, *_CHAMFER)),
        "table7",
    ),
    Claim(
        "shape-chamfer-squared", "Sec. 7, Table 7", "The Chamfer distance is a mean of squared distances.", own.chamfer_is_squared, "table7"
    ),
    Claim(
        "shape-int-chamfer",
        "Sec. 7, Table 7",
        "With the step schedule INT improves its Chamfer distance slightly but lags in IoU.",
        settings.one_metric_only("int:schedule=step", "int", _CHAMFER, _IOU),
        "table7",
    ),
    Claim(
        "audio-leads",
        "Sec. 6, Table 6",
        "NINT leads in SI-SNR, STOI and PESQ after each of the three times.",
        leads(tuple(f"{metric}@{seconds}s" for seconds in (3, 10, 15) for metric in ("si_snr", "stoi", "pesq"))),
        "table6",
    ),
    Claim(
        "super-resolution-quality",
        "Sec. 9, Table 9",
        "Super-resolution is better than Stand., INT and EVOS in PSNR, SSIM and LPIPS.",
        leads(_SINGLE),
        "table9",
    ),
    Claim(
        "super-resolution-seconds",
        "Sec. 9, Table 9",
        "20 dB is reached much faster (we ask for a fifth of the time saved).",
        own.saves_at_least("nint", "seconds@20", 20),
        "table9",
    ),
    Claim(
        "large-image-seconds",
        "Sec. 10, Table 10",
        "About 31 % less time to 30 dB than full training at 1024x1024.",
        gain("nint", "seconds@30", 31, "less time:", tolerance=0.5),
        "table10",
    ),
    Claim("large-image-leads", "Sec. 10, Table 10", "The fastest and the best at 1024x1024.", leads((*_SINGLE, "seconds@30")), "table10"),
)

_NO_NUMBER = "The paper gives no number for it."
KERNEL_AND_FIGURES = (
    Claim(
        "diagonal-varies",
        "Sec. 3.2",
        "The kernel's diagonal varies by orders of magnitude (we ask for a factor of 100).",
        own.at_least("kernel", "diagonal_ratio", 100),
        measured="kernel: diagonal_ratio, largest over smallest entry",
        unprinted=_NO_NUMBER,
    ),
    Claim(
        "diagonal-at-edges",
        "Sec. 3.2",
        "The diagonal is larger at edges than in smooth regions.",
        own.at_least("kernel", "edge_ratio", 1),
        measured="kernel: edge_ratio, mean at edges over mean elsewhere",
        unprinted=_NO_NUMBER,
    ),
    Claim(
        "strong-off-diagonal",
        "Sec. 3.2, Fig. 2",
        "Neighbours are strongly coupled (we ask for a mean cosine of 0.1).",
        own.at_least("kernel", "coupling", 0.1),
        measured="kernel: coupling, mean of |K_ij| / sqrt(K_ii K_jj), i != j",
        unprinted=_NO_NUMBER,
    ),
    Claim(
        "int-is-identity",
        "Sec. 3.2",
        "INT is NINT with the identity for the kernel: it selects the same points.",
        own.at_least("int", "same_points", 1),
        measured="int: same_points, fraction of its batch that scoring by |g| selects",
        unprinted=_NO_NUMBER,
    ),
    Claim(
        "first-order",
        "Eq. 7",
        "A small gradient step moves the outputs by -(eta/B) K[:, B] g_B to first order (we ask for 1 %).",
        own.at_most("step", "relative_error", 0.01),
        measured="step: relative_error of a small SGD step in float64",
        unprinted=_NO_NUMBER,
    ),
    Claim(
        "fig1-psnr",
        "Fig. 1",
        "30.78 dB after 60 s on kodim04.",
        own.at_least("nint", f"{settings.FIRST_FIGURE}psnr@60s", 30.78),
        measured="nint: psnr@60s on kodim04",
        unprinted="No table shows this image.",
        absolute=True,
    ),
    Claim(
        "fig8-best",
        "Sec. 8, Fig. 8",
        "After 60 s NINT has the best reconstruction of every image.",
        settings.leads_on_every_image(),
        measured="full, uniform, evos, expansive and nint: PSNR of each image of Fig. 8",
        unprinted="The figure's numbers are not in our text of the paper.",
    ),
    Claim(
        "fig5-psnr",
        "Sec. 4.3.1, Fig. 5",
        "25.58 dB with 3x64 to 34.91 dB with 5x256 after 150 s, and a gap to full training that widens.",
        own.gap_widens("psnr@150s"),
        measured="full and nint, field=siren:size=3x64 to 5x256: psnr@150s",
        unprinted="No table shows this budget.",
    ),
    Claim(
        "scoring-ms",
        "Sec. 11",
        "One scoring of 512x512 points with 5x256 takes 3.2 ms, 3.6 % of the selection.",
        own.scoring_time,
        measured="scoring: milliseconds, share_of_selection_percent",
        unprinted=own.SCORING_AGAINST_THE_CARD,
    ),
)
