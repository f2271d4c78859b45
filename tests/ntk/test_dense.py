import pytest
import torch
from oracles.dense_ntk import ntk
from torch import nn

from nint.errors import UnsupportedFieldError, UsageError
from nint.ntk import dense, ntk_diagonal, ntk_matrix


def small_field(c, seed=0):
    generator = torch.Generator().manual_seed(seed)
    field = nn.Sequential(nn.Linear(2, 6), nn.SiLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, c)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    field[0].bias.requires_grad_(False)
    return field


def some_points(n, seed=1):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("c", [1, 2, 3])
def test_matrix_follows_its_channel_rule(c):
    field, coords = small_field(c), some_points(7)
    kernel = ntk(field, coords)
    torch.testing.assert_close(ntk_matrix(field, coords), kernel)
    torch.testing.assert_close(ntk_matrix(field, coords, channels="full"), kernel)
    torch.testing.assert_close(ntk_matrix(field, coords, channels="trace"), torch.einsum("icjc->ij", kernel))
    torch.testing.assert_close(ntk_matrix(field, coords, channels="sum"), kernel.sum((1, 3)))


@pytest.mark.parametrize("channels", ["full", "trace", "sum"])
def test_two_sets_are_a_block_of_the_whole(channels):
    field, coords = small_field(2), some_points(9)
    whole = ntk_matrix(field, coords, channels=channels)
    part = ntk_matrix(field, coords[:4], coords[4:], channels=channels)
    torch.testing.assert_close(part, whole[:4, :, 4:] if channels == "full" else whole[:4, 4:])


@pytest.mark.parametrize("c", [1, 3])
def test_diagonal_is_that_of_the_kernel(c):
    field, coords = small_field(c), some_points(6)
    kernel = ntk(field, coords)
    torch.testing.assert_close(ntk_diagonal(field, coords), torch.einsum("icic->ic", kernel))
    torch.testing.assert_close(ntk_diagonal(field, coords, channels="trace"), torch.einsum("icic->i", kernel))
    torch.testing.assert_close(ntk_diagonal(field, coords, channels="sum"), kernel.sum((1, 3)).diagonal())


def test_size_limit_counts_points_channels_and_parameters(monkeypatch):
    field = small_field(2)
    parameters = sum(p.numel() for p in field.parameters() if p.requires_grad)
    monkeypatch.setattr(dense, "_LIMIT", 5 * 2 * parameters)
    assert ntk_matrix(field, some_points(5), channels="trace").shape == (5, 5)
    for sets in ((some_points(6),), (some_points(5), some_points(6))):
        with pytest.raises(UsageError, match=f"6 points.*{6 * 2 * parameters:,}.*ntk_vector_product"):
            ntk_matrix(field, *sets)
    assert ntk_diagonal(field, some_points(50)).shape == (50, 2)  # one point's Jacobian at a time


def test_misuse():
    coords = some_points(3)
    with pytest.raises(UsageError, match="full, trace or sum"):
        ntk_matrix(small_field(1), coords, channels="mean")
    with pytest.raises(UsageError, match="full, trace or sum"):
        ntk_diagonal(small_field(1), coords, channels="mean")
    for bad in (coords[0], coords[:0]):
        with pytest.raises(UsageError, match="d_in"):
            ntk_matrix(small_field(1), bad)
    with pytest.raises(UsageError, match="no trainable"):
        ntk_matrix(small_field(1).requires_grad_(False), coords)
    with pytest.raises(UsageError, match="d_out"):
        ntk_matrix(nn.Sequential(small_field(1), nn.Flatten(0)), coords)
    with pytest.raises(UnsupportedFieldError, match="BatchNorm1d"):
        ntk_diagonal(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), coords)
