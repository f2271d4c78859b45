"""Fig. 6: a sound after the same seconds. The picture is not in the text of the paper; this one is our own design."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.bench.figures.base import Figure, Kept, seconds_text
from nint.bench.figures.wanted import kept, of_table
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.signals.audio.signal import AudioSignal


@dataclass(frozen=True)
class Sounds(Figure):
    """The last reconstructions of a sound."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Runs of Table 6 on its first clip."""
        return kept(of_table("table6", ("full", "nint"), scale, inputs, 1), most_inputs=1)

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        from nint.plots.sound import Sound, write_sounds

        signal = runs[0].signal
        if not isinstance(signal, AudioSignal):
            return {"rows": {}, "note": f"{signal.name} is no sound."}
        original = signal.samples.mean(axis=1)
        others, rows = [], {}
        for run in runs:
            fit = run.model
            if fit is None:
                continue
            decoded = fit.decode().samples.mean(axis=1)
            values = {name: run.last.get(name) for name in signal.metrics}
            errors = decoded - original
            rows[run.spec.sampler] = values | {"rms_error": float(np.sqrt(np.mean(errors.astype(np.float64) ** 2)))}
            others.append(Sound(run.spec.sampler, decoded, run.spec.sampler, _caption(values)))
        if not others:
            return {"rows": {}, "note": "The models of the runs are not there."}
        title = f"{signal.name} after {seconds_text(runs[0].spec.seconds or 0)} of training each, {runs[0].spec.field}"
        write_sounds(Sound("original", original), others, signal.layout.sample_rate_hz, title, path)
        return {"rows": rows}


def _caption(values: dict[str, float | None]) -> str:
    parts = [("SI-SNR {:.1f} dB", "si_snr"), ("STOI {:.2f}", "stoi"), ("PESQ {:.2f}", "pesq")]
    return ", ".join(text.format(values[name]) for text, name in parts if values.get(name) is not None)


FIGURE = Sounds("fig6", "A clip of speech, full training and NINT after the same seconds: waveform, error, spectrogram (our own design).")
