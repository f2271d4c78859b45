"""Comparisons that `nint compare` makes on the fly."""
