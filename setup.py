"""Builds the native sines and grids where a C compiler is there; without one the package is pure Python and computes the same with PyTorch."""

import sys

from setuptools import Extension, setup

FLAGS = ["/O2", "/fp:contract"] if sys.platform == "win32" else ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]



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


setup(
    ext_modules=[native("_native"), native("_grids")],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
