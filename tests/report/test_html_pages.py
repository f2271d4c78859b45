"""Whole reports: what they hold, and what they say of what is missing."""

import json
import re
import shutil
import zipfile
from html.parser import HTMLParser

import numpy as np
import pytest

import nint
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import UsageError
from nint.plots.style import COLOURS, lines_for, new_figure, save
from nint.report.bench import experiments
from nint.report.page import kind_of, write_report

pytest.importorskip("jinja2", reason="the report needs jinja2, from the extra nint[report]")

EVIL = "<img src=x onerror=alert(1)>&\"'.png"


class Reader(HTMLParser):
    """The text and the elements of a page, without what is inside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.words, self.elements, self.data, self._inside = [], [], [], None
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, found):
        if self._inside is None:
            self.words.append(found)
        elif self._inside[1].get("class") == "data":
            self.data.append(json.loads(found))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def wave(side=24):
    rows, columns = np.mgrid[:side, :side] / side
    return np.round(255 * (0.5 + 0.25 * np.sin(9 * rows) + 0.25 * np.cos(7 * columns))).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted_image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "run"
    nint.fit(wave(), out=folder, budget=10, recipe="paper", field="siren:size=2x16")
    return folder


@pytest.fixture
def fitted(fitted_image, tmp_path):
    return shutil.copytree(fitted_image, tmp_path / "run")


def test_a_fit_without_its_original_says_so(fitted):
    page = read(write_report(fitted))
    assert "The original (array) was not found" in page.text
    titles = [panel["title"] for panel in page.data[0]["panels"]]
    assert titles == ["Reconstruction", "Selected points"]
    assert page.data[0]["labels"][0].startswith("step 1, ")
    assert "Settings and versions" in page.text and "siren:size=2x16" in page.text
    assert list(page.data[1]["groups"][0]["axes"]) == ["step", "training_seconds", "forward_equivalents", "flops"]


def test_with_its_original_there_is_an_error_map_and_a_comparison(fitted):
    page = read(write_report(fitted, original=nint.open_signal(wave())))
    assert [panel["title"] for panel in page.data[0]["panels"]] == ["Reconstruction", "Absolute error", "Selected points"]
    assert {attrs["alt"] for attrs in page.all("img")} >= {"Original", "Reconstruction"}
    assert "not at hand" not in page.text


def test_another_original_is_refused(fitted, tmp_path):
    np.save(tmp_path / "other.npy", wave()[::-1].copy())
    with pytest.raises(UsageError, match="is not what this run was fitted to"):
        write_report(fitted, original=str(tmp_path / "other.npy"))
    assert not (fitted / "report.html").exists()


def test_nothing_in_a_page_points_outside(fitted):
    page = read(write_report(fitted))
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "poster"):
            assert str(attrs.get(name, "data:")).startswith(("data:", "#"))
    policy = next(attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "http" not in policy
    assert any(attrs.get("name") == "viewport" for attrs in page.all("meta"))


def test_names_from_records_are_only_ever_text(fitted):
    record = json.loads((fitted / "run.json").read_text())
    record["settings"] |= {"input": EVIL, "sampler": "</script><script>alert(1)</script>"}
    (fitted / "run.json").write_text(json.dumps(record))
    page = read(write_report(fitted))
    assert EVIL in page.text and "</script><script>alert(1)</script>" in page.text
    assert not any("onerror" in attrs for attrs in page.all("img"))
    assert len(page.all("script")) == len(page.data) + 2
    assert page.data[1]["groups"][0]["series"][0]["name"] == "</script><script>alert(1)</script>"


def test_what_is_missing_is_said(fitted):
    shutil.rmtree(fitted / "snapshots")
    (fitted / "model.safetensors").write_bytes(b"damaged")
    (fitted / "run.json").write_text(json.dumps({"settings": "odd", "curve": [{"step": "x"}, 7], "machine": None}))
    page = read(write_report(fitted))
    assert "The model cannot be shown" in page.text
    assert "The record of this run has no curve." in page.text


def test_without_snapshots_the_model_is_decoded(fitted):
    shutil.rmtree(fitted / "snapshots")
    page = read(write_report(fitted))
    assert "There are no snapshots in this folder" in page.text
    assert [attrs["alt"] for attrs in page.all("img")] == ["The reconstruction at the end."]


@pytest.mark.parametrize(("array", "options", "name"), [("array", {"in_dims": 3}, "plane 0"), ("volume", {"kind": "volume"}, "plane")])
def test_planes_of_an_array_whose_axes_have_no_letters(tmp_path, array, options, name):
    nint.fit(
        np.random.default_rng(0).random((5, 6, 7)), field="siren:size=1x8", sampler="uniform", budget=2, out=tmp_path / array, **options
    )
    write_report(tmp_path / array)
    assert name in (tmp_path / array / "report.html").read_text()


def test_snapshots_that_are_damaged_inside_are_left_out(fitted):
    """A member that is no .npy file comes as bytes, and a header that ends early is an error of NumPy's tokenizer."""
    with np.load(fitted / "snapshots" / "step-000005.npz") as file:
        whole = {name: file[name] for name in file.files}
    header = b"\x93NUMPY\x01\x00" + (20).to_bytes(2, "little") + b"{'descr': '<f4', (((("
    for name, content in (("step-000005.npz", b"not an array"), ("step-000002.npz", header)):
        with zipfile.ZipFile(fitted / "snapshots" / name, "w") as archive:
            for member, value in whole.items():
                with archive.open(f"{member}.npy", "w") as target:
                    if member == "decoded":
                        target.write(content)
                    else:
                        np.save(target, value)
    labels = read(write_report(fitted)).data[0]["labels"]
    assert [label.split(",")[0] for label in labels] == ["step 1", "step 10"]


def test_a_damaged_snapshot_is_left_out(fitted):
    (fitted / "snapshots" / "step-000005.npz").write_bytes(b"PK damaged")
    labels = read(write_report(fitted)).data[0]["labels"]
    assert [label.split(",")[0] for label in labels] == ["step 1", "step 2", "step 10"]


def test_a_fit_that_did_not_end_is_told_by_its_checkpoint(fitted):
    (fitted / "run.json").unlink()
    (fitted / "model.safetensors").unlink()
    page = read(write_report(fitted))
    assert "not finished" in page.text and len(page.data[1]["groups"][0]["series"]) == 1


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_record_that_cannot_be_read_is_refused(fitted, text):
    (fitted / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json"):
        write_report(fitted)


def run_line(sampler, seed=0, error=None, field="siren"):
    curve = [{"step": s, "training_seconds": 0.1 * s, "units": 3.0 * s, "loss": 1 / s, "psnr": 10.0 + s + seed} for s in (1, 5, 10)]
    record = {
        "settings": {"input": "gone.png", "sampler": sampler},
        "curve": curve,
        "identity": {},
        "command": "nint compare gone.png --out x",
    }
    return json.dumps({"field": field, "sampler": sampler, "seed": seed, "error": error, "record": record})


def test_a_comparison_tells_failed_runs_and_damaged_lines(tmp_path):
    lines = [run_line("nint"), run_line("nint", 1), '{"field": "si', run_line("full", error="it blew <b>up</b>")]
    (tmp_path / "runs.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "table.md").write_text(
        "# gone.png, an image\n\n## PSNR\n\n| sampler | step 10 |\n|---|---:|\n| nint | **20** |\n| full | failed |\n"
    )
    assert kind_of(tmp_path) == "comparison"
    page = read(write_report(tmp_path))
    assert "full on gone.png, siren, 10 steps, seed 0, failed: it blew <b>up</b>" in page.text
    assert "Line 3 of" in page.text and "cannot be read" in page.text
    assert [(run["name"], run["seed"]) for run in page.data[0]["groups"][0]["series"]] == [("nint", 0), ("nint", 1)]
    assert len(page.all("table")) == 1 and "The original (gone.png) was not found" in page.text


def test_a_comparison_of_today_is_told_from_a_benchmark_and_drawn_as_its_pictures_are(tmp_path):
    store = Store(tmp_path)
    for sampler in ("nint:random_share=0.5", "nint", "full"):
        for source in ("sample:camera", "sample:coins"):
            spec = RunSpec(source, sampler=sampler, steps=2, eval_every=1, settings=(("chunk_size", 4096), ("device", "cpu")), threads=1)
            store.append(bench_record(spec) | {"experiment": "compare"})
    store.append(bench_record(RunSpec("sample:camera", sampler="int", steps=2), error="bad day") | {"experiment": "compare"})
    assert kind_of(tmp_path) == "comparison"
    page = read(write_report(tmp_path))
    assert "4 samplers, 1 field, 2 inputs, 7 runs" in page.text
    assert "int on sample:camera, siren, 2 steps, seed 0, failed: bad day" in page.text
    groups = page.data[0]["groups"]
    assert [group["name"] for group in groups] == ["sample:camera, siren, 2 steps", "sample:coins, siren, 2 steps"]
    lines = lines_for(["nint:random_share=0.5", "nint", "full"])
    for group in groups:  # the HTML page and the PNG files have one table of colours and dashes
        looks = {run["name"]: (run["light"], run["dash"]) for run in group["series"]}
        assert looks == {name: (line.colour, line.dash_name) for name, line in lines.items()}
    assert looks["nint"] == (COLOURS["nint"], "solid")


def test_the_pictures_of_a_comparison_stand_beside_each_other_with_the_original(tmp_path):
    source = tmp_path / "photo.npy"
    np.save(source, wave(16))
    spec = RunSpec(str(source), sampler="nint", steps=2, options=(("kind", "image"),), keep=True)
    store, folder = Store(tmp_path / "c"), tmp_path / "c"
    settings = {"input": "photo.npy", "options": {}, "content": nint.open_signal(wave(16)).fingerprint()}
    store.append(bench_record(spec) | {"experiment": "compare", "settings": settings, "source": ""})
    store.place(spec.key).mkdir(parents=True)
    arrays = {"step": 2, "training_seconds": 0.1, "selected": [3], "decoded": np.zeros((16, 16), np.uint8), "pool": 256}
    np.savez(store.place(spec.key) / "step-000002.npz", **arrays)
    assert "The original (photo.npy) was not found" in read(write_report(folder)).text
    page = read(write_report(folder, original=nint.open_signal(wave(16))))
    frames = next(found for found in page.data if "panels" in found)
    assert list(frames["panels"][0]["layers"]) == ["Reconstruction", "Absolute error", "Selected points"]


def test_a_comparison_without_its_table_says_so(tmp_path):
    (tmp_path / "runs.jsonl").write_text(run_line("nint") + "\n")
    assert "There is no table.md yet" in read(write_report(tmp_path)).text


def test_a_comparison_of_which_nothing_can_be_read_is_refused(tmp_path):
    (tmp_path / "runs.jsonl").write_text(json.dumps({"record": 1}) + "\n")
    with pytest.raises(UsageError, match="holds no run that can be read"):
        write_report(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for folder, words in ((tmp_path, "holds no fit"), (tmp_path / "none", "does not exist"), (tmp_path / "notes.txt", "is not a folder")):
        with pytest.raises(UsageError, match=words):
            write_report(folder)


def bench_record(spec, error=None):
    curve = [{"step": s, "training_seconds": s / 10, "units": s, "flops": 1e6 * s, "psnr": 20.0 + s} for s in (1, 2)]
    return {"key": spec.key, "spec": spec.to_json(), "error": error, "curve": curve, "machine": {"name": "test"}}


@pytest.fixture
def bench(tmp_path):
    store = Store(tmp_path)
    rate = (("lr", 1e-4),)
    for spec in (
        RunSpec("sample:camera", sampler="nint", steps=2, settings=rate),
        RunSpec("sample:camera", sampler="full", steps=2, settings=rate),
        RunSpec("sample:camera", sampler="full", steps=2, settings=(("lr", 1e-3),)),
        RunSpec("sample:coins", sampler="nint", seconds=1, settings=rate),
    ):
        store.append(bench_record(spec))
    store.append(bench_record(RunSpec("sample:moon", sampler="egra", steps=2), error="no edges"))
    with open(store.path, "a") as file:
        file.write("{broken\n")
    (tmp_path / "table10.md").write_text("# Table 10. Ten\n\n## Ten\n\n| a |\n|---|\n| 1 |\n")
    (tmp_path / "table2.md").write_text("# Table 2. Two & more\n\n## Two\n\n| a |\n|---|\n| 1 |\n")
    figure = new_figure(2, 1)
    save(figure, tmp_path / "fig1.png")
    about = {"caption": "A <figure>", "remarks": ["moon stands in"], "missing": [{"sampler": "int", "reason": "not run"}]}
    (tmp_path / "fig1.json").write_text(json.dumps(about))
    (tmp_path / "fig3.json").write_text("{")
    return tmp_path


def test_a_bench_shows_tables_figures_and_the_curves_of_all_runs(bench):
    assert kind_of(bench) == "bench"
    assert experiments(bench) == ["table2", "table10", "fig1", "fig3"]
    page = read(write_report(bench))
    for words in ("Two & more", "A <figure>", "moon stands in", "1 of its runs are not there: int, not run.", "Figure 3 has no picture"):
        assert words in page.text
    groups = {group["name"]: [run["name"] for run in group["series"]] for group in page.data[0]["groups"]}
    assert groups == {"sample:camera, siren, 2 steps": ["nint", "full", "full, lr=0.001"], "sample:coins, siren, 1 s": ["nint"]}
    assert "egra on sample:moon, siren, 2 steps, seed 0, failed: no edges" in page.text
    assert re.search(r"Line 6 of \S*runs\.jsonl cannot be read", page.text)


def test_kept_runs_of_a_bench_stand_beside_each_other(bench):
    spec = RunSpec("sample:camera", sampler="nint", steps=2, square=16, keep=True)
    store = Store(bench)
    store.append(bench_record(spec))
    place = store.place(spec.key)
    place.mkdir(parents=True)
    for step in (1, 2):
        np.savez(
            place / f"step-{step:06d}.npz", step=step, training_seconds=0.1, selected=[3], decoded=np.zeros((16, 16), np.uint8), pool=256
        )
    frames = next(found for found in read(write_report(bench)).data if "panels" in found)
    assert frames["labels"] == ["step 1", "step 2"]
    assert list(frames["panels"][0]["layers"]) == ["Reconstruction", "Absolute error", "Selected points"]
    assert frames["panels"][0]["captions"][1] == "step 2, 0.1 s, 0.4% of the points, 22.00 dB"


def test_the_kernel_study_is_shown_and_its_tables_are_named(bench):
    (bench / "kernel.md").write_text("# What the kernel is worth\n\n| part | better |\n|---|---|\n| K g | 5 |\n")
    (bench / "kernel-photo-paper.md").write_text("# Photos\n")
    save(new_figure(2, 1), bench / "kernel.png")
    page = read(write_report(bench))
    assert "What the kernel is worth" in page.text and "K g" in page.text and "kernel-photo-paper.md" in page.text
    for path in bench.glob("table*"):
        path.unlink()
    for path in bench.glob("fig*"):
        path.unlink()
    assert "No table or figure has been written" not in read(write_report(bench)).text


def test_an_original_of_one_of_several_inputs_is_shown_with_it(tmp_path):
    store, folder = Store(tmp_path / "c"), tmp_path / "c"
    pictures = {name: np.roll(wave(16), shift) for name, shift in (("a", 0), ("b", 1))}
    for name, pixels in pictures.items():
        spec = RunSpec(f"{name}.npy", sampler="nint", steps=2, keep=True)
        settings = {"input": f"{name}.npy", "options": {}, "content": nint.open_signal(pixels).fingerprint()}
        store.append(bench_record(spec) | {"experiment": "compare", "settings": settings, "source": ""})
        store.place(spec.key).mkdir(parents=True)
        arrays = {"step": 2, "training_seconds": 0.1, "selected": [3], "decoded": np.zeros((16, 16), np.uint8), "pool": 256}
        np.savez(store.place(spec.key) / "step-000002.npz", **arrays)
    page = read(write_report(folder, original=nint.open_signal(pictures["b"])))
    layers = [list(found["panels"][0]["layers"]) for found in page.data if "panels" in found]
    assert layers == [["Reconstruction", "Absolute error", "Selected points"]]
    assert "The original (a.npy) was not found" in page.text and "The original (b.npy) was not found" not in page.text
    with pytest.raises(UsageError, match=r"is none of the signals that this comparison was made on"):
        write_report(folder, original=nint.open_signal(np.roll(wave(16), 2)))
