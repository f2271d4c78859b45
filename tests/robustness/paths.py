"""Pairs of an input and an output over a tree full of a user's files and links: whatever the command, nothing of theirs may change.

    python tests/robustness/paths.py --cases 200 --seed 0

runs that many commands, each in a fresh copy of the tree, and prints what went wrong as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

TINY = ["--size", "1x4", "--steps", "1", "--threads", "1", "--quiet"]
COMPARED = ["--size", "1x4", "--steps", "1", "--seeds", "1", "--samplers", "full", "--threads", "1"]
IMAGES = ["p.png", "curve.png", "reconstruction.png", "error.png", "selection.png", "curves-siren.png", "link.png", "hard.png"]
FOLDERS = ["frames", "linked-frames", "snapshots", "frames/../frames"]
OTHERS = ["a.npy", "points.csv", "sample:camera", "a.zarr"]
OUTS = [
    ".", "new", "new/deep", "frames", "frames/sub", "linked-frames", "linked-frames/sub", "a.zarr", "a.zarr/sub", "run",
    "linked-run", "old", "compared", "snapshots", "tensorboard", "p.png", "link.png", "mine", "full-of-names", "../tree",
    "dangling",
]  # fmt: skip
FILES = [
    "p.png", "hard.png", "link.png", "frames/0001.png", "points.csv", "linked-points.csv", "mine.json", "run/run.json",
    "run/model.safetensors", "new.json", "new.png", "new.csv", "frames/new.png", "dangling", "table.md", "run/reconstruction.png",
    "a.zarr/new.csv", "run/mine.txt",
]  # fmt: skip


@dataclass
class Outcome:
    """What a command did.

    Attributes:
        words: The command.
        code: Its exit code.
        said: What it printed on standard error.
        lost: Files of the user that changed or went.
        littered: New files inside a folder of the user's.
    """

    words: list[str]
    code: int
    said: str
    lost: list[str] = field(default_factory=list)
    littered: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return self.code in (0, 1, 2) and not (self.lost or self.littered or "Traceback" in self.said)


def plant(tree: Path, old: Path) -> None:
    """Makes the tree; the current folder is left as it was.

    Args:
        tree: Where.
        old: Folder of a run of version 0.1.0.
    """
    tree.mkdir()
    rng = np.random.default_rng(0)

    def picture(name: str) -> None:
        (tree / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)).save(tree / name)

    for name in IMAGES[:6]:
        picture(name)
    for number in range(3):
        picture(f"frames/{number:04}.png")
    np.save(tree / "a.npy", rng.random((5, 6), dtype=np.float32))
    with contextlib.suppress(ImportError):
        import zarr

        zarr.save(str(tree / "a.zarr"), rng.random((5, 6), dtype=np.float32))
    rows = "\n".join(f"{x},{y},{x * y}" for x in range(4) for y in range(4))
    (tree / "points.csv").write_text(f"x,y,v\n{rows}\n")
    for name in ("table.md", "runs.jsonl.bak", "mine.json", "mine/note.txt", "snapshots/note.txt", "tensorboard/note.txt", "runs/note.txt"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(f'{{"mine": "{name}"}}')
    for name in ("run.json", "runs.jsonl", "model.safetensors", "table.md", "curve.png", "snapshots/step-000001.npz", "report.html"):
        path = tree / "full-of-names" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("mine")
    shutil.copytree(old, tree / "old")
    with contextlib.chdir(tree):
        assert main_of(["fit", "p.png", *TINY, "--out", "run"])[0] == 0
        assert main_of(["fit", "points.csv", *TINY, "--out", "cloud"])[0] == 0
        assert main_of(["compare", "p.png", *COMPARED, "--out", "compared"])[0] == 0
    for folder in ("run", "run/snapshots", "old", "cloud", "compared", "compared/runs"):
        (tree / folder / "mine.txt").write_text("mine")
    (tree / "link.png").symlink_to("p.png")
    os.link(tree / "p.png", tree / "hard.png")
    (tree / "linked-frames").symlink_to("frames")
    (tree / "linked-points.csv").symlink_to("points.csv")
    (tree / "linked-run").symlink_to("run")
    (tree / "dangling").symlink_to("nowhere")


def main_of(words: list[str]) -> tuple[int, str]:
    """Exit code and standard error of a command in this process; a traceback is in the latter."""
    from nint.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(words)
        except BaseException:
            traceback.print_exc(file=said)
            code = 99
    return code, said.getvalue()


def state(tree: Path) -> dict[str, str]:
    """Name -> hash of the content, or where a link leads."""
    found = {}
    for folder, folders, files in os.walk(tree):
        for name in (*files, *folders):
            path = Path(folder) / name
            if path.is_symlink():
                found[path.relative_to(tree).as_posix()] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[path.relative_to(tree).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def written_by_nint(tree: Path) -> set[str]:
    """What of a freshly planted tree is nint's: everything in the folders of its runs but the notes that were put there."""
    ours = {name for name in state(tree) if name.split("/")[0] in ("run", "old", "cloud", "compared")}
    return {name for name in ours if not name.endswith("mine.txt")}


def command(rng: random.Random) -> list[str]:
    """A command at random: mostly fits, some comparisons, decodings and reports."""
    flags = [flag for flag in ("--force", "--resume") if rng.random() < 0.35]
    source = rng.choice(rng.choice([IMAGES, IMAGES, FOLDERS, OTHERS]))
    out = rng.choice(OUTS)
    which = rng.random()
    if which < 0.55:
        more = [*flags, *(["--no-pictures"] if rng.random() < 0.5 else []), *(["--tensorboard"] if rng.random() < 0.2 else [])]
        more += ["--json", rng.choice(FILES)] if rng.random() < 0.3 else []
        more += ["--html"] if rng.random() < 0.15 else []
        more += ["--init", rng.choice(["run", "run/model.safetensors", "old"])] if rng.random() < 0.15 else []
        return (
            ["fit", source, *TINY, "--max-side", "16", "--out", out, *more]
            if source in IMAGES
            else ["fit", source, *TINY, "--out", out, *more]
        )
    if which < 0.75:
        return ["compare", source, *COMPARED, "--out", out, *flags]
    if which < 0.92:
        model = rng.choice(["run", "run/model.safetensors", "old", "linked-run", "cloud", "cloud"])
        at = ["--at", rng.choice(["points.csv", "linked-points.csv"])] if model == "cloud" and rng.random() < 0.7 else []
        return ["decode", model, rng.choice(FILES), *at, *(["--force"] if rng.random() < 0.6 else [])]
    given = ["--input", source] if rng.random() < 0.5 else []
    return [
        "report",
        rng.choice(["run", "compared", "old", "frames"]),
        *(["--out", rng.choice(FILES)] if rng.random() < 0.7 else []),
        *given,
    ]


def tried(words: list[str], master: Path, scratch: Path) -> Outcome:
    """Runs a command in a fresh copy of the tree, and looks at what it did."""
    tree = scratch / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(master, tree, symlinks=True)
    (tree / "hard.png").unlink()
    os.link(tree / "p.png", tree / "hard.png")
    before, ours = state(tree), written_by_nint(tree)
    with contextlib.chdir(tree):
        code, said = main_of(words)
    after = state(tree)
    asked = set()
    if words[0] == "decode" and "--force" in words:  # a file that was named to be overwritten
        asked = {words[2]}
        if words[1] in ("run", "run/model.safetensors", "linked-run"):  # but not what the model was fitted to
            asked -= {"p.png", "hard.png"}
        elif words[1] == "cloud":
            asked -= {"points.csv"}
        asked -= {"link.png", "linked-points.csv", "dangling"}
    lost = [name for name, content in before.items() if name not in ours | asked and after.get(name) != content]
    named = os.path.normpath(words[words.index("--out") + 1]).replace("linked-", "") if "--out" in words else ""
    source = os.path.normpath(words[1]).replace("linked-", "")
    folders = {"frames", "a.zarr", "snapshots", "tensorboard", "mine", "runs", "full-of-names/snapshots"} - ({named} - {source})
    littered = [name for name in after if name not in before and str(Path(name).parent) in folders and name not in words]
    return Outcome(words, code, said, lost, littered)


def run_cases(cases: int, seed: int, old: Path, tell: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Runs random commands; the same seed gives the same ones."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        master = Path(folder) / "master"
        plant(Path(folder) / "tree", old)  # where each command will see it, as models record what they were fitted to
        (Path(folder) / "tree").rename(master)
        outcomes = []
        for _ in range(cases):
            outcomes.append(tried(command(rng), master, Path(folder)))
            tell(outcomes[-1])
        return outcomes


def main() -> int:
    """Runs the cases and prints what went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    old = Path(__file__).resolve().parents[1] / "data" / "v0.1.0" / "image"
    outcomes = run_cases(options.cases, options.seed, old, lambda outcome: print(".", end="", file=sys.stderr, flush=True))
    bad = [outcome for outcome in outcomes if not outcome.good]
    codes = {code: sum(outcome.code == code for outcome in outcomes) for code in sorted({outcome.code for outcome in outcomes})}
    print(json.dumps({"cases": len(outcomes), "exit codes": codes, "wrong": [vars(outcome) for outcome in bad]}, indent=1))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
