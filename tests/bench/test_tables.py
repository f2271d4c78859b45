"""Rows, columns and runs of the ten tables."""

import pytest

from nint.bench.experiments import EXPERIMENTS, TABLES, experiment
from nint.bench.inputs import Inputs
from nint.bench.published import published
from nint.bench.scales.scales import SCALES
from nint.bench.tables.paper import estimate
from nint.bench.tables.rows import AUTHORS, PAPER, Row, canonical, sized
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.samplers import SAMPLERS

CPU = SCALES["cpu"]


@pytest.fixture
def inputs():
    return Inputs.search()


@pytest.fixture(params=TABLES)
def table(request):
    return experiment(request.param)


def test_every_published_row_has_runs(table, inputs):
    rows = table.row_specs(CPU, inputs, 1)
    texts = {row.text for row in rows if row.block == PAPER}
    assert set(published(table.name).rows) <= texts
    for row, specs in rows.items():
        assert specs
        if row.block != PAPER:
            continue
        for spec in specs:  # oracle: the text itself, read again
            sampler, _, field = row.text.partition(" field=")
            assert SAMPLERS.parse(spec.sampler) == SAMPLERS.parse(sampler)
            assert spec.recipe == "paper"
            assert dict(spec.settings) == {"lr": 1e-4, "total_steps": table.sizes(CPU).total_steps}
            if field:
                assert type(FIELDS.parse(spec.field)) is type(FIELDS.parse(field))
            if "size=" in field:
                assert FIELDS.parse(spec.field) == FIELDS.parse(field)


def test_every_published_column_is_there_once(table):
    for scale in SCALES.values():
        columns = table.columns(scale)
        sizes = table.sizes(scale)
        ended = getattr(SCALES["paper"], table.task).checkpoints[len(sizes.checkpoints) :]  # after the budget of "full-size"
        papers = [name for name in published(table.name).columns if not name.endswith(tuple(f"@{point:g}" for point in ended))]
        if not sizes.timed:
            papers = [name for name in papers if not name.startswith("seconds@")]
        assert sorted(column.paper for column in columns if column.paper) == sorted(papers)
        assert len({column.key for column in columns}) == len(columns)


def test_at_the_papers_scale_the_columns_have_the_papers_names(table):
    for column in table.columns(SCALES["paper"]):
        if column.paper:
            assert column.key == column.paper


def test_every_time_to_a_target_has_its_flops(table):
    keys = {column.key for column in table.columns(CPU)}
    assert all(key.replace("seconds@", "flops@") in keys for key in keys if key.startswith("seconds@"))


def keys(name, inputs, row):
    rows = experiment(name).row_specs(CPU, inputs, 1)
    return [spec.key for found, specs in rows.items() if found.text == row for spec in specs]


@pytest.mark.parametrize(
    ("one", "row", "other", "same"),
    [
        ("table1", "full", "table2", "full"),
        ("table5", "nint", "table8", "nint"),
        ("table5", "full", "table8", "full"),
        ("table2", "full", "table8", "full"),
        ("table1", "nint:random_share=0.7", "table5", "nint"),
        ("table2", "nint:random_share=0.5", "table5", "nint:random_share=0.5"),
        ("table1", "evos", "table2", "evos"),
        ("table1", "recipe=default", "table2", "recipe=default"),
    ],
)
def test_the_same_run_of_two_tables_is_one(inputs, one, row, other, same):
    found = keys(one, inputs, row)
    assert found
    assert found == keys(other, inputs, same)


def test_different_rows_are_different_runs(inputs):
    rows = experiment("table1").row_specs(CPU, inputs, 2)
    found = [spec.key for specs in rows.values() for spec in specs]
    assert len(set(found)) == len(found)
    assert len(experiment("table1").specs(CPU, inputs, 2)) == len(found)


def test_runs_with_budgets_in_seconds_read_the_papers_schedule(inputs):
    spec = experiment("table6").specs(CPU, inputs, 1)[0]
    assert spec.seconds == CPU.audio.seconds
    assert dict(spec.settings)["total_steps"] == CPU.audio.total_steps


def test_a_group_has_one_input_and_seed_and_full_training(inputs):
    for name in ("table1", "table3", "table9"):
        groups = {}
        for spec in experiment(name).specs(CPU, inputs, 2):
            groups.setdefault(spec.group, []).append(spec)
        for specs in groups.values():
            assert len({(spec.input, spec.seed) for spec in specs}) == 1
            assert any(spec.sampler == "full" for spec in specs)


def test_the_authors_own_settings_are_measured_by_full_training_at_their_rate():
    rows = {row.text: row for row in experiment("table1").rows}
    own = [row for row in rows.values() if row.block == AUTHORS and "lr=" in row.text]
    assert own
    assert all(row.full in rows for row in own)


def test_a_row_is_read_from_its_text():
    row = Row("nint:random_share=0.5 field=siren:size=1x64 lr=0.001")
    assert (row.sampler, row.field, row.recipe) == ("nint:random_share=0.5", "siren:size=1x64", "paper")
    assert row.full == "full field=siren:size=1x64 lr=0.001"
    spec = row.spec(CPU.images, "sample:coffee", 3, "g")
    assert (spec.field, spec.seed, dict(spec.settings)["lr"], spec.square) == ("siren:size=1x64", 3, 1e-3, 128)
    default = Row("recipe=default").spec(CPU.images, "sample:coffee", 0, "g")
    assert (default.sampler, default.recipe, default.settings, default.field) == ("", "default", (), "siren:size=5x64")
    with pytest.raises(UsageError, match="one sampler"):
        _ = Row("nint full").sampler


def test_text_forms_are_shortened_but_for_a_batch_share():
    assert canonical("nint:random_share=0.7") == "nint"
    assert canonical("nint:batch_share=0.2") == "nint:batch_share=0.2"  # shapes would take 0.4
    assert canonical("") == ""
    assert sized("siren", "5x256") == "siren"
    assert sized("wire", "5x64") == "wire:size=5x64"
    assert sized("siren:size=1x64", "5x256") == "siren:size=1x64"


def test_all_tables_fit_into_the_hour(inputs):
    tables = [experiment(name) for name in TABLES]
    both = Inputs(data=None, found={"kodak": ("a/kodim01.png",), "div2k": ("b/01.png",), "speech": ("c/0.flac",), "meshes": ("m.off",)})
    seconds = estimate(CPU, {table: table.row_specs(CPU, both, 1) for table in tables})
    assert 20 * 60 < seconds < 45 * 60


def test_experiments_are_found_by_name():
    assert set(EXPERIMENTS) == {f"{kind}{n}" for kind in ("table", "fig") for n in range(1, 11)}
    with pytest.raises(UsageError, match="Did you mean 'table1"):
        experiment("tabel1")
