import itertools
import math

import pytest
import torch
from oracles.dense_ntk import jacobian, ntk
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nint.errors import UnsupportedFieldError, UsageError
from nint.fields.siren import Siren
from nint.ntk import ntk_vector_product
from nint.ntk.products import chunk_size_for, forward_rows, jvp_rows, vjp_rows


class ResidualMlp(nn.Module):
    """Not ours: skip connections, LayerNorm, a buffer and a parameter that is no layer's."""

    def __init__(self, c):
        super().__init__()
        self.inner = nn.Linear(2, 7)
        self.blocks = nn.ModuleList([nn.Sequential(nn.LayerNorm(7), nn.Linear(7, 7), nn.GELU()) for _ in range(2)])
        self.outer = nn.Linear(7, c, bias=False)
        self.gain = nn.Parameter(torch.tensor(0.7))
        self.register_buffer("shift", torch.tensor(0.3))

    def forward(self, x):
        h = self.inner(x + self.shift)
        for block in self.blocks:
            h = h + block(h)
        return self.gain * self.outer(h)


class Tied(nn.Module):
    """One square layer used twice, under two names."""

    def __init__(self, c):
        super().__init__()
        self.first = nn.Linear(2, 5)
        self.one = nn.Linear(5, 5)
        self.two = self.one
        self.last = nn.Linear(5, c)

    def forward(self, x):
        return self.last(torch.tanh(self.two(torch.tanh(self.one(torch.tanh(self.first(x)))))))


def mlp(c, widths=(5, 9)):
    sizes = [2, *widths]
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], c))


def frozen(c):
    field = mlp(c)
    field[0].weight.requires_grad_(False)
    field[4].bias.requires_grad_(False)
    return field


def siren(c):
    return Siren(size="2x6", omega_0=4.0).build(2, c, torch.Generator().manual_seed(1))


def redraw(field, seed):
    """The module in float64 with weights from a generator of the test's own."""
    generator = torch.Generator().manual_seed(seed)
    field = field.double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) / math.sqrt(max(p.shape[-1] if p.ndim else 1, 1)))
    return field


def points(n, c, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    coords = torch.rand(n, 2, generator=generator, dtype=dtype) * 2 - 1
    return coords, torch.randn(n, c, generator=generator, dtype=dtype)


def by_oracle(field, coords, vector):
    return torch.einsum("icjd,jd->ic", ntk(field, coords), vector)


@pytest.mark.parametrize("make", [mlp, siren, ResidualMlp, Tied, frozen])
@pytest.mark.parametrize(("c", "n", "chunk"), [(1, 13, 5), (2, 17, 4), (3, 11, None), (3, 7, 1), (2, 5, 100)])
def test_equals_the_dense_kernel(make, c, n, chunk):
    field = redraw(make(c), seed=n)
    coords, vector = points(n, c, seed=n)
    expected = by_oracle(field, coords, vector)
    torch.testing.assert_close(
        ntk_vector_product(field, coords, vector, chunk), expected, rtol=1e-10, atol=1e-10 * expected.abs().max().item()
    )


def test_frozen_parameters_are_left_out():
    coords, vector = points(6, 2)
    field = redraw(frozen(2), seed=3)
    partial = ntk_vector_product(field, coords, vector)
    for p in field.parameters():
        p.requires_grad_(True)
    assert not torch.allclose(partial, ntk_vector_product(field, coords, vector), rtol=1e-2)


def test_tied_weights_count_once_with_both_uses():
    coords, vector = points(6, 2)
    field = redraw(Tied(2), seed=4)
    apart = mlp(2, (5, 5, 5)).double()
    apart.load_state_dict(
        {
            f"{number}.{kind}": getattr(getattr(field, name), kind)
            for number, name in ((0, "first"), (2, "one"), (4, "two"), (6, "last"))
            for kind in ("weight", "bias")
        }
    )
    torch.testing.assert_close(apart(coords), field(coords))
    assert not torch.allclose(ntk_vector_product(field, coords, vector), ntk_vector_product(apart, coords, vector), rtol=1e-2)


def test_complex_weights_count_as_two_real_ones():
    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            generator = torch.Generator().manual_seed(5)
            self.first = nn.Parameter(torch.randn(2, 4, generator=generator, dtype=torch.complex128))
            self.last = nn.Parameter(torch.randn(4, 2, generator=generator, dtype=torch.complex128))

        def forward(self, x):
            return (torch.exp(1j * (x.to(torch.complex128) @ self.first)) @ self.last).real

    class Real(nn.Module):
        """The same function of real parameters."""

        def __init__(self, other):
            super().__init__()
            self.first = nn.Parameter(torch.view_as_real(other.first.detach()).clone())
            self.last = nn.Parameter(torch.view_as_real(other.last.detach()).clone())

        def forward(self, x):
            first, last = torch.view_as_complex(self.first), torch.view_as_complex(self.last)
            return (torch.exp(1j * (x.to(torch.complex128) @ first)) @ last).real

    field = Complex()
    coords, vector = points(9, 2)
    torch.testing.assert_close(ntk_vector_product(field, coords, vector, 4), by_oracle(Real(field), coords, vector))


def test_float32_follows_float64():
    field = redraw(siren(3), seed=6)
    coords, vector = points(40, 3)
    expected = by_oracle(field, coords, vector)
    found = ntk_vector_product(field.float(), coords.float(), vector.float(), 7).double()
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_parameters_gradients_and_modules_are_left_alone():
    field = redraw(ResidualMlp(2), seed=7)
    before = {name: p.clone() for name, p in field.named_parameters()}
    coords, vector = points(9, 2)
    result = ntk_vector_product(field, coords, vector, 4)
    assert not result.requires_grad
    for name, p in field.named_parameters():
        assert torch.equal(p, before[name]) and p.grad is None and p.requires_grad


def test_under_no_grad():
    field = redraw(mlp(2), seed=8)
    coords, vector = points(9, 2)
    with torch.no_grad():
        found = ntk_vector_product(field, coords, vector, 4)
    torch.testing.assert_close(found, by_oracle(field, coords, vector))


def test_a_small_sgd_step_moves_the_function_by_the_kernel():
    """Eq. 7: f_new - f = -(eta / B) K[:, B] g_B + O(eta^2)."""
    field = redraw(mlp(3), seed=9)
    coords, values = points(15, 3, seed=9)
    batch = torch.tensor([1, 4, 5, 9, 14])
    before = field(coords).detach()
    gradient = torch.zeros_like(before)
    gradient[batch] = 2 * (before - values)[batch] / 3
    rate = ntk_vector_product(field, coords, gradient, 4) / len(batch)
    start = [p.detach().clone() for p in field.parameters()]

    def error(eta):
        for p, value in zip(field.parameters(), start, strict=True):
            p.data.copy_(value)
        field.zero_grad()
        (field(coords[batch]) - values[batch]).square().mean().backward()
        torch.optim.SGD(field.parameters(), lr=eta).step()
        change = field(coords).detach() - before
        assert (change + eta * rate).norm() < 0.05 * change.norm()
        return (change + eta * rate).norm().item()

    assert error(1e-3) / error(5e-4) == pytest.approx(4, rel=0.05)
    assert error(1e-4) / error(1e-5) == pytest.approx(100, rel=0.05)


def test_no_call_sees_more_than_a_chunk():
    field = mlp(1)
    seen = []
    field.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    coords, vector = points(103, 1, dtype=torch.float32)
    ntk_vector_product(field, coords, vector, 10)
    assert max(seen) == 10
    assert sum(seen) == 2 * 103  # one forward with its backward, one forward-mode pass


class Largest(TorchDispatchMode):
    """Notes how many tensors of at least `floor` numbers are made anew, and the largest of the others."""

    def __init__(self, floor):
        super().__init__()
        self.floor, self.big, self.small = floor, 0, 0
        self.known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(item, torch.Tensor) and not item._is_view():
                if item.numel() >= self.floor:
                    self.big += item.untyped_storage().data_ptr() not in self.known
                    self.known.add(item.untyped_storage().data_ptr())
                else:
                    self.small = max(self.small, item.numel())
        return result


def test_memory_beyond_the_output_does_not_grow_with_the_points():
    field = mlp(2, (8, 8))
    small = []
    for n in (2000, 8000):
        coords, vector = points(n, 2, dtype=torch.float32)
        with Largest(floor=1000) as seen:
            ntk_vector_product(field, coords, vector, 50)
        assert seen.big == 1  # the output
        small.append(seen.small)
    assert small[0] == small[1] <= 50 * 8


def test_chunk_size_of_the_device():
    assert chunk_size_for(torch.device("cpu")) == 4096
    field = mlp(1)
    seen = []
    field.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    coords, vector = points(4097, 1, dtype=torch.float32)
    ntk_vector_product(field, coords, vector)
    assert sorted(seen) == [1, 1, 4096, 4096]


def test_parts_equal_the_jacobian():
    field = redraw(mlp(2), seed=10)
    coords, vector = points(9, 2)
    rows = jacobian(field, coords)
    leaves = dict(field.named_parameters())
    pulled = vjp_rows(field, coords, lambda prediction, part: vector[part] * prediction, 4)
    expected = rows.T @ (vector * field(coords).detach()).reshape(-1)
    torch.testing.assert_close(torch.cat([pulled[name].reshape(-1) for name in leaves]), expected)
    torch.testing.assert_close(jvp_rows(field, coords, pulled, 4), (rows @ expected).reshape(9, 2))
    torch.testing.assert_close(forward_rows(field, coords, 4), field(coords).detach())


def test_a_parameter_that_is_not_used_moves_nothing():
    field = redraw(ResidualMlp(2), seed=11)
    field.unused = nn.Parameter(torch.ones(3, dtype=torch.float64))
    coords, vector = points(5, 2)
    torch.testing.assert_close(ntk_vector_product(field, coords, vector), by_oracle(field, coords, vector))


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval(), nn.InstanceNorm1d(4), nn.Dropout(0.5), nn.AlphaDropout(0.1), nn.LSTM(4, 4)],
    ids=lambda layer: type(layer).__name__,
)
def test_random_and_mixing_modules_are_refused(layer):
    field = nn.Sequential(nn.Linear(2, 4), nn.ModuleDict({"deep": layer})["deep"], nn.Linear(4, 1))
    coords, vector = points(4, 1, dtype=torch.float32)
    with pytest.raises(UnsupportedFieldError, match=type(layer).__name__) as error:
        ntk_vector_product(field, coords, vector)
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


def test_dropout_that_is_switched_off_is_fine():
    plain = redraw(mlp(1), seed=12)
    coords, vector = points(6, 1)
    expected = ntk_vector_product(plain, coords, vector)
    with_eval = nn.Sequential(*plain, nn.Dropout(0.5)).eval()
    with_zero = nn.Sequential(*plain, nn.Dropout(0.0)).train()
    assert torch.equal(ntk_vector_product(with_eval, coords, vector), expected)
    assert torch.equal(ntk_vector_product(with_zero, coords, vector), expected)


@pytest.mark.parametrize(
    ("coords", "vector"),
    [((5, 2), (4, 1)), ((5, 2), (5,)), ((5,), (5, 1)), ((5, 2), (5, 3)), ((5, 2), (5, 1, 1)), ((0, 2), (0, 1))],
)
def test_bad_shapes(coords, vector):
    with pytest.raises(UsageError, match=r"must be \[n, d_in\] and \[n, d_out\]|the vector needs|no points") as error:
        ntk_vector_product(mlp(1), torch.zeros(coords), torch.zeros(vector))
    assert "\n" not in str(error.value)


def test_a_module_with_flat_output_is_refused():
    with pytest.raises(UsageError, match="5 points"):
        ntk_vector_product(nn.Sequential(mlp(1), nn.Flatten(0)), torch.zeros(5, 2), torch.zeros(5, 1))


@pytest.mark.parametrize("chunk", [0, -3])
def test_bad_chunk_size(chunk):
    with pytest.raises(UsageError, match="chunk_size"):
        ntk_vector_product(mlp(1), torch.zeros(5, 2), torch.zeros(5, 1), chunk)


def test_nothing_to_train():
    field = mlp(1).requires_grad_(False)
    with pytest.raises(UsageError, match="no trainable"):
        ntk_vector_product(field, torch.zeros(5, 2), torch.zeros(5, 1))

    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x).detach()

    with pytest.raises(UsageError, match="does not depend"):
        ntk_vector_product(Detached(2, 1), torch.zeros(5, 2), torch.zeros(5, 1))
