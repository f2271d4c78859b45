from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by PyTorch as it is loaded, here and in every process that a test starts

import pytest

_MOST_S = 600.0

_LONGEST = (
    "test_cli_bench_smoke.py",
    "test_fuzz.py",
    "test_examples.py",
    "test_launched.py",
    "test_live.py",
    "test_kills.py",
    "test_site.py",
    "test_notebooks.py",
    "test_run.py",
)
"""Files of few tests that take long: they start first, so that no process works alone at the end (with --no-loadscope-reorder)."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order is the same in every process."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hides the user's cache: with the weights of LPIPS there, images would have one metric more than elsewhere."""
    hidden = {name: os.environ.pop(name, None) for name in ("XDG_CACHE_HOME", "NINT_LPIPS_WEIGHTS")}
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    for name, value in hidden.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One CPU thread for every test: with more, a busy machine makes a test of 9 s take 440 s. What a test sets is put back."""
    import torch

    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """A test that waits for ever, for a pipe that nobody writes into, say, fails after ten minutes instead."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"The test did not end within {_MOST_S:.0f} s.")

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _MOST_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two workers on loopback. Every port is a free one: two processes of the suite may each have a cluster."""
    distributed = pytest.importorskip("distributed", reason="needs nint[cluster]")
    page = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # None would mean 8787, and a warning where that is taken
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "scheduler_kwargs": page}
    with distributed.LocalCluster(silence_logs=logging.CRITICAL, **options) as started:
        yield started
