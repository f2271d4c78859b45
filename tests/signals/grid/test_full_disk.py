"""Where the system refuses to take more, its own reason is told."""

import contextlib

import numpy as np
import pytest

from nint.errors import UsageError
from nint.signals.grid.files import write_npy
from nint.signals.grid.tiff_files import write_grid
from nint.signals.image.write import write_image

resource = pytest.importorskip("resource", reason="limits of a process are those of Unix")


@contextlib.contextmanager
def no_room():
    """Files of at most 4,000 bytes: a refusal like that of a full disk, with another reason. Within it, pytest itself must not write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("name", "dims"), [("a.npy", 3), ("a.tif", 3), ("b.tif", 2)])
def test_the_reason_is_that_of_the_system(tmp_path, name, dims, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 65536, (6, 40, 50)[-dims:]), dtype=np.uint16, order=order)
    write = {"a.npy": write_npy, "a.tif": lambda a, p: write_grid(a, "ZYX", None, p), "b.tif": write_image}[name]
    with pytest.raises(UsageError, match="File too large"), no_room():
        write(array, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["bool", "int8", ">i4", "float64"])
def test_npy_is_still_numpys_own(tmp_path, order, dtype):
    array = np.asarray(np.random.default_rng(0).integers(0, 2, (5, 6, 7)), dtype=dtype, order=order)
    write_npy(array, tmp_path / "a.npy")
    found = np.load(tmp_path / "a.npy")
    assert found.dtype == array.dtype and np.array_equal(found, array) and found.flags.f_contiguous is array.flags.f_contiguous
