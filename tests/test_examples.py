"""Every example runs as a user would run it and says what it promises."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, *options):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(EXAMPLES / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, check=False)
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
    lines = run("own_training_loop.py", "--small").splitlines()
    steps = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert set(steps) == {"nint", "uniform"}
    assert all(value.isdigit() for value in steps.values()), lines


def table(text, column):
    """Method -> a number of its row."""
    rows = [line.split() for line in text.splitlines()]
    found = [row for row in rows if len(row) > column and row[0][-1] != ":" and re.fullmatch(r"-?[\d.]+", row[column])]
    return {row[0]: float(row[column]) for row in found}


def test_a_pinn_beside_uniform_rad_and_r3():
    text = run("pinn_burgers.py", "--small")
    errors = table(text, 1)
    assert set(errors) == {"uniform", "RAD", "R3", "nint-fast", "nint"}
    before = float(re.search(r"before training ([\d.]+)", text)[1])
    assert all(error < before for error in errors.values()), text


def test_the_reference_of_the_pinn_solves_the_equation():
    """By central differences, and it starts at -sin(pi x) and stands still at the walls."""
    code = """
import numpy as np, pinn_burgers as p
v, h = 0.1 / np.pi, 1e-4
t, x = np.meshgrid(np.linspace(0.1, 1, 7), np.linspace(-0.9, 0.9, 13), indexing="ij")
u = lambda t, x: p.cole_hopf(t, x, v)
u_t, u_x = (u(t + h, x) - u(t - h, x)) / (2 * h), (u(t, x + h) - u(t, x - h)) / (2 * h)
u_xx = (u(t, x + h) - 2 * u(t, x) + u(t, x - h)) / h**2
print(np.abs(u_t + u(t, x) * u_x - v * u_xx).max(), np.abs(u(0 * t + 1e-6, x) + np.sin(np.pi * x)).max(), np.abs(u(t, 0 * x + 1)).max())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=EXAMPLES, check=True)
    residual, start, wall = map(float, done.stdout.split())
    assert residual < 1e-4 and start < 1e-4 and wall < 1e-12


def test_tomography_beside_uniform_and_kaczmarz_rules():
    text = run("tomography.py", "--small")
    decibels = table(text, 1)
    assert set(decibels) == {"uniform", "row-norm", "int", "nint-fast", "nint"}
    before = float(re.search(r"untrained: ([\d.]+)", text)[1])
    assert all(found > before for found in decibels.values()), text


def test_rays_with_jitter_beside_uniform_and_egra():
    text = run("nerf_rays.py", "--small")
    assert "so it is random" in text and "does not need the kernel" in text
    decibels = table(text, 1)
    assert set(decibels) == {"uniform", "egra", "int", "nint-fast"}
    assert all(found > 5 for found in decibels.values()), text


@pytest.mark.skipif(find_spec("lightning") is None, reason="needs Lightning (pip install 'nint[lightning]')")
def test_a_lightning_module_that_is_resumed():
    text = run("lightning_module.py", "--small")
    assert set(table(text, 1)) == {"uniform", "evos", "nint-fast", "nint"}
    assert text.count("same points, same weights") == 4


def test_every_example_is_run_here():
    known = {
        "custom_sampler.py",
        "own_training_loop.py",
        "pinn_burgers.py",
        "tomography.py",
        "nerf_rays.py",
        "lightning_module.py",
        "distributed_loop.py",  # in tests/distributed
    }
    assert {path.name for path in EXAMPLES.glob("*.py")} == known, "add a test for the new example"
