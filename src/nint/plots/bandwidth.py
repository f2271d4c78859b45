"""What the kernel predicts over a setting of the network, and what short runs reach there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nint.plots.style import INK, NORMAL, RED, head, new_figure, plain_axes, save


def write_bandwidth(
    setting: str, tried: Mapping[float, float], chosen: float, reached: Mapping[float, float], steps: int, title: str, path: Path
) -> Path:
    """Writes one panel.

    Args:
        setting: Name of the setting, on a logarithmic axis.
        tried: Value -> predicted PSNR of left-out points in dB.
        chosen: The value that a fit gets.
        reached: Value -> PSNR after a short run in dB; empty where none was made.
        steps: Of the short runs.
        title: Heading.
        path: File to write.
    """
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    plain_axes(axes, setting, "PSNR (dB)")
    for values, label, marker in ((tried, "left-out points, by the kernel", "o"), (reached, f"after {steps} steps of training", "s")):
        if values:
            axes.plot(
                sorted(values),
                [values[key] for key in sorted(values)],
                marker=marker,
                label=label,
                color=INK if values is tried else "#0072b2",
            )
    axes.axvline(chosen, color=RED, linewidth=1.2, label=f"chosen: {chosen:g}")
    axes.set_xscale("log")
    axes.set_xlim(0.85 * min(tried), 1.15 * max(tried))
    ticks = sorted(tried)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=45, fontsize=NORMAL)
    axes.minorticks_off()
    axes.legend(fontsize=NORMAL, frameon=False)
    head(figure, title)
    return save(figure, path)
