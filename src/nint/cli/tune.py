"""`nint tune`: what the kernel at the start weights says about a network's bandwidth for a signal, before any training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nint.cli.options import SignalOptions
from nint.cli.parsing import positional, text, whole
from nint.errors import UsageError


@dataclass(frozen=True)
class TuneOptions(SignalOptions):
    """Shows which value of a setting the kernel at the start weights chooses for a signal; nothing is trained and nothing is written.

    The column of numbers is the PSNR at which the kernel predicts points of a few small patches from the others. What is chosen goes into a
    fit as it stands here, or with SETTING=auto.

    Attributes:
        input: file, folder or sample:NAME
        field: network, as for nint fit
        size: hidden layers x width
        setting: what to choose; the network's first that can be, if left out
        seed: of the start weights, and of where the patches lie
    """

    input: Annotated[str, *positional("INPUT")]
    field: Annotated[str, *text("FIELD")] = "siren"
    size: Annotated[str | None, *text("LAYERSxWIDTH")] = None
    setting: Annotated[str | None, *text("SETTING")] = None
    seed: Annotated[int, *whole("N", 0, 2**62 - 1)] = 0


def run(options: TuneOptions) -> int:
    """Runs `nint tune`; returns the exit code.

    Raises:
        UsageError: for an input that cannot be read, or a setting that the kernel cannot choose.
    """
    from nint.bandwidth.auto import without_auto
    from nint.bandwidth.search import SETTINGS, check_setting, choose
    from nint.cli.choices import with_setting
    from nint.cli.options import signal_options
    from nint.cli.show import Show
    from nint.fields import FIELDS
    from nint.signals.open import open_signal

    form, automatic = without_auto(with_setting(options.field, "size", options.size))
    field = FIELDS.parse(form)
    name = FIELDS.name_of(field)
    offered = [setting for of, setting in SETTINGS if of == name]
    if not offered:
        raise UsageError(f"The kernel chooses nothing of {name}; it can for {', '.join(dict.fromkeys(of for of, _ in SETTINGS))}.")
    setting = options.setting or (automatic[0] if automatic else offered[0])
    check_setting(field, setting)
    signal = open_signal(options.input, **signal_options(options))
    choice = choose(field, setting, signal, options.seed)
    show = Show()
    rows = [
        (f"{value:g}", f"{decibels:.1f} dB", "chosen" if value == choice.value else "") for value, decibels in sorted(choice.tried.items())
    ]
    show.table((setting, "left-out points", ""), rows)
    if not choice.sure:
        show.line("The choice is unsure: other values come close, or it lies at the end of those tried.")
    size = f" --size {field.size}" if options.size else ""
    show.line(f"took {choice.seconds:.1f} s; next: nint fit {options.input} --field {name}:{setting}={choice.chosen:g}{size}")
    return 0
