import platform
import sys

import pytest

from nint import heap


@pytest.fixture
def fresh(monkeypatch):
    heap.keep_freed_memory.cache_clear()
    yield monkeypatch
    heap.keep_freed_memory.cache_clear()


def test_it_can_be_switched_off(fresh):
    fresh.setenv("NINT_HEAP", "default")
    assert heap.keep_freed_memory() is False


def test_it_asks_glibc_once(fresh):
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    fresh.delenv("NINT_HEAP", raising=False)
    assert heap.keep_freed_memory() is True
    fresh.setattr(heap.ctypes, "CDLL", None)  # a second call would fail
    assert heap.keep_freed_memory() is True


def test_another_c_library_is_left_alone(fresh):
    def missing(name):
        raise OSError(name)

    fresh.delenv("NINT_HEAP", raising=False)
    fresh.setattr(heap.ctypes, "CDLL", missing)
    assert heap.keep_freed_memory() is False
