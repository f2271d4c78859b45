"""What tests of experiments share."""

import pytest
from oracles.ticking import Ticking

from nint.training.clock import Clock


@pytest.fixture
def ticking(monkeypatch):
    """Training clocks that count looks at them instead of seconds."""
    now = Ticking()
    monkeypatch.setattr(Clock, "_now", lambda self: now())
