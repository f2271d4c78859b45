import platform
import sys

import pytest

from nint.machine import malloc


@pytest.fixture
def fresh(monkeypatch):
    malloc.keep_freed_memory.cache_clear()
    for variable in ("NINT_MALLOC", "NINT_HEAP"):
        monkeypatch.delenv(variable, raising=False)
    yield monkeypatch
    malloc.keep_freed_memory.cache_clear()


@pytest.mark.parametrize("variable", ["NINT_MALLOC", "NINT_HEAP"])
def test_it_can_be_switched_off(fresh, variable):
    fresh.setenv(variable, "default")
    assert malloc.keep_freed_memory() is False


def test_it_asks_glibc_once(fresh):
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    assert malloc.keep_freed_memory() is True
    fresh.setattr(malloc.ctypes, "CDLL", None)  # a second call would fail
    assert malloc.keep_freed_memory() is True


def test_another_c_library_is_left_alone(fresh):
    def missing(name):
        raise OSError(name)

    fresh.setattr(malloc.ctypes, "CDLL", missing)
    assert malloc.keep_freed_memory() is False
