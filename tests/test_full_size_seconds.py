"""benchmarks/full_size_seconds.py: runs of one and two kinds of steps."""

import json
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def script():
    folder = str(Path(__file__).resolve().parent.parent / "benchmarks")
    sys.path.insert(0, folder)
    import full_size_seconds

    yield full_size_seconds
    sys.path.remove(folder)


@pytest.mark.parametrize(
    ("kinds", "steps", "equivalents", "seconds"),
    [
        ({3.0: 5.0}, 1000, 3000.0, 5000.0),
        ({0.6: 1.0}, 1000, 599.85, 1000.0),
        ({1.6: 2.0, 6.6: 9.0}, 100, 165.0, 99 * 2 + 9),  # one of a hundred steps scores anew
        ({0.6: 1.0, 3.0: 5.0}, 10, 30.0, 50.0),
    ],
)
def test_steps_are_counted_by_their_forward_equivalents(script, kinds, steps, equivalents, seconds):
    assert script.seconds_of(kinds, steps, equivalents) == pytest.approx(seconds, rel=1e-3)


@pytest.mark.parametrize(
    ("kinds", "equivalents"), [({3.0: 5.0}, 1000.0), ({0.6: 1.0, 3.0: 5.0}, 400.0), ({0.6: 1.0, 1.6: 2.0, 6.6: 9.0}, 1650.0)]
)
def test_kinds_that_do_not_explain_a_run_are_refused(script, kinds, equivalents):
    with pytest.raises(ValueError, match=r"not 1000 together|not 400 together|more than two kinds"):
        script.seconds_of(kinds, 1000, equivalents)


def test_the_table_multiplies_medians(script):
    def row(step, psnr):
        return {"step": step, "psnr": psnr, "forward_equivalents": 3.0 * step}

    rows = {"full": {"steps": 100, "forward_equivalents": 300.0, "curve": [row(10, 20.0), row(40, 26.0), row(100, 29.0)]}}
    lines = [{"sampler": "full", "forward_equivalents": 3.0, "seconds": [[2.0, 2.0], [50.0, 2.0]], "threads": 2}]
    lines += [{"sampler": "int", "forward_equivalents": 3.0, "seconds": [[1.0, 1.0], [13.0, 13.0]], "threads": 2}]
    lines += [{"sampler": "default recipe", "input": "another", "seconds_at": {"100": 1.0}}]
    full, half = script.table(rows | {"int": rows["full"], "default recipe": rows["full"]}, lines, "a photo").splitlines()[-2:]
    assert full == "| `full` | 2.00 (3) | 200 | 80 |  | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) |  |"
    assert half == "| `int` | 7.00 (3) | 700 | 280 |  | 0.50 (0.50 to 0.50) | 0.50 (0.50 to 0.50) |  |"


def test_the_committed_table_is_that_of_the_committed_runs(script):
    folder = Path(script.__file__).parent / "results" / "full-size"
    lines = [json.loads(line) for line in (folder / "seconds.jsonl").read_text().splitlines()]
    assert script.page(folder, lines) == (folder / "seconds.md").read_text()
