"""Adam and Muon beside those of torch.optim; loading no compiler."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from nint.training import updates
from nint.training.updates import AdamUpdates, MuonUpdates, SparseAdamUpdates, orthogonalised

SHAPES = [(16, 16), (48, 16), (16, 16), (5,)]


def copies(dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    starts = [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES]
    return [nn.Parameter(s.clone()) for s in starts], [nn.Parameter(s.clone()) for s in starts]


def walk(first, second, ours, theirs, steps=5):
    """The same gradients for both; one parameter has none at one step."""
    generator = torch.Generator().manual_seed(2)
    for step in range(steps):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(mine.shape, generator=generator).to(mine.dtype)
            skipped = step == 2 and number == 0
            mine.grad, other.grad = (None, None) if skipped else (gradient.clone(), gradient.clone())
        first.step(), second.step()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_is_torchs(fused, dtype, monkeypatch):
    if not fused:
        monkeypatch.delattr(torch, "_fused_adam_")
    ours, theirs = copies(dtype)
    first = AdamUpdates(ours, 1e-2, betas=(0.8, 0.95), eps=1e-6)
    second = torch.optim.Adam(theirs, lr=1e-2, betas=(0.8, 0.95), eps=1e-6)
    walk(first, second, ours, theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=1e-6, atol=1e-7)
    # the state of one is the other's
    first.load_state_dict(second.state_dict())
    walk(first, second, ours, theirs, 2)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("nesterov", "rule"), [(True, "original"), (False, "match_rms_adamw")])
def test_muon_is_torchs_within_bfloat16(nesterov, rule):
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this torch has no Muon to compare with")
    ours, theirs = (several[:3] for several in copies())
    first = MuonUpdates(ours, 1e-2, momentum=0.9, nesterov=nesterov, ns_steps=5, adjust=rule)
    second = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.0, momentum=0.9, nesterov=nesterov, ns_steps=5, adjust_lr_fn=rule)
    walk(first, second, ours, theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() < 0.04 * 5e-2 * (0.2 if rule != "original" else 1) * np.sqrt(mine.numel())
    first.load_state_dict(second.state_dict())
    assert all(
        torch.equal(first.state[p]["momentum_buffer"], second.state[q]["momentum_buffer"]) for p, q in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16)])
def test_orthogonalised_in_one_batch_is_each_matrix_on_its_own(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    together = orthogonalised(matrices, 5)
    for matrix, found in zip(matrices.double().numpy(), together.numpy(), strict=True):
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        s = s / np.linalg.norm(matrix)
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        assert np.allclose(found, u @ np.diag(s) @ v, atol=1e-4)


def test_a_state_that_does_not_fit_is_refused():
    ours, _ = copies()
    optimizer = AdamUpdates(ours, 1e-2, betas=(0.9, 0.999), eps=1e-8)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match="4 parameters, its saved state 1"):
        optimizer.load_state_dict({**state, "param_groups": [{"params": [0], "lr": 1.0}]})
    with pytest.raises(ValueError, match="parameter 0 does not fit"):
        optimizer.load_state_dict({**state, "state": {0: {"step": torch.zeros(())}}})
    with pytest.raises(ValueError, match="needs parameters"):
        AdamUpdates([], 1e-2)


def test_gradients_are_dropped_or_zero():
    ours, _ = copies()
    optimizer = AdamUpdates(ours, 1e-2, betas=(0.9, 0.999), eps=1e-8)
    for p in ours:
        p.grad = torch.ones_like(p)
    optimizer.zero_grad(set_to_none=False)
    assert all(bool((p.grad == 0).all()) for p in ours)
    optimizer.zero_grad()
    assert all(p.grad is None for p in ours)


def test_a_run_loads_no_compiler():
    """A second of processor time at the start of each run."""
    code = "import sys, nint; nint.fit('sample:camera', max_side=12, budget=2); "
    code += "print([name for name in ('torch._dynamo', 'sympy', 'torch.fx.experimental.symbolic_shapes') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_muons_products_are_in_float32_where_bfloat16_is_not_in_hardware(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    updates._fastest_type.cache_clear()
    assert updates._fastest_type("cpu") == torch.float32 and updates._fastest_type("cuda") == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    updates._fastest_type.cache_clear()
    assert updates._fastest_type("cpu") == torch.bfloat16
    monkeypatch.undo()
    updates._fastest_type.cache_clear()


def with_gradients(optimizer, tables, steps, rows_of):
    """A few steps with the same random gradients, in rows that differ from step to step."""
    rng = torch.Generator().manual_seed(0)
    for step in range(steps):
        for table in tables:
            gradient = torch.zeros_like(table)
            rows = rows_of(step, len(table))
            gradient[rows] = torch.randn(len(rows), table.shape[1], generator=rng, dtype=table.dtype)
            table.grad = gradient.to_sparse(1) if isinstance(optimizer, torch.optim.SparseAdam) else gradient
        optimizer.step()


def test_sparse_adam_is_torchs():
    start = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    rows = lambda step, count: torch.tensor([step % count, (2 * step + 3) % count]).unique()  # noqa: E731
    with_gradients(SparseAdamUpdates([ours], 1e-2, betas=(0.9, 0.99), eps=1e-15), [ours], 12, rows)
    with_gradients(torch.optim.SparseAdam([theirs], 1e-2, betas=(0.9, 0.99), eps=1e-15), [theirs], 12, rows)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_sparse_updates_equal_dense_ones_where_every_row_has_a_gradient():
    start = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    found = []
    for kind in (AdamUpdates, SparseAdamUpdates):
        table = nn.Parameter(start.clone())
        with_gradients(kind([table], 1e-2, betas=(0.9, 0.99), eps=1e-8), [table], 5, lambda step, count: torch.arange(count))
        found.append(table.detach())
    assert torch.equal(*found)
