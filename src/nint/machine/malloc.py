"""Keeping freed memory in the process, so that chunk after chunk does not fetch its pages anew from the system.

glibc gives memory at the top of its heap back as soon as 128 KiB (later: twice the largest block) of it are free. A chunk's
activations are freed together, so at every chunk they would go back and cost page faults again.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**29
_LARGEST_BLOCK = 2**25
_VARIABLE = "NINT_HEAP"


@functools.cache
def keep_freed_memory() -> bool:
    """Lets glibc keep up to 512 MiB of freed memory, once a process; elsewhere, or with NINT_HEAP=default, does nothing.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux") or os.environ.get(_VARIABLE) == "default":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK))
