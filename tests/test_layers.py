"""The contract of the rooms holds, and fails when a forbidden import is added."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="needs import-linter (pip install 'nint[dev]')")

ROOT = Path(__file__).resolve().parent.parent


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    """Runs lint-imports with the project's contracts on the package in `source`."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=ROOT, env=with_path(source), capture_output=True, text=True, timeout=120)


def with_path(source: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(source)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return tmp_path / "src"


def test_the_rooms_as_they_are_keep_the_contracts():
    outcome = lint(ROOT / "src")
    assert outcome.returncode == 0, outcome.stdout
    assert "0 broken" in outcome.stdout


@pytest.mark.parametrize(
    ("module", "imported"), [("errors", "nint.cli.main"), ("samplers/nint", "nint.runs.job"), ("metrics/image", "nint.signals.base")]
)
def test_an_import_upwards_breaks_the_contract(copy: Path, module: str, imported: str):
    file = copy / "nint" / f"{module}.py"
    file.write_text(file.read_text() + f"\nimport {imported}\n")
    outcome = lint(copy)
    assert outcome.returncode == 1
    assert "Rooms import only downwards BROKEN" in outcome.stdout
    assert f"nint.{module.replace('/', '.')} -> {imported}" in outcome.stdout


def test_a_circle_inside_a_room_breaks_the_contract(copy: Path):
    file = copy / "nint" / "ntk" / "check.py"
    file.write_text(file.read_text() + "\nfrom nint.ntk import dense as _\n")
    other = copy / "nint" / "ntk" / "dense.py"
    other.write_text(other.read_text() + "\nfrom nint.ntk import check as _\n")
    outcome = lint(copy)
    assert outcome.returncode == 1
    assert "No circles inside a room BROKEN" in outcome.stdout
    assert "No cycles are allowed in nint.ntk." in outcome.stdout


def test_a_new_room_needs_a_layer(copy: Path):
    (copy / "nint" / "attic.py").write_text('"""A room that the contract does not know."""\n')
    outcome = lint(copy)
    assert outcome.returncode == 1
    assert "attic" in outcome.stdout


def test_the_picture_of_the_rooms_can_be_drawn(tmp_path: Path):
    path = tmp_path / "rooms.png"
    subprocess.run([sys.executable, str(ROOT / "tools" / "draw_rooms.py"), str(path)], env=with_path(ROOT / "src"), check=True, timeout=120)
    assert path.read_bytes().startswith(b"\x89PNG")
