"""The location of a report; only a report of nint's is overwritten."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from nint.errors import UsageError
from nint.runs.folder import REPORT, check_writable, is_ours

_PACKAGES = {"jinja2": "jinja2", "markdown_it": "markdown-it-py"}


_ENDINGS = (".html", ".htm")


def check_target(folder: Path, out: Path | None = None) -> Path:
    """The file to which the report about a folder is written.

    Args:
        folder: Folder that the report is about.
        out: The file; None is report.html in the folder.

    Raises:
        UsageError: for a folder, another ending than .html, a file that is not a report of nint's, a location that cannot be written, or a
            missing package.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise UsageError(f"The HTML report needs the package {package}; pip install 'nint[report]'.")
    path = folder / REPORT if out is None else out
    instead = "move it, or choose another --out"  # which is the folder of the results, or of nint report the file
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; {instead if out is None else 'give a file for the report'}.")
    if path.suffix.lower() not in _ENDINGS:  # also keeps it from models and records, which nint wrote too
        raise UsageError(f"A report is a page in HTML; give --out a name that ends in .html, not '{path.name}'.")
    if os.path.lexists(path) and (path.is_symlink() or not is_ours(path)):
        raise UsageError(f"'{path}' exists and is not a report that nint wrote; {instead}.")
    if out is not None:
        check_writable(path.absolute().parent)
    return path
