"""`nint pack`: a model as a small file."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nint.cli.models import model_path
from nint.cli.options import SignalOptions, signal_options
from nint.cli.parsing import MAX_STEPS, MAX_THREADS, POSITIVE, Bounds, flag, number, positional, text, whole
from nint.cli.show import Show
from nint.errors import UsageError

if TYPE_CHECKING:
    from nint.runs.model import Fit
    from nint.signals.base import Signal


@dataclass(frozen=True)
class PackOptions(SignalOptions):
    """Packs a model into a small file: weights are quantised, fine-tuned as they are stored, and entropy-coded.

    Attributes:
        model: model file, or the folder of a run
        output: file to write; ends in .nint
        bits: mean bits of a weight before entropy coding, fractions included (default: 6; of a sound 8)
        max_kilobytes: largest file in units of 1000 bytes, for which the number of bits is chosen
        input: file, or sample:NAME, that the model was fitted to, for fine-tuning; the one of its record if left out
        steps: steps of fine-tuning, 0 for none (default: 300; of a grid network 1000)
        seconds: stop the fine-tuning after this long
        device: auto, cpu, cuda or mps
        threads: CPU threads
        force: overwrite OUTPUT
    """

    model: Annotated[str, *positional("MODEL")]
    output: Annotated[str, *positional("OUTPUT")]
    bits: Annotated[float | None, *number("BITS", Bounds(2.5, 12.0))] = None
    max_kilobytes: Annotated[float | None, *number("KB", POSITIVE)] = None
    input: Annotated[str | None, *text("FILE")] = None
    steps: Annotated[int | None, *whole("N", 0, MAX_STEPS)] = None
    seconds: Annotated[float | None, *number("S", POSITIVE)] = None
    device: Annotated[str, *text("DEVICE")] = "auto"
    threads: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    force: Annotated[bool, *flag()] = False


def run(options: PackOptions) -> int:
    """Runs `nint pack`; returns the exit code.

    Raises:
        UsageError: for a model or input that cannot be read, a model that does not fit, or an output that cannot be written.
    """
    from nint.packing.container import ENDING, is_packed

    if options.bits is not None and options.max_kilobytes is not None:
        raise UsageError("--bits and --max-kilobytes both set the size; give one of them.")
    source, output = model_path(options.model), Path(options.output)
    check_new_file(output, ENDING, options.force, (source, options.input))

    from nint.cli.choices import use_threads
    from nint.machine.devices import resolve_device
    from nint.packing.finetune import FineTuning
    from nint.runs.model import Fit

    use_threads(options.threads)
    fit = Fit.load(source, device=resolve_device(options.device))
    signal, missing = _signal(options, fit, is_packed(source))
    check_new_file(output, ENDING, options.force, (fit.record.get("source"),))
    if missing:
        Show().line(f"note: {missing}")
    tuning = dataclasses.replace(FineTuning(), steps=options.steps, seconds=options.seconds)
    packed = fit.pack(
        output,
        bits=options.bits,
        max_kilobytes=options.max_kilobytes,
        signal=signal,
        tuning=tuning,
    )
    _summary(output, source, fit, packed)
    return 0


def check_new_file(output: Path, ending: str, force: bool, inputs: Any) -> None:
    """Refuses, before any work is done, an output that cannot or should not be written.

    Args:
        output: The file.
        ending: What its name must end in, with the dot; "" takes any.
        force: Whether a file that is there may be overwritten.
        inputs: What is read: paths, or anything else, which is left out.

    Raises:
        UsageError: says what would be right.
    """
    from nint.runs.places import check_apart, input_paths

    if output.is_dir():
        raise UsageError(f"{output} is a folder; give a file to write.")
    if ending and output.suffix.lower() != ending:
        raise UsageError(f"'{output}' does not end in {ending}; give a name that does, such as {output.with_suffix(ending).name}.")
    check_apart(output, input_paths(*inputs), "The output")
    if os.path.lexists(output) and (output.is_symlink() or not output.is_file()):
        raise UsageError(f"{output} is not a regular file; give another name.")
    if output.exists() and not force:
        raise UsageError(f"{output} exists; give another name, or add --force to overwrite it.")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.parent} to write {output.name} into.")


def _signal(options: PackOptions, fit: Fit, packed: bool) -> tuple[Signal | None, str]:
    """What the model was fitted to, or None and a sentence that says why not.

    Raises:
        UsageError: for an input that cannot be read or is not what was fitted, and for options of an input that is not given.
    """
    from nint.report.original import find_original

    given = signal_options(options)
    if options.input is not None:
        from nint.signals.open import open_signal

        recorded = (fit.record.get("settings") or {}).get("options") or {}
        return find_original(fit.record, options.input, open_signal(options.input, **(recorded | given)))
    if given:
        raise UsageError(f"--{next(iter(given)).replace('_', '-')} says how an input is read; give the input with --input.")
    signal, missing = find_original(fit.record)
    if signal is None:
        name = (fit.record.get("settings") or {}).get("input") or "the fitted signal"
        rounded = "so the weights are rounded without fine-tuning; give it with --input FILE"
        missing = f"The original ({name}) was not found, {rounded}."
        if packed and not fit.record.get("source"):
            missing = f"A packed model does not record where its original ({name}) lies, {rounded}."
    return signal, missing


def _summary(output: Path, source: Path, fit: Fit, packed: Fit) -> None:
    from nint.report.sizes import size_rows
    from nint.report.words import metric, metric_label

    size, told = output.stat().st_size, packed.record["packing"]
    count = sum(tensor.numel() for tensor in packed.state_dict().values())
    steps = told["steps"]
    how = f"after {steps:,} steps of fine-tuning" if steps else "rounded to the nearest"
    Show().facts(
        [
            ("file", f"{output}, from {source} of {source.stat().st_size:,} bytes"),
            ("weights", f"{count:,} at {told['bits']:g} bits on average, {8 * size / max(count, 1):.2f} with entropy coding; {how}"),
            *((metric_label(name), metric(name, value) + _before(name, value, fit)) for name, value in packed.metrics.items()),
            *size_rows(packed.record, size, packed.layout),
        ]
    )


def _before(name: str, value: float, fit: Fit) -> str:
    from nint.report.words import metric

    before = fit.metrics.get(name)
    return "" if before is None else f" ({metric(name, before)} before packing)"
