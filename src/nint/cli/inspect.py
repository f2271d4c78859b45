"""`nint inspect`: the header of a model or checkpoint, or the contents of a dataset of fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from nint.cli.models import model_path
from nint.cli.parsing import positional
from nint.errors import UsageError
from nint.runs.contents import INDEX


@dataclass(frozen=True)
class InspectOptions:
    """Shows the header of a model or checkpoint: network, signal, conventions, quality, settings, size and versions.

    Of a dataset of fields it shows what it holds, the distribution of its metrics, and its worst fields.

    Attributes:
        model: model file, the folder of a run, or a dataset of fields
    """

    model: Annotated[str, *positional("MODEL")]


def run(options: InspectOptions) -> int:
    """Runs `nint inspect`; returns the exit code.

    Raises:
        UsageError: for a file that is missing, damaged or not nint's.
    """
    if (Path(options.model) / INDEX).is_file():
        from nint.cli.inspect_dataset import show_dataset

        return show_dataset(Path(options.model))
    path = model_path(options.model)

    from nint.cli.show import Show
    from nint.files import reason_of
    from nint.runs.stored import read_model

    tensors, header = read_model(path)
    try:
        rows = _rows(path, tensors, header)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UsageError(f"{path} is not a complete model: {reason_of(error)}.") from error
    Show().facts(rows)
    return 0


def _rows(path: Path, tensors: dict[str, Any], header: dict[str, Any]) -> list[tuple[str, str]]:
    from nint.monitors.evaluate import NOT_METRICS
    from nint.report.sizes import size_rows
    from nint.report.words import memory, metric, metric_label
    from nint.signals.open import layout_from_json

    layout = layout_from_json(header["layout"])
    weights = [tensor for name, tensor in tensors.items() if name.startswith("field/")]
    size, resume = path.stat().st_size, header.get("resume")
    record, curve = header.get("record") or {}, (resume or {}).get("curve") or [{}]
    metrics = header.get("metrics") or {name: curve[-1][name] for name in curve[-1] if name not in NOT_METRICS}
    settings = record.get("settings") or header.get("settings") or {}
    kinds = ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights}))
    return [
        ("file", f"{path}, {memory(size)}"),
        ("kind", "model" if resume is None else f"checkpoint after step {resume['step']:,}, with all that --resume needs"),
        ("field", header["field"] or f"{header['module']}, a user-defined module"),
        ("parameters", f"{sum(tensor.numel() for tensor in weights):,} ({kinds})"),
        ("maps", f"{header['in_features']} coordinates to {header['out_features']} values"),
        ("signal", layout.describe()),
        ("coordinates", header["coordinates"]),
        ("value range", _range_text(header)),
        *((metric_label(name), metric(name, value)) for name, value in metrics.items()),
        *((f"setting {key}", str(value)) for key, value in settings.items() if value is not None),
        *_density(layout, weights, size, resume is not None),
        *size_rows(record, None if resume is not None else size, layout),
        *(("packing", _packing(record["packing"])) for _ in [0] if record.get("packing")),
        ("format", f"version {header['format']}"),
        ("written by", ", ".join(f"{name} {version}" for name, version in _versions(header, record).items())),
    ]


def _packing(told: dict[str, Any]) -> str:
    steps = told["steps"]
    how = f"fine-tuned for {steps:,} steps" if steps else "rounded without fine-tuning"
    return f"{told['bits']:g} bits a weight on average before entropy coding, {how}"


def _range_text(header: dict[str, Any]) -> str:
    low, high = header.get("value_range", (0, 1))
    return f"{low:g} to {high:g}"


def _versions(header: dict[str, Any], record: dict[str, Any]) -> dict[str, str]:
    return record.get("versions") or {"nint": header["nint"]}


def _density(layout: Any, weights: list[Any], size: int, checkpoint: bool) -> list[tuple[str, str]]:
    """Bits per sample of the signal (image: per pixel) of the model, beside those of the uncompressed original."""
    if not layout.samples:
        return []
    parameters = 8 * sum(tensor.numel() * tensor.element_size() for tensor in weights) / layout.samples
    model = f"{parameters:.2f} bits per sample in the parameters"  # a checkpoint holds much more than the model
    if not checkpoint:
        model = f"{8 * size / layout.samples:.2f} bits per sample in the model ({parameters:.2f} in the parameters)"
    original = layout.bits_per_sample
    return [("density", model if original is None else f"{model}, {original:g} in the original")]
