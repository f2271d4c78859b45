import dataclasses
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest

from nint import settings
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.samplers import SAMPLERS
from nint.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class Spec:
    share: float = settings.setting(0.2, "a share", above=0, at_most=1)
    every: int = settings.setting(10, "an interval", at_least=1)
    word: str = settings.setting("keep", "a word", choices=("keep", "redraw"))
    flag: bool = settings.setting(True, "a switch")
    bound: float | None = settings.setting(None, "a bound or none", at_least=0)

    def __post_init__(self):
        settings.check(self, "spec")


def read(text):
    name, raw = settings.split_text(text)
    return settings.build(Spec, name, raw)


def refused(call, *words):
    with pytest.raises(UsageError, match=re.escape(words[0])) as error:
        call()
    message = str(error.value)
    assert error.value.exit_code == 2 and "\n" not in message and message[-1] in ".?"
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spec", Spec()),
        ("spec:", Spec()),
        ("spec:share=1", Spec(share=1.0)),
        ("spec:share=1e-3,every=20", Spec(share=0.001, every=20)),
        (" spec: every=3 , word=redraw ", Spec(every=3, word="redraw")),
        ("spec:flag=false", Spec(flag=False)),
        ("spec:flag=True,bound=none", Spec()),
        ("spec:bound=0.5", Spec(bound=0.5)),
    ],
)
def test_reads(text, expected):
    found = read(text)
    assert found == expected
    assert all(type(getattr(found, f)) is type(getattr(expected, f)) for f in ("share", "every", "word", "flag", "bound"))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (Spec(), "spec"),
        (Spec(share=0.2, every=10), "spec"),
        (Spec(share=0.5, every=20), "spec:share=0.5,every=20"),
        (Spec(share=1.0), "spec:share=1"),
        (Spec(flag=False, bound=3.0), "spec:flag=false,bound=3"),
        (Spec(share=1e-7), "spec:share=1e-07"),
        (Spec(every=np.int64(3), share=np.float64(0.25)), "spec:share=0.25,every=3"),
    ],
)
def test_shortest_text(spec, text):
    assert settings.text_form(spec, "spec") == text
    assert read(text) == spec


@pytest.mark.parametrize("share", [1 / 3, 0.1 + 0.2, math.pi / 10, 5e-324, math.nextafter(1, 0), np.float64(2 / 3)])
def test_round_trip_is_exact(share):
    assert read(settings.text_form(Spec(share=share), "spec")).share == share


@pytest.mark.parametrize(
    "text",
    [
        "nint",
        "nint:random_share=0.5,refresh_interval=20",
        "nint:batch_share=0.1,schedule=step,interval=every-5,between=redraw,random_share=0,refresh_interval=1,decay_rate=0",
        "nint-reference:decay_rate=0.5",
        "int:schedule=step,interval=incremental",
        "uniform:batch_share=0.5",
        "full",
    ],
)
def test_samplers_round_trip(text):
    assert SAMPLERS.text(SAMPLERS.parse(text)) == text


@pytest.mark.parametrize("text", ["siren", "siren:size=3x64,omega_0=20", "mlp:size=2x16"])
def test_fields_round_trip(text):
    assert FIELDS.text(FIELDS.parse(text)) == text


@pytest.mark.parametrize("text", ["adam", "adam:beta2=0.99,eps=1e-15", "sgd:momentum=0.9"])
def test_optimizers_round_trip(text):
    assert OPTIMIZERS.text(OPTIMIZERS.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spec:shar=1", ["no setting 'shar'", "Did you mean 'share'?"]),
        ("spec:zzzz=1", ["no setting 'zzzz'", "Known: bound, every, flag, share, word."]),
        ("spec:share=0.1,share=0.2", ["sets share twice"]),
        ("spec:share", ["'share'", "key=value"]),
        ("spec:share=", ["key=value"]),
        ("spec:=1", ["key=value"]),
        ("spec:share=0.1 every=3", ["share=0.1 every=3", "a number"]),
        ("spec:share=much", ["share=much", "a number"]),
        ("spec:every=2.5", ["every=2.5", "a whole number"]),
        ("spec:flag=yes", ["flag=yes", "true or false"]),
        ("spec:share=none", ["share=none", "a number"]),
        ("spec:bound=x", ["bound=x", "a number or none"]),
        ("spec:word=keeep", ["word=keeep", "Did you mean 'keep'?"]),
        ("spec:share=0", ["share=0", "above 0, at most 1"]),
        ("spec:share=1.01", ["share=1.01", "at most 1"]),
        ("spec:share=nan", ["share=nan", "finite"]),
        ("spec:bound=inf", ["bound=inf", "finite"]),
        ("spec:every=0", ["every=0", "at least 1"]),
        ("spec:bound=-1", ["bound=-1", "at least 0"]),
    ],
)
def test_refuses(text, words):
    refused(lambda: read(text), *words)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"share": "0.5"}, "a number"),
        ({"share": None}, "a number"),
        ({"share": True}, "a number"),
        ({"every": 2.5}, "a whole number"),
        ({"every": 10.0}, "a whole number"),
        ({"flag": 1}, "true or false"),
        ({"word": 3}, "text"),
        ({"bound": "none"}, "a number or none"),
        ({"every": np.int64(0)}, "at least 1"),
        ({"share": np.float32(2)}, "at most 1"),
    ],
    ids=str,
)
def test_refuses_in_python_too(bad, words):
    (name,) = bad
    refused(lambda: Spec(**bad), name, words)


@settings.accepts_aliases
@dataclass(frozen=True)
class Renamed:
    share: float = settings.setting(0.2, "a share", above=0, aliases=("part", "portion"))
    plain: int = 3

    def __post_init__(self):
        settings.check(self, "renamed")


@pytest.mark.parametrize("name", ["share", "part", "portion"])
def test_earlier_names_are_read_and_the_current_one_is_written(name):
    built = settings.build(Renamed, "renamed", {name: "0.5"})
    assert built == Renamed(**{name: 0.5}) == Renamed(0.5) == dataclasses.replace(Renamed(), share=0.5)
    assert settings.text_form(built, "renamed") == "renamed:share=0.5"
    refused(lambda: Renamed(**{name: -1.0}), "share=-1.0", "above 0")


def test_a_setting_by_two_of_its_names_is_refused():
    refused(lambda: settings.build(Renamed, "renamed", {"part": "0.5", "share": "0.4"}), "share is given twice")
    refused(lambda: Renamed(part=0.5, portion=0.4), "share is given twice")


def test_a_whole_number_may_stand_for_a_float():
    assert Spec(share=1, bound=2) == Spec(share=1.0, bound=2.0)
