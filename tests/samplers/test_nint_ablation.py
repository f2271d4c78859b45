"""What fills the NTK part: each score against a dense Jacobian in float64, and `kernel` against `nint` itself."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.scores.kernel_parts import kernel_diagonal, last_layer_gradient
from nint.signals.base import Pool

N = 60


def setting(c=2, n=N):
    generator = torch.Generator().manual_seed(0)
    field = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, c)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    coords, values = (torch.randn(n, d, generator=generator, dtype=torch.float64) for d in (2, c))
    return field, Probe(field, Pool(coords, values), L2(), 16), torch.Generator().manual_seed(1)


def jacobians(field, coords):
    """Name -> `[n, c, parameters]`."""
    parameters = {name: p.detach() for name, p in field.named_parameters()}
    found = jacrev(lambda p: functional_call(field, p, (coords,)))(parameters)
    return {name: jacobian.flatten(2) for name, jacobian in found.items()}


def gradient(field, probe):
    prediction = field(probe.coords).detach().requires_grad_(True)
    point_loss = (prediction - probe.values).square().mean(1)  # the run's own loss of a point
    (found,) = torch.autograd.grad(point_loss.sum(), prediction)
    return found


def dense_scores(field, probe):
    """Score -> `[n]`."""
    per_layer, g = jacobians(field, probe.coords), gradient(field, probe)
    whole = torch.cat(list(per_layer.values()), 2)
    last = torch.cat([per_layer["4.weight"], per_layer["4.bias"]], 2)

    def moved(jacobian):
        return torch.einsum("icp,jdp,jd->ic", jacobian, jacobian, g).norm(dim=1)

    diagonal = whole.square().sum((1, 2))
    return {
        "kernel": moved(whole),
        "last-layer": moved(last),
        "prediction": field(probe.coords).detach().norm(dim=1),
        "error": g.norm(dim=1),
        "diagonal": diagonal,
    }


@pytest.mark.parametrize("c", [1, 3])
def test_scores_against_a_dense_jacobian(c):
    field, probe, rng = setting(c)
    expected = dense_scores(field, probe)
    for score in ("kernel", "last-layer", "prediction", "error"):
        found = SAMPLERS.parse(f"nint-ablation:score={score}").scores(probe, rng)
        torch.testing.assert_close(found, expected[score], rtol=1e-9, atol=1e-12)
        probe.clear_cache()
    torch.testing.assert_close(last_layer_gradient(probe).norm(dim=1), expected["last-layer"])


def test_the_diagonal_is_estimated_without_bias():
    field, probe, rng = setting(2, 20)
    expected = dense_scores(field, probe)["diagonal"]
    found = kernel_diagonal(probe, 4000, rng)
    assert (found / expected - 1).abs().max() < 6 * (2 / 4000) ** 0.5
    rough = torch.stack([kernel_diagonal(probe, 8, rng) for _ in range(100)])
    assert (rough.mean(0) / expected - 1).abs().max() < 6 * (2 / 800) ** 0.5
    variance = SAMPLERS.parse("nint-ablation:score=variance,probes=4000").scores(probe, rng)
    torch.testing.assert_close(variance, gradient(field, probe).norm(dim=1) * expected.sqrt(), rtol=0.08, atol=0)


@pytest.mark.parametrize("score", ["kernel", "last-layer", "prediction", "variance", "error", "random"])
@pytest.mark.parametrize("draw", ["top", "density"])
def test_a_batch_has_its_three_parts(score, draw):
    field, probe, rng = setting()
    sampler = SAMPLERS.parse(f"nint-ablation:batch_share=0.5,random_share=0.2,score={score},draw={draw}")
    selection, _ = sampler.select(sampler.init(probe, 100, rng), 0, probe, rng)
    rows = selection.indices.tolist()
    assert len(rows) == len(set(rows)) == 30
    if draw == "top" and score not in ("variance", "random"):
        wanted = dense_scores(field, probe)[score]
        assert rows[:24] == torch.argsort(wanted, descending=True)[:24].tolist()  # all but the random part at step 0


def test_with_the_kernel_it_is_nint():
    _, probe, _ = setting()
    batches = []
    for name in ("nint:batch_share=0.5", "nint-ablation:batch_share=0.5"):
        sampler, rng, found = SAMPLERS.parse(name), torch.Generator().manual_seed(3), []
        state = sampler.init(probe, 100, rng)
        for step in range(30):
            probe.clear_cache()
            selection, state = sampler.select(state, step, probe, rng)
            found.append(selection.indices.tolist())
        batches.append(found)
    assert batches[0] == batches[1]


def test_a_density_draws_in_proportion():
    _, probe, rng = setting(1)
    sampler = SAMPLERS.parse("nint-ablation:batch_size=1,random_share=0,score=prediction,draw=density")
    state, counts = sampler.init(probe, 100, rng), torch.zeros(N)
    for _ in range(6000):
        selection, _ = sampler.select(state, 0, probe, rng)
        counts[selection.indices] += 1
    wanted = sampler.scores(probe, rng).float()
    assert (counts / 6000 - wanted / wanted.sum()).abs().max() < 0.012


@pytest.mark.parametrize(
    ("score", "work"), [("kernel", 6), ("last-layer", 6), ("prediction", 1), ("error", 1), ("random", 0), ("variance", 1 + 3 * 16)]
)
def test_what_a_refresh_costs(score, work):
    _, probe, rng = setting()
    sampler = SAMPLERS.parse(f"nint-ablation:score={score},random_share=0")
    sampler.select(sampler.init(probe, 100, rng), 0, probe, rng)
    assert probe.cost.forward_equivalents(N) == work
    assert sampler.requires() == {"prediction"} | ({"kernel"} if score in ("kernel", "last-layer", "variance") else set())
