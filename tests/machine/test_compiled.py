"""Compiled and eager networks agree, and compiling leaves no trace but speed."""

import numpy as np
import pytest
import torch
from torch import nn

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.machine import compiled
from nint.machine.compiled import Forwards, check_compiler
from nint.ntk.products import forward_rows
from nint.probe.cost import Cost
from nint.probe.objectives import L2
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.samplers.base import Selection
from nint.training.budgets import Budget
from nint.training.engine import train_step
from nint.training.gradient import accumulate_gradient

CPU = torch.device("cpu")


def missing() -> str:
    try:
        check_compiler(CPU)
    except UsageError as error:
        return str(error)
    return ""


needs_compiler = pytest.mark.skipif(bool(missing()), reason=missing() or "there is a compiler")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(name):
    form = "grid:size=1x4,levels=1,base_resolution=4" if name == "grid" else f"{name}:size=2x4"
    return FIELDS.parse(form).build(2, 3, seeded())


def gradients(field, coords, values, forward, want):
    field.zero_grad(set_to_none=True)
    rows = torch.arange(len(coords))
    feedback = accumulate_gradient(field, coords, values, Selection(rows), L2(), 8, Cost(), want, forward)
    return feedback, {name: p.grad for name, p in field.named_parameters()}


@needs_compiler
@pytest.mark.parametrize("name", FIELDS.names())
def test_compiled_equals_eager(name):
    field = tiny(name)
    names, weights = list(field.state_dict()), {key: value.clone() for key, value in field.state_dict().items()}
    coords, values = torch.rand(19, 2, generator=seeded(1)) * 2 - 1, torch.rand(19, 3, generator=seeded(2))
    want = name == "siren"  # d loss / d coords as well, which one network shows
    eager, slopes = gradients(field, coords, values, None, want)
    forwards = Forwards(field)
    field.zero_grad(set_to_none=True)
    forwards.compile(coords, scoring=False, coord_gradient=want)
    assert all(p.grad is None for p in field.parameters()) and forwards.compile_seconds > 0
    assert forwards.training is not field and forwards.scoring is field
    seen = []
    field.register_forward_hook(lambda *_: seen.append(1))
    found, others = gradients(field, coords, values, forwards.training, want)  # chunks of 8, 8 and 3 points
    torch.testing.assert_close(found.prediction, eager.prediction, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.point_loss, eager.point_loss, rtol=1e-4, atol=1e-5)
    for key, slope in slopes.items():
        torch.testing.assert_close(others[key], slope, rtol=1e-3, atol=1e-5 * float(slope.abs().max()) + 1e-7)
    if want:
        torch.testing.assert_close(found.coord_gradient, eager.coord_gradient, rtol=1e-3, atol=1e-6)
    assert list(field.state_dict()) == names and all(torch.equal(field.state_dict()[key], weights[key]) for key in names)


@needs_compiler
def test_compiled_follows_the_weights_and_scores_in_bf16():
    field = FIELDS.parse("siren:size=2x32").build(2, 3, seeded())
    coords = torch.rand(20, 2, generator=seeded(1))
    forwards = Forwards(field, "bf16")
    eager = forwards.scoring
    forwards.compile(coords, scoring=True, coord_gradient=False)
    before = forwards.compile_seconds
    forwards.compile(coords, scoring=True, coord_gradient=False)  # nothing left to do
    assert forwards.compile_seconds == before
    assert forwards.scoring is not eager
    with torch.no_grad():
        field[0].linear.weight.mul_(1.5)
    scored = forward_rows(forwards.scoring, coords, 7)
    assert scored.dtype == torch.float32
    exact, rounded = forward_rows(field, coords, 7), forward_rows(eager, coords, 7)
    torch.testing.assert_close(scored, rounded, rtol=0.02, atol=0.01)
    assert (scored - rounded).abs().mean() < 0.5 * (rounded - exact).abs().mean()  # it really is bf16
    torch.testing.assert_close(forwards.training(coords), field(coords), rtol=1e-4, atol=1e-5)
    assert forwards.training(coords[:1]).shape == (1, 3)


def test_each_network_of_a_process_is_compiled_however_many_there_are():
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()
    for width in range(2, 14):  # torch keeps eight versions of one code object
        field = nn.Linear(2, width)
        compiled_field = torch.compile(compiled._with_own_code(lambda x, field=field: field(x)), backend=counter, dynamic=True)
        compiled_field(torch.zeros(5, 2))
    assert counter.frame_count == 12


@needs_compiler
def test_a_run_is_the_same_and_compiling_is_off_its_clock(monkeypatch):
    import time

    picture = np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)
    weights, runs = {}, {}
    slow = Forwards.compile

    def slower(self, coords, **options):
        time.sleep(0.3)
        slow(self, coords, **options)

    monkeypatch.setattr(Forwards, "compile", slower)
    for switch in (False, True):
        job = make_job(picture, field="siren:size=2x32", sampler="nint", lr=1e-3, device="cpu", compile=switch)
        assert job.settings()["compile"] is switch
        run = runs[switch] = build_run(job, Budget(steps=4))
        for _ in range(4):
            train_step(run)
        weights[switch] = run.field.state_dict()
    assert list(weights[True]) == list(weights[False])
    for key, value in weights[False].items():
        torch.testing.assert_close(weights[True][key], value, rtol=1e-3, atol=1e-4)
    forwards = runs[True].teacher.probe.forwards
    assert forwards.compile_seconds > 0 and runs[False].teacher.probe.forwards.compile_seconds == 0
    assert forwards.training is not runs[True].field and forwards.scoring is not runs[True].field  # NINT scores
    assert isinstance(runs[True].field, nn.Sequential)
    assert runs[True].clock.training_s < 0.3 * 4
    assert not make_job(picture, device="cpu").compile


@needs_compiler
@pytest.mark.parametrize("sampler", ["nint:refresh_interval=2", "nint-fast", "soft-mining"])
def test_nothing_is_compiled_while_the_clock_runs(sampler):
    picture = np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)
    job = make_job(picture, field="siren:size=2x32", sampler=sampler, device="cpu", compile=True, chunk_size=50)
    run = build_run(job, Budget(steps=4))
    probe = run.teacher.probe
    probe.forwards.compile(probe.coords, scoring=True, coord_gradient=run.teacher.wants_coord_gradient)
    before = probe.forwards.compile_seconds
    with torch.compiler.set_stance("fail_on_recompile"):
        for _ in range(4):
            train_step(run)
    assert probe.forwards.compile_seconds == before


class Stubborn(nn.Module):
    """Asks for something that cannot be compiled and fails when it is tried."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


def test_what_cannot_be_compiled_is_one_sentence(monkeypatch):
    monkeypatch.setattr(compiled, "check_compiler", lambda device: None)

    def refuse(*args, **kwargs):
        raise RuntimeError("no such thing\nand a long story")

    monkeypatch.setattr(compiled, "_compiled", lambda *args, **kwargs: refuse)
    with pytest.raises(UsageError, match=r"^--compile does not work for this Stubborn here \(no such thing\); leave it out") as caught:
        Forwards(Stubborn()).compile(torch.zeros(3, 2), scoring=False, coord_gradient=False)
    assert "story" not in str(caught.value)


def test_no_compiler_is_one_sentence_before_anything_is_trained(monkeypatch):
    from torch._inductor import cpp_builder

    def none():
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(UsageError, match=r"^--compile needs a C\+\+ compiler"):
        check_compiler(CPU)
    job = make_job(np.eye(4, dtype=np.float32), field="siren:size=1x4", device="cpu", compile=True)
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler"):
        build_run(job, Budget(steps=1))


def test_a_single_point_is_not_compiled():
    field = nn.Linear(2, 1)
    forwards = Forwards(field)
    forwards.compile(torch.zeros(1, 2), scoring=True, coord_gradient=False)
    assert forwards.training is field and forwards.compile_seconds == 0
