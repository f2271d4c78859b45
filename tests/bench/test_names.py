"""What inputs are called beside each other."""

from __future__ import annotations

from nint.bench.compare.folder import slug, slugs
from nint.bench.names import short_name, told_apart


def test_a_name_is_folder_and_file():
    assert [short_name(source) for source in ("a/b/c.png", "/c.png", "./c.png", "sample:camera")] == [
        "b/c.png",
        "//c.png",
        "c.png",
        "sample:camera",
    ]
    assert told_apart(["/data/a/0.png", "/data/b/0.png", "c.png", "sample:camera"]) == {
        "/data/a/0.png": "a/0.png",
        "/data/b/0.png": "b/0.png",
        "c.png": "c.png",
        "sample:camera": "sample:camera",
    }


def test_as_many_folders_as_tell_them_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = told_apart(["2023/jan/cam.png", "2024/jan/cam.png", "2024/feb/cam.png"])
    assert list(names.values()) == ["2023/jan/cam.png", "2024/jan/cam.png", "feb/cam.png"]
    assert list(told_apart(["a/x/jan/cam.png", "b/x/jan/cam.png", "c/y/jan/cam.png"]).values()) == [
        "a/x/jan/cam.png",
        "b/x/jan/cam.png",
        "c/y/jan/cam.png",
    ]
    assert list(told_apart(["jan/cam.png", "2024/jan/cam.png"]).values()) == [f"{tmp_path.name}/jan/cam.png", "2024/jan/cam.png"]
    assert list(told_apart(["/jan/cam.png", "/2024/jan/cam.png"]).values()) == ["/jan/cam.png", "2024/jan/cam.png"]


def test_two_paths_of_one_place_have_one_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ["2023/jan/cam.png", "./2023/jan/cam.png", str(tmp_path / "2023" / "jan" / "cam.png")]
    assert set(told_apart(paths).values()) == {"jan/cam.png"}
    assert set(told_apart([*paths, "2024/jan/cam.png"]).values()) == {"2023/jan/cam.png", "2024/jan/cam.png"}


def test_names_of_files_differ_where_names_do():
    assert slugs(["a/b.png", "c/b.png"]) == {"a/b.png": "a_b.png", "c/b.png": "c_b.png"}
    alike = slugs(["x/ä.png", "x/ö.png", "a/b_c.png", "a_b/C.png", "q" * 90])
    assert len({name.lower() for name in alike.values()}) == 5
    assert all(slug(name) == name for name in alike.values())
