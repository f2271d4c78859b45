from __future__ import annotations

from pathlib import Path

import pytest

import nint
from nint.runs.model import Fit


@pytest.fixture(scope="session")
def fit() -> Fit:
    return nint.fit(nint.open_signal("sample:astronaut", max_side=40), field="siren:size=2x24", budget=30)


@pytest.fixture
def saved(fit: Fit, tmp_path: Path) -> Path:
    fit.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"
