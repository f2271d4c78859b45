import platform
import sys

import pytest

from nint.machine import malloc


@pytest.fixture
def fresh(monkeypatch):
    malloc.keep_freed_memory.cache_clear()
    yield monkeypatch
    malloc.keep_freed_memory.cache_clear()


def test_it_can_be_switched_off(fresh):
    fresh.setenv("NINT_HEAP", "default")
    assert malloc.keep_freed_memory() is False


def test_it_asks_glibc_once(fresh):
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    fresh.delenv("NINT_HEAP", raising=False)
    assert malloc.keep_freed_memory() is True
    fresh.setattr(malloc.ctypes, "CDLL", None)  # a second call would fail
    assert malloc.keep_freed_memory() is True


def test_another_c_library_is_left_alone(fresh):
    def missing(name):
        raise OSError(name)

    fresh.delenv("NINT_HEAP", raising=False)
    fresh.setattr(malloc.ctypes, "CDLL", missing)
    assert malloc.keep_freed_memory() is False
