"""States travel as JSON and tensors, and come back as what they were."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.samplers.tree import flatten, unflatten
from nint.settings import renamed


@dataclass(frozen=True)
class Leaf:
    rows: Tensor
    share: float


@dataclass(frozen=True)
class Tree:
    step: int
    leaf: Leaf | None
    leaves: tuple[Leaf, ...]
    names: list[str]
    by_name: dict[str, Tensor]
    inner: Any = None


def travelled(value, hint=None, like=None):
    tensors = {}
    text = json.dumps(flatten(value, "p", tensors), allow_nan=False)
    return unflatten(json.loads(text), tensors, hint, like), tensors


def test_plain_values_lists_and_dicts_come_back():
    value = {"a": [1, 2.5, None, True, "x"], 3: {"deep": [[], {}]}}
    back, tensors = travelled(value)
    assert back == value and tensors == {}
    assert list(back) == ["a", 3]  # integer keys stay integers


def test_tensors_come_back_bit_by_bit_and_are_copies():
    value = {
        "f": torch.tensor([math.nan, math.inf, 0.1]),
        "i": torch.arange(6).reshape(2, 3).T,
        "b": torch.tensor([True, False]),
        "empty": torch.empty(0, 2),
        "scalar": torch.tensor(2.0),
    }
    back, tensors = travelled(value)
    for name, tensor in value.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape
        assert torch.equal(torch.nan_to_num(back[name].float(), nan=-7), torch.nan_to_num(tensor.float(), nan=-7))
    value["f"][2] = 5
    assert back["f"][2] == torch.tensor(0.1)
    assert all(tensor.is_contiguous() and name.startswith("p.") for name, tensor in tensors.items())


def test_dataclasses_come_back_from_their_hints():
    tree = Tree(4, Leaf(torch.arange(3), 0.5), (Leaf(torch.ones(1), 1.0), Leaf(torch.zeros(2), 2.0)), ["a"], {"x": torch.ones(2)})
    back, _ = travelled(tree, Tree)
    assert isinstance(back, Tree) and isinstance(back.leaf, Leaf) and isinstance(back.leaves, tuple)
    assert torch.equal(back.leaf.rows, torch.arange(3)) and back.leaves[1].share == 2.0
    assert torch.equal(back.by_name["x"], torch.ones(2)) and back.names == ["a"]
    empty, _ = travelled(dataclasses.replace(tree, leaf=None, leaves=()), Tree)
    assert empty.leaf is None and empty.leaves == ()


def test_where_the_hint_says_too_little_a_value_of_the_same_make_does():
    tree = Tree(1, None, (), [], {}, inner=Leaf(torch.arange(2), 3.0))
    back, _ = travelled(tree, Tree, tree)
    assert isinstance(back.inner, Leaf) and back.inner.share == 3.0
    with pytest.raises(UsageError, match="does not fit this version's sampler"):
        travelled(tree, Tree)


def test_dataclasses_are_only_built_from_hints():
    with pytest.raises(UsageError, match="does not fit"):
        travelled(Leaf(torch.ones(1), 1.0))
    with pytest.raises(UsageError, match="does not fit"):
        travelled(Leaf(torch.ones(1), 1.0), int)
    with pytest.raises(UsageError, match="does not fit"):
        travelled(Leaf(torch.ones(1), 1.0), Tree)  # other fields
    forged = {"@fields": {"rows": 1, "share": 1, "__class__": "os.system"}}
    with pytest.raises(UsageError, match="does not fit"):
        unflatten(forged, {}, Leaf)


def test_numbers_that_json_does_not_know_come_back():
    back, _ = travelled([math.inf, -math.inf, math.nan, 1.0])
    assert back[:2] == [math.inf, -math.inf] and math.isnan(back[2]) and back[3] == 1.0


def test_tensors_whose_names_would_clash_stay_apart():
    value = {"a.0": torch.tensor(1.0), "a": [torch.tensor(2.0)], 1: torch.tensor(3.0), "1": torch.tensor(4.0)}
    back, tensors = travelled(value)
    assert len(tensors) == 4
    assert [float(back["a.0"]), float(back["a"][0]), float(back[1]), float(back["1"])] == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [{1, 2}, object(), np.zeros(2), b"x", 1j, Leaf])
def test_unknown_types_are_refused_by_name(value):
    with pytest.raises(UsageError, match=r"A state holds a .* \('p\.deep'\), which a checkpoint cannot keep"):
        flatten({"deep": value}, "p", {})


def test_a_tensor_that_is_missing_is_an_error():
    with pytest.raises(KeyError):
        unflatten({"@tensor": "p"}, {})


@dataclass(frozen=True)
class Now:
    rows: Tensor
    cached: Tensor | None = dataclasses.field(default=None, metadata=renamed("held"))


def test_a_state_whose_field_had_another_name_comes_back():
    tensors = {}
    saved = flatten(Now(torch.arange(3), torch.ones(2)), "p", tensors)
    saved["@fields"]["held"] = saved["@fields"].pop("cached")
    back = unflatten(saved, tensors, Now)
    assert torch.equal(back.rows, torch.arange(3)) and torch.equal(back.cached, torch.ones(2))
    saved["@fields"]["kept"] = saved["@fields"].pop("held")
    with pytest.raises(UsageError, match="does not fit this version's sampler"):
        unflatten(saved, tensors, Now)
