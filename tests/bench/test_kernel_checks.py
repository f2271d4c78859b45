"""The numbers of Sec. 3.2 against a kernel written out row by row in double precision, and against loops."""

import math

import numpy as np
import pytest
import torch
from oracles.dense_ntk import ntk
from scipy.stats import spearmanr

from nint.bench.figures import kernel_checks as checks
from nint.fields import FIELDS
from nint.probe.objectives import make_loss
from nint.probe.probe import Probe
from nint.signals.base import Pool

N, CHANNELS = 23, 3


@pytest.fixture
def field():
    return FIELDS.parse("siren:size=2x8").build(2, CHANNELS, torch.Generator().manual_seed(3)).double()


@pytest.fixture
def coords():
    return torch.rand(N, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def values():
    return torch.rand(N, CHANNELS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("entries", [1, 700, 2**23])
def test_leverage_is_the_diagonal_of_the_kernel_of_the_channels_sum(field, coords, monkeypatch, entries):
    monkeypatch.setattr(checks, "_ENTRIES", entries)
    whole = ntk(field, coords).sum(dim=(1, 3))
    torch.testing.assert_close(checks.leverage(field, coords), whole.diagonal())


def test_spread_counts_powers_of_ten():
    diagonal = np.array([1.0] + [10.0] * 198 + [1000.0])
    found = checks.spread_of(diagonal)
    assert found["max_over_min"] == 1000 and found["decades_max_min"] == pytest.approx(3)
    assert found["p99_over_p1"] == pytest.approx(1, rel=0.1)


def test_edges_are_compared_pair_by_pair():
    rng = np.random.default_rng(0)
    diagonal = rng.integers(1, 6, 40).astype(float)  # ties count half
    edges = rng.random(40) < 0.3
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in diagonal[edges] for b in diagonal[~edges]]
    found = checks.at_edges(diagonal, edges)
    assert found["chance_larger"] == pytest.approx(sum(pairs) / len(pairs))
    assert found["ratio_of_means"] == pytest.approx(diagonal[edges].mean() / diagonal[~edges].mean())
    assert found["share_of_edges"] == pytest.approx(edges.mean())


def test_without_edges_nothing_is_compared():
    found = checks.at_edges(np.ones(4), np.zeros(4, bool))
    assert found == {"share_of_edges": 0.0, "ratio_of_medians": None, "ratio_of_means": None, "chance_larger": None}


def test_coupling_leaves_the_diagonal_out(field, coords):
    matrix = ntk(field, coords).sum(dim=(1, 3)).numpy()
    cosines, rows, off = [], [], 0.0
    for i in range(N):
        total = 0.0
        for j in range(N):
            if i != j:
                cosines.append(abs(matrix[i, j]) / math.sqrt(matrix[i, i] * matrix[j, j]))
                total += abs(matrix[i, j])
                off += matrix[i, j] ** 2
        rows.append(total / matrix[i, i])
    found = checks.coupling_of(matrix)
    assert found["mean_cosine"] == pytest.approx(np.mean(cosines))
    assert found["row_sum_over_diagonal"] == pytest.approx(np.mean(rows))
    assert found["off_diagonal_energy"] == pytest.approx(off / (matrix**2).sum())
    assert checks.coupling_of(np.diag([1.0, 5.0, 2.0]))["mean_cosine"] == 0


def test_with_the_identity_for_a_kernel_nint_chooses_by_error_alone(field, coords, values):
    probe = Probe(field, Pool(coords, values), make_loss("l2"))
    found = checks.as_identity(probe, 0.3)
    count = int(0.3 * N)
    with torch.no_grad():
        residual = (field(coords) - values).numpy()
    kernel = ntk(field, coords).numpy()
    gradient = residual * 2 / CHANNELS

    def top(scores):
        return set(np.argsort(-scores)[:count])

    by_error = top(np.linalg.norm(gradient, axis=1))
    assert found["identity_equals_error"] is True and found["chosen"] == count
    assert found["overlap_int"] == pytest.approx(len(by_error & top(np.abs(residual).sum(1))) / count)
    augmented = np.einsum("icjd,jd->ic", kernel, gradient)
    assert found["overlap_ntk"] == pytest.approx(len(by_error & top(np.linalg.norm(augmented, axis=1))) / count)


def test_a_small_step_moves_the_function_as_eq_7_says(field, coords, values):
    batch, others = slice(0, 9), slice(9, None)
    start = [p.detach().clone() for p in field.parameters()]
    rows = checks.first_order(field, coords[batch], values[batch], coords[others], make_loss("l2"))
    errors = {row["eta"]: row["relative_error"] for row in rows}
    assert errors[1e-4] < 1e-2
    for eta in (1e-3, 1e-4):  # what is left is of second order, so the relative error falls with eta
        assert errors[eta / 10] == pytest.approx(errors[eta] / 10, rel=0.1)
    assert all(torch.equal(a, b) for a, b in zip(start, field.parameters(), strict=True))


def test_the_prediction_of_eq_7_is_the_one_that_is_checked(field, coords, values):
    """With the wrong size of the batch, or another sign, the error would not fall with eta."""
    kernel = ntk(field, coords)
    loss = make_loss("l2")
    eta, batch = 1e-6, 9
    with torch.no_grad():
        before = field(coords)
    gradient = 2 / CHANNELS * (before[:batch] - values[:batch])
    predicted = -eta / batch * torch.einsum("icjd,jd->ic", kernel[:, :, :batch], gradient)
    optimizer = torch.optim.SGD(field.parameters(), lr=eta)
    loss(field(coords[:batch]), values[:batch], torch.arange(batch)).backward()
    optimizer.step()
    with torch.no_grad():
        moved = field(coords) - before
    assert float((moved - predicted).norm() / moved.norm()) < 1e-3


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 9, 50).astype(float), rng.standard_normal(50)
    assert checks.rank_correlation(left, right) == pytest.approx(spearmanr(left, right).statistic)
    assert checks.rank_correlation(np.ones(5), np.arange(5.0)) is None
