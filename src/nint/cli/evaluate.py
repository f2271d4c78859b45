"""`nint eval`: the metrics of a model against a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nint.cli.models import model_path
from nint.cli.options import SignalOptions, signal_options
from nint.cli.parsing import positional, text
from nint.cli.records import STDOUT, check_target, write_record
from nint.runs.contents import RECORD


@dataclass(frozen=True)
class EvalOptions(SignalOptions):
    """Measures a model against an input, which may be of another size than the one it was fitted to.

    Attributes:
        model: model file, or the folder of a run
        input: file, or sample:NAME
        device: auto, cpu, cuda or mps
        json: also write a record to this file (- is standard output)
    """

    model: Annotated[str, *positional("MODEL")]
    input: Annotated[str, *positional("INPUT")]
    device: Annotated[str, *text("DEVICE")] = "auto"
    json: Annotated[str | None, *text("FILE")] = None


def run(options: EvalOptions) -> int:
    """Runs `nint eval`; returns the exit code.

    Raises:
        UsageError: for a model or input that cannot be read, a signal of another kind or shape, or a record that cannot be written.
    """
    source = model_path(options.model)
    check_target(options.json, (source, options.input), [source.parent / RECORD])

    import torch

    from nint.cli.show import Show
    from nint.machine.devices import resolve_device
    from nint.report.words import metric, metric_label
    from nint.runs.model import Fit
    from nint.signals.open import open_signal
    from nint.version import __version__

    device = resolve_device(options.device)
    fit = Fit.load(source, device=device)
    signal = open_signal(options.input, **signal_options(options))
    found = fit.evaluate(signal)
    write_record(
        options.json,
        {
            "model": str(source),
            "input": signal.name,
            "content": signal.fingerprint(),
            "signal": signal.layout.to_json(),
            "device": str(device),
            "versions": {"nint": __version__, "torch": torch.__version__},
            **found,
        },
    )
    show = Show(quiet=options.json == STDOUT)
    rows = [("model", str(source)), ("input", f"{signal.name}, {signal.layout.describe()}")]
    show.facts([*rows, *((metric_label(name), metric(name, value)) for name, value in found.items())])
    return 0
