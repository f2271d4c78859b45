"""Completion scripts, the one of bash asked as bash asks it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from nint.cli.main import COMMANDS

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
_shtab_nint; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """Asks the completion of the last of some words."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    from nint.cli.completion import script

    path = tmp_path_factory.mktemp("completion") / "nint"
    path.write_text(script("bash"), encoding="utf-8")

    def ask(*words: str) -> set[str]:
        done = subprocess.run(["bash", "-c", ASK, "bash", str(path), *words], capture_output=True, text=True, check=True, timeout=60)
        return set(done.stdout.split())

    return ask


def test_commands_options_and_names_are_completed(bash):
    assert set(COMMANDS) <= bash("nint", "")
    assert bash("nint", "comp") == {"compare", "completion"}
    assert {"--max-side", "--max-points"} <= bash("nint", "fit", "--max")
    assert {"nint", "nint-fast"} <= bash("nint", "fit", "photo.png", "--sampler", "nin")
    assert bash("nint", "fit", "photo.png", "--recipe", "p") == {"paper"}


def test_files_are_completed(bash, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday.png").touch()
    assert "holiday.png" in bash("nint", "fit", "hol")


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh", "powershell"])
def test_other_shells_have_a_script(cli, shell):
    code, out, _ = cli("completion", shell)
    assert code == 0 and all(name in out for name in COMMANDS)


def test_every_option_of_every_command_is_in_it(cli):
    import dataclasses
    import importlib
    import typing

    from tyro.conf import Positional

    out = cli("completion", "zsh").out
    for place, _ in COMMANDS.values():
        module, _, name = place.partition(":")
        options = getattr(importlib.import_module(module), name)
        hints = typing.get_type_hints(options, include_extras=True)
        for field in dataclasses.fields(options):
            if Positional not in getattr(hints[field.name], "__metadata__", ()):
                assert f"--{field.name.replace('_', '-')}" in out


def test_another_shell_is_refused(cli):
    sentence = "nint: There is no completion for 'bahs'; give bash, zsh, fish, tcsh, powershell. Did you mean 'bash'?\n"
    assert cli("completion", "bahs") == (2, "", sentence)
