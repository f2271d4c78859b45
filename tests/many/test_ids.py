"""Which signal of a dataset an input is, and what a new one is called."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from nint.errors import UsageError
from nint.many.ids import named_apart
from nint.many.inputs import items_of
from nint.many.items import Item, Loaded


def named(items, held=None, failed=None):
    return [(item.id, item.source) for item in named_apart([Item(*one) for one in items], held, failed)]


def test_new_signals_of_one_name_take_their_sources():
    assert named([("a", "x/a"), ("b", "x/b"), ("a", "y/a")]) == [("x/a", "x/a"), ("b", "x/b"), ("y/a", "y/a")]
    assert named([("a", "x/a"), ("a", os.path.abspath("x/a"))]) == [("a", os.path.abspath("x/a"))]
    assert named([("camera", "sample:camera")], {"camera": "camera"}) == [("sample:camera", "sample:camera")]


def test_a_signal_that_is_held_keeps_its_id_whatever_it_is_called_now():
    held = {"a": "x/a", "s.npy/0": "s.npy#0"}
    for source in ("x/a", "./x/a", os.path.abspath("x/a")):
        assert named([("x/a", source), ("y/a", "y/a")], held) == [("a", source), ("y/a", "y/a")]
    assert named([("a", "y/a")], held) == [("y/a", "y/a")]
    assert named([("d/s.npy/0", os.path.abspath("s.npy#0")), ("s.npy/1", "s.npy#1")], held)[0][0] == "s.npy/0"
    assert named([("a", "x/a")], {"a": "x/a", "x/a": "x/a"}) == [("a", "x/a")]  # held twice
    assert named([("a", "x/a")], {"x/a": "x/a"}) == [("x/a", "x/a")]


def test_no_two_signals_get_one_id():
    here = os.path.abspath("x/a")
    assert named([("a", "x/a")], {"a": "y/a", "x/a": "z/x/a"}) == [(here, "x/a")]
    assert named([("a", "x/a")], {"a": "y/a", "x/a": "z/x/a", here: "memory:1"}) == [(f"{here} (2)", "x/a")]
    assert named([("y/a", "x/y/a"), ("a", "y/a"), ("a", "z/a")]) == [("y/a", "x/y/a"), (os.path.abspath("y/a"), "y/a"), ("z/a", "z/a")]


def test_what_failed_keeps_its_id_too_where_no_field_has_it():
    failed = {"a": "x/a"}
    assert named([("x/a", "x/a"), ("y/a", "y/a")], {}, failed) == [("a", "x/a"), ("y/a", "y/a")]
    assert named([("x/a", "x/a")], {"a": "y/a"}, failed) == [("x/a", "x/a")]
    assert named([("a", "y/a")], {}, failed) == [("a", "y/a")]


def test_ids_that_a_person_gave_are_never_changed():
    one, other = np.zeros((2, 2)), np.ones((2, 2))
    held = {item.id: item.source for item in items_of([one, other])}
    assert named_apart(items_of([one, other, one]), held) == named_apart(items_of([one, other, one]))
    with pytest.raises(UsageError, match=r"holds another signal as '00000000' \(memory:.*, not memory:"):
        named_apart(items_of([other, one]), held)
    assert [item.id for item in named_apart([Loaded.of("s", one)], {"s": "ndarray"})] == ["s"]  # an older dataset
    with pytest.raises(UsageError, match="another signal as 's'"):
        named_apart([Loaded.of("s", one)], {"s": "x/s"})
    paths = {"a": "x/a", "b": "x/a"}  # one file under two ids
    for held in ({}, {"a": "./x/a"}, {"a": "x/a", "b": "x/a"}):
        assert [item.id for item in named_apart(items_of(paths), held)] == ["a", "b"]
    with pytest.raises(UsageError, match=r"another signal as 'a' \(y/a, not x/a\)"):
        named_apart(items_of(paths), {"a": "y/a"})


def test_named_apart_twice_changes_nothing():
    sources = [f"{folder}/{name}" for folder, name in itertools.product("xy", "abc")]
    once = named_apart([Item(os.path.basename(source), source) for source in sources])
    assert named_apart(once) == once
    assert named_apart(once, {item.id: item.source for item in once[:4]}) == once
