"""Packages of extras, imported where they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from nint.errors import UsageError


def need(module: str, purpose: str, extra: str) -> Any:
    """Imports an optional package.

    Raises:
        UsageError: says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{purpose} needs the package {module}; pip install 'nint[{extra}]'.") from error
