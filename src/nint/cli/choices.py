"""Options of the command line -> a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nint.errors import UsageError
from nint.settings import split_text

if TYPE_CHECKING:
    from nint.cli.options import FitOptions
    from nint.runs.job import Job
    from nint.runs.options import FitSettings
    from nint.training.budgets import Budget


def job_of(options: FitOptions, budget: Budget) -> Job:
    """Reads the input and checks every setting; nothing is written.

    Args:
        options: Options of `nint fit`.
        budget: Stopping rule.

    Raises:
        UsageError: for an input that cannot be read or a setting out of range.
    """
    from nint.runs.job import read_job

    return read_job(options.input, settings_of(options), budget)


def settings_of(options: FitOptions) -> FitSettings:
    """The options that decide a run, as its settings.

    Args:
        options: Options of `nint fit`.

    Raises:
        UsageError: for a setting that is given twice.
    """
    from nint.cli.options import signal_options
    from nint.runs.options import FitSettings

    for key in ("batch_share", "batch_size"):
        with_setting(options.sampler or "", key, getattr(options, key))
    return FitSettings(
        recipe=options.recipe,
        field=_network(options.field, options.size),
        sampler=options.sampler,
        batch_share=options.batch_share,
        batch_size=options.batch_size,
        optimizer=options.optimizer,
        lr=options.lr,
        lr_schedule=options.lr_schedule,
        warm_up=options.warm_up,
        loss=options.loss,
        total_steps=options.total_steps,
        seed=options.seed,
        device=options.device,
        score_precision=options.score_precision,
        compile=options.compile,
        max_kilobytes=options.max_kilobytes,
        signal=signal_options(options),
    )


def _network(field: str | None, size: str | None) -> str | None:
    """The network that is asked for; None leaves it to the recipe. A size without a network is that of a SIREN, whose layers it counts."""
    return field if size is None else with_setting(field or "siren", "size", size)


def folder_of(options: FitOptions) -> Path:
    """The output folder: --out, else nint-out/ and the name of the input."""
    from nint.files import in_utf8
    from nint.signals.kinds import PREFIX, ending_of

    if options.out is not None:
        return Path(options.out)
    path = Path(options.input)
    sample = options.input.startswith(PREFIX)
    name = options.input.removeprefix(PREFIX) if sample else path.name[: len(path.name) - len(ending_of(path))]
    return Path("nint-out") / in_utf8(name)  # safetensors opens no other names


def use_threads(threads: int | None) -> None:
    """Sets the number of PyTorch's CPU threads of this process; None leaves it as it is."""
    if threads is None:
        return

    import torch

    torch.set_num_threads(threads)


def with_setting(form: str, key: str, value: Any) -> str:
    """Adds a setting that was given by its own option to a text form.

    Args:
        form: NAME or NAME:SETTING=VALUE,...
        key: Name of the setting and of the option.
        value: Value of the option; None leaves the form as it is.

    Raises:
        UsageError: where form and option give different values.
    """
    if value is None:
        return form
    name, raw = split_text(form)
    if raw.get(key, str(value)) != str(value):
        raise UsageError(f"'{form}' and --{key.replace('_', '-')} {value} disagree; give {key} once.")
    raw[key] = str(value)
    return f"{name}:{','.join(f'{k}={v}' for k, v in raw.items())}"
