from __future__ import annotations

import importlib.util

import pytest

import nint

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("constriction", "msgpack"))) else ["test_*.py"]
"""Packing needs both, from the extra nint[pack]."""


@pytest.fixture(scope="session")
def camera():
    return nint.open_signal("sample:camera", max_side=48)


@pytest.fixture(scope="session")
def fit(camera):
    """A small network that has learnt a small picture."""
    return nint.fit(camera, field="siren:size=2x40", budget=150, batch_share=0.5)
