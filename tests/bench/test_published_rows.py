"""Every row of the paper's tables is a text form: a sampler, then space-separated settings of the run such as field=..."""

import json
from pathlib import Path

import pytest

from nint.fields import FIELDS
from nint.samplers import SAMPLERS

ROWS = """
egra
evos
evos:cfs=false
evos:schedule=step
expansive:random_share=0.5
expansive:random_share=0.7
full
full field=ffn
full field=finer
full field=gauss
full field=mlp
full field=pemlp
full field=siren
full field=siren:size=1x64
full field=siren:size=3x128
full field=siren:size=3x256
full field=siren:size=3x64
full field=siren:size=5x128
full field=siren:size=5x256
full field=wire
int
int:schedule=step
nint
nint field=ffn
nint field=finer
nint field=gauss
nint field=mlp
nint field=pemlp
nint field=siren
nint field=siren:size=1x64
nint field=siren:size=3x128
nint field=siren:size=3x256
nint field=siren:size=3x64
nint field=siren:size=5x128
nint field=siren:size=5x256
nint field=wire
nint:batch_share=0.4
nint:batch_share=0.6
nint:batch_share=0.8
nint:decay_rate=0.1
nint:decay_rate=0.5
nint:decay_rate=2.0
nint:interval=decremental
nint:interval=every-5
nint:interval=incremental
nint:random_share=0.4
nint:random_share=0.5
nint:random_share=0.6
nint:random_share=0.7
nint:random_share=0.8
nint:refresh_interval=1
nint:refresh_interval=20
nint:refresh_interval=50
nint:schedule=linear
nint:schedule=step
soft-mining
uniform
uniform:schedule=step
""".strip().splitlines()

SHARED = Path(__file__).resolve().parents[3] / "shared" / "spec" / "published.json"


def split(row: str) -> tuple[str, dict[str, str]]:
    sampler, *tokens = row.split(" ")
    return sampler, dict(token.split("=", 1) for token in tokens)


@pytest.mark.parametrize("row", ROWS)
def test_the_sampler_of_a_row_is_a_text_form(row):
    text, _ = split(row)
    spec = SAMPLERS.parse(text)
    assert SAMPLERS.parse(SAMPLERS.text(spec)) == spec  # and survives the way back
    name, _, settings = text.partition(":")
    assert SAMPLERS.name_of(spec) == name
    for setting in filter(None, settings.split(",")):
        key, value = setting.split("=")
        assert str(getattr(spec, key)).lower() == value


@pytest.mark.parametrize("row", [row for row in ROWS if " " in row])
def test_the_rest_of_a_row_names_a_field(row):
    _, tokens = split(row)
    assert set(tokens) == {"field"}
    spec = FIELDS.parse(tokens["field"])
    assert FIELDS.parse(FIELDS.text(spec)) == spec
    if "size=" in row:
        assert spec.size == row.partition("size=")[2]


def test_the_list_is_that_of_the_published_tables():
    if not SHARED.exists():
        pytest.skip("the published tables are not beside this checkout")
    found = set()

    def walk(node: object, key: str = "") -> None:
        if isinstance(node, dict):
            if key in ("rows", "iterations", "seconds"):
                found.update(node)
            for name, child in node.items():
                walk(child, name)

    walk({name: table for name, table in json.loads(SHARED.read_text()).items() if name.startswith("table")})
    assert found == set(ROWS)
