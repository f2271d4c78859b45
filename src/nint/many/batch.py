"""Fitting one batch of signals, here or on a worker: together where they can be, else one after another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nint.errors import UsageError, sentence
from nint.fields import FIELDS, FieldSpec
from nint.fitting import run_job, threads_for
from nint.many.groups import group_of, stack_size, stacks
from nint.many.items import Item
from nint.many.passes import Params
from nint.many.stack import Outcome, Stack
from nint.runs.job import Job, read_job
from nint.runs.model import Fit
from nint.runs.options import FitSettings
from nint.runs.recipes import RESTARTS
from nint.runs.threads import Threads, given
from nint.signals.base import Pool
from nint.training.budgets import Budget

_AT_THE_END = 10**9


@dataclass(frozen=True)
class Order:
    """How every signal is fitted.

    Attributes:
        asked: Its settings.
        budget: When it stops.
        own_seeds: Whether each has a seed of its own, made of the common one and its id; else all start from the same weights.
        init: A model to start from.
    """

    asked: FitSettings
    budget: Budget = field(default_factory=Budget)
    own_seeds: bool = False
    init: str | None = None

    def settings_of(self, item: Item) -> FitSettings:
        """The settings of one signal."""
        if not self.own_seeds:
            return self.asked
        digest = hashlib.sha256(f"{self.asked.seed}/{item.id}".encode()).digest()
        return dataclasses.replace(self.asked, seed=int.from_bytes(digest[:7], "big"))


@dataclass
class Fitted:
    """The outcome of a signal, as it travels back from a worker.

    Attributes:
        id: Of the item.
        source: Likewise.
        error: Why there is no field, or "".
        row: What the index says of it, without shard and row, and notes.
        state: Name -> array.
    """

    id: str
    source: str
    error: str = ""
    row: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Member:
    item: Item
    job: Job
    pool: Pool


def fit_batch(
    items: Sequence[Item],
    order: Order,
    *,
    threads: int | None = None,
    stack_threads: int = 1,
    interrupted: Callable[[], bool] = lambda: False,
    measured: dict[Any, Threads] | None = None,
) -> list[Fitted] | None:
    """Fits every signal of a batch.

    Args:
        items: The signals.
        order: How.
        threads: CPU threads of PyTorch for signals that are trained alone; None measures them.
        stack_threads: CPU threads of stacks; they may change the last bits, so they do not depend on the number of workers.
        interrupted: Asked after each step; true stops, and the batch is lost.
        measured: Threads that were measured before, by kind of run; grows.

    Returns:
        One outcome an item, in order; None where it was interrupted.
    """
    before = torch.get_num_threads()
    try:
        outcomes: dict[str, Fitted] = {}
        groups: dict[Any, list[_Member]] = {}
        alone: list[_Member] = []
        for item in items:
            if interrupted():
                return None
            try:
                job = read_job(item.open(), order.settings_of(item), order.budget, by_kernel=False)
                member = _Member(item, job, job.signal.pool(job.device))
                group = group_of(job, member.pool, order.budget)
            except Exception as error:  # a damaged file is one line of the report
                outcomes[item.id] = Fitted(item.id, item.source, sentence(error))
                continue
            if group is None:
                alone.append(member)
            else:
                groups.setdefault(group, []).append(member)
        torch.set_num_threads(stack_threads)
        for members in groups.values():
            for part in stacks(members, stack_size(members[0].job, members[0].pool)):
                try:
                    found = _together(part, order, interrupted)
                except Exception:  # of memory, or of a network that cannot be stacked: each alone says what it is, if it fails too
                    alone.extend(part)
                    continue
                if found is None:
                    return None
                outcomes |= found
        torch.set_num_threads(threads or before)
        for member in alone:
            one = _alone(member, order, threads, {} if measured is None else measured, interrupted)
            if one is None:
                return None
            outcomes[member.item.id] = one
    finally:
        torch.set_num_threads(before)
    return [outcomes[item.id] for item in items]


def _together(members: Sequence[_Member], order: Order, interrupted: Callable[[], bool]) -> dict[str, Fitted] | None:
    """A stack, and once more at half the rate with those that have diverged, as far as the recipe starts again."""
    done: dict[str, Fitted] = {}
    left = list(members)
    start = None if order.init is None else start_of(order.init, members[0].job)
    for restarts in range(RESTARTS + 1):
        jobs, pools = [member.job for member in left], [member.pool for member in left]
        outcomes = Stack(jobs, pools, order.budget, restarts=restarts, start=start, interrupted=interrupted).train()
        if outcomes is None:
            return None
        again = []
        for member, outcome in zip(left, outcomes, strict=True):
            if outcome.error is not None and member.job.recipe != "paper" and restarts < RESTARTS:
                again.append(member)
            else:
                done[member.item.id] = _stacked(member, outcome, restarts, len(left))
        left = again
        if not left:
            break
    return done


def _stacked(member: _Member, outcome: Outcome, restarts: int, together: int) -> Fitted:
    if outcome.error is not None:
        return Fitted(member.item.id, member.item.source, sentence(outcome.error))
    facts = {
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "stopped": outcome.stopped,
        "forward_equivalents": outcome.forward_equivalents,
        "restarts": restarts,
        "together": together,
    }
    return Fitted(
        member.item.id,
        member.item.source,
        row=row_of(member.item, member.job, member.pool, outcome.metrics, facts),
        state={name: value.cpu().numpy() for name, value in outcome.state.items()},
    )


def _alone(
    member: _Member, order: Order, threads: int | None, measured: dict[Any, Threads], interrupted: Callable[[], bool]
) -> Fitted | None:
    job = member.job
    try:
        if threads is not None:
            number = given(threads)
        else:
            kind = (str(job.field), str(job.sampler), job.optimizer, len(member.pool))
            if kind not in measured:
                measured[kind] = threads_for(job, order.budget)
            number = measured[kind]
        every = None if order.budget.psnr is not None else _AT_THE_END
        fit = run_job(job, order.budget, init=order.init, eval_every=every, snapshots=False, threads=number, interrupted=interrupted)
    except Exception as error:
        return Fitted(member.item.id, member.item.source, sentence(error))
    record = fit.record
    if record["stopped"] == "interrupted":
        return None
    facts = {
        "steps": record["steps"],
        "seconds": record["training_seconds"],
        "stopped": record["stopped"],
        "forward_equivalents": record["forward_equivalents"],
        "restarts": len(record["restarts"]),
        "together": 1,
    }
    state = {name: value.detach().cpu().numpy().copy() for name, value in fit.state_dict().items()}
    return Fitted(member.item.id, member.item.source, row=row_of(member.item, job, member.pool, fit.metrics, facts), state=state)


def row_of(item: Item, job: Job, pool: Pool, metrics: dict[str, float], facts: dict[str, Any]) -> dict[str, Any]:
    """What the index says of a fitted signal, and the sentences that `nint fit` would say of it."""
    settings = job.settings()
    layout = job.signal.layout
    return {
        "id": item.id,
        "source": item.source,
        "kind": layout.kind,
        "shape": [*(pool.grid or (len(pool),)), layout.out_features],
        "in_features": layout.in_features,
        "out_features": layout.out_features,
        "field": settings["field"],
        "seed": job.seed,
        "settings": json.dumps(settings, default=str),
        "layout": json.dumps(layout.to_json()),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "notes": list(job.signal.report()),
        **facts,
    }


def start_of(path: str, job: Job) -> Params:
    """The weights of a model, to start from.

    Raises:
        UsageError: where they are of another network.
    """
    donor = Fit.load(Path(path))
    own = job.build_field().state_dict()
    found = dict(donor.state_dict())
    named = FIELDS.text(job.field) if isinstance(job.field, FieldSpec) else type(job.field).__name__
    if {k: v.shape for k, v in found.items()} != {k: v.shape for k, v in own.items()} or donor.spec != job.field:
        raise UsageError(f"{path} holds another network than {named}; give its --field and --size, or --like {path}.")
    return found
