"""Optimizers against float64 oracles; Muon's products are in bfloat16, so it is compared within what that can resolve."""

import copy
import math

import numpy as np
import pytest
import torch
from oracles.pictures import picture
from torch import nn

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.runs.build import build_run
from nint.runs.checkpoint import restore, save_checkpoint
from nint.runs.contents import CHECKPOINT
from nint.runs.job import make_job
from nint.runs.model import Fit
from nint.training.budgets import Budget
from nint.training.engine import train
from nint.training.optimizers import OPTIMIZERS, is_hidden_matrix

LR = 1e-2


def orthogonal(matrix: np.ndarray, steps: int) -> np.ndarray:
    """Newton-Schulz with the quintic 3.4445 s - 4.7750 s^3 + 2.0315 s^5, on singular values, which is what the matrix iteration does."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    s = s / max(np.linalg.norm(matrix), 1e-7)
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ np.diag(s) @ v


def muon_updates(gradients, lr, momentum, steps, nesterov, adjust):
    """Changes of a matrix that gets these gradients in turn."""
    average = np.zeros_like(gradients[0])
    rows, columns = gradients[0].shape
    factor = math.sqrt(max(1, rows / columns)) if adjust == "original" else 0.2 * math.sqrt(max(rows, columns))
    for gradient in gradients:
        average = momentum * average + (1 - momentum) * gradient
        direction = momentum * average + (1 - momentum) * gradient if nesterov else average
        yield -lr * factor * orthogonal(direction, steps)


def parameters(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def gradients(parameter, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(parameter.shape, generator=generator) for _ in range(steps)]


@pytest.mark.parametrize(
    ("text", "momentum", "steps", "nesterov", "ratio", "adjust"),
    [
        ("muon", 0.95, 5, True, 1.0, "original"),
        ("muon:momentum=0.5,ns_steps=3,nesterov=false,ratio=2", 0.5, 3, False, 2.0, "original"),
        ("muon:adjust=match_rms_adamw,ratio=0.5", 0.95, 5, True, 0.5, "match_rms_adamw"),
    ],
)
@pytest.mark.parametrize("shape", [(16, 16), (40, 24), (24, 40)])
def test_a_hidden_matrix_moves_as_the_oracle_says(text, momentum, steps, nesterov, ratio, adjust, shape):
    (matrix,) = parameters(shape)
    optimizer = OPTIMIZERS.parse(text).build([matrix], LR)
    given = gradients(matrix, 3, seed=1)
    expected = muon_updates([g.double().numpy() for g in given], LR * ratio, momentum, steps, nesterov, adjust)
    for gradient, change in zip(given, expected, strict=True):
        before = matrix.detach().double().clone()
        matrix.grad = gradient.clone()
        optimizer.step()
        moved = (matrix.detach().double() - before).numpy()
        # bfloat16 has 8 bits; five rounds of three products in it come out within about 2 %
        assert np.linalg.norm(moved - change) < 0.04 * np.linalg.norm(change)


def test_the_rest_moves_as_adam_moves_it():
    field = FIELDS.parse("siren:size=3x20").build(2, 3, torch.Generator().manual_seed(0))
    twin = FIELDS.parse("siren:size=3x20").build(2, 3, torch.Generator().manual_seed(0))
    hidden = {name for name, p in field.named_parameters() if is_hidden_matrix(p)}
    assert hidden == {"1.linear.weight", "2.linear.weight"}
    both = OPTIMIZERS.parse("muon:beta1=0.8,beta2=0.9,eps=1e-6").build(field.parameters(), 1.0)
    rest = [p for name, p in twin.named_parameters() if name not in hidden]
    adam = torch.optim.Adam(rest, lr=1.0, betas=(0.8, 0.9), eps=1e-6, fused=True)
    for step in range(4):
        for rate_of in (both, adam):
            for group in rate_of.param_groups:
                group["lr"] = 1e-3 * (step + 1)
        for number, (one, other) in enumerate(zip(field.parameters(), twin.parameters(), strict=True)):
            one.grad = gradients(one, 1, seed=100 * step + number)[0]
            other.grad = one.grad.clone()
        both.step(), adam.step()
    for (name, one), other in zip(field.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other) == (name not in hidden), name


@pytest.mark.parametrize(
    ("parameter", "hidden"),
    [
        (torch.zeros(16, 16), True),
        (torch.zeros(300, 16), True),
        (torch.zeros(15, 300), False),
        (torch.zeros(300, 2), False),
        (torch.zeros(256), False),
        (torch.zeros(3, 16, 16), False),
        (torch.zeros(16, 16, dtype=torch.complex64), False),
        (torch.zeros(16, 16, dtype=torch.int64), False),
    ],
)
def test_hidden_matrices(parameter, hidden):
    assert is_hidden_matrix(parameter) is hidden


@pytest.mark.parametrize("shapes", [[(16, 16)], [(3, 4), (5,)], [(16, 20), (5,)]])
def test_any_mix_of_parameters_has_an_optimizer(shapes):
    several = parameters(*shapes)
    optimizer = OPTIMIZERS.parse("muon").build(several, LR)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(several)
    before = [p.detach().clone() for p in several]
    sum(p.square().sum() for p in several).backward()
    optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(several, before, strict=True))
    optimizer.zero_grad()
    assert all(p.grad is None for p in several)


def test_the_rate_of_a_group_is_in_force_and_none_moves_nothing():
    several = parameters((16, 16), (5,))
    optimizer = OPTIMIZERS.parse("muon").build(several, LR)
    before = [p.detach().clone() for p in several]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    sum(p.square().sum() for p in several).backward()
    optimizer.step()
    assert all(torch.equal(p, old) for p, old in zip(several, before, strict=True))


def test_a_state_goes_into_another_optimizer_bit_by_bit():
    one, other = parameters((16, 16), (5,)), parameters((16, 16), (5,))
    first, second = (OPTIMIZERS.parse("muon:ratio=3").build(p, LR) for p in (one, other))
    for step in range(6):
        if step == 3:  # the second has not moved yet
            for p, new in zip(other, one, strict=True):
                p.data.copy_(new)
            second.load_state_dict(copy.deepcopy(first.state_dict()))  # torch shares tensors of the same make
        for number, p in enumerate(one):
            p.grad = gradients(p, 1, seed=10 * step + number)[0]
            other[number].grad = p.grad.clone()
        first.step()
        if step >= 3:
            second.step()
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(ValueError, match="2 parts, its saved state 1"):
        second.load_state_dict({"lr": [1.0], "parts": [{}]})


@pytest.mark.parametrize("text", ["muon", "muon:ratio=0.5,momentum=0.9"])
def test_a_run_with_muon_goes_on_bit_by_bit(tmp_path, text):
    def trained(steps, resumed=False):
        settings = {"field": "siren:size=3x16", "optimizer": text, "lr": 1e-3, "total_steps": 40, "lr_schedule": "cosine", "warm_up": 0.1}
        job = make_job(picture(10, 12), sampler="nint", device="cpu", **settings)
        run = build_run(job, Budget(steps=steps))
        if resumed:
            restore(tmp_path / CHECKPOINT, run, job.settings())
        train(run)
        save_checkpoint(tmp_path / CHECKPOINT, run, Fit(run.field, job.field, job.signal.layout), job.settings())
        return run

    whole, _ = trained(12), trained(7)
    resumed = trained(12, resumed=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.field.parameters(), resumed.field.parameters(), strict=True))
    buffers = [
        part["state"][0]["momentum_buffer"]
        for part in (whole.optimizer.state_dict()["parts"][0], resumed.optimizer.state_dict()["parts"][0])
    ]
    assert torch.equal(*buffers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("muon:momentum=1", "momentum=1"),
        ("muon:ns_steps=0", "at least 1"),
        ("muon:ns_steps=100", "at most 99"),
        ("muon:ratio=0", "above 0"),
        ("muon:adjust=rms", "Known: match_rms_adamw, original"),
        ("muon:nesterov=yes", "true or false"),
        ("moun", "Did you mean 'muon'?"),
    ],
)
def test_bad_settings(text, said):
    with pytest.raises(UsageError, match=said):
        OPTIMIZERS.parse(text)


def test_a_state_holds_only_what_a_checkpoint_can_keep():
    from nint.samplers.tree import flatten, unflatten

    several = parameters((16, 16), (5,))
    optimizer = OPTIMIZERS.parse("muon").build(several, LR)
    sum(p.square().sum() for p in several).backward()
    optimizer.step()
    tensors: dict[str, torch.Tensor] = {}
    optimizer.load_state_dict(unflatten(flatten(optimizer.state_dict(), "optimizer", tensors), tensors))
    assert tensors
