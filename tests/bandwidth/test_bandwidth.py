"""The kernel of a patch against the dense one, leave-one-out against refitting, and the choice on signals whose bandwidth is known."""

import dataclasses

import numpy as np
import pytest
import torch

import nint
from nint.bandwidth.auto import without_auto
from nint.bandwidth.leave_one_out import leave_one_out, scaled
from nint.bandwidth.patches import patches_of
from nint.bandwidth.search import SETTINGS, choose, for_samples
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.ntk import ntk_matrix
from nint.ntk.layerwise import patch_kernel
from nint.runs.job import make_job
from nint.signals.base import Pool
from nint.signals.open import open_signal

FORMS = [
    "siren:size=3x12",
    "finer:size=3x12",
    "ffn:size=3x12,frequencies=5",
    "gauss:size=2x9",
    "pemlp:size=2x9",
    "mlp:size=2x9",
    "wire:size=2x9",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channel", [0, 1])
def test_the_layerwise_kernel_is_the_dense_one(form, channel):
    field = FIELDS.parse(form).build(2, 2, torch.Generator().manual_seed(0)).double()
    coords = torch.rand(17, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    expected = ntk_matrix(field, coords)[:, channel, :, channel]
    torch.testing.assert_close(patch_kernel(field, coords, channel), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
    again = ntk_matrix(field, coords)[:, channel, :, channel]
    assert torch.equal(again, expected)  # nothing is left hooked


@pytest.mark.parametrize("nugget", [1e-4, 1e-2, 1.0])
def test_leave_one_out_is_refitting_without_each_point(nugget):
    generator = torch.Generator().manual_seed(0)
    points, values = torch.randn(30, 3, generator=generator).double(), torch.randn(30, 2, generator=generator).double()
    kernel = torch.exp(-torch.cdist(points, points).square() / 4)
    errors = []
    for left in range(30):
        others = torch.arange(30) != left
        system = kernel[others][:, others] + nugget * torch.eye(29, dtype=torch.float64)
        errors.append(values[left] - kernel[left, others] @ torch.linalg.solve(system, values[others]))
    expected = torch.stack(errors).square().mean()
    torch.testing.assert_close(leave_one_out(kernel, values, [nugget])[0], expected, rtol=1e-6, atol=0)


def test_scaling_takes_units_out_and_lets_the_mean_cost_nothing():
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(12, 5, generator=generator).double()
    kernel = kernel @ kernel.T
    torch.testing.assert_close(scaled(1e6 * kernel), scaled(kernel))
    centred = torch.eye(12).double() - 1 / 12
    inner = centred @ (scaled(kernel) - 100) @ centred
    assert float(inner.diagonal().mean()) == pytest.approx(1.0)
    values = torch.randn(12, 1, generator=generator).double()
    shifted = leave_one_out(scaled(kernel), values + 3.0, [1e-3])
    assert float(shifted) == pytest.approx(float(leave_one_out(scaled(kernel), values, [1e-3])), rel=0.05)


def waves(cycles, side=48):
    row, column = np.mgrid[0:side, 0:side] / side
    return (127.5 + 60 * np.sin(2 * np.pi * cycles * row) + 60 * np.cos(2 * np.pi * cycles * 0.8 * column)).astype(np.uint8)


SMALL = FIELDS.parse("siren:size=3x64")


def test_a_finer_signal_gets_a_higher_scale():
    coarse, fine = (choose(SMALL, "weight_scale", open_signal(waves(cycles))) for cycles in (1.5, 11))
    assert coarse.value < fine.value
    assert coarse.tried[coarse.value] == max(coarse.tried.values()) == coarse.decibels and len(coarse.tried) >= 8


def test_the_choice_depends_on_the_seed_alone_and_on_nothing_outside_its_patches():
    image = waves(6)
    first, again = (choose(SMALL, "weight_scale", open_signal(image), seed=3) for _ in range(2))
    assert first.tried == again.tried
    pool = open_signal(image).pool(torch.device("cpu"))
    generator = torch.Generator().manual_seed(3 + 15_485_863)
    seen = {tuple(row) for patch in patches_of(pool, 4, generator) for row in patch.coords.tolist()}
    assert len(seen) <= 1600 and len(seen) < len(pool)
    assert choose(dataclasses.replace(SMALL, weight_scale=9.0), "weight_scale", open_signal(image), seed=3).tried == first.tried


@pytest.mark.parametrize("kind", ["sound", "points", "masked", "volume"])
def test_every_kind_of_pool_has_patches(kind):
    rng = np.random.default_rng(0)
    signals = {
        "sound": lambda: open_signal("sample:chirp", duration=0.1),
        "masked": lambda: open_signal(waves(4), hold_out=0.3),
        "volume": lambda: open_signal(rng.random((9, 10, 11)), kind="array", in_dims=3),
    }
    if kind == "points":
        coords = torch.rand(900, 2, generator=torch.Generator().manual_seed(0))
        pool = Pool(coords, torch.sin(9 * coords.sum(1, keepdim=True)))
    else:
        pool = signals[kind]().pool(torch.device("cpu"))
    patches = patches_of(pool, 4, torch.Generator().manual_seed(0))
    assert 1 <= len(patches) <= 4 and all(len(patch.coords) == len(patch.values) > 20 for patch in patches)
    whole = pool.coords[:].max(0).values - pool.coords[:].min(0).values
    for patch in patches:  # neighbours: not the whole extent of any axis
        assert ((patch.coords.max(0).values - patch.coords.min(0).values) < 0.95 * whole).all()


def test_auto_in_a_text_form_reaches_the_network_and_the_record():
    fit = nint.fit(waves(8), field="siren:size=2x32,weight_scale=auto", budget=3, device="cpu")
    chosen = fit.spec.weight_scale
    assert chosen == choose(FIELDS.parse("siren:size=2x32"), "weight_scale", open_signal(waves(8))).chosen
    assert f"weight_scale={chosen:g}" in fit.record["settings"]["field"] and fit.record["preparation_seconds"] > 0
    job = make_job(waves(8), recipe="paper", field="siren:size=2x32,weight_scale=auto", device="cpu")
    assert any("is the kernel's choice at the start weights" in note for note in job.notes)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("siren:bias=auto", "bias=auto of siren cannot be chosen by the kernel, which chooses weight_scale of siren"),
        ("grid:levels=auto", "levels=auto of grid cannot be chosen"),
        ("mlp:size=auto", "size=auto of mlp cannot be chosen"),
    ],
)
def test_what_the_kernel_cannot_choose_is_refused_before_the_input_is_read(form, said):
    with pytest.raises(UsageError, match=said):
        make_job("nowhere.png", field=form)


def test_a_flat_signal_gives_nothing_to_choose_by():
    pool = Pool(torch.rand(50, 2), torch.zeros(50, 1))
    assert patches_of(pool, 4, torch.Generator()) == []


def test_forms():
    assert without_auto("siren:size=2x8,weight_scale=auto") == ("siren:size=2x8", ("weight_scale",))
    assert without_auto("siren:omega_0=auto") == ("siren", ("omega_0",))
    assert without_auto("siren") == ("siren", ()) and without_auto(None) == (None, ())
    for name, setting in SETTINGS:
        assert setting in {field.name for field in dataclasses.fields(FIELDS.get(name))}


def test_a_network_of_few_weights_gets_lower_frequencies():
    few, half, enough, more = (for_samples(2.0, 40.0, 2, share) for share in (0.001, 0.05, 1.0, 9.0))
    assert (few, half, enough, more) == (0.9, 1.0, 2.0, 2.0)
    image = waves(6)
    small, large = (choose(FIELDS.parse(f"siren:size={size}"), "weight_scale", open_signal(image)) for size in ("1x12", "3x64"))
    assert small.weights_a_point == pytest.approx(49 / 48**2, rel=0.01) and large.weights_a_point > 3
    assert small.chosen <= 0.6 * small.value and large.chosen >= large.value
