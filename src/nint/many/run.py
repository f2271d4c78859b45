"""`nint.fit_all`: a folder in, a dataset of fields out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from nint.arguments import place, switch
from nint.errors import UsageError, what_is
from nint.machine.fork import refuse_after_fork
from nint.many.arrow import arrow
from nint.many.batch import Order
from nint.many.card import is_generated, write_card
from nint.many.described import check_same, described, remember_place
from nint.many.dispatch import Progress, Report, dispatch, worker_count
from nint.many.ids import named_apart
from nint.many.inputs import items_of
from nint.many.items import Item
from nint.many.like import settings_like
from nint.many.opened import FieldDataset, open_dataset
from nint.many.plan import batches
from nint.many.shards import FOLDER as SHARDS
from nint.many.shards import FORMAT
from nint.many.writer import Writer, parse_splits
from nint.runs.contents import CARD, FIT_ALL, REPORT
from nint.runs.folder import OutputFolder, remove_stale
from nint.runs.options import FitKeywords, FitSettings
from nint.runs.places import shown
from nint.runs.recipes import check_recipe
from nint.settings import whole
from nint.training.budgets import Budget
from nint.version import __version__

_OWN = (
    "recipe",
    "budget",
    "like",
    "init",
    "own_seeds",
    "splits",
    "leading_axis",
    "column",
    "resume",
    "force",
    "workers",
    "scheduler",
    "threads",
)


def fit_all(
    inputs: Iterable[Any] | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    recipe: str = "default",
    budget: Budget | int | None = None,
    like: str | Path | None = None,
    init: str | Path | None = None,
    own_seeds: bool = False,
    splits: str | None = None,
    leading_axis: bool | None = None,
    column: str | None = None,
    resume: bool = False,
    force: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    **settings: Unpack[FitKeywords],
) -> FieldDataset:
    """Fits a network to each of many signals, into one dataset.

    Signals of one shape train as one batched network; each has its own points, error map and end, and gets the weights that `nint.fit`
    would give it, to rounding.

    Args:
        inputs: Files, folders, patterns, "@list.txt", .npy or zarr arrays with a leading axis of signals, Parquet files of images; or
            anything else that `nint.fit` takes, as an iterable or by id.
        out: Folder of the dataset.
        recipe: As for `nint.fit`.
        budget: When each signal stops, or a number of steps; as for `nint.fit`.
        like: A model whose settings all signals get, where none are named here.
        init: A model whose weights all signals start from.
        own_seeds: Give each signal a seed of its own, made of `seed` and its id; else all start from the same weights.
        splits: Fractions of the signals by name, such as "train=0.9,test=0.1".
        leading_axis: Whether arrays hold signals along their first axis; None says so of one that is the only input.
        column: Of Parquet files, the column of images; None finds it.
        resume: Go on with the dataset in `out`: what it holds is not repeated, what is new is added. Files are known again by their paths,
            things in memory by id and content.
        force: Replace the dataset in `out`.
        workers: Processes that share the signals; a script that asks for several needs `if __name__ == "__main__":`.
        scheduler: Address of a Dask scheduler whose workers fit them instead.
        threads: CPU threads of each process.
        **settings: As for `nint.fit`, but for max_kilobytes: fields of a dataset are not packed.

    Returns:
        The dataset. Signals that could not be fitted are listed in its `failed.json`.

    Raises:
        UsageError: for settings that cannot be, inputs that are not there, or a folder that cannot be used.
    """
    order = read_order(recipe, budget, like, init, own_seeds, settings)
    if not isinstance(inputs, (str, os.PathLike, Iterable)):
        raise UsageError(f"inputs must be paths or signals, several or one path; {what_is(inputs)} is neither.")
    named = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs if isinstance(inputs, Mapping) else list(inputs)
    paths = named.values() if isinstance(named, Mapping) else named
    run_order(
        items_of(named, leading_axis=leading_axis, column=column, kind=settings.get("kind")),
        order,
        out,
        splits=splits,
        resume=resume,
        force=force,
        workers=workers,
        scheduler=scheduler,
        threads=threads,
        inputs=(*paths, like),
    )
    return open_dataset(out)


def read_order(
    recipe: str, budget: Budget | int | None, like: str | Path | None, init: str | Path | None, own_seeds: bool, settings: FitKeywords
) -> Order:
    """How every signal is fitted, checked.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    limit = Budget.of(budget)
    check_recipe(recipe)
    own_seeds = switch(own_seeds, "own_seeds")
    given = {name: value for name, value in settings.items() if value is not None}
    known = {} if like is None else settings_like(like)
    asked = FitSettings.of({**known, **given}, recipe=recipe, caller="nint.fit_all", others=_OWN)
    if isinstance(asked.field, nn.Module):
        raise UsageError("A module of your own cannot be built anew for each signal; give the network as a text form or spec.")
    asked.check()
    if asked.max_kilobytes is not None:
        raise UsageError("nint.fit_all packs no fields, so max_kilobytes has no use there; pack single ones with nint pack.")
    if init is not None and not place(init, "init").is_file():
        raise UsageError(f"There is no model {init}.")
    return Order(asked, limit, own_seeds, None if init is None else str(init))


def run_order(
    items: list[Item],
    order: Order,
    out: str | Path,
    *,
    splits: str | None = None,
    resume: bool = False,
    force: bool = False,
    workers: int | None = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    inputs: Iterable[Any] = (),
    progress: Progress = lambda done, what: None,
    started: Callable[[int, int], None] = lambda left, workers: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Fits what a dataset does not hold yet.

    Args:
        items: The signals.
        order: How.
        out: As for `fit_all`; so are `splits`, `resume`, `force`, `scheduler` and `threads`.
        splits: As there.
        resume: As there.
        force: As there.
        workers: As there; None takes one a core where there are several batches and the budget is not one of seconds.
        scheduler: As there.
        threads: As there.
        inputs: Paths that are read, which the output must not touch.
        progress: Told how many signals are settled.
        started: Told how many signals are to be fitted and on how many processes, before the first.
        interrupted: Asked after each step; true stops, and the batches under way are lost.

    Raises:
        UsageError: as `fit_all`.
    """
    refuse_after_fork()
    arrow()  # before anything is trained
    check_workers(workers, scheduler, threads)
    resume, force = switch(resume, "resume"), switch(force, "force")
    if resume and force:
        raise UsageError("--resume goes on with a dataset and --force replaces it; give one of them.")
    divided = parse_splits(splits)
    names = [name for name in FIT_ALL.may if name != REPORT]
    with OutputFolder(out, FIT_ALL, names, (*inputs, order.init)) as folder:
        held = not folder.fresh and next(iter((folder.path / SHARDS).glob("*")), None) is not None
        if held and not resume and not force:
            raise UsageError(
                f"{shown(folder.path)} holds a dataset; choose another --out, or add --resume to go on with it and add what is new, "
                "or --force to replace it."
            )
        told = described(order, splits)
        if force or not (folder.fresh or held):  # a dataset without a field, as of an input that was not there, is replaced
            folder.remove(*(name for name in FIT_ALL.may if name != CARD or is_generated(folder / CARD)))
            if not folder.fresh:
                remove_stale(folder.path)
        elif held:
            check_same(folder.path, told)
        writer = Writer(folder.path, divided)
        wanted = named_apart(items, writer.sources, {one["id"]: one["source"] for one in writer.failed})
        report = Report(wanted=len(wanted), mended=list(writer.problems))
        missing = [[item for item in batch if item.id not in writer.sources] for batch in batches(wanted, order.asked, order.budget)]
        missing = [batch for batch in missing if batch]
        left = sum(map(len, missing))
        report.before = len(wanted) - left
        remember_place(folder.path, {"format": FORMAT, "nint": __version__, "order": told})
        writer.write_index()
        count = worker_count(workers, missing, order, scheduler)
        started(left, count)
        try:
            dispatch(missing, order, writer, report, count, scheduler, threads, progress, interrupted)
        finally:
            writer.write_index()
            write_card(folder.path, writer.rows, writer.failed, told)
        report.interrupted = interrupted()
    return report


def check_workers(workers: int | None, scheduler: str | None, threads: int | None = None) -> None:
    """Refuses numbers that cannot be.

    Raises:
        UsageError: for less than one worker or thread, two kinds of workers, or an address that is no text.
    """
    for name, count in (("workers", workers), ("threads", threads)):
        if count is not None:
            whole(count, name)
    if scheduler is not None and not isinstance(scheduler, str):
        raise UsageError(f"scheduler must be an address such as tcp://HOST:8786; {what_is(scheduler)} is none.")
    if scheduler is not None and workers not in (None, 1):
        raise UsageError("--workers starts processes here and --scheduler uses those of a cluster; give one of them.")
