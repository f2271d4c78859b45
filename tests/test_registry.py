import dataclasses
import importlib.metadata
import sys
import types

import pytest

from nint.errors import UsageError
from nint.registry import Registry
from nint.samplers import SAMPLERS
from nint.samplers.nint import Nint
from nint.samplers.uniform import Uniform
from nint.settings import setting

GROUP = "nint.samplers"


@dataclasses.dataclass(frozen=True)
class Mine(Uniform):
    strength: float = setting(1.0, "a setting of the plug-in", above=0)


class Plain:
    """Not a dataclass."""


@pytest.fixture
def plugins(monkeypatch):
    """Installs entry points by {name: "module:attribute"}, in modules that are made up here."""
    package = types.ModuleType("fake_package")
    package.MySampler, package.Plain, package.function = Mine, Plain, lambda: None
    monkeypatch.setitem(sys.modules, "fake_package", package)
    points = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [p for p in points if p.group == group])

    def install(name, value, group=GROUP):
        points.append(importlib.metadata.EntryPoint(name, value, group))

    return install


def registry(group=GROUP):
    return Registry("sampler", {"nint": "nint.samplers.nint:Nint", "uniform": "nint.samplers.uniform:Uniform"}, group)


def test_built_in_classes_are_imported_when_asked_for():
    found = Registry("sampler", {"odd": "no_such_module:Class", "nint": "nint.samplers.nint:Nint"})
    assert found.names() == ["odd", "nint"]
    assert found.get("nint") is Nint
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        found.get("odd")


def test_parse():
    found = registry()
    assert found.parse("nint:random_share=0.5") == Nint(random_share=0.5)
    assert found.parse(Nint) == Nint()
    spec = Nint(decay_rate=0.0)
    assert found.parse(spec) is spec
    assert found.text(spec) == "nint:decay_rate=0"
    assert found.name_of(spec) == "nint"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nitn", "Did you mean 'nint'"),
        ("uniforn:batch_share=0.1", "Did you mean 'uniform'"),
        ("xyz", "Known: nint, uniform"),
        ("", "Known:"),
    ],
)
def test_unknown_name(text, words):
    with pytest.raises(UsageError, match=words) as error:
        registry().parse(text)
    assert "There is no sampler called" in str(error.value)


def test_a_class_of_this_process():
    found = registry()
    found.add("mine", Mine)
    assert found.names() == ["nint", "uniform", "mine"]
    assert found.text(found.parse("mine:strength=2")) == "mine:strength=2"
    with pytest.raises(UsageError, match="built-in"):
        found.add("nint", Mine)


def test_a_class_that_is_not_registered_has_its_own_name(plugins):
    assert registry().name_of(Mine()) == "Mine"


def test_a_plug_in_is_a_sampler_like_any_other(plugins):
    plugins("mine", "fake_package:MySampler")
    plugins("elsewhere", "fake_package:MySampler", group="nint.fields")
    found = registry()
    assert found.names() == ["nint", "uniform", "mine"]
    assert found.names(plugins=False) == ["nint", "uniform"]
    assert found.parse("mine:strength=3,batch_share=0.1") == Mine(strength=3.0, batch_share=0.1)
    with pytest.raises(UsageError, match=r"mine has no setting 'strenght'.*'strength'"):
        found.parse("mine:strenght=3")
    with pytest.raises(UsageError, match="Did you mean 'mine'"):
        found.parse("mien")


def test_the_text_of_a_plug_in_can_be_read_again(plugins):
    """Its entry point names it by the package that shows it, not by the module that defines it."""
    plugins("mine", "fake_package:MySampler")
    found = registry()
    assert found.text(found.parse("mine:strength=3")) == "mine:strength=3"
    defined_here = registry()
    plugins("direct", f"{Mine.__module__}:Mine")
    assert defined_here.text(Mine(strength=3.0)) == "direct:strength=3"


def test_built_in_names_win_and_doubles_are_listed_once(plugins):
    plugins("nint", "fake_package:MySampler")
    plugins("mine", "fake_package:MySampler")
    plugins("mine", "fake_package:MySampler")
    found = registry()
    assert found.get("nint") is Nint
    assert found.names() == ["nint", "uniform", "mine"]


@pytest.mark.parametrize("value", ["no_such_package:Class", "fake_package:Missing", "fake_package:function", "fake_package:Plain"])
def test_a_broken_plug_in_is_named(plugins, value):
    plugins("broken", value)
    found = registry()
    assert "broken" in found.names()
    with pytest.raises(UsageError, match="'broken'") as error:
        found.parse("broken")
    assert value in str(error.value) and "\n" not in str(error.value)
    assert found.parse("nint") == Nint()


def test_a_plug_in_that_fails_while_it_is_imported(plugins, tmp_path, monkeypatch):
    (tmp_path / "falls_over.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins("broken", "falls_over:Class")
    with pytest.raises(UsageError, match="division by zero"):
        registry().get("broken")


def test_without_a_group_there_are_no_plug_ins(plugins):
    plugins("mine", "fake_package:MySampler")
    found = registry(group=None)
    assert found.names() == ["nint", "uniform"]
    with pytest.raises(UsageError, match="no sampler"):
        found.get("mine")


def test_the_samplers_own_registry_takes_plug_ins(plugins):
    plugins("mine", "fake_package:MySampler")
    assert SAMPLERS.parse("mine:strength=2") == Mine(strength=2.0)
    assert "mine" in SAMPLERS.names()


def test_a_plug_in_must_be_of_the_right_base(plugins):
    plugins("budget", "nint.training.budgets:Budget", group="nint.samplers")
    with pytest.raises(UsageError, match="derived from Sampler"):
        SAMPLERS.get("budget")
