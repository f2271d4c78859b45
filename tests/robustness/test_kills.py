"""A few runs killed at random moments and gone on with; `python tests/robustness/kills.py --kills 150` makes many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).with_name("kills.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills.py forks")
def test_killed_runs_come_to_the_same_result():
    words = [sys.executable, str(KILLS), "--kills", "2", "--seed", "3"]  # a process of its own: it forks, and this one may have threads
    done = subprocess.run(words, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert (done.returncode, found["wrong"]) == (0, []), done.stderr
    assert found["kills"] >= 2 and found["identical"] == found["runs"] > 0
