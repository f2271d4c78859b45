"""WHAT is fitted. One module a kind; each owns reading and writing its files. The table of kinds is kinds.py."""

from nint.signals.base import GridCoords, KindDefaults, Layout, Pool, Predict, Signal

__all__ = ["GridCoords", "KindDefaults", "Layout", "Pool", "Predict", "Signal"]
