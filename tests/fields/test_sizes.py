"""How large a network would be is known before it is built, and settings are bounded by what they mean."""

import pytest
import torch

import nint
from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec, build_field
from nint.files import load_tensors, save_tensors

TEXTS = [
    "siren:size=1x1",
    "siren:size=4x17",
    "finer:size=3x9",
    "gauss:size=2x6",
    "wire:size=1x2",
    "wire:size=4x31",
    "mlp:size=3x5",
    "pemlp:size=2x7,frequencies=4",
    "ffn:size=1x5,frequencies=3",
    "ffn:size=3x8,frequencies=9",
    "grid:size=1x4,levels=1",
    "grid:size=2x5,levels=6,growth=1,features=3",
    "grid:size=2x5,levels=4,growth=2.5,max_vertices=400",
]


def built(spec, in_features, out_features):
    return spec.build(in_features, out_features, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("in_features", "out_features"), [(1, 1), (2, 3), (4, 2)])
def test_the_count_is_that_of_the_network(text, in_features, out_features):
    spec = FIELDS.parse(text)
    field = built(spec, in_features, out_features)
    assert spec.parameter_count(in_features, out_features) == sum(p.numel() for p in field.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", FIELDS.names(plugins=False))
def test_too_large_a_network_is_refused_before_it_is_built(name, monkeypatch):
    spec = FIELDS.parse(f"{name}:size=3x40000")
    monkeypatch.setattr(type(spec), "build", None)  # would fail with a TypeError
    with pytest.raises(UsageError, match=rf"{name}: size=3x40000 makes a network of [\d,]+ parameters; at most 268,435,456 are possible"):
        build_field(spec, 2, 3, torch.Generator())


def test_tables_of_features_count_too():
    with pytest.raises(UsageError, match="makes a network of"):
        build_field(FIELDS.parse("grid:features=64,levels=32,growth=2,max_vertices=16777216"), 2, 3, torch.Generator())


def test_a_spec_that_does_not_know_its_size_is_built():
    class Mine(FieldSpec):
        def build(self, in_features, out_features, generator):
            return torch.nn.Linear(in_features, out_features)

    assert isinstance(build_field(Mine(), 2, 3, torch.Generator()), torch.nn.Linear)


def test_a_header_that_tells_of_a_larger_network_than_the_file_holds(tmp_path):
    image = torch.rand(6, 5, 3, generator=torch.Generator().manual_seed(0)).numpy()
    nint.fit(image, field="siren:size=1x8", sampler="uniform", total_steps=2, device="cpu").save(tmp_path / "model.safetensors")
    tensors, header = load_tensors(tmp_path / "model.safetensors")
    save_tensors(tmp_path / "lying.safetensors", tensors, header | {"field": "siren:size=9999x40000"})
    with pytest.raises(UsageError, match=r"is not a complete model: its header tells of [\d,]+ parameters, and it holds 51 numbers"):
        nint.Fit.load(tmp_path / "lying.safetensors")


@pytest.mark.parametrize("text", ["finer:omega_0=1e-320", "siren:omega_0=1e308", "siren:weight_scale=1e-9", "finer:first_bias=1e300"])
@pytest.mark.parametrize("more", ["", "size=2x8"])
def test_values_without_a_meaning_are_refused(text, more):
    with pytest.raises(UsageError, match="is out of range; it must be a finite number"):
        FIELDS.parse(f"{text},{more}")


NUMBERS = [
    (name, field)
    for name in FIELDS.names(plugins=False)
    for field in FIELDS.get(name).__dataclass_fields__.values()
    if "help" in field.metadata
]


@pytest.mark.parametrize(("name", "field"), [(n, f) for n, f in NUMBERS if f.type.startswith("float")], ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_network_at_either_end_of_a_range_is_built_and_finite(name, field, end):
    low = field.metadata["at_least"] if field.metadata["at_least"] is not None else 1e-3
    value = low if end == "low" else field.metadata["at_most"]
    try:
        spec = FIELDS.parse(f"{name}:size=2x8,{field.name}={value!r}")
    except UsageError as error:
        assert name == "wire" and "can overflow" in str(error)  # omega and sigma bound each other
        return
    field = built(spec, 2, 3)
    assert all(torch.isfinite(p).all() for p in field.parameters())
    assert torch.isfinite(field(torch.rand(5, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1)).all()
