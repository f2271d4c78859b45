"""PyTorch has one level of forward mode in a process; threads take turns in it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import nint
from nint.fields import FIELDS
from nint.machine.forward_mode import dual_level, make_dual, unpack_dual
from nint.ntk import ntk_vector_product


def test_a_thread_waits_until_the_other_is_out():
    inside, release, seen = threading.Event(), threading.Event(), []

    def first():
        with dual_level():
            inside.set()
            release.wait()
            seen.append("first")

    def second():
        inside.wait()
        with dual_level():
            seen.append("second")
            return unpack_dual(make_dual(torch.ones(2), torch.full((2,), 3.0)) * 2)

    with ThreadPoolExecutor(2) as pool:
        early, late = pool.submit(first), pool.submit(second)
        inside.wait()
        assert not seen and not late.done()
        release.set()
        early.result()
        value, tangent = late.result()
    assert seen == ["first", "second"]
    assert value.tolist() == [2, 2] and tangent.tolist() == [6, 6]


def test_an_error_inside_lets_the_next_one_in():
    with pytest.raises(KeyError, match="inside"), dual_level():
        raise KeyError("inside")
    with dual_level():
        assert unpack_dual(torch.ones(2))[1] is None


def test_products_of_many_threads_at_once_equal_those_of_one():
    generator = torch.Generator().manual_seed(0)
    fields = [FIELDS.parse("siren:size=2x8").build(2, 1, generator) for _ in range(4)]
    coords, vector = torch.rand(60, 2, generator=generator), torch.rand(60, 1, generator=generator)
    alone = [ntk_vector_product(field, coords, vector, chunk_size=7) for field in fields]

    def repeated(field):
        return [ntk_vector_product(field, coords, vector, chunk_size=7) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        for expected, found in zip(alone, pool.map(repeated, fields), strict=True):
            assert all(torch.equal(one, expected) for one in found)


def test_two_threads_fit_at_once_and_get_what_each_gets_alone():
    image = np.random.default_rng(0).random((8, 9, 3)).astype(np.float32)

    def fit(seed):
        return nint.fit(image, field="siren:size=1x8", sampler="nint", total_steps=6, seed=seed, device="cpu").state_dict()

    alone = [fit(seed) for seed in range(6)]
    with ThreadPoolExecutor(2) as pool:
        for expected, found in zip(alone, pool.map(fit, range(6)), strict=True):
            assert all(torch.equal(found[name], value) for name, value in expected.items())
