"""Running specs where one stands: a group interleaved in this process, or one spec as a job that travels to another."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

import torch

from nint.bench.classical import classical_record
from nint.bench.inputs import content_of
from nint.bench.interleaved import InterleavedRun, interleave, sentence, warm_up
from nint.bench.records import plain
from nint.bench.runs import RunSpec
from nint.bench.unfinished import Unfinished
from nint.bench.watch import CheckpointSnapshots, Quality, clear_snapshots
from nint.fields import FieldSpec
from nint.files import write_atomically
from nint.monitors.tensorboard import TensorBoard
from nint.runs.contents import MODEL
from nint.runs.job import Job
from nint.runs.model import Fit
from nint.training.engine import Monitor

Progress = Callable[[float, str], None]
"""(runs finished so far, fractions counted, what is running)."""

_ONE_AT_A_TIME = threading.Lock()


def run_group(
    specs: Sequence[RunSpec],
    place: Callable[[str], Path],
    warm: set[Any],
    *,
    facts: dict[str, Any],
    logs: Path | None = None,
    progress: Progress = lambda done, what: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Runs specs in turn, a block of steps each, and yields the record of each as it ends.

    Args:
        specs: The runs.
        place: Key of a run -> folder for what is kept of it.
        warm: Kinds of runs that this process has warmed up; grows. The others run a few steps first that are thrown away.
        facts: What every record is to say besides: command, experiment, launch.
        logs: What the folders of TensorBoard logs are relative to; None writes none.
        progress: Told after each block; counts the runs of this group.
        interrupted: Asked before each block; true stops, and the runs under way go on at the next try (`nint.bench.unfinished`).

    Yields:
        The record of a run that has ended.
    """
    runs: dict[str, InterleavedRun] = {}
    states: dict[str, Unfinished] = {}
    kinds = {spec.key: spec for spec in specs}
    ended = 0
    for spec in specs:
        if interrupted():
            return
        progress(ended, f"preparing {spec.title}")
        try:
            if spec.method:
                record = classical_record(spec)
                ended += 1
                yield _identified(spec, record, None, facts)
                continue
            job = spec.job()
        except Exception as error:  # a missing file, a setting that cannot be, a plug-in: the others go on
            ended += 1
            yield failure(spec, sentence(error), facts)
            continue
        if (kind := _kind(spec)) not in warm:
            warm_up(job)
            warm.add(kind)
        run, state = _started(spec, job, place(spec.key), logs)
        runs[spec.key] = run
        if state is not None:
            states[spec.key] = state
    facts = facts | {"interleaved_with": [kinds[key].title for key in runs]}
    for key, run in interleave(runs, interrupted):
        spec = kinds[key]
        if run.ended:
            ended += 1
            record, state = run.record(), states.pop(key, None)
            if spec.keep and run.error is None:
                _keep(run, record, place(key) / MODEL)
            if state is not None and state.sittings:
                record["sittings"] = state.sittings
            yield _identified(spec, record, run.error, facts)
            if state is not None:
                state.remove()
        progress(ended + sum(other.used for other in runs.values()), spec.title)
    for state in states.values():
        state.interrupt()


def work(
    spec: dict[str, Any],
    *,
    threads: int,
    place: str | None = None,
    facts: dict[str, Any] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> dict[str, Any] | None:
    """One run as a job of an executor: plain data in, plain data out.

    Args:
        spec: `RunSpec.to_json()`.
        threads: CPU threads of PyTorch, where the run does not say it.
        place: Folder for what is kept of the run, where the caller sees the same files; else the files come back in the result.
        facts: As in `run_group`.
        interrupted: As in `run_group`.

    Returns:
        {"record": the run's record, "files": name -> bytes}; None where it was interrupted.
    """
    run = RunSpec.from_json(spec)
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory() as temporary:  # runs in threads of one process would share PyTorch's settings
        torch.set_num_threads(run.threads or threads)
        target = Path(temporary if place is None else place)
        records = list(run_group([run], lambda key: target, _WARM, facts=facts or {}, interrupted=interrupted))
        if not records:
            return None
        files = {path.name: path.read_bytes() for path in Path(temporary).iterdir() if path.is_file()}
        return {"record": plain(records[0]), "files": files}


_WARM: set[Any] = set()
"""What jobs of this worker process have warmed up."""


def failure(spec: RunSpec, error: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The record of a run of which nothing is known but why it failed."""
    return _identified(spec, {"settings": {}, "steps": 0, "curve": []}, error, facts)


def unpack(files: dict[str, bytes], place: Path) -> None:
    """Writes the files that came back with a result."""
    if files:
        place.mkdir(parents=True, exist_ok=True)
        clear_snapshots(place)
    for name, content in files.items():
        write_atomically(place / PurePath(name).name, functools.partial(_write_bytes, content))


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _started(spec: RunSpec, job: Job, place: Path, logs: Path | None) -> tuple[InterleavedRun, Unfinished | None]:
    """A run and what keeps its state, where an earlier sitting left it or at its first step; one that cannot be built has no state."""
    while True:
        monitors = _monitors(spec, job, place, logs)
        started = InterleavedRun(job, spec.budget, monitors)
        if started.run is None:
            return started, None
        state = Unfinished(job, started.run, place)
        if state.resume(monitors):
            break
    if spec.keep and not state.sittings:
        clear_snapshots(place)
    started.monitors = [*monitors, state]
    return started, state


def _monitors(spec: RunSpec, job: Job, place: Path, logs: Path | None) -> list[Monitor]:
    in_seconds, every = spec.seconds is not None, spec.eval_every
    metric = job.signal.metrics[0]
    if in_seconds:
        monitors: list[Monitor] = [Quality(metric, every_seconds=every, at_seconds=spec.evaluate_at)]
    else:
        monitors = [Quality(metric, every=None if every is None else max(round(every), 1), at=spec.evaluate_at)]
    if spec.keep:
        monitors.append(CheckpointSnapshots(place, spec.snapshots_at or spec.evaluate_at, in_seconds))
    if spec.log and logs is not None:
        monitors.append(TensorBoard(logs / spec.log))
    return monitors


def _keep(ended: InterleavedRun, record: dict[str, Any], path: Path) -> None:
    run, job = ended.run, ended.job
    if run is None:
        return
    metrics = {name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]}
    Fit(run.field, job.field if isinstance(job.field, FieldSpec) else None, job.signal.layout, metrics, record).save(path)


def _identified(spec: RunSpec, record: dict[str, Any], error: str | None, facts: dict[str, Any]) -> dict[str, Any]:
    named = {"key": spec.key, "spec": spec.to_json(), "error": error, "input_content": content_of(spec.input)}
    return named | record | facts


def _kind(spec: RunSpec) -> Any:
    """What decides which code a run is the first to use."""
    return (PurePath(spec.input).suffix, spec.field, spec.sampler, spec.recipe, spec.square, spec.options, spec.settings)
