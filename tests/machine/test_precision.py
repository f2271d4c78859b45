"""bf16 scoring finds the same points, and touches nothing but large float32 products."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.machine.precision import Bf16Products, check_precision, multiplies_bf16, with_precision
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.runs.outputs import predict_rows
from nint.signals.base import Pool
from nint.teacher import Teacher
from nint.training.budgets import Budget
from nint.training.engine import train_step

SIDE = 48
OVERLAP = 0.93  # of the top fifth of the points; 0.96 to 0.999 were seen on photos, on networks of 128 units at 20 to 39 dB


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def picture():
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = [np.sin(2 * np.pi * (a * rows + b * columns)) for a, b in ((1, 2), (5, 3), (9, 11))]
    return ((np.stack(waves, -1) + 1) / 2 + 0.05 * np.random.default_rng(0).standard_normal((SIDE, SIDE, 3))).clip(0, 1).astype(np.float32)


def top(prediction, values, share=0.2):
    error = (prediction.double() - values).square().mean(1)
    return set(error.topk(int(share * len(error))).indices.tolist())


@pytest.mark.parametrize("name", FIELDS.names())
def test_the_same_points_come_out_on_top(name, picture):
    form = "grid" if name == "grid" else f"{name}:size=3x64"
    run = build_run(make_job(picture, field=form, sampler="uniform", device="cpu"), Budget(steps=30))
    for _ in range(30):
        train_step(run)
    pool = run.teacher.probe.pool
    coords, values = pool.coords[:], pool.values[:]
    with torch.no_grad():
        plain, rounded = run.field(coords), with_precision(run.field, "bf16")(coords)
    assert rounded.dtype == torch.float32 and rounded.shape == plain.shape
    expected, found = top(plain, values), top(rounded, values)
    assert len(expected & found) / len(expected) >= OVERLAP
    changed = not torch.equal(plain, rounded)
    assert changed == (name != "wire")  # WIRE's products are complex


def test_large_products_are_those_of_bf16_numbers_summed_exactly():
    x, layer = torch.randn(50, 40, generator=seeded(1)), nn.Linear(40, 64)
    with torch.no_grad(), Bf16Products():
        product = layer(x)
    assert product.dtype == torch.bfloat16
    w, b = layer.weight.detach(), layer.bias.detach()
    exact = x.bfloat16().double() @ w.bfloat16().double().T + b.bfloat16().double()
    torch.testing.assert_close(product.double(), exact, rtol=2**-7, atol=2**-9)


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 64), (64, 3)])
def test_first_and_last_layers_stay_float32(inputs, outputs):
    x, layer = torch.randn(9, inputs, generator=seeded()), nn.Linear(inputs, outputs)
    with Bf16Products():
        assert torch.equal(layer(x), functional.linear(x, layer.weight, layer.bias))


def test_double_and_complex_stay_as_they_are():
    double, whole = nn.Linear(64, 64).double(), nn.Linear(64, 64, dtype=torch.complex64)
    x = torch.randn(5, 64, generator=seeded(), dtype=torch.float64)
    z = torch.complex(x.float(), x.float())
    with Bf16Products():
        inside = double(x), whole(z)
    assert torch.equal(inside[0], double(x)) and torch.equal(inside[1], whole(z))


class Mutating(nn.Module):
    """Writes into the product of its layer in every way there is."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(2, 64), nn.Linear(64, 64)

    def forward(self, x):
        z = self.out(torch.tanh(self.inner(x)))
        z.mul_(2.0)
        z[:, 0] = 7.0
        torch.add(z, 1.0, out=z)
        z += 1
        return torch.cat([z, z.square(), functional.relu(z, inplace=True)], dim=1)


def test_networks_that_write_in_place():
    field, x = Mutating(), torch.rand(20, 2, generator=seeded())
    with torch.no_grad():
        plain, rounded = field(x), with_precision(field, "bf16")(x)
    assert torch.equal(rounded[:, 0], torch.full((20,), 9.0))
    torch.testing.assert_close(rounded, plain, rtol=0.05, atol=0.05)


def test_float32_is_the_network_itself():
    field = nn.Linear(2, 1)
    assert with_precision(field, "float32") is field


@pytest.mark.parametrize(
    "ask",
    [
        check_precision,
        lambda word: with_precision(nn.Linear(2, 1), word),
        lambda word: Teacher(nn.Linear(2, 1), torch.zeros(4, 2), torch.zeros(4, 1), "uniform", total_steps=3, precision=word),
        lambda word: make_job("there-is-no-such-file.png", score_precision=word),
    ],
)
def test_another_word_is_refused(ask):
    with pytest.raises(UsageError, match=r"There is no score precision called 'bf1'\. Did you mean 'bf16'"):
        ask("bf1")


def test_gradients_products_and_evaluation_never_see_it():
    field = FIELDS.parse("siren:size=2x64").build(2, 3, seeded())
    pool = Pool(torch.rand(40, 2, generator=seeded(1)), torch.rand(40, 3, generator=seeded(2)))
    plain, rounded = Probe(field, pool, L2()), Probe(field, pool, L2(), precision="bf16")
    assert not torch.equal(plain.prediction(), rounded.prediction())
    slopes, others = plain.gradient(), rounded.gradient()
    assert all(torch.equal(slopes[name], others[name]) for name in slopes)
    assert torch.equal(plain.jvp(slopes), rounded.jvp(slopes))
    assert torch.equal(plain.vjp(pool.values)["0.linear.bias"], rounded.vjp(pool.values)["0.linear.bias"])
    part = rounded.on(torch.arange(5, 25))
    assert part.forwards is rounded.forwards  # a sub-pool scores in the same way
    torch.testing.assert_close(part.prediction(), plain.prediction()[5:25], rtol=0, atol=0.01)
    assert not torch.equal(part.prediction(), plain.on(torch.arange(5, 25)).prediction())
    assert torch.equal(predict_rows(field, pool.coords, pool.device), plain.prediction())


def test_a_run_can_have_it_or_not(picture):
    losses = {}
    for precision in ("float32", "bf16"):
        job = make_job(picture, field="siren:size=2x64", device="cpu", lr=1e-3, score_precision=precision)
        assert job.settings()["score_precision"] == precision
        run = build_run(job, Budget(steps=12))
        for _ in range(12):
            train_step(run)
        losses[precision] = run.loss
    assert make_job(picture, device="cpu").score_precision == "float32"
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)


def test_devices_without_bf16_say_so():
    assert isinstance(multiplies_bf16(torch.device("cpu")), bool)
    assert multiplies_bf16(torch.device("meta")) is False
