"""The package is imported, fits and writes on systems without Python's Unix-only modules."""

import subprocess
import sys

UNIX_ONLY = ["resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline", "curses"]

PROGRAM = """
import importlib, os, pkgutil, sys
for name in sys.argv[2:]:
    sys.modules[name] = None  # every import of it fails

import numpy as np
import torch

for name in {"fork", "register_at_fork", "getuid", "uname", "getloadavg", "sched_getaffinity"} & set(dir(os)):
    delattr(os, name)

import nint

optional = ("nint.integrations",)
for module in pkgutil.walk_packages(nint.__path__, "nint."):
    if module.name.endswith("__main__") or module.name.startswith(optional):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        assert error.name and error.name.partition(".")[0] not in ("nint", *sys.argv[2:]), (module.name, error)

from nint.cli.main import main
from nint.machine.devices import peak_memory_bytes

assert peak_memory_bytes(torch.device("cpu")) is None
image = np.random.default_rng(0).random((8, 9, 3)).astype("float32")
fit = nint.fit(image, field="siren:size=1x8", sampler="nint", total_steps=3, device="cpu", out="library")
assert fit.record["peak_memory_bytes"] is None and fit.record["steps"] == 3
assert nint.Fit.load("library/model.safetensors").decode().shape == image.shape
words = ["--size", "1x8", "--steps", "3", "--device", "cpu", "--out", "command"]
assert main(["fit", "sample:astronaut", "--max-side", "12", *words, "--no-pictures"]) == 0
assert main(["inspect", "command"]) == 0
print("fine")
"""


def test_without_unix_only_modules(tmp_path):
    arguments = [sys.executable, "-c", PROGRAM, "-", *UNIX_ONLY]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "fine"
