"""What fills the NTK part of NINT, at the paper's size: Kodak 04 at 512x512, 5x256, as `nint` in Table 5 of the scale full-size.

    python benchmarks/full_size_kernel.py --data ../shared/data [--rows SAMPLER ...] [--out benchmarks/results/full-size]

The row `nint` is that of `nint bench table5 --scale full-size`. A run that the folder holds is not repeated; one that was stopped goes on.
Twenty minutes of a core a row.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
from pathlib import Path

GROUP = "kernel/0/all/0"
ROWS = ("nint-ablation:score=error", "nint-ablation:score=prediction", "nint-ablation:score=random")
"""Samplers that differ from `nint` in what their NTK part ranks by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/full-size"))
    asked = parser.parse_args()

    from nint.bench.execute import run_all
    from nint.bench.experiments import experiment
    from nint.bench.inputs import Inputs
    from nint.bench.scales.scales import SCALES
    from nint.bench.store import Store

    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    specs = experiment("table5").specs(SCALES["full-size"], Inputs.search(str(asked.data)), 1)
    plain = next(spec for spec in specs if spec.sampler == "nint")
    run_all(
        [dataclasses.replace(plain, sampler=row, group=GROUP) for row in asked.rows],
        Store(asked.out),
        threads=1,
        command=f"python benchmarks/full_size_kernel.py --data {asked.data}",
        progress=lambda done, what: print(f"{done:.3f} {what}", flush=True),
        interrupted=lambda: bool(stopped),
    )


if __name__ == "__main__":
    main()
