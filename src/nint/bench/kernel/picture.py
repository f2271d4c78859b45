"""The study as a picture: for each variant the differences from no kernel, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nint.bench.kernel.summary import Effect, last_of
from nint.bench.kernel.variants import SHORT, VARIANTS
from nint.plots.style import FAINT, INK, LARGE, NORMAL, SMALL, new_figure, plain_axes, save

_COLOURS = {"siren": "#0072b2", "finer": "#d55e00", "ffn": "#009e73", "grid": "#882255"}


def draw(effects: Sequence[Effect], path: Path) -> Path:
    """A panel for each signal and recipe, a row for each variant, a mark with its interval for each network."""
    ends = last_of(effects)
    cases = list(dict.fromkeys(effect.case for effect in ends))
    variants = [row.text for row in VARIANTS if any(effect.variant == row.text for effect in ends)]
    fields = list(dict.fromkeys(effect.field for effect in ends))
    columns = 2 if len(cases) > 1 else 1
    rows = -(-len(cases) // columns)
    figure = new_figure(6.4 * columns, rows * (0.28 * len(variants) + 1.1) + 0.6)
    figure.suptitle("Difference from a batch without a kernel, with 95 % intervals", fontsize=LARGE, color=INK, x=0.01, ha="left")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(cases) :]:
        axes.set_axis_off()
    for axes, case in zip(grid.flat, cases, strict=False):
        own = [effect for effect in ends if effect.case == case]
        axes.axvline(0, color=FAINT, linewidth=1)
        for number, field in enumerate(fields):
            shown = [effect for effect in own if effect.field == field]
            if not shown:
                continue
            places = [variants.index(effect.variant) + 0.16 * (number - (len(fields) - 1) / 2) for effect in shown]
            means = [effect.mean for effect in shown]
            lengths = [[effect.mean - effect.low for effect in shown], [effect.high - effect.mean for effect in shown]]
            axes.errorbar(means, places, xerr=lengths, fmt="o", markersize=3, linewidth=1, color=_COLOURS.get(field, INK), label=field)
        axes.set_yticks(range(len(variants)), [SHORT[text] for text in variants])
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.set_title(own[0].title, fontsize=NORMAL, color=INK, loc="left")
        plain_axes(axes, own[0].column)
        reach = 1.05 * max(max(abs(effect.low), abs(effect.high)) for effect in own) or 1.0
        axes.set_xlim(-reach, reach)
        axes.legend(fontsize=SMALL, frameon=False)
    grid.flat[0].invert_yaxis()
    return save(figure, path)
