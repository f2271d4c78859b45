"""A sampler of one's own in under 30 lines: half the batch where the error is largest, half where the image is darkest.

python examples/custom_sampler.py
"""

from dataclasses import dataclass

import nint
from nint.settings import setting


@dataclass(frozen=True)
class Darkest(nint.BatchSampler):
    """int(dark_share * B) darkest points, always; the rest by error."""

    dark_share: float = setting(0.5, "share of the batch taken from the darkest points", at_least=0, at_most=1)

    def select(self, state, step, probe, rng):
        batch = self.count(step, state.total_steps, len(probe))
        picker = nint.Picker(len(probe), rng)
        picker.top(-probe.values[:].mean(1), int(self.dark_share * batch))
        picker.top(probe.residual().abs().sum(1), batch - len(picker))
        return nint.Selection(picker.indices), state


if __name__ == "__main__":
    nint.SAMPLERS.add("darkest", Darkest)
    for sampler in ("darkest:dark_share=0.3", "uniform"):
        fit = nint.fit("sample:camera", max_side=64, field="siren:size=3x64", sampler=sampler, lr=1e-3, budget=100)
        print(f"{sampler:24s} {fit.metrics['psnr']:.2f} dB after {fit.record['steps']} steps")
