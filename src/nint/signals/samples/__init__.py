"""Signals that come with nint: `sample:NAME`."""
