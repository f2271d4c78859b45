from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from nint.cli.decode import DecodeOptions
from nint.cli.fit import FitOptions
from nint.cli.listing import ListOptions
from nint.cli.parsing import command_line, parse
from nint.errors import UsageError


def test_options_are_read_in_any_order_and_spelling():
    words = "--steps=7 photo.png --lr-schedule cosine --batch_share 0.5 --resume --sampler nint:random_share=0.5,interval=every-5"
    options = parse(FitOptions, "fit", words.split())
    expected = FitOptions(
        "photo.png", steps=7, lr_schedule="cosine", batch_share=0.5, resume=True, sampler="nint:random_share=0.5,interval=every-5"
    )
    assert options == expected


def test_negative_numbers_are_values_not_options():
    assert parse(DecodeOptions, "decode", ["m", "o.png", "--crop", "-1", "2", "3", "4", "--scale", "-1e-4"]).crop == (-1, 2, 3, 4)


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
