"""Monitors of a run: metrics, checkpoints, pictures. They run with the training clock stopped."""

from nint.monitors.base import BaseMonitor

__all__ = ["BaseMonitor"]
