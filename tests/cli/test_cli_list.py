from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nint.fields import FIELDS
from nint.samplers import SAMPLERS
from nint.signals.samples.images import sample_names


@pytest.mark.parametrize(("what", "registry"), [("samplers", SAMPLERS), ("fields", FIELDS)])
def test_every_setting_is_listed_with_default_letter_and_help(cli, what: str, registry):
    code, out, _ = cli("list", what)
    assert code == 0
    blocks = _blocks(out)
    for name in registry.names(plugins=False):
        text = " ".join(blocks[name].split())
        for field in dataclasses.fields(registry.get(name)):
            default = str(field.default).lower() if isinstance(field.default, bool) or field.default is None else field.default
            default = f"{default:.12g}" if isinstance(default, float) else str(default)
            start = " ".join(filter(None, (field.name, default, field.metadata["symbol"], field.metadata["help"])))
            assert start in text, (name, start)


def _blocks(text: str) -> dict[str, str]:
    """Name -> all that is said of it."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines()[1:]:
        if line and not line.startswith(" "):
            name = line.split()[0]
        found[name] = f"{found.get(name, '')}\n{line}"
    return found


def test_samples_are_listed_with_what_they_show(cli):
    code, out, _ = cli("list", "samples")
    assert code == 0
    for name in sample_names():
        assert f"sample:{name}" in out
    assert "512x512 RGB, Eileen Collins" in out


def test_list_alone_shows_all_three(cli):
    code, out, _ = cli("list")
    assert code == 0
    assert "refresh_interval" in out and "omega_0" in out and "sample:camera" in out


def test_a_broken_plugin_is_one_line_and_not_fatal(cli, broken_plugin: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(broken_plugin)
    code, out, err = cli("list", "samplers")
    assert (code, err) == (0, "")
    line = next(line for line in out.splitlines() if line.startswith("broken"))
    assert "cannot be used" in line and "nothing works here" in out
    assert "soft-mining" in out


def test_an_unknown_list_names_the_nearest(cli):
    assert cli("list", "sampler") == (2, "", "nint: There is no list of 'sampler'. Did you mean 'samplers'?\n")
