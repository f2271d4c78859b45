from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nint.cli.main import COMMANDS
from nint.version import __version__

HEAVY = ("torch", "numpy", "matplotlib", "skimage", "scipy", "cv2", "PIL", "safetensors")

SCRIPT = """
import sys
from nint.cli.main import COMMANDS, main
for words in (['--help'], [], *([name, '--help'] for name in COMMANDS)):
    assert main(words) == 0, words
print('loaded:', [name for name in sys.argv[1].split(',') if name in sys.modules])
"""


def test_help_loads_nothing_heavy_and_no_plugin(broken_plugin: Path):
    path = os.pathsep.join(filter(None, (str(broken_plugin), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", SCRIPT, ",".join(HEAVY)], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert not (broken_plugin / "imported").exists()
    for name in COMMANDS:
        assert f"usage: nint {name}" in done.stdout


def test_version(cli):
    assert cli("--version") == (0, f"nint {__version__}\n", "")


def test_help_lists_the_commands(cli):
    code, out, _ = cli("--help")
    assert code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in out and line in out


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("fti", "nint: nint has no command 'fti'. Did you mean 'fit'?\n"),
        ("--verzion", "nint: nint has no option '--verzion'. Did you mean '--version'?\n"),
    ],
)
def test_an_unknown_command_names_the_nearest(cli, word: str, sentence: str):
    assert cli(word) == (2, "", sentence)


def test_a_reader_who_has_left_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "nint.cli.main", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_package_is_a_command_too():
    found = subprocess.run([sys.executable, "-m", "nint", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("nint ") and found.stderr == ""
