"""The passes of sine networks written out, against autograd in float64; the same bits for any number of workers."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp

import nint
from nint.errors import UsageError
from nint.fields import FIELDS, build_field
from nint.fields.finer import Finer
from nint.fields.passes import GROUPS, LEAST, Rows, SineLayer, chunks_of, sine_passes
from nint.fields.siren import Sine, Siren
from nint.fields.written_out import written_out
from nint.machine.sines import SineKernel, sine
from nint.machine.workers import workers
from nint.ntk.products import forward_rows, jvp_rows, vjp_rows

SPECS = [Siren(size="1x7"), Siren(size="3x16", omega_0=10.0), Finer(size="2x9", first_bias=1.0)]


def build(spec):
    return spec.build(2, 3, torch.Generator().manual_seed(1))


def inputs(n, columns=2, seed=2):
    return torch.rand(n, columns, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def close(found, expected):
    scale = expected.abs().max()
    return (found.double() - expected).abs().max() <= 2e-5 * scale


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize(("n", "chunk"), [(1, 4096), (37, 10), (1500, 100)])
def test_forward_gradient_and_tangent_equal_autograd_in_float64(spec, n, chunk):
    field = build(spec)
    wide = copy.deepcopy(field).double()
    coords, u = inputs(n), inputs(n, 3, 5)
    passes = written_out(field)
    chunks = [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]
    x = coords.double().requires_grad_()
    expected = wide(x)
    found = torch.empty(n, 3)
    passes.forward(coords, chunks, found)
    assert close(found, expected.detach())
    leaves = dict(wide.named_parameters())
    grads = torch.autograd.grad(expected, [*leaves.values(), x], u.double())
    gradient, slopes = passes.gradient(coords, chunks, lambda prediction, rows: u[rows].clone(), want_slope=True)
    assert set(gradient) == set(leaves)
    for (name, _), grad in zip(leaves.items(), grads, strict=False):
        assert close(gradient[name], grad), name
    assert close(torch.cat(slopes), grads[-1])
    tangent = {name: grad.float() for name, grad in zip(leaves, grads, strict=False)}
    start = {name: p.detach() for name, p in leaves.items()}
    move = {name: t.double() for name, t in tangent.items()}
    _, change = jvp(lambda p: functional_call(wide, p, (coords.double(),)), (start,), (move,))
    out = torch.empty(n, 3)
    passes.tangent(coords, chunks, tangent, out)
    assert close(out, change.detach())


@pytest.mark.parametrize("spec", SPECS[1:], ids=str)
def test_the_same_bits_for_any_number_of_workers(spec):
    field, n = build(spec), 9000
    coords, u = inputs(n), inputs(n, 3, 5)
    chunks = chunks_of(n, 700)
    assert len(chunks) > GROUPS
    results = []
    for number in (1, 2, 3):
        with workers(number):
            passes = written_out(field)
            prediction, change = torch.empty(n, 3), torch.empty(n, 3)
            passes.forward(coords, chunks, prediction)
            gradient, _ = passes.gradient(coords, chunks, lambda _, rows: u[rows].clone())
            passes.tangent(coords, chunks, gradient, change)
            results.append([prediction, change, *gradient.values()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_they_apply_to_sine_networks_as_built_and_to_nothing_else():
    field = build(Siren(size="2x8"))
    assert written_out(field) is not None
    assert written_out(copy.deepcopy(field).double()) is None
    assert written_out(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))) is None
    assert written_out(lambda x: x) is None
    mixed = nn.Sequential(field[0], build(Finer(size="2x8"))[1], field[2])
    assert written_out(mixed) is None
    other = nn.Sequential(field[0], build(Siren(size="2x8", omega_0=7.0))[1], field[2])
    assert written_out(other) is None
    frozen = copy.deepcopy(field)
    frozen[0].linear.bias.requires_grad_(False)
    assert written_out(frozen) is None
    hooked = copy.deepcopy(field)
    hooked[1].register_forward_hook(lambda module, x, y: None)
    assert written_out(hooked) is None
    parametrised = copy.deepcopy(field)
    nn.utils.parametrizations.weight_norm(parametrised[0].linear)
    assert written_out(parametrised) is None


@pytest.mark.parametrize("n", [1, LEAST, LEAST + 1, 1700, 4096, 50_000])
@pytest.mark.parametrize("chunk_size", [1, 100, 4096])
def test_chunks_cover_the_rows(n, chunk_size):
    chunks = chunks_of(n, chunk_size)
    assert [row for rows in chunks[:50] for row in range(rows.start, rows.stop)] == list(range(chunks[:50][-1].stop))
    assert chunks[-1].stop == n and all(rows.stop - rows.start <= chunk_size for rows in chunks)
    assert len(chunks) <= 2 or len({rows.stop - rows.start for rows in chunks[:-1]}) == 1  # the last is shorter
    if n > 1 and chunk_size == 4096:
        assert len(chunks) == {LEAST: 1, LEAST + 1: 1, 1700: 2, 4096: 8, 50_000: 16}[n]


def test_wide_layers_get_fewer_rows():
    narrow, wide = (written_out(build(Siren(size=size))) for size in ("1x8", "1x300"))
    assert narrow.chunks(2**17, 4096)[0].stop == 4096
    assert 512 < wide.chunks(100_000, 4096)[0].stop <= 2**18 // 300


def test_rows_of_a_file_are_read_by_one_thread_at_a_time():
    class Reader:
        inside = 0

        def __getitem__(self, rows):
            self.inside += 1
            assert self.inside == 1
            found = torch.arange(100)[rows]
            self.inside -= 1
            return found

    rows = Rows(Reader(), torch.tensor([5, 3, 8]))
    assert rows[1:3].tolist() == [3, 8]
    assert Rows(torch.arange(10))[2:4].tolist() == [2, 3]


class Halved(Sine):
    def forward(self, x):
        return 0.5 * super().forward(x)


class Rectified(Sine):
    def activation(self, z):
        return super().activation(z).relu()


class OwnSine(SineLayer):
    """Says everything itself, in one class."""

    kernel = property(lambda self: SineKernel())
    fold = property(lambda self: self.omega_0)

    def activation(self, z):
        return torch.sin(self.omega_0 * z)

    def forward(self, x):
        return self.activation(self.linear(x))


@pytest.mark.parametrize(("layer", "applies"), [(Sine, True), (Halved, False), (Rectified, False), (OwnSine, True)])
def test_a_subclass_that_changes_a_part_is_computed_as_it_is(layer, applies):
    torch.manual_seed(0)
    net = nn.Sequential(layer(nn.Linear(2, 8), 30.0), layer(nn.Linear(8, 8), 30.0), nn.Linear(8, 1))
    assert (sine_passes(net) is not None) == applies
    coords = torch.rand(50, 2) * 2 - 1
    teacher = nint.Teacher(net, coords, torch.rand(50, 1), "int", total_steps=3)
    assert torch.allclose(teacher.probe.prediction(), net(coords).detach(), atol=1e-5)


FORMS = ["siren:size=2x16", "finer:size=2x16", "grid:size=1x16,levels=3,max_vertices=64"]


def built(form, seed=0):
    return build_field(FIELDS.parse(form), 2, 1, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_passes_work_in_any_mode_of_the_caller(form, number):
    net, coords = built(form), torch.rand(3 * LEAST, 2) * 2 - 1
    expected = net(coords).detach()
    tangent = {name: torch.ones_like(p) for name, p in net.named_parameters()}
    with workers(number):
        pushed = jvp_rows(net, coords, tangent, LEAST)
        with torch.inference_mode():
            assert torch.allclose(forward_rows(net, coords, LEAST), expected, atol=1e-5)
            assert torch.allclose(jvp_rows(net, coords, tangent, LEAST), pushed, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.allclose(forward_rows(net, coords, LEAST), expected, atol=1e-5)
            assert torch.allclose(jvp_rows(net, coords, tangent, LEAST), pushed, atol=1e-4)
            found = vjp_rows(net, coords, lambda _, rows: torch.ones(len(coords), 1)[rows], LEAST)
        plain = torch.autograd.grad(net(coords).sum(), list(net.parameters()))
        for (name, _), grad in zip(net.named_parameters(), plain, strict=True):
            assert torch.allclose(found[name], grad, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("form", FORMS)
def test_single_precision_networks_work_where_double_is_the_default(form):
    net, coords = built(form), torch.rand(50, 2)
    expected = net(coords).detach()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(forward_rows(net, coords, 16), forward_rows(net, coords, 16))
        assert torch.allclose(forward_rows(net, coords, 16), expected, atol=1e-5)
        teacher = nint.Teacher(net, coords, torch.rand(50, 1), "nint", total_steps=3)
        batch = teacher.next()
        batch.loss(net(batch.coords)).backward()
        fit = nint.fit(torch.rand(8, 8).numpy(), field=net, budget=2, recipe="paper")
        assert fit.decode().shape == (8, 8)
    finally:
        torch.set_default_dtype(before)


def test_what_is_in_two_places_or_has_hooks_is_left_to_autograd():
    torch.manual_seed(0)
    shared = nn.Linear(8, 8)
    middle = Sine(shared, 30.0)
    twice = nn.Sequential(Sine(nn.Linear(2, 8), 30.0), middle, middle, nn.Linear(8, 1))
    tied = nn.Sequential(Sine(nn.Linear(2, 8), 30.0), Sine(shared, 30.0), Sine(shared, 30.0), nn.Linear(8, 1))
    hooked = nn.Sequential(Sine(nn.Linear(2, 8), 30.0), nn.Linear(8, 1))
    hook = hooked[0].linear.weight.register_hook(lambda gradient: 0 * gradient)
    coords = torch.rand(50, 2)
    for net in (twice, tied, hooked):
        assert sine_passes(net) is None
        assert torch.allclose(forward_rows(net, coords, 16), net(coords).detach(), atol=1e-3)
    before, bias = (value.detach().clone() for value in (hooked[0].linear.weight, hooked[0].linear.bias))
    nint.fit(torch.rand(8, 8).numpy(), field=hooked, budget=3, recipe="paper", sampler="uniform")
    assert torch.equal(hooked[0].linear.weight, before) and not torch.equal(hooked[0].linear.bias, bias)
    hook.remove()
    assert sine_passes(hooked) is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sines_do_not_read_the_default_type(dtype):
    z = torch.randn(7, 33, requires_grad=True)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        assert torch.allclose(sine(z), torch.sin(z), atol=1e-6)
    finally:
        torch.set_default_dtype(before)
    with torch.device("meta"):
        assert torch.allclose(sine(z), torch.sin(z), atol=1e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit.:DeprecationWarning")
def test_a_network_can_be_traced(tmp_path):
    net, coords = built("siren:size=2x16"), torch.rand(9, 2)
    traced = torch.jit.trace(net, (coords,))
    torch.jit.save(traced, tmp_path / "net.pt")
    assert torch.allclose(torch.jit.load(tmp_path / "net.pt")(coords), net(coords), atol=1e-6)


@pytest.mark.parametrize("settings", ["levels=16,growth=4", "levels=32,growth=8", "levels=10,growth=8"])
def test_levels_too_fine_for_single_precision_are_refused(settings):
    with pytest.raises(UsageError, match=r"vertices along an axis, more than 16,777,216.*lower growth=.* or levels"):
        built(f"grid:hashed=true,{settings}")
