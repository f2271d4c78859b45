"""What watches a run: metrics, checkpoints, pictures. The training clock stands still meanwhile."""

from nint.monitors.base import BaseMonitor

__all__ = ["BaseMonitor"]
