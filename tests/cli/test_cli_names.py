"""Names of files reach the terminal without control characters, and the commands that are printed can be copied."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nint.cli.progress import runs_bar
from nint.cli.show import Printable, Show, complain, printable

NAME = "a\x1b[31mb\nc\x07"
FEW = ("--steps", 2, "--size", "1x4", "--threads", 1, "--no-pictures")


def picture(name: str) -> str:
    try:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save(f"./{name}")
    except OSError:
        pytest.skip("this file system takes no such names")
    return name


def clean(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def test_every_command_prints_names_that_can_be_printed(cli):
    cli("list", "samples")  # makes the folder current
    name = picture(f"{NAME}.png")
    folder = Path("nint-out") / NAME
    commands = [
        ("fit", name, *FEW),
        ("inspect", folder),
        ("decode", folder, f"{NAME}-x2.png", "--scale", 2),
        ("eval", folder, name),
        ("fit", name, *FEW),  # refused: the folder is taken
    ]
    for words in commands:
        found = cli(*words)
        assert clean(found.out) and clean(found.err) and (found.out or found.err), words
        lines = (found.out + found.err).splitlines()
        assert not any(line.startswith("c") and "\N{REPLACEMENT CHARACTER}" in line for line in lines), words  # what follows a line break


def test_tables_bars_and_complaints_are_printed_clean(capsys: pytest.CaptureFixture[str]):
    from rich.console import Console
    from rich.table import Table

    stream = io.StringIO()
    show = Show(stream)
    show.line(NAME)
    show.facts([(NAME, NAME)])
    show.table((NAME,), [(NAME,)])
    table = Table(title=NAME)
    table.add_row(NAME)
    Console(file=stream, width=80).print(Printable(table))
    complain(NAME)
    with runs_bar(1) as told:
        told(1.0, NAME)
    assert clean(stream.getvalue()) and clean(capsys.readouterr().err)
    assert stream.getvalue().startswith(f"{printable(NAME)}\n{printable(NAME)}  {printable(NAME)}\n")


def test_the_commands_that_fit_prints_take_a_name_with_a_dash(cli):
    cli("list", "samples")
    found = cli("fit", *FEW, "--", picture("-dash.png"))
    assert found.code == 0, found.err
    said = [line.partition(" nint ")[2] for line in found.out.splitlines()]
    commands = [shlex.split(words) for words in said if words.startswith(("decode", "inspect"))]
    assert [words[0] for words in commands] == ["decode", "inspect"]
    for words in commands:
        again = cli(*words)
        assert again.code == 0, again.err
    assert Path("-dash-x2.png").is_file()
