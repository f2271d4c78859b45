"""Builds sdist and wheel, checks their metadata, installs each into a fresh environment and tries it there.

    python tools/smoke_dist.py [--system-site-packages] [--out dist]

Needs build and twine (the extra nint[dist]). With --system-site-packages the environments see the packages of this interpreter (PyTorch
above all) and nothing is downloaded; without it pip fetches what nint needs, within constraints.txt.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST_WHEEL = 3 * 2**20
FIT = ("fit", "sample:camera", "--max-side", "32", "--size", "2x16", "--steps", "20", "--threads", "1", "--quiet", "--out", "run")
IN_THE_WHEEL = ("nint/py.typed", "nint/bench/data/published.json", "nint/report/assets/page.html", "nint/report/assets/page.js")


def run(*words: object, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a command, shows it, and returns what it printed.

    Raises:
        SystemExit: where it fails.
    """
    print("+", *words, flush=True)
    left_out = ("PYTHONPATH", "PYTHONHOME")
    clean = {name: value for name, value in os.environ.items() if name not in left_out} | environment
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\n{words[0]} ended with {done.returncode}")
    return done.stdout


def build(out: Path, isolated: bool) -> list[Path]:
    """Builds both, and checks what an index would say of them."""
    for path in [*out.glob("nint-*.whl"), *out.glob("nint-*.tar.gz")]:
        path.unlink()
    run(sys.executable, "-m", "build", "--outdir", out, *([] if isolated else ["--no-isolation"]), ROOT)
    found = sorted([*out.glob("nint-*.whl"), *out.glob("nint-*.tar.gz")])
    if len(found) != 2:
        raise SystemExit(f"{out} should hold one wheel and one sdist, and holds {[path.name for path in found]}")
    run(sys.executable, "-m", "twine", "check", "--strict", *found)
    wheel = next(path for path in found if path.suffix == ".whl")
    if wheel.stat().st_size > LARGEST_WHEEL:
        raise SystemExit(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {LARGEST_WHEEL:,}")
    missing = set(IN_THE_WHEEL) - set(zipfile.ZipFile(wheel).namelist())
    if missing:
        raise SystemExit(f"{wheel.name} lacks {sorted(missing)}")
    return found


def try_out(package: Path, shared: bool) -> None:
    """Installs a package into a fresh environment, and fits and decodes with it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        venv.create(folder / "env", system_site_packages=shared, with_pip=True)
        binaries = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        python = binaries / "python"
        if shared:
            seen_too(folder / "env", python)
        how = ["--no-deps", "--no-build-isolation"] if shared else ["-c", str(ROOT / "constraints.txt")]
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall", *how, package)
        where = run(python, "-c", "import nint; print(nint.__file__)", cwd=folder).strip()
        if not Path(where).is_relative_to(folder.resolve()):
            raise SystemExit(f"nint was imported from {where}, not from the fresh environment")
        nint = binaries / "nint"
        run(nint, "--version", cwd=folder)
        run(nint, *FIT, cwd=folder, OMP_NUM_THREADS="1")
        run(nint, "decode", "run", "twice.png", "--scale", "2", cwd=folder, OMP_NUM_THREADS="1")
        run(nint, "completion", "bash", cwd=folder)
        for name in ("run/model.safetensors", "run/run.json", "run/selection.png", "twice.png"):
            if not (folder / name).stat().st_size:
                raise SystemExit(f"{name} is empty")
    print(f"{package.name} works", flush=True)


def seen_too(environment: Path, python: Path) -> None:
    """Makes the packages of this interpreter visible, where it is itself in an environment (whose base venv would name instead)."""
    import site

    run(python, "-m", "pip", "uninstall", "--quiet", "--disable-pip-version-check", "-y", "setuptools")  # venv's own, which is old
    target = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    Path(target, "shared.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--system-site-packages", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    asked = parser.parse_args()
    for built in build(asked.out, isolated=not asked.system_site_packages):
        try_out(built, asked.system_site_packages)
