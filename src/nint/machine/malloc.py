"""malloc settings that keep freed memory in the process, so that its pages are not faulted in again for every chunk.

glibc returns memory at the top of its arena to the system as soon as 128 KiB (later: twice the largest block) of it are free. A
chunk's activations are freed together, so without these settings every chunk pays for the page faults again.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**29
_LARGEST_BLOCK = 2**25
_VARIABLES = ("NINT_MALLOC", "NINT_HEAP")  # the second is the name in nint 0.1.0


@functools.cache
def keep_freed_memory() -> bool:
    """Lets glibc keep up to 512 MiB of freed memory, once a process; elsewhere, or with NINT_MALLOC=default, does nothing.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux") or "default" in map(os.environ.get, _VARIABLES):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK))
