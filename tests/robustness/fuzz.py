"""Tries damaged files, extreme options and awkward paths on the command line, and counts what goes wrong. Linux only.

Usage: python tests/robustness/fuzz.py [--minutes M | --cases N] [--seed S] [--only CASE] [--family F] [--keep DIR] [--timeout S]

Every case runs in a forked child with limits. Counted as a failure: an exit code other than 0 and 2, a traceback, more than 20 s, more than
2 GiB, a file changed that is not nint's, standard error that is not one sentence of nint's, and control characters on it. A failure is
one line of JSON on standard output, with the command that repeats it; a table of what was tried follows on standard error. The exit code
is 1 where anything failed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from robustness import child
from robustness.cases import FAMILIES, Case, make_case
from robustness.corpus import write_runs, write_signals

TIMEOUT_S, INTERRUPT_S = 20.0, 3.0
_SHORT = 20
KINDS = ("traceback", "killed", "code", "hang", "memory", "changed", "litter", "noise", "bytes")
"""What can go wrong."""

_OURS = re.compile(
    r"model\.safetensors|checkpoint\.safetensors|run\.json|snapshots(/.*)?|tensorboard(/.*)?|report\.html|runs\.jsonl|runs(/.*)?|table\.md"
    r"|\.?nint.*|.*\.lock|(reconstruction|error|selection|curve|curves-.*|reconstructions-.*|selection-.*)\.png"
)
"""Names of what nint writes into an output folder."""


def problems(case: Case, outcome: child.Outcome, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is wrong with how a case ended, as words of `KINDS`.

    Args:
        case: The case.
        outcome: How its child ended.
        before: Fingerprints of the folder that holds the case's folder `here` and its neighbours, before it ran.
        after: The same, afterwards.
    """
    found = []
    traceback = "Traceback (most recent call last)" in outcome.err
    if traceback:
        found.append("traceback")
    if outcome.code is None:
        found.append("hang")
    elif outcome.code < 0:
        found.append("killed")
    elif outcome.code not in (0, 2, *((130,) if case.long else ())) and not traceback and not _all_runs_failed(case, outcome):
        found.append("code")
    if outcome.peak > child.MAX_RSS:
        found.append("memory")
    lines = outcome.err.splitlines()
    sentences = all(not line or line.startswith("nint: ") or line.startswith("Stopping after this step") for line in lines)
    if not traceback and outcome.code in (0, 2) and (not sentences or (outcome.code == 2 and not case.long and len(lines) != 1)):
        found.append("noise")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]|\\x[0-9a-f]{2}.*\\x[0-9a-f]{2}.*\\x[0-9a-f]{2}", outcome.err):
        found.append("bytes")
    changed = [path for path in before if after.get(path) != before[path] and not _may_change(path, case)]
    made = [path for path in after if path not in before and not _may_appear(path, case)]
    return found + (["changed"] if changed else []) + (["litter"] if made else [])


def _all_runs_failed(case: Case, outcome: child.Outcome) -> bool:
    """Whether a comparison or benchmark ended with 1, having said of every run why it failed."""
    return outcome.code == 1 and case.words[0] in ("compare", "bench") and "\nfailed: " in outcome.out


def _may_change(path: str, case: Case) -> bool:
    """Whether a file that was there may have been changed or removed: it was to be replaced, or nint wrote it into this output folder."""
    if not path.startswith("here/"):
        return False
    inner = path.removeprefix("here/")
    if any(_same(place, inner) for place in case.replaceable):
        return True
    for target in ("run", "run-points", "compared"):
        if inner.startswith(f"{target}/") and any(_same(place, target) for place in case.writable):
            return _OURS.fullmatch(inner.removeprefix(f"{target}/")) is not None
    return False


def _may_appear(path: str, case: Case) -> bool:
    """Whether a path may have been made: at or below a place where the command was told to write, and not inside an input."""
    if not path.startswith("here/"):
        return False
    inner = path.removeprefix("here/")
    if any(inner.startswith(f"{_plain(source)}/") for source in case.inputs):
        return False
    for place in case.writable:
        place = _plain(place)
        if place in ("", inner) or inner.startswith(f"{place}/"):
            return True
        if place.startswith(f"{inner}/"):  # a folder on the way to it
            return True
    return False


def _plain(place: str) -> str:
    """A path of a case without the links that lead to the same place."""
    place = re.sub(r"^(here|\.)(/|$)", "", place)
    return re.sub(r"^tied(?=/|$)", "frames", place)


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


class Fuzzer:
    """Makes and runs cases in a folder of its own.

    Args:
        root: An empty folder.
        seed: Of the series.
        timeout_s: Wall time of a case.
        keep: Where the files of failing cases go; None keeps none.
    """

    def __init__(self, root: Path, seed: int, timeout_s: float, keep: Path | None = None) -> None:
        self.root, self.seed, self.timeout_s, self.keep = root, seed, timeout_s, keep
        self.corpus = root / "corpus"
        self.tried: Counter[str] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self.peak = 0
        self.slowest = 0.0

    def prepare(self, read_all: bool = True) -> None:
        """Writes the valid files; those that nint writes are made in children, so that nothing is computed in this process.

        Args:
            read_all: As in `write_runs`; a long series is faster with it, a short one without.
        """
        self.corpus.mkdir()
        write_signals(self.corpus)
        write_runs(self._valid, read_all)
        gc.collect()
        gc.freeze()  # what is there already is not visited, so that children share its memory

    def _valid(self, words: list[str]) -> None:
        outcome = child.run(words, self.corpus, 600, learn=True)
        if outcome.code != 0:
            raise SystemExit(f"nint {' '.join(words)} failed on valid files: {outcome.err}")

    def run(self, number: int) -> dict[str, object] | None:
        """Runs a case; what went wrong, or None."""
        around = self.root / "case"
        here = around / "here"
        here.mkdir(parents=True)
        (around / "neighbour.txt").write_text("not nint's")
        try:
            case = make_case(self.seed, number, self.corpus, here)
            before = child.fingerprints(around)
            outcome = child.run(case.words, here, self.timeout_s, INTERRUPT_S if case.long else None)
            wrong = problems(
                case, outcome, before, {k: v for k, v in child.fingerprints(around).items() if k not in (".stdout", ".stderr")}
            )
            self.tried[case.family] += 1
            self.peak, self.slowest = max(self.peak, outcome.peak), max(self.slowest, outcome.seconds)
            if not wrong:
                return None
            for kind in wrong:
                self.failed[case.family, kind] += 1
            return self._report(number, case, outcome, wrong, around)
        finally:
            shutil.rmtree(around, ignore_errors=True)

    def _report(self, number: int, case: Case, outcome: child.Outcome, wrong: list[str], around: Path) -> dict[str, object]:
        if self.keep is not None:
            shutil.copytree(around, self.keep / f"{number:06}", symlinks=True, ignore=_no_specials, dirs_exist_ok=True)
        return {
            "case": number,
            "wrong": wrong,
            "family": case.family,
            "label": case.label[:200],
            "command": ["nint", *(word[:80] for word in case.words)],
            "code": outcome.code,
            "seconds": round(outcome.seconds, 1),
            "peak_mib": outcome.peak >> 20,
            "error": outcome.err[-700:],
            "repeat": f"python tests/robustness/fuzz.py --seed {self.seed} --only {number} --keep kept",
        }

    def table(self) -> str:
        """What was tried and what failed, by family."""
        families = list(dict.fromkeys(FAMILIES))
        kinds = [kind for kind in KINDS if any(self.failed[family, kind] for family in families)]
        rows = [("", "tried", *kinds)]
        rows += [
            (family, str(self.tried[family]), *(str(self.failed[family, kind]) for kind in kinds))
            for family in families
            if self.tried[family]
        ]
        rows.append(("all", str(self.tried.total()), *(str(sum(self.failed[family, kind] for family in families)) for kind in kinds)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        return "\n".join([*lines, f"largest memory {self.peak / 2**30:.2f} GiB, longest case {self.slowest:.1f} s"])


def _no_specials(folder: str, names: list[str]) -> list[str]:
    """Names that a copy leaves out: pipes, and files too large to keep."""
    left_out = []
    for name in names:
        path = os.path.join(folder, name)
        plain = os.path.islink(path) or os.path.isdir(path) or (os.path.isfile(path) and os.path.getsize(path) <= 2**26)
        left_out += [] if plain else [name]
    return left_out


def main() -> int:
    """Runs the series that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cases", type=int, help="this many cases instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--family", choices=sorted(set(FAMILIES)), help="cases of this family alone")
    parser.add_argument("--keep", type=Path, help="folder for the files of failing cases")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds of wall time for a case")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nint-fuzz-") as root:
        os.environ["XDG_CACHE_HOME"] = os.environ["HOME"] = f"{root}/home"
        child.preload()
        fuzzer = Fuzzer(Path(root), options.seed, options.timeout, options.keep)
        fuzzer.prepare(options.cases is None or options.cases > _SHORT)
        number = options.only if options.only is not None else options.first
        end, done = time.monotonic() + 60 * options.minutes, 0
        while done < options.cases if options.cases is not None else time.monotonic() < end:
            if options.family is None or FAMILIES[number % len(FAMILIES)] == options.family:
                failure = fuzzer.run(number)
                done += 1
                if failure is not None:
                    print(json.dumps(failure), flush=True)
                if options.only is not None:
                    break
            number += 1
        print(fuzzer.table(), file=sys.stderr)
        return 1 if fuzzer.failed else 0


if __name__ == "__main__":
    sys.exit(main())
