"""Every example runs as a user would run it and says what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sampler_of_ones_own_learns():
    decibels = [float(number) for number in re.findall(r"([\d.]+) dB", run("custom_sampler.py"))]
    assert len(decibels) == 2
    assert min(decibels) > 25


def test_a_sampler_of_ones_own_takes_at_most_thirty_lines():
    text = (EXAMPLES / "custom_sampler.py").read_text(encoding="utf-8")
    body = text[text.index("from dataclasses") : text.index('if __name__ == "__main__"')]
    assert len([line for line in body.splitlines() if line.strip()]) <= 30


def test_nint_in_a_plain_loop_is_shown_beside_uniform():
    lines = run("own_training_loop.py").splitlines()
    steps = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert set(steps) == {"nint", "uniform"}
    assert all(value.isdigit() for value in steps.values()), lines


def test_every_example_is_run_here():
    known = {"custom_sampler.py", "own_training_loop.py", "distributed_loop.py"}  # the last in tests/distributed
    assert {path.name for path in EXAMPLES.glob("*.py")} == known, "add a test for the new example"
