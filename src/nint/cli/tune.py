"""`nint tune`: what the kernel at the start weights says about a network's bandwidth for a signal, before any training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nint.cli.options import FitOptions, SignalOptions
from nint.cli.parsing import MAX_STEPS, command_line, flag, positional, text, whole
from nint.errors import UsageError

if TYPE_CHECKING:
    from nint.fields import FieldSpec
    from nint.signals.base import Signal

_LOOKED_AT = 2**16


@dataclass(frozen=True)
class TuneOptions(SignalOptions):
    """Shows which value of a setting the kernel at the start weights chooses for a signal, before any training.

    The column of numbers is the PSNR at which the kernel predicts points of a few small patches from the others. What is chosen goes into a
    fit as it stands here, or with SETTING=auto.

    Attributes:
        input: file, folder or sample:NAME
        field: network, as for nint fit
        size: hidden layers x width
        setting: what to choose; the network's first that can be, if left out
        seed: of the start weights, and of where the patches lie
        check: also train shortly at each value, as many steps of the default recipe, and show what that reaches
        picture: draw the table into this .png or .pdf
        force: overwrite the picture
    """

    input: Annotated[str, *positional("INPUT")]
    field: Annotated[str, *text("FIELD")] = "siren"
    size: Annotated[str | None, *text("LAYERSxWIDTH")] = None
    setting: Annotated[str | None, *text("SETTING")] = None
    seed: Annotated[int, *whole("N", 0, 2**62 - 1)] = 0
    check: Annotated[int | None, *whole("STEPS", 1, MAX_STEPS)] = None
    picture: Annotated[str | None, *text("FILE")] = None
    force: Annotated[bool, *flag()] = False


def run(options: TuneOptions) -> int:
    """Runs `nint tune`; returns the exit code.

    Raises:
        UsageError: for an input that cannot be read, or a setting that the kernel cannot choose.
    """
    from nint.bandwidth.auto import without_auto
    from nint.bandwidth.axes import aspect_of
    from nint.bandwidth.search import SETTINGS, check_setting, choose
    from nint.cli.choices import with_setting
    from nint.cli.options import signal_options
    from nint.cli.show import Show
    from nint.fields import FIELDS
    from nint.settings import split_text
    from nint.signals.open import open_signal

    form, automatic = without_auto(with_setting(options.field, "size", options.size))
    field = FIELDS.parse(form)
    name = FIELDS.name_of(field)
    offered = [setting for of, setting in SETTINGS if of == name]
    if not offered:
        raise UsageError(f"The kernel chooses nothing of {name}; it can for {', '.join(dict.fromkeys(of for of, _ in SETTINGS))}.")
    setting = options.setting or (automatic[0] if automatic else offered[0])
    check_setting(field, setting)
    picture = None if options.picture is None else _picture(options.picture, options)
    signal = open_signal(options.input, **signal_options(options))
    if "aspect" not in split_text(form)[1]:
        field = dataclasses.replace(field, aspect=aspect_of(signal, options.seed).aspect)
    choice = choose(field, setting, signal, options.seed)
    show, reached = Show(), {}
    if options.check is not None:
        reached = {
            value: _trained(field, setting, value, signal, options.seed, options.check) for value in sorted({*choice.tried, choice.chosen})
        }
    head = (setting, "left-out points", *((f"after {options.check} steps",) if reached else ()), "")
    rows = []
    for value in sorted({*choice.tried, choice.chosen}):
        predicted = f"{choice.tried[value]:.1f} dB" if value in choice.tried else ""
        mark = ("best of the left-out points" if value == choice.value else "") if value != choice.chosen else "chosen"
        rows.append((f"{value:g}", predicted, *((f"{reached[value]:.1f} dB",) if reached else ()), mark))
    show.table(head, rows)
    if not choice.sure:
        show.line("The choice is unsure: other values come close, or it lies at the end of those tried.")
    if picture is not None:
        from nint.plots.bandwidth import write_bandwidth

        title = f"{setting} of {name} {field.size} for {signal.name}"
        show.line(f"{write_bandwidth(setting, choice.tried, choice.chosen, reached, options.check or 0, title, picture)}")
    raw = {key: value for key, value in split_text(form)[1].items() if key != "size" or options.size is None}
    tuned = ",".join(f"{key}={value}" for key, value in (raw | {setting: f"{choice.chosen:g}"}).items())
    shared = {one.name: getattr(options, one.name) for one in dataclasses.fields(SignalOptions)}
    fit = FitOptions(**shared, input=options.input, seed=options.seed, field=f"{name}:{tuned}", size=options.size)
    show.line(f"took {choice.seconds:.1f} s; next: {command_line(fit, 'fit')}")
    return 0


def _picture(name: str, options: TuneOptions) -> Path:
    """The file of the picture.

    Raises:
        UsageError: where it cannot be written.
    """
    from nint.cli.output_file import check_output_file
    from nint.runs.places import check_apart, input_paths

    path = Path(name)
    if path.suffix.lower() not in (".png", ".pdf"):
        raise UsageError(f"'{name}' has no ending that a picture can be written with; use .png or .pdf.")
    if not path.is_dir():
        check_apart(path, input_paths(options.input), "The picture")
    check_output_file(path, force=options.force)
    return path


def _trained(field: FieldSpec, setting: str, value: float, signal: Signal, seed: int, steps: int) -> float:
    """PSNR after a short run of the default recipe, over all points of the pool in the range of its values."""
    import torch

    import nint
    from nint.fields import FIELDS
    from nint.ntk.products import chunk_size_for, forward_rows

    changed: Any = {setting: value}
    text = FIELDS.text(dataclasses.replace(field, **changed))
    named = text if f"{setting}=" in text else f"{text}{',' if ':' in text else ':'}{setting}={value:g}"
    fit = nint.fit(signal, field=named, budget=steps, eval_every=steps, seed=seed, device="cpu")
    pool = signal.pool(torch.device("cpu"))
    low, high = pool.value_range
    rows = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:_LOOKED_AT]
    error = forward_rows(fit.field, pool.coords[rows], chunk_size_for(rows.device)) - pool.values[rows]
    return float(-10 * torch.log10(error.double().square().mean() / (high - low) ** 2))
