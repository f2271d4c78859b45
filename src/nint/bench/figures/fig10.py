"""Fig. 10: a large image."""

from __future__ import annotations

from nint.bench.figures.fig9 import FinalImages

FIGURE = FinalImages("fig10", "A large image after the same steps.", "table10", "Large image")
