"""What every network must do, one parametrised test each; what is special about one network is in its own file."""

import itertools
import math

import pytest
import torch
from oracles.dense_ntk import jacobian, ntk
from safetensors.torch import load, save

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.ntk.products import ntk_vector_product

SMALL = {
    "siren": "siren:size=2x8",
    "finer": "finer:size=2x8,first_bias=1",
    "gauss": "gauss:size=2x8,scale=3",
    "wire": "wire:size=3x8,omega=4,sigma=3",
    "pemlp": "pemlp:size=2x8,frequencies=3",
    "ffn": "ffn:size=3x8,frequencies=5,sigma=1",
    "mlp": "mlp:size=2x8",
    "grid": "grid:size=1x8,levels=3,base_resolution=3",
}
NAMES = list(SMALL)


def build(text, in_features=2, out_features=3, seed=0):
    return FIELDS.parse(text).build(in_features, out_features, torch.Generator().manual_seed(seed))


def points(n, in_features=2, seed=1):
    return torch.rand(n, in_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def layers(*sizes):
    """Parameters of linear layers of these sizes."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


FIVE = [256] * 5
COUNTS = {
    "siren": layers(2, *FIVE, 3),
    "finer": layers(2, *FIVE, 3),
    "gauss": layers(2, *FIVE, 3),
    "mlp": layers(2, *FIVE, 3),
    "pemlp": layers(2 + 2 * 2 * 10, *FIVE, 3),
    "ffn": layers(2 * 128, *[256] * 4, 3),
    "wire": layers(2, 181) + 2 * layers(*[181] * 5, 3),
    "grid": 2 * sum(r**2 for r in (16, 24, 36, 54, 81, 121, 182, 256)) + layers(2 * 8, 64, 64, 3),
}


def test_the_list_of_networks_is_complete():
    assert FIELDS.names(plugins=False) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_default_parameter_count(name):
    field = build(name)
    assert sum(p.numel() for p in field.parameters()) == COUNTS[name]
    assert f"{COUNTS[name]:,}" in type(FIELDS.parse(name)).__doc__


def test_siren_parameter_count_is_the_papers():
    assert COUNTS["siren"] == 264_707


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_features", [1, 2, 3, 4])
def test_any_leading_shape_gives_the_same_values(name, in_features):
    field = build(SMALL[name], in_features, 2).double()
    coords = points(24, in_features)
    flat = field(coords)
    assert flat.shape == (24, 2)
    torch.testing.assert_close(field(coords.reshape(2, 3, 4, in_features)).reshape(24, 2), flat, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(field(coords[5]), flat[5], rtol=1e-12, atol=1e-12)
    assert field(coords[:0]).shape == (0, 2)


@pytest.mark.parametrize("name", NAMES)
def test_float64_by_double(name):
    field = build(SMALL[name])
    coords = points(16)
    single = field(coords.float())
    assert single.dtype == torch.float32
    field.double()
    assert all(p.dtype == torch.float64 for p in field.parameters())
    double = field(coords)
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_round_trip_in_safetensors(name):
    field, other = build(SMALL[name], seed=0), build(SMALL[name], seed=1)
    coords = points(5).float()
    assert not torch.equal(field(coords), other(coords))
    other.load_state_dict(load(save(field.state_dict())))
    assert torch.equal(field(coords), other(coords))


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_alone_decides_the_weights(name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = build(SMALL[name], seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    second = build(SMALL[name], seed=3).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    third = build(SMALL[name], seed=4).state_dict()
    assert not any(torch.equal(first[key], third[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_kernel_product_equals_the_dense_oracle_and_is_symmetric(name):
    field = build(SMALL[name]).double()
    coords = points(9)
    u, w = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    kernel = ntk(field, coords)
    ku, kw = ntk_vector_product(field, coords, u), ntk_vector_product(field, coords, w, chunk_size=4)
    scale = kernel.abs().max().item()
    assert scale > 0
    torch.testing.assert_close(ku, torch.einsum("icjd,jd->ic", kernel, u), rtol=1e-10, atol=1e-11 * scale)
    torch.testing.assert_close(kw, torch.einsum("icjd,jd->ic", kernel, w), rtol=1e-10, atol=1e-11 * scale)
    assert (u * kw).sum().item() == pytest.approx((w * ku).sum().item(), rel=1e-9, abs=1e-10 * scale)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "finer"])
def test_jacobian_is_the_derivative(name):
    """The dense oracle against central differences (not FINER, whose factor is deliberately held constant)."""
    field = build(SMALL[name]).double()
    coords = points(4)
    direction = [torch.randn(p.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64) for p in field.parameters()]
    ahead, behind = [], []
    for sign, out in ((1, ahead), (-1, behind)):
        moved = build(SMALL[name]).double()
        with torch.no_grad():
            for p, d in zip(moved.parameters(), direction, strict=True):
                p.add_(sign * 1e-6 * d)
            out.append(moved(coords))
    slope = (ahead[0] - behind[0]) / 2e-6
    exact = (jacobian(field, coords) @ torch.cat([d.reshape(-1) for d in direction])).reshape(4, 3)
    torch.testing.assert_close(slope, exact, rtol=1e-4, atol=1e-5 * exact.abs().max().item())


@pytest.mark.parametrize("name", NAMES)
def test_training_at_the_default_rate_stays_finite_and_learns(name):
    side = 24
    axis = torch.linspace(-1, 1, side)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    coords = torch.stack([rows, columns], -1).reshape(-1, 2)
    image = torch.stack(
        [0.5 + 0.4 * torch.sin(4 * rows), (rows * columns > 0).float(), 0.5 + 0.4 * torch.cos(9 * columns + rows)], -1
    ).reshape(-1, 3)
    spec = FIELDS.parse(f"{name}:size=2x32")
    field = spec.build(2, 3, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(field.parameters(), lr=spec.default_lr)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = (field(coords) - image).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert all(torch.isfinite(p).all() for p in field.parameters())
    assert losses[-1] < 0.5 * losses[0]


TEXTS = [
    *NAMES,
    "siren:size=3x64,weight_scale=1.5",
    "siren:omega_0=12.5,bias=default",
    "finer:size=5x128,first_bias=1,weight_scale=2",
    "gauss:scale=10",
    "wire:omega=4,sigma=4",
    "pemlp:frequencies=6",
    "ffn:size=3x256,frequencies=64,sigma=2.5",
    "mlp:size=4x128",
    "grid:levels=4,features=4,base_resolution=8,growth=2,max_vertices=4096",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_form_round_trip(text):
    spec = FIELDS.parse(text)
    assert FIELDS.text(spec) == text
    assert FIELDS.parse(FIELDS.text(spec)) == spec


def test_none_is_a_first_bias():
    assert FIELDS.parse("finer:first_bias=none") == FIELDS.parse("finer")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["5y256", "0x3", "5x0", "5", "5x256x2", "-1x4", "5.5x3"])
def test_bad_size(name, size):
    with pytest.raises(UsageError, match=r"size=.* cannot be read; write LAYERSxWIDTH"):
        FIELDS.parse(f"{name}:size={size}")


@pytest.mark.parametrize("name", NAMES)
def test_unknown_setting_names_the_nearest(name):
    with pytest.raises(UsageError, match=f"{name} has no setting 'sise'. Did you mean 'size'"):
        FIELDS.parse(f"{name}:sise=3x3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sirne", "Did you mean 'siren'"),
        ("siren:omega=3", "Did you mean 'omega_0'"),
        ("siren:bias=wieght", "Did you mean 'weight'"),
        ("siren:weight_scale=0", "must be a finite number, at least 0.001, at most 1000"),
        ("finer:first_bais=1", "Did you mean 'first_bias'"),
        ("finer:omega_0=abc", "it must be a number"),
        ("gauss:scale=-1", "must be a finite number, at least 0.001"),
        ("gauss:scale=nan", "must be a finite number"),
        ("wire:sgima=3", "Did you mean 'sigma'"),
        ("wire:size=3x1", "at least 2"),
        ("wire:omega=200,sigma=10", "can overflow"),
        ("pemlp:frequencies=0", "at least 1"),
        ("ffn:frequencies=1.5", "it must be a whole number"),
        ("grid:growth=0.5", "at least 1"),
    ],
)
def test_bad_setting_is_explained(text, message):
    with pytest.raises(UsageError, match=message):
        FIELDS.parse(text)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_states_the_source_of_its_rate(name):
    cls = FIELDS.get(name)
    rates = {"siren": 1e-4, "finer": 5e-4, "gauss": 5e-3, "wire": 5e-3, "pemlp": 1e-3, "ffn": 1e-3, "mlp": 1e-3, "grid": 1e-2}
    assert cls.default_lr == rates[name]
    mantissa, exponent = f"{cls.default_lr:e}".split("e")
    assert f"{float(mantissa):g}e{int(exponent)}" in cls.lr_source
