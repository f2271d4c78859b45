"""`nint export`: a model for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from nint.cli.models import model_path
from nint.cli.pack import check_new_file
from nint.cli.parsing import flag, positional
from nint.cli.show import Show


@dataclass(frozen=True)
class ExportOptions:
    """Writes the network of a model for other programs.

    OUTPUT.onnx: one graph from coordinates to values. OUTPUT.pt2: a program for torch.export.load. OUTPUT.json: the operations, with
    the weights in OUTPUT.bin and OUTPUT.html, a page that decodes images in a browser.

    Attributes:
        model: model file, or the folder of a run
        output: file to write; ends in .onnx, .pt2 or .json
        force: overwrite OUTPUT
    """

    model: Annotated[str, *positional("MODEL")]
    output: Annotated[str, *positional("OUTPUT")]
    force: Annotated[bool, *flag()] = False


def run(options: ExportOptions) -> int:
    """Runs `nint export`; returns the exit code.

    Raises:
        UsageError: for a model that cannot be read or exported, or an output that cannot be written.
    """
    source, output = model_path(options.model), Path(options.output)

    from nint.export.write import files_of
    from nint.runs.model import Fit

    for path in files_of(output):
        check_new_file(path, "", options.force, (source,))
    fit = Fit.load(source)
    for path in files_of(output):
        check_new_file(path, "", options.force, (fit.record.get("source"),))
    difference = fit.export(output)
    told = "not compared, because onnxruntime is not installed" if difference is None else f"outputs differ by at most {difference:.2g}"
    show = Show()
    for path in files_of(output):
        show.line(f"{path}: {path.stat().st_size:,} bytes")
    show.line(f"from {source} ({fit.layout.describe()}), {told}")
    return 0
