"""What four real processes check; started by `test_launched.py`, prints one line for each check that held.

torchrun --nproc-per-node 4 launched_checks.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

import nint
from nint.distributed.launch import joined
from nint.distributed.shard import shard_as_held
from nint.distributed.top import global_top
from nint.monitors.base import BaseMonitor
from nint.runs.options import FitSettings
from nint.sharded_fit import read_sharded_job, run_sharded_job
from nint.training.budgets import Budget

SETTINGS = {"field": "siren:size=2x16,weight_scale=1", "total_steps": 8, "seed": 3, "lr": 1e-3, "optimizer": "adam"}
UNEVEN = [700, 0, 3, 1297]


class Rows(BaseMonitor):
    """Keeps the rows of each step, counted over all processes."""

    def __init__(self, first: int = 0) -> None:
        self.first, self.rows = first, []

    def after_step(self, run) -> None:
        self.rows.append(run.selection.indices + self.first)


def check_top(group) -> None:
    scores = torch.randint(0, 50, (sum(UNEVEN),), generator=torch.Generator().manual_seed(1)).float()
    first = sum(UNEVEN[: group.rank])
    shard = shard_as_held(UNEVEN[group.rank], group)
    assert (shard.start, len(shard)) == (first, UNEVEN[group.rank])
    order = np.argsort(-scores.numpy(), kind="stable")
    for count in (1, 333, 1999):
        rows = group.gathered(global_top(scores[shard.start : shard.stop], count, group) + shard.start)
        assert set(rows.tolist()) == set(order[:count].tolist())
        assert len(rows) == count


def fit_all(group, path: Path, sampler: str, steps: int, out: Path | None = None, resume: bool = False):
    asked = FitSettings(recipe="default", sampler=sampler, device="cpu", **SETTINGS)
    job = read_sharded_job(str(path), asked, Budget(steps=steps), group)
    rows = Rows(job.signal.shard.start)
    fit = run_sharded_job(job, Budget(steps=steps), group, out=out, resume=resume, monitors=[rows], threads=1)
    every = [sorted(group.gathered(found).tolist()) for found in rows.rows]
    weights = torch.cat([p.detach().reshape(-1) for p in fit.field.parameters()])
    assert torch.equal(weights, group.from_(weights.clone(), group.size - 1)), "weights differ between processes"
    return every, weights, fit


def fit_alone(path: Path, sampler: str, steps: int, out: Path | None = None):
    rows = Rows()
    fit = nint.fit(str(path), sampler=sampler, budget=steps, device="cpu", out=out, monitors=[rows], snapshots=False, **SETTINGS)
    return [sorted(found.tolist()) for found in rows.rows], torch.cat([p.detach().reshape(-1) for p in fit.field.parameters()]), fit


def check_fit(group, path: Path, sampler: str) -> None:
    every, weights, fit = fit_all(group, path, sampler, 6)
    if group.rank == 0:
        alone, one, single = fit_alone(path, sampler, 6)
        assert every == alone, "other points"
        torch.testing.assert_close(weights, one, rtol=1e-5, atol=1e-6)
        assert abs(fit.metrics["psnr"] - single.metrics["psnr"]) < 1e-4
        for name in ("points_forwarded", "points_backwarded", "points_in_jvps", "points"):
            assert fit.record[name] == single.record[name], name
        assert fit.record["processes"] == 4


def check_resume(group, path: Path, folder: Path) -> None:
    """A run that one process has begun goes on over four."""
    sampler = "nint:batch_share=0.2,refresh_interval=3"
    if group.rank == 0:
        fit_alone(path, sampler, 2, out=folder / "begun")
    group.agreed(lambda: None)
    every, weights, _ = fit_all(group, path, sampler, 5, out=folder / "begun", resume=True)
    if group.rank == 0:
        alone, one, _ = fit_alone(path, sampler, 5)
        assert every == alone[2:]
        torch.testing.assert_close(weights, one, rtol=1e-5, atol=1e-6)


def check_refusals(group, folder: Path) -> None:
    def refused(source, **options) -> str:
        try:
            read_sharded_job(source, FitSettings(device="cpu", **{**SETTINGS, **options}), None, group)
        except nint.UsageError as error:
            return str(error)
        raise AssertionError(f"{source} {options} was not refused")

    assert "There is no file" in refused(str(folder / "missing.npy"))
    assert "use nint, int, uniform, nint-fast, full" in refused(str(folder / "big.npy"), sampler="evos")
    assert "NaN" in refused(str(folder / "holes.npy"))
    assert "infinity" in refused(str(folder / "infinite.npy"))
    assert "the same value everywhere" in refused(str(folder / "flat.npy"))
    assert "too few for 4 processes" in refused(str(folder / "tiny.npy"))
    assert "cannot be fitted over several processes" in refused("sample:chirp")
    assert "--hold-out" in refused(str(folder / "big.npy"), signal={"hold_out": 0.1})
    assert "nint tune" in refused(str(folder / "big.npy"), field="siren:weight_scale=auto")


def check_example() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "examples"))
    import distributed_loop

    before, after, parts = distributed_loop.train()
    assert after > before + 3, (before, after)
    assert sum(parts) == distributed_loop.STEPS * int(0.2 * distributed_loop.SIDE**2)


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with joined("cpu") as group:

        def said(what: str) -> None:
            group.agreed(lambda: None)
            if group.rank == 0:
                print(f"held: {what}", flush=True)

        check_top(group)
        said("top")
        for sampler in ("nint:batch_share=0.2,refresh_interval=3", "nint:candidates=900,batch_size=200", "nint-fast:batch_share=0.05"):
            check_fit(group, folder / "big.npy", sampler)
        check_fit(group, folder / "photo.png", "int:batch_share=0.1")
        said("fit")
        check_resume(group, folder / "big.npy", folder)
        said("resume")
        check_refusals(group, folder)
        said("refusals")
        check_example()
        said("example")


if __name__ == "__main__":
    main()
