"""What a comparison is asked for, and what that names: samplers, networks, checkpoints, baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.compare.named import ALL, check_separate, repeats
from nint.errors import UsageError, nearest
from nint.fields import FIELDS
from nint.samplers import SAMPLERS, BatchSampler, Sampler
from nint.samplers.base import check_needs
from nint.settings import split_text
from nint.signals.base import Pool, Signal
from nint.training.budgets import Budget

_PARTS = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Comparison:
    """What is asked for.

    Attributes:
        inputs: Paths or "sample:NAME", of one kind.
        samplers: Text forms; "all" is every one that the inputs allow, plug-ins included; none is every built-in one.
        fields: Text forms; "all" is every one.
        steps: Budget of each run in steps; this or `seconds`.
        seconds: Budget of each run in training seconds.
        seeds: Number of seeds, 0, 1, ...
        size: Of every network whose text form gives none.
        signal_options: Options of the inputs' kind, as for `nint.open_signal`.
        batch_share: Of every sampler that has one and whose text form gives none.
        baseline: Text form of the sampler from which the differences of the others are taken; None is the first.
        checkpoints: Steps (or training seconds, under such a budget) at which quality is tabled; none is a tenth, a quarter, half and all
            of the budget.
        targets: Values of the leading metric; none is 25, 28, 30 and 35 dB where it is PSNR.
        eval_every: Steps between evaluations; None spreads about a hundred over the budget.
        recipe: Source of the settings that are left out: "paper" or "default".
        device: "auto", "cpu", "cuda" or "mps".
        settings: Further settings of every job: lr, lr_schedule, warm_up, optimizer, loss, total_steps, chunk_size; None is left out.
        tensorboard: Whether every run is logged for TensorBoard.
    """

    inputs: tuple[str, ...]
    samplers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("siren",)
    steps: int | None = None
    seconds: float | None = None
    seeds: int = 3
    size: str | None = None
    signal_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_share: float | None = None
    baseline: str | None = None
    checkpoints: tuple[float, ...] = ()
    targets: tuple[float, ...] = ()
    eval_every: int | None = None
    recipe: str = "paper"
    device: str = "auto"
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    tensorboard: bool = False


def budget_of(asked: Comparison) -> Budget:
    """The budget of each run, where that and the numbers of inputs, seeds and evaluations can be.

    Raises:
        UsageError: else.
    """
    if (asked.steps is None) == (asked.seconds is None):
        raise UsageError("A comparison needs one budget: give either --steps or --seconds.")
    if not asked.inputs:
        raise UsageError("compare needs INPUT, for example sample:astronaut; see nint compare --help.")
    if asked.seeds < 1:
        raise UsageError(f"seeds={asked.seeds} must be at least 1.")
    if asked.eval_every is not None and (asked.eval_every < 1 or asked.steps is None):
        raise UsageError(f"eval_every={asked.eval_every} must be a number of steps of at least 1, for a budget of steps.")
    return Budget(steps=asked.steps, seconds=asked.seconds)


def first_of_one_kind(signals: Mapping[str, Signal]) -> Signal:
    """The first of the signals, where all are measured alike.

    Raises:
        UsageError: where one has other metrics than the first.
    """
    first = next(iter(signals.values()))
    for source, signal in signals.items():
        if (signal.layout.kind, signal.metrics) != (first.layout.kind, first.metrics):
            raise UsageError(
                f"{source} is of kind {signal.layout.kind} and {next(iter(signals))} of kind {first.layout.kind}; give inputs of one kind, "
                "which are measured alike."
            )
    return first


def samplers_of(asked: Comparison, pools: Sequence[Pool]) -> list[str]:
    """The samplers in text form, each once, in the order in which they are named.

    Raises:
        UsageError: for one that is not known, and several in one word.
    """
    check_separate(asked.samplers, SAMPLERS)
    wanted: list[str] = []
    for text in asked.samplers or SAMPLERS.names(plugins=False):
        wanted += SAMPLERS.names() if text == ALL else [text]
    default_selection = not asked.samplers or ALL in asked.samplers
    found: dict[str, None] = {}
    for text in wanted:
        sampler = SAMPLERS.parse(text)
        unfit = not sampler.compared or not all(_allowed(sampler, pool) for pool in pools)
        if default_selection and text not in asked.samplers and unfit:
            continue
        found.setdefault(_sampler_text(asked, text))
    return list(found)


def repeated(asked: Comparison) -> tuple[str, ...]:
    """A sentence for each sampler and network that is named again, and counts once."""
    samplers = repeats(asked.samplers, lambda text: _sampler_text(asked, text))
    return (*samplers, *repeats(asked.fields, lambda text: _field_text(asked, text)))


def _sampler_text(asked: Comparison, text: str) -> str:
    sampler, share = SAMPLERS.parse(text), split_text(text)[1].get("batch_share")
    if asked.batch_share is not None and isinstance(sampler, BatchSampler) and share is None:
        sampler, share = dataclasses.replace(sampler, batch_share=asked.batch_share), str(asked.batch_share)
    return _text(sampler, share)


def _text(sampler: Sampler[Any], share: str | None) -> str:
    """The shortest text form; a batch share that was named stays, as a kind of signal may have another default than the sampler."""
    text = SAMPLERS.text(sampler)
    if share is None or "batch_share" in split_text(text)[1]:
        return text
    return f"{text}{',' if ':' in text else ':'}batch_share={share}"


def _allowed(sampler: Sampler[Any], pool: Any) -> bool:
    try:
        check_needs(sampler, pool, SAMPLERS.name_of(sampler))
    except UsageError:
        return False
    return True


def baseline_of(asked: Comparison, samplers: Sequence[str]) -> str:
    """Its text form.

    Raises:
        UsageError: where it is not among the samplers.
    """
    if asked.baseline is None:
        return samplers[0]
    text = _sampler_text(asked, asked.baseline)
    if text not in samplers:
        raise UsageError(f"The baseline '{asked.baseline}' is not among the samplers.{nearest(text, samplers)}")
    return text


def fields_of(asked: Comparison) -> list[str]:
    """The networks in text form, each once.

    Raises:
        UsageError: for none, one that is not known, and several in one word.
    """
    check_separate(asked.fields, FIELDS)
    found: dict[str, None] = {}
    for text in (name for wanted in asked.fields for name in (FIELDS.names() if wanted == ALL else [wanted])):
        found.setdefault(_field_text(asked, text))
    if not found:
        raise UsageError("A comparison needs at least one field, for example siren.")
    return list(found)


def _field_text(asked: Comparison, text: str) -> str:
    spec = FIELDS.parse(text)
    if asked.size is not None and "size" not in split_text(text)[1]:
        spec = dataclasses.replace(spec, size=asked.size)
    return FIELDS.text(spec)


def checkpoints_of(given: tuple[float, ...], budget: Budget) -> tuple[float, ...]:
    """In the unit of the budget, in order.

    Raises:
        UsageError: for one outside the budget.
    """
    if budget.steps is not None:
        for point in given:
            if not (float(point).is_integer() and 1 <= point <= budget.steps):
                raise UsageError(f"checkpoints={point:g} is not in the budget; give whole steps from 1 to {budget.steps}.")
        return tuple(sorted({int(point) for point in given} or {max(round(part * budget.steps), 1) for part in _PARTS}))
    whole = budget.seconds or 0.0
    for point in given:
        if not 0 < point <= whole:
            raise UsageError(f"checkpoints={point:g} is not in the budget; give seconds above 0 and up to {whole:g}.")
    return tuple(sorted({float(point) for point in given} or {part * whole for part in _PARTS}))
