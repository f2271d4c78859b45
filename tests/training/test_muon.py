"""Batched Muon against the update written matrix by matrix in float64, and against torch's own within bfloat16."""

import numpy as np
import pytest
import torch
from torch import nn

from nint.training.optimizers import has_muon

pytestmark = pytest.mark.skipif(not has_muon(), reason="this torch has no Muon")
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def oracle(matrix, steps=5):
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / np.linalg.norm(x)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16)])
def test_orthogonalised(shape):
    from nint.training.muon import orthogonalised

    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrices, COEFFICIENTS, 5, 1e-7)
    for matrix, result in zip(matrices.double().numpy(), found.numpy(), strict=True):
        assert np.allclose(result, oracle(matrix), atol=1e-4)


@pytest.mark.parametrize(("nesterov", "rule"), [(True, "original"), (False, "match_rms_adamw"), (True, None)])
def test_steps_follow_the_oracle_and_torchs_own(nesterov, rule, monkeypatch):
    from nint.training import muon

    monkeypatch.setattr(muon, "_fastest_type", lambda device: torch.float32)
    generator = torch.Generator().manual_seed(1)
    shapes = [(16, 16), (48, 16), (16, 16)]
    starts = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = [nn.Parameter(s.clone()) for s in starts], [nn.Parameter(s.clone()) for s in starts]
    settings = {"lr": 0.01, "weight_decay": 0.0, "momentum": 0.9, "nesterov": nesterov, "adjust_lr_fn": rule}
    first, second = muon.BatchedMuon(ours, **settings), torch.optim.Muon(theirs, **settings)
    expected, averages = [s.double().numpy() for s in starts], [np.zeros(shape) for shape in shapes]
    for _ in range(4):
        for index, shape in enumerate(shapes):
            gradient = torch.randn(shape, generator=generator)
            ours[index].grad, theirs[index].grad = gradient.clone(), gradient.clone()
            g = gradient.double().numpy()
            averages[index] = 0.9 * averages[index] + 0.1 * g
            moved = 0.1 * g + 0.9 * averages[index] if nesterov else averages[index]
            ratio = 0.2 * np.sqrt(max(shape)) if rule == "match_rms_adamw" else np.sqrt(max(1, shape[0] / shape[1]))
            expected[index] = expected[index] - 0.01 * ratio * oracle(moved)
        first.step()
        second.step()
    for mine, right, other in zip(ours, expected, theirs, strict=True):
        assert np.allclose(mine.detach().numpy(), right, atol=1e-4)
        assert np.abs(mine.detach().numpy() - other.detach().numpy()).max() < 0.02  # bfloat16
    second.load_state_dict(first.state_dict())  # one's state is the other's
    first.load_state_dict(second.state_dict())


def test_matrices_without_a_gradient_stay():
    from nint.training.muon import BatchedMuon

    still, moving = nn.Parameter(torch.ones(16, 16)), nn.Parameter(torch.eye(16))
    moving.grad = torch.ones(16, 16)
    BatchedMuon([still, moving], lr=0.1).step()
    assert torch.equal(still.detach(), torch.ones(16, 16)) and not torch.equal(moving.detach(), torch.eye(16))
