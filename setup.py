"""Builds the native sines and grids where a C compiler is there; without one the package is pure Python and computes the same with PyTorch.

Also the parts of the metadata that depend on where the repository is served: with NINT_REPOSITORY_URL (the release sets it) links of the README
become absolute and the project has addresses; without it the README's links to files become plain text, since a package index has no such files.
"""

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, setup

FLAGS = ["/O2", "/fp:contract"] if sys.platform == "win32" else ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
URL = os.environ.get("NINT_REPOSITORY_URL", "").rstrip("/")
BRANCH = os.environ.get("NINT_REPOSITORY_REF", "main")

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^()\s]+)\)")


def readme(url=URL):
    """The README as a package index shows it."""

    def absolute(match):
        picture, text, target = match.groups()
        if not url:
            return "" if picture else text
        return f"{picture}[{text}]({url}/{'raw' if picture else 'blob'}/{BRANCH}/{target})"

    return _LINK.sub(absolute, Path(__file__).with_name("README.md").read_text(encoding="utf-8"))


def project_urls(url=URL):
    """Addresses of the project, as far as they are known."""
    paper = {"Paper": "https://arxiv.org/abs/2511.15487"}
    if not url:
        return paper
    return {
        "Source": url,
        "Issues": f"{url}/issues",
        "Changelog": f"{url}/blob/{BRANCH}/CHANGELOG.md",
        "Documentation": f"{url}/tree/{BRANCH}/docs",
    } | paper


def native(name: str) -> Extension:
    """An extension of one source file, which may be left out."""
    return Extension(
        f"nint.machine.{name}",
        [f"src/nint/machine/{name}.c"],
        depends=["src/nint/machine/_portable.h"],
        extra_compile_args=FLAGS,
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        py_limited_api=True,
        optional=True,
    )


if __name__ == "__main__":
    setup(
        long_description=readme(),
        long_description_content_type="text/markdown",
        project_urls=project_urls(),
        ext_modules=[native("_native"), native("_grids")],
        options={"bdist_wheel": {"py_limited_api": "cp311"}},
    )
