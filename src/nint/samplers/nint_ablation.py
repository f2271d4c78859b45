"""NINT with something else than K g in its NTK part, all else equal: for measuring what the kernel is worth.

Source: ours; see the method card docs/samplers/nint-ablation.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.nint import Nint
from nint.samplers.picker import Picker
from nint.scores.kernel_parts import kernel_diagonal, last_layer_gradient
from nint.scores.ntk import ntk_gradient_norm
from nint.scores.residual import error
from nint.settings import setting

SCORES = ("kernel", "last-layer", "prediction", "variance", "error", "random")
DRAWS = ("top", "density")


@dataclass(frozen=True)
class NintAblation(Nint):
    """`nint` whose NTK part ranks by another score, or is drawn with the score as its density.

    Scores: "kernel", the norm of K g; "last-layer", that of K g with the kernel of the last layer's parameters; "prediction", that of f, as
    the authors' released code has it; "variance", that of g times the square root of the kernel's diagonal, which as a density makes the
    variance of a stochastic gradient least; "error", that of g itself; "random", the same number for every point.

    Cost: of `nint`; at a refresh "variance" takes `probes` forward-mode passes over the pool, "prediction", "error" and "random" none.
    """

    compared = False

    score: str = setting("kernel", "what the NTK part ranks by", choices=SCORES)
    draw: str = setting("top", "how it is taken: the highest scores, or at random in proportion to them", choices=DRAWS)
    probes: int = setting(16, "random directions that estimate the kernel's diagonal", at_least=1, at_most=10_000)

    def requires(self) -> frozenset[str]:
        """The kernel only where it is computed."""
        return self.needs if self.score in ("kernel", "last-layer", "variance") else self.needs - {"kernel"}

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """As of `nint`, with what a refresh takes here in place of 6."""
        plain = super().scoring_forwards(step, total_steps)
        return {"variance": 1 + 3.0 * self.probes, "kernel": 6.0, "last-layer": 6.0}.get(self.score, 1.0) if plain > 1 else plain

    def scores(self, probe: Probe, rng: torch.Generator) -> Tensor:
        """The score of each point, `[n]`, not negative."""
        if self.score == "kernel":
            return ntk_gradient_norm(probe)
        if self.score == "last-layer":
            last: Tensor = last_layer_gradient(probe).norm(dim=1)
            return last
        if self.score == "variance":
            return torch.mul(error(probe), kernel_diagonal(probe, self.probes, rng).sqrt())
        if self.score == "prediction":
            norm: Tensor = probe.prediction().norm(dim=1)
            return norm
        return error(probe) if self.score == "error" else torch.ones(len(probe), device=probe.device)

    def take(self, picker: Picker, scores: Tensor, count: int) -> None:
        """The highest scores, or a draw without replacement in proportion to them."""
        if self.score == "random":
            picker.random(count)
        elif self.draw == "top":
            picker.top(scores, count)
        else:
            picker.weighted(scores, count)
