"""THE NETWORK. A frozen spec builds a plain `nn.Module` `[..., d_in] -> [..., d_out]`; one module an architecture."""

from nint.fields.base import FieldSpec, build_field, parse_size
from nint.registry import Registry

FIELDS = Registry(
    "field",
    {
        "siren": "nint.fields.siren:Siren",
        "finer": "nint.fields.finer:Finer",
        "gauss": "nint.fields.gauss:Gauss",
        "wire": "nint.fields.wire:Wire",
        "pemlp": "nint.fields.pemlp:Pemlp",
        "ffn": "nint.fields.ffn:Ffn",
        "mlp": "nint.fields.mlp:Mlp",
        "grid": "nint.fields.grid:Grid",
    },
    group="nint.fields",
    base=FieldSpec,
)

__all__ = ["FIELDS", "FieldSpec", "build_field", "parse_size"]
