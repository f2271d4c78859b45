"""Checkpoints from which a run continues bit by bit as if it had never stopped."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.files import load_tensors, reason_of, save_tensors
from nint.machine.matmul import matmul_backend, multiplying
from nint.probe.cost import Cost
from nint.runs.checksum import KEY, checksum
from nint.runs.model import Fit
from nint.runs.older import with_current_names
from nint.samplers import SAMPLERS
from nint.samplers.tree import flatten, unflatten
from nint.settings import current_options
from nint.training.engine import Run
from nint.training.threads import shares_chunks

_TEXT_FORMS = {"field": FIELDS, "sampler": SAMPLERS}
_UNTOLD = object()  # by checkpoints of before


@dataclass(frozen=True)
class Whole:
    """What of a run over several processes is not the same on all of them, as one process would have it.

    Attributes:
        state: The sampler's state.
        cost: Points of training.
        selection_cost: Points of selection.
    """

    state: Any
    cost: Cost
    selection_cost: Cost


def save_checkpoint(path: Path, run: Run, fit: Fit, settings: dict[str, Any], whole: Whole | None = None) -> None:
    """Writes weights, optimizer, sampler, generator, clock, counts and curve, atomically.

    Args:
        path: The checkpoint file.
        run: The run, between two steps.
        fit: The model around the run's field.
        settings: What a resume must match.
        whole: Of a run over several processes; None takes what the run has.

    Raises:
        UsageError: where it cannot be written, or a state holds what a checkpoint cannot keep.
    """
    whole = Whole(run.teacher.state, run.cost, run.teacher.cost) if whole is None else whole
    tensors = {f"field/{name}": value for name, value in fit.state_dict().items()}
    tensors["rng"] = run.teacher.rng.get_state()
    header = {
        **fit.header(),
        "settings": settings,
        "resume": {
            "step": run.step,
            "optimizer": flatten(run.optimizer.state_dict(), "optimizer", tensors),
            "sampler": flatten(whole.state, "sampler", tensors),
            "training_s": run.clock.training_s,
            "selection_s": run.clock.selection_s,
            "cost": vars(whole.cost),
            "selection_cost": vars(whole.selection_cost),
            "curve": run.curve,
            "first_loss": run.first_loss,
            "loss": run.loss,
            "restarts": run.restarts,
            "init": run.init,
            "threads": run.threads,
            "matmul": matmul_backend(run.teacher.probe.device),
            "wall_s": run.clock.wall_s,
            "chunk_size": run.teacher.probe.chunk_size,
            **({} if run.shared is None else {"processes": run.shared.group.size}),
        },
    }
    save_tensors(path, tensors, header | {KEY: checksum(tensors, header)})


def threads_of(path: Path) -> int | None:
    """Number of threads of the run in a checkpoint; None where it does not say, or is damaged (`restore` tells of that)."""
    try:
        _, header = load_tensors(path)
        threads = header["resume"]["threads"]
    except (UsageError, KeyError, TypeError, OSError):
        return None
    return threads if isinstance(threads, int) and threads >= 1 else None


def restore(path: Path, run: Run, settings: dict[str, Any], init: str | Path | None = None) -> tuple[str, ...]:
    """Puts a freshly built run into the state of a checkpoint.

    Args:
        path: The checkpoint.
        run: The run, at step 0.
        settings: What must be as it was.
        init: The model to start from, where one was named again; another one than the run began with is refused.

    Returns:
        Sentences on why the result will not be bit-identical to that of an uninterrupted run; none where it will be.

    Raises:
        UsageError: if the settings differ from the checkpoint's, or the file is damaged.
    """
    tensors, header = load_tensors(path)
    if not isinstance(header, dict) or "resume" not in header:
        raise UsageError(f"{path} is a model, not a checkpoint; start from it with --init.")
    if header.get(KEY, None) not in (None, checksum(tensors, header)):
        raise UsageError(f"{path} is damaged, or was changed after nint wrote it; it cannot be resumed.")
    before = header.get("settings")
    if not isinstance(before, dict):
        raise UsageError(f"{path} is not a complete checkpoint: it has no settings.")
    before = before | {key: registry.canonical(before[key]) for key, registry in _TEXT_FORMS.items() if isinstance(before.get(key), str)}
    if isinstance(before.get("options"), dict):
        before = before | {"options": current_options(before["options"])}
    content, now = before.get("content"), settings.get("content")
    if isinstance(content, str) and content != now and run.signal.same_content(content):
        before = before | {"content": now}  # one process and several make fingerprints in different ways
    differing = [f"{key} was {before.get(key)}, now {value}" for key, value in settings.items() if before.get(key) != value]
    if differing:
        length = before.get("total_steps")
        kept = (
            "" if length == settings.get("total_steps") else f" (--total-steps {length} keeps the length that schedules are laid out for)"
        )
        raise UsageError(f"Cannot resume {path.parent} with other settings: {'; '.join(differing)}{kept}.")
    begun = header["resume"].get("init", _UNTOLD) if isinstance(header["resume"], dict) else _UNTOLD
    if init is not None and begun is not _UNTOLD and begun != os.path.abspath(init):
        was = "its own start weights" if begun is None else begun
        raise UsageError(f"Cannot resume {path.parent} from {init}: it began from {was}; leave init out, or choose another folder.")
    try:
        _check(header["resume"])
        _apply(tensors, header["resume"], run)
        return _rounding_notes(header["resume"], run)
    except (LookupError, TypeError, AttributeError, RuntimeError, ValueError, OverflowError) as error:
        raise UsageError(f"{path} is not a complete checkpoint: {reason_of(error)}.") from error


def _check(saved: dict[str, Any]) -> None:
    """Refuses values that would only fail later, in checkpoints without a checksum.

    Raises:
        ValueError: names the first of them.
    """
    numbers = {name: saved[name] for name in ("training_s", "selection_s")} | saved["cost"] | saved["selection_cost"]
    numbers |= {f"{name} of the curve": row[name] for row in saved["curve"] for name in ("training_seconds", "selection_seconds")}
    steps = [saved["step"], *(row["step"] for row in saved["curve"])]
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value!r}")
    if any(type(step) is not int or step < 0 for step in steps):
        raise ValueError("a step is no whole number")
    for name in ("loss", "first_loss"):
        if saved[name] is not None and not isinstance(saved[name], (int, float)):
            raise ValueError(f"{name} is {saved[name]!r}")


def _rounding_notes(saved: dict[str, Any], run: Run) -> tuple[str, ...]:
    """What has changed since the checkpoint that changes floating-point sums."""
    with multiplying(run.matmul):
        matmul = matmul_backend(run.teacher.probe.device)
    now = {"threads": run.threads, "chunk_size": run.teacher.probe.chunk_size, "matmul": matmul}
    if shares_chunks(run.field):  # then the number of threads changes nothing
        del now["threads"]
    now["processes"] = 1 if run.shared is None else run.shared.group.size
    was = {"matmul": matmul, "processes": 1} | saved
    changed = [f"{name} was {was[name]}, now {value}" for name, value in now.items() if was[name] != value]
    return (f"Sums will be rounded differently than without the stop: {', '.join(changed)}.",) if changed else ()


def _apply(tensors: dict[str, torch.Tensor], saved: dict[str, Any], run: Run) -> None:
    device = run.teacher.probe.device
    run.field.load_state_dict({k.removeprefix("field/"): v for k, v in tensors.items() if k.startswith("field/")})
    run.optimizer.load_state_dict(unflatten(saved["optimizer"], tensors))
    on_device = {name: value.to(device) if name.startswith("sampler") else value for name, value in tensors.items()}
    state = unflatten(saved["sampler"], on_device, type(run.teacher.state), run.teacher.state)
    if not isinstance(state, type(run.teacher.state)):
        raise TypeError(f"the sampler's state is a {type(state).__name__}")
    run.teacher.take_state(state)
    run.teacher.rng.set_state(tensors["rng"])
    run.teacher.step = saved["step"]
    run.clock.training_s, run.clock.selection_s = saved["training_s"], saved["selection_s"]
    run.clock.wall_s += saved.get("wall_s", saved["training_s"])
    run.cost = Cost(**saved["cost"])
    vars(run.teacher.cost).update(saved["selection_cost"])
    run.curve[:] = [with_current_names(row) for row in saved["curve"]]
    run.restarts[:] = saved.get("restarts", [])
    run.init = saved.get("init")
    run.first_loss = saved["first_loss"]
    run.matmul = saved.get("matmul")
    run.loss = saved["loss"] if saved["loss"] is not None else math.nan
