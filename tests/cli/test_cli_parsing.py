from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import typing
from dataclasses import replace

import pytest

from nint.cli.compare import CompareOptions
from nint.cli.decode import DecodeOptions
from nint.cli.fit import FitOptions
from nint.cli.listing import ListOptions
from nint.cli.main import COMMANDS
from nint.cli.parsing import Bounds, command_line, parse
from nint.errors import UsageError


def test_options_are_read_in_any_order_and_spelling():
    words = "--steps=7 photo.png --lr-schedule cosine --batch_share 0.5 --resume --sampler nint:random_share=0.5,interval=every-5"
    options = parse(FitOptions, "fit", words.split())
    expected = FitOptions(
        "photo.png", steps=7, lr_schedule="cosine", batch_share=0.5, resume=True, sampler="nint:random_share=0.5,interval=every-5"
    )
    assert options == expected


def test_negative_numbers_are_values_not_options():
    assert parse(DecodeOptions, "decode", ["m", "o.png", "--crop", "-1", "2", "3", "4", "--scale", "2"]).crop == (-1, 2, 3, 4)
    assert parse(FitOptions, "fit", ["x", "--psnr", "-1e-4"]).psnr == -1e-4
    assert parse(CompareOptions, "compare", ["x", "--out", "y", "--targets", "-1e-4", "-3"]).targets == (-1e-4, -3)


@pytest.mark.parametrize(
    ("options", "words", "sentence"),
    [
        (FitOptions, "x --steps 0", "--steps 0 is out of range; it must be a whole number from 1 to 1,000,000,000."),
        (FitOptions, "x --lr nan", "--lr nan is out of range; it must be a number above 0 and at most 1e+09."),
        (FitOptions, "x --lr 1e400", "--lr inf is out of range; it must be a number above 0 and at most 1e+09."),
        (FitOptions, "x --warm-up 1", "--warm-up 1 is out of range; it must be a number from 0 and below 1."),
        (FitOptions, f"x --seed {10**300}", f"--seed 1{'0' * 39} is out of range; it must be a whole number from 0 to {2**62 - 1:,}."),
        (DecodeOptions, "m o --shape 3 0", f"--shape 0 is out of range; it must be a whole number from 1 to {2**40:,}."),
        (DecodeOptions, "m o --shape 3 a", "--shape: 'a' is not a whole number."),
        (DecodeOptions, "m o --shape", "--shape: it needs a value."),
        (CompareOptions, "x --out y --targets 3 inf", "--targets inf is out of range; it must be a number from -1,000 to 1,000."),
    ],
)
def test_numbers_out_of_their_range(options: type, words: str, sentence: str):
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
        parse(options, "some", words.split())


def test_every_number_has_bounds():
    for target, _ in COMMANDS.values():
        module, _, name = target.partition(":")
        for option, hint in typing.get_type_hints(getattr(importlib.import_module(module), name), include_extras=True).items():
            text = str(typing.get_args(hint)[:1])
            if "int" in text or "float" in text:
                assert any(isinstance(part, Bounds) for part in hint.__metadata__), (target, option)


def test_the_word_none_is_a_text_like_any_other():
    assert parse(FitOptions, "fit", ["x", "--out", "None"]).out == "None"


def test_a_positional_with_a_default_may_be_left_out():
    assert parse(ListOptions, "list", []) == ListOptions("all")
    assert parse(ListOptions, "list", ["fields"]) == ListOptions("fields")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "fit needs INPUT; see nint fit --help."),
        ("x --stepz 3", "fit has no option '--stepz'. Did you mean '--steps'?"),
        ("--stepz 3 x", "fit has no option '--stepz'. Did you mean '--steps'?"),
        ("x --no-resume", "fit has no option '--no-resume'. Did you mean '--resume'?"),
        ("x --input y", "fit has no option '--input'. Did you mean '--init'?"),
        ("x y", "fit: unexpected argument 'y'; see nint fit --help."),
        ("x --steps a", "--steps: 'a' is not a whole number."),
        ("x --steps 1.5", "--steps: '1.5' is not a whole number."),
        ("x --lr fast", "--lr: 'fast' is not a number."),
        ("x --out", "--out needs a value."),
        ("x --out --resume", "--out needs a value."),
        ("x --out=", "--out: the text is empty."),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
        parse(FitOptions, "fit", words.split())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("words", "named"), [([""], "INPUT"), (["a.png", ""], "INPUT"), (["a.png", "--samplers", ""], "--samplers")])
def test_an_empty_text_among_several_is_not_the_current_folder(words: list[str], named: str):
    with pytest.raises(UsageError, match=f"^{named}: a text is empty"):
        parse(CompareOptions, "compare", [*words, "--out", "x"])


def test_too_few_values_of_several():
    with pytest.raises(UsageError, match=r"^--crop needs 4 values\.$"):
        parse(DecodeOptions, "decode", ["m", "o.png", "--crop", "1", "2", "3"])


@pytest.mark.parametrize(
    "options",
    [
        FitOptions("x"),
        FitOptions("my photo's.png", out="a b", steps=5, lr=1e-3, resume=True, no_pictures=True),
        DecodeOptions("m", "o.png", crop=(1, 2, 3, 4), scale=2.5),
    ],
)
def test_the_command_line_of_options_gives_the_same_options(options: object):
    nint, name, *words = shlex.split(command_line(options, "some"))
    assert (nint, name) == ("nint", "some")
    assert parse(type(options), name, words) == options


def test_help_names_every_option_once_and_is_complete_after_other_words(capsys: pytest.CaptureFixture[str]):
    for words in (["--help"], ["x", "--steps", "3", "--help"], ["-h", "--nonsense"]):
        with pytest.raises(SystemExit) as stop:
            parse(FitOptions, "fit", words)
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert "INPUT" in text
        for option in ("--batch-share", "--total-steps", "--eval-every", "--no-pictures", "--init"):
            assert text.count(f"{option} ") == 1, option
    assert replace(FitOptions("x"), quiet=True).quiet


def test_behind_two_dashes_words_are_names_of_files():
    assert parse(FitOptions, "fit", ["--lr", "1", "--", "-x_y.png"]) == FitOptions("-x_y.png", lr=1.0)
    assert parse(FitOptions, "fit", ["--", "--help"]).input == "--help"
    assert parse(CompareOptions, "compare", ["--out", "o", "--samplers", "uniform", "full", "--", "-x", "y"]).inputs == ("-x", "y")


def test_a_file_whose_name_begins_with_a_dash_is_not_taken_for_a_misspelt_option(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-dash it.png").touch()
    with pytest.raises(UsageError, match=r"^fit has no option '-dash it\.png'; for the file of that name write '\./-dash it\.png'\.$"):
        parse(FitOptions, "fit", ["-dash it.png"])
    with pytest.raises(UsageError, match=r"Did you mean"):
        parse(FitOptions, "fit", ["-other.png"])


@pytest.mark.parametrize("name", ["-dash.png", "sp ace", "quo'te\\.png", "esc\x1b[31m\nb.png", "caf\udce9.png", "\N{ZERO WIDTH SPACE}f"])
def test_the_command_line_of_any_name_is_one_line_that_a_shell_reads_as_it(name: str):
    line = command_line(FitOptions(name, out=name), "fit")
    assert line.isprintable()
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    script = line.replace("nint", "printf '%s\\0'", 1)
    words = [os.fsdecode(word) for word in subprocess.run([bash, "-c", script], capture_output=True, check=True).stdout.split(b"\0")[:-1]]
    again = parse(FitOptions, "fit", words[1:])
    assert os.path.normpath(again.input) == os.path.normpath(again.out or "") == name
