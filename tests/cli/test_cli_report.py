"""`nint report`, and `--html` of the commands that make what it reports on."""

import pytest

pytest.importorskip("jinja2", reason="the report needs jinja2, from the extra nint[report]")

FIT = ("fit", "sample:camera", "--max-side", 24, "--size", "2x8", "--steps", 4, "--out", "run")


def test_a_fit_is_reported_on_and_again(cli, fitted, tmp_path):
    page = tmp_path / "page.html"
    outcome = cli("report", fitted, "--out", page)
    assert (outcome.code, outcome.err) == (0, "") and outcome.out.startswith(f"{page}: ") and "needs no network" in outcome.out
    assert "sample:camera" in page.read_text()
    assert not (fitted / "report.html").exists()
    assert cli("report", fitted, "--out", page).code == 0


def test_the_flag_of_fit_writes_it_with_the_original_beside(cli, tmp_path):
    assert cli(*FIT, "--html", "--quiet").code == 0
    text = (tmp_path / "run" / "report.html").read_text()
    assert "Absolute error" in text and "not at hand" not in text
    assert cli(*FIT, "--force", "--quiet").code == 0
    assert not (tmp_path / "run" / "report.html").exists()  # the page of the replaced run


def test_the_flag_of_compare(cli, tmp_path):
    words = ("--samplers", "nint", "full", "--max-side", 24, "--size", "2x8", "--steps", 4, "--seeds", 1)
    outcome = cli("compare", "sample:camera", *words, "--out", "both", "--html")
    assert outcome.code == 0 and "both/report.html: " in outcome.out
    text = (tmp_path / "both" / "report.html").read_text()
    assert "Absolute error" in text and 'class="sorts"' in text


def test_someone_elses_page_is_refused_before_anything_is_done(cli, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.html").write_text("<p>mine</p>")
    for command in (FIT, ("compare", "sample:camera", "--max-side", 24, "--steps", 2, "--out", "run")):
        outcome = cli(*command, "--html")
        assert outcome.code == 2
        assert outcome.err == "nint: 'run/report.html' exists and is not a report that nint wrote; move it, or choose another --out.\n"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", ["model.safetensors", "run.json", "checkpoint.safetensors", "new.png"])
def test_a_page_never_replaces_what_else_nint_has_written(cli, fitted, name):
    before = {path: path.read_bytes() for path in fitted.rglob("*") if path.is_file()}
    outcome = cli("report", fitted, "--out", fitted / name)
    assert outcome.code == 2 and f"give --out a name that ends in .html, not '{name}'" in outcome.err
    assert {path: path.read_bytes() for path in fitted.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "'nowhere' does not exist; give the folder of a fit, comparison or benchmark."),
        ((".",), "holds no fit (run.json), comparison or benchmark (runs.jsonl)"),
        ((), "report needs FOLDER"),
    ],
)
def test_what_cannot_be_reported_on_is_one_sentence(cli, words, said):
    outcome = cli("report", *words)
    assert outcome.code == 2 and said in outcome.err and outcome.err.count("\n") == 1


def test_a_record_that_is_no_json_is_one_sentence(cli, tmp_path):
    (tmp_path / "rj").mkdir()
    (tmp_path / "rj" / "run.json").write_text('{"a":')
    outcome = cli("report", tmp_path / "rj")
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and ".." not in outcome.err
