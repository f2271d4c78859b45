"""pyarrow, where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

from nint.errors import UsageError


def arrow() -> Any:
    """The package.

    Raises:
        UsageError: where it is not installed.
    """
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UsageError("Datasets of fields need the package pyarrow; pip install 'nint[many]'.") from None


def parquet() -> Any:
    """Its reader and writer of Parquet files.

    Raises:
        UsageError: where it is not installed.
    """
    arrow()
    return importlib.import_module("pyarrow.parquet")
