"""The lanes of `time_to_quality.py` race in one process, a block of training each in turn, with evaluation off the clock.

A finished lane is a line of `results.jsonl`. A lane whose line is there is not repeated; one that was cut off goes on from its last
checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from time_to_quality_lanes import EVALUATE_FLOOR_S, EVALUATE_SHARE, Lane
from time_to_quality_lines import append_line, crossing, key_of, read_lines

from nint.bench.records import plain
from nint.errors import DivergedError
from nint.fields import FieldSpec
from nint.machine.malloc import keep_freed_memory
from nint.metrics.image import psnr
from nint.runs.build import build_run
from nint.runs.checkpoint import restore, save_checkpoint
from nint.runs.job import Job
from nint.runs.model import Fit
from nint.runs.outputs import predict_rows
from nint.runs.restarts import restarted, start_weights
from nint.training.budgets import Budget
from nint.training.engine import Run, check_weights, train, train_step

CHECKPOINT_S = 120.0  # between checkpoints of a lane
WARM_UP_STEPS = 2
CHECKPOINTS = "checkpoints.tmp"


class Running:
    """A lane under way."""

    def __init__(self, lane: Lane, job: Job, out: Path) -> None:
        self.lane, self.job = lane, job
        self.wanted = lane.identity(job)
        self.key = key_of(self.wanted)
        self.checkpoint = out / CHECKPOINTS / f"{self.key}.safetensors"
        self.stopped: str | None = None
        self.error: str | None = None
        start = time.perf_counter()
        self.run: Run = build_run(job, Budget(**lane.budget) if lane.budget else Budget(seconds=lane.cap_s))
        self.setup_s = time.perf_counter() - start  # network, pool and sampler; not on the training clock
        self._start = start_weights(self.run.field)
        self.run.field.train()
        self.resumed = self.checkpoint.exists()
        if self.resumed:
            restore(self.checkpoint, self.run, self.wanted)
        else:
            self._measure()
        self._due = self._next_due()
        self._saved = time.monotonic()

    @property
    def ended(self) -> bool:
        return self.stopped is not None or self.error is not None

    def advance(self) -> None:
        """A block of training, with the evaluations that fall due in it."""
        run = self.run
        until = run.clock.training_s + self.lane.block_s
        try:
            while self.stopped is None and run.clock.training_s < until:
                train_step(run)
                given_up = run.clock.training_s >= self.lane.cap_s
                reason = f"given up after {self.lane.cap_s:g} s" if given_up else run.stop_reason()
                if reason is not None or run.clock.training_s >= self._due:
                    value = self._measure()
                    self._due = self._next_due()
                    if self.lane.targets and value >= max(self.lane.targets):
                        reason = f"reached {max(self.lane.targets):g} dB"
                self.stopped = reason
        except DivergedError as error:
            self._again(error)

    def save_if_late(self, now: bool = False) -> None:
        """Writes a checkpoint where the last is old."""
        if not now and time.monotonic() - self._saved < CHECKPOINT_S:
            return
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        spec = self.job.field if isinstance(self.job.field, FieldSpec) else None
        save_checkpoint(self.checkpoint, self.run, Fit(self.run.field, spec, self.job.signal.layout), self.wanted)
        self.run.field.train()
        self._saved = time.monotonic()

    def line(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The finished lane as a line of results.jsonl."""
        run = self.run
        values = [row["psnr"] for row in run.curve]
        return plain(
            {
                "key": self.key,
                **{name: getattr(self.lane, name) for name in ("part", "case", "name", "seed", "budget", "note")},
                "options": self.lane.options,
                "settings": self.job.settings(),
                "chosen": list(self.job.notes),
                "stopped": self.stopped,
                "error": self.error,
                "targets": self.lane.targets,
                "reached": [crossing(run.curve, target) for target in self.lane.targets],
                "best_psnr": max(values),
                "psnr": values[-1],
                "steps": run.step,
                "training_seconds": run.clock.training_s,
                "selection_seconds": run.clock.selection_s,
                "forward_equivalents": run.forward_equivalents,
                "setup_seconds": self.setup_s,
                "chunk_size": run.teacher.probe.chunk_size,
                "resumed": self.resumed,
                "restarts": run.restarts,
                **facts,
                "curve": run.curve,
            }
        )

    def _again(self, error: DivergedError) -> None:
        """Starts again as `nint fit` would, the seconds so far kept; the curve begins anew. Ends the lane where the recipe does not."""
        try:
            self.run = restarted(self.job, self.run, error, self._start)
        except DivergedError as last:
            self.error = str(last)
            return
        self.run.field.train()
        self._measure()
        self._due = self._next_due()

    def _next_due(self) -> float:
        now = self.run.clock.training_s
        return now + max(EVALUATE_SHARE * now, EVALUATE_FLOOR_S)

    def _measure(self) -> float:
        """PSNR on every pixel, with the clock stopped."""
        run, signal = self.run, self.job.signal
        check_weights(run)
        prediction = predict_rows(run.field, run.teacher.probe.coords, run.teacher.probe.device).cpu()
        value = psnr(prediction.view(signal.image.shape), signal.image)
        if not math.isfinite(value):
            raise DivergedError(run.step, "the PSNR is not a number")
        seconds = {"training_seconds": run.clock.training_s, "selection_seconds": run.clock.selection_s}
        loss = run.loss if math.isfinite(run.loss) else None
        run.curve.append({"step": run.step, **seconds, "forward_equivalents": run.forward_equivalents, "loss": loss, "psnr": value})
        return value


def race(
    lanes: Sequence[Lane],
    out: Path,
    facts: dict[str, Any],
    *,
    device: str = "auto",
    interrupted: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda text: None,
) -> int:
    """Runs the lanes of one group that have no line yet, in turn; each line is written when its lane ends.

    Args:
        lanes: Of one group.
        out: Folder of results.jsonl.
        facts: Machine, command and the like, for the lines.
        device: Where.
        interrupted: Asked after each block; true saves checkpoints and stops.
        say: Told what happens.

    Returns:
        The number of lanes that ran to their end here.
    """
    done = {line["key"] for line in read_lines(out) if line["error"] is None}
    jobs = [(lane, lane.job(device)) for lane in lanes]
    jobs = [(lane, job) for lane, job in jobs if key_of(lane.identity(job)) not in done]
    keep_freed_memory()
    for _, job in jobs:
        with suppress(DivergedError):  # the lane itself fails in the same way and is reported then
            train(build_run(job, Budget(steps=WARM_UP_STEPS)))
    running = [Running(lane, job, out) for lane, job in jobs]
    together = [lane.name for lane, _ in jobs]
    finished = 0
    while running and not interrupted():
        for one in list(running):
            one.advance()
            if not one.ended:
                one.save_if_late()
                continue
            running.remove(one)
            append_line(out, one.line({"interleaved_with": together, **facts}))
            one.checkpoint.unlink(missing_ok=True)
            finished += 1
            lane, run = one.lane, one.run
            say(
                f"{lane.part} | {lane.case} | {lane.name} | seed {lane.seed}: {one.error or one.stopped}, "
                f"{run.curve[-1]['psnr']:.2f} dB after {run.clock.training_s:.1f} s, {run.step} steps"
            )
    for one in running:
        one.save_if_late(now=True)
    return finished
