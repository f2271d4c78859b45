"""WHAT is fitted. One module a kind; each owns reading and writing its files."""

from nint.signals.base import GridCoords, Layout, Pool, Predict, Signal

__all__ = ["GridCoords", "Layout", "Pool", "Predict", "Signal"]
