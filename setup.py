"""Builds the native sines where a C compiler is there; without one the package is pure Python and computes the same with PyTorch."""

import sys

from setuptools import Extension, setup

FLAGS = ["/O2", "/fp:contract"] if sys.platform == "win32" else ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]

setup(
    ext_modules=[
        Extension(
            "nint.machine._native",
            ["src/nint/machine/_native.c"],
            extra_compile_args=FLAGS,
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
