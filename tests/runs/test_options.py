"""The settings of a run: known by name and by type, and a misspelt one is caught, by mypy and at run time."""

import dataclasses
import inspect
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import nint
from nint.errors import UsageError
from nint.fitting import fit
from nint.runs.job import make_job
from nint.runs.options import FitKeywords, FitSettings, SignalKeywords
from nint.signals.kinds import KINDS, resolve

PIXELS = np.eye(6, dtype=np.float32)
SRC = Path(nint.__file__).resolve().parents[1]


def test_keywords_are_the_fields_of_the_settings_and_the_options_of_every_kind():
    fields = {field.name for field in dataclasses.fields(FitSettings)} - {"recipe", "signal"}
    assert set(FitKeywords.__annotations__) == fields | set(SignalKeywords.__annotations__)
    loaders = {name: resolve(kind.load) for name, kind in KINDS.items()}
    for kind, loader in loaders.items():
        options = set(inspect.signature(loader).parameters) - {"path", "name"}
        assert options <= set(SignalKeywords.__annotations__), kind


def test_settings_are_read_once_into_their_places():
    asked = FitSettings.of({"lr": 1e-3, "seed": 4, "max_side": 9}, recipe="paper", caller="f")
    assert (asked.lr, asked.seed, asked.recipe, asked.signal, asked.sampler) == (1e-3, 4, "paper", {"max_side": 9}, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("total_stepz", "nint.fit got an unexpected argument 'total_stepz'; did you mean 'total_steps'?"),
        ("eval_evry", "nint.fit got an unexpected argument 'eval_evry'; did you mean 'eval_every'?"),
        ("maxside", "nint.fit got an unexpected argument 'maxside'; did you mean 'max_side'?"),
        ("steps", "nint.fit got an unexpected argument 'steps'; did you mean budget=nint.Budget(steps=...)?"),
        ("xqjkw", "nint.fit got an unexpected argument 'xqjkw'."),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest(name, said):
    with pytest.raises(UsageError, match="unexpected argument") as caught:
        fit(PIXELS, **{name: 1})
    assert str(caught.value) == said


def test_make_job_names_itself():
    with pytest.raises(UsageError, match="make_job got an unexpected argument 'sampled'; did you mean 'sampler'"):
        make_job("there-is-no-such-file.png", sampled="nint")


SNIPPET = """
import nint

nint.fit("a.png", budget=3, sampler="nint", total_steps=5, lr=1e-3, max_side=64)
nint.fit("a.png", total_stepz=5)
nint.fit("a.png", lr="fast")
"""
CONFIG = """
[mypy]
follow_imports = silent
[mypy-torch.*,numpy.*,scipy.*,PIL.*,matplotlib.*,safetensors.*,rich.*]
follow_imports = skip
"""


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_finds_a_misspelt_setting_and_a_wrong_type(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    (tmp_path / "mypy.ini").write_text(CONFIG)
    environment = os.environ | {"MYPYPATH": str(SRC)}
    words = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(tmp_path / "cache"), "snippet.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 2, done.stdout + done.stderr
    assert errors[0].startswith("snippet.py:5:") and '"total_stepz"' in errors[0]
    assert errors[1].startswith("snippet.py:6:") and '"lr"' in errors[1]
