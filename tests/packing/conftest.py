from __future__ import annotations

import pytest

for _package in ("constriction", "msgpack"):
    pytest.importorskip(_package, reason="packing needs it, from the extra nint[pack]")

import nint


@pytest.fixture(scope="session")
def camera():
    return nint.open_signal("sample:camera", max_side=48)


@pytest.fixture(scope="session")
def fit(camera):
    """A small network that has learnt a small picture."""
    return nint.fit(camera, field="siren:size=2x40", budget=150, batch_share=0.5)
