"""Bits of each tensor by what its rounding does to the output."""

import copy
import math

import pytest
import torch

from nint.fields import FIELDS
from nint.packing import allocation
from nint.packing.allocation import LEAST_BITS, MOST_BITS, PROBE_BITS, allocated, output_errors
from nint.packing.levels import quantise, step_sizes, top_of


@pytest.fixture
def siren():
    return FIELDS.parse("siren:size=2x24").build(2, 3, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("earlier", [None, 6.0, 8.0])
def test_errors_are_those_of_one_rounded_tensor_whether_or_not_it_was_packed_before(siren, earlier):
    # a tensor that lies on the grid of few bits may lie on that of the probe too, where rounding it changes nothing
    if earlier is not None:
        for tensor in siren.state_dict().values():
            tensor.copy_(quantise(tensor, top_of(earlier)).tensor())
    coords = torch.rand(300, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    before = {name: tensor.clone() for name, tensor in siren.state_dict().items()}
    found = output_errors(siren, coords)
    assert all(torch.equal(before[name], tensor) for name, tensor in siren.state_dict().items())
    other, coords, generator = copy.deepcopy(siren).double(), coords.double(), torch.Generator().manual_seed(2)
    exact = other(coords).detach()
    for name, tensor in other.state_dict().items():
        kept = tensor.clone()
        steps = step_sizes(quantise(tensor, top_of(PROBE_BITS)).steps).double()
        steps = steps.reshape(-1, *(1,) * (tensor.ndim - 1)) if len(steps) > 1 else steps
        changes = []
        for _ in range(50):
            tensor.copy_(kept + (torch.rand(kept.shape, generator=generator).double() - 0.5) * steps)
            changes.append(float((other(coords).detach() - exact).square().mean()))
        tensor.copy_(kept)
        assert 1 / 4 < found[name] / (sum(changes) / len(changes)) < 4, name  # a bit


def test_a_bit_is_worth_the_same_everywhere():
    errors, counts = {"a": 1e-2, "b": 1e-3, "c": 1e-5}, {"a": 100, "b": 10_000, "c": 5000}
    bits = allocated(errors, counts, 6.0)
    assert sum(counts[name] * bits[name] for name in bits) / sum(counts.values()) == pytest.approx(6.0, abs=1e-6)
    gains = [errors[name] * 4.0 ** -bits[name] / counts[name] for name in bits]
    assert gains == pytest.approx([gains[0]] * 3, rel=1e-9, abs=0)


def test_bits_stay_within_their_range():
    bits = allocated({"a": 1.0, "b": 0.0, "c": 1e-30}, {"a": 2, "b": 10, "c": 10_000}, 4.0)
    assert all(LEAST_BITS <= value <= MOST_BITS for value in bits.values()) and bits["a"] == MOST_BITS
    assert all(math.isfinite(value) for value in allocated({"a": 0.0}, {"a": 5}, 6.0).values())


def test_first_weights_of_a_siren_get_more_bits_than_hidden_ones(siren):
    coords = torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    errors = output_errors(siren, coords)
    bits = allocated(errors, {name: tensor.numel() for name, tensor in siren.state_dict().items()}, 6.0)
    assert bits["0.linear.weight"] > bits["1.linear.weight"] + 2


def fast_sines():
    """A network like that of a sound, and where it is looked at."""
    field = FIELDS.parse("siren:size=2x24,omega_0=3000").build(1, 1, torch.Generator().manual_seed(0))
    return field, torch.rand(2000, 1, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_errors_fall_fourfold_a_bit_from_the_probe_on(monkeypatch):
    # at 8 bits the first matrix is off by more than a turn, and two bits more gain a factor of 3, not 16
    field, coords = fast_sines()
    probed = output_errors(field, coords)
    monkeypatch.setattr(allocation, "PROBE_BITS", PROBE_BITS + 2)
    for name, finer in output_errors(field, coords).items():
        assert 6 < probed[name] / finer < 40, name


def test_a_network_of_fast_sines_is_given_bits_enough_for_its_first_matrix():
    # it takes more than 16
    field, coords = fast_sines()
    counts = {name: tensor.numel() for name, tensor in field.state_dict().items()}
    bits = allocated(output_errors(field, coords), counts, 8.0)
    exact = field(coords).detach()
    for name, tensor in field.state_dict().items():
        tensor.copy_(quantise(tensor, top_of(bits[name])).tensor())
    assert (field(coords).detach() - exact).square().mean() < 1e-3 * exact.square().mean()


@pytest.mark.parametrize("form", ["siren:size=3x24", "grid:size=1x16,levels=3,max_vertices=256", "ffn:frequencies=10,size=2x24"])
def test_a_model_that_was_packed_gets_the_bits_that_it_got_before(form):
    field = FIELDS.parse(form).build(2, 3, torch.Generator().manual_seed(0))
    coords = torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    counts = {name: tensor.numel() for name, tensor in field.state_dict().items()}
    for earlier in (6.0, 8.0, 10.0):
        packed = copy.deepcopy(field)
        first = allocated(output_errors(field, coords), counts, earlier)
        for name, tensor in packed.state_dict().items():
            tensor.copy_(quantise(tensor, top_of(first[name])).tensor())
        again = allocated(output_errors(packed, coords), counts, earlier)
        assert again == pytest.approx(first, abs=0.3)
