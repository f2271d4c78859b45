"""Recognises the contents of a folder and writes its report, one self-contained HTML file."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import loads, write_text
from nint.report.blocks import Page
from nint.report.place import check_target
from nint.runs.contents import INDEX
from nint.runs.folder import GENERATOR
from nint.signals.base import Signal
from nint.version import __version__

_LINES_READ = 50


def write_report(folder: Path, out: Path | None = None, original: str | Signal | None = None) -> Path:
    """Writes one self-contained HTML page about a fit, a comparison, a benchmark or a dataset of fields.

    Args:
        folder: Folder of the run or runs.
        out: The file to write; None is report.html in the folder. Only a report of nint's is overwritten.
        original: The fitted signal, or its file, where the records do not hold its path.

    Returns:
        The file written.

    Raises:
        UsageError: for a folder of another kind, a record that cannot be read, or a location that cannot be written.

    Cost: for a fit one forward over all points; for a shape a decoded mesh.
    """
    folder = Path(folder)
    kind = kind_of(folder)
    target = check_target(folder, out)
    write_text(target, render(page_of(folder, kind, original)))
    return target


def kind_of(folder: Path) -> str:
    """Kind of the results in a folder: "fit", "comparison", "bench" or "dataset".

    Raises:
        UsageError: for a folder that holds none of these.
    """
    if not folder.is_dir():
        raise UsageError(
            f"'{folder}' {'is not a folder' if folder.exists() else 'does not exist'}; give the folder of a fit, comparison or benchmark."
        )
    if (folder / INDEX).exists():
        return "dataset"
    if (folder / "run.json").exists() or (folder / "checkpoint.safetensors").exists():
        return "fit"
    if (folder / "runs.jsonl").exists():
        return _kind_of_lines(folder / "runs.jsonl") or ("comparison" if (folder / "table.md").exists() else "bench")
    if any(re.fullmatch(r"table\d+\.md|fig\d+\.png", path.name) for path in folder.iterdir()):
        return "bench"
    raise UsageError(f"'{folder}' holds no fit (run.json), comparison or benchmark (runs.jsonl) to report on.")


def _kind_of_lines(path: Path) -> str | None:
    """The kind that the first readable line of a runs.jsonl belongs to; None where no line is readable.

    Raises:
        UsageError: where the file cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for _, line in zip(range(_LINES_READ), file, strict=False):
                try:
                    entry = loads(line, path.name)
                except ValueError:
                    continue
                if isinstance(entry, dict) and ("spec" in entry or "record" in entry):  # the latter up to version 0.1.0
                    return "comparison" if "spec" not in entry or entry.get("experiment") == "compare" else "bench"
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None


def page_of(folder: Path, kind: str, original: str | Signal | None = None) -> Page:
    """The contents of a report.

    Args:
        folder: Folder of the run or runs.
        kind: From `kind_of`.
        original: As for `write_report`.

    Raises:
        UsageError: for a record that cannot be read, or `original` with a benchmark or a dataset.
    """
    if kind == "dataset":
        from nint.report.dataset import dataset_page

        if original is not None:
            raise UsageError("--input applies to the report of a fit or a comparison; a dataset shows its fields without their signals.")
        return dataset_page(folder)
    if kind == "bench":
        from nint.report.bench import bench_page

        if original is not None:
            raise UsageError("--input applies to the report of a fit or a comparison; a benchmark records its inputs.")
        return bench_page(folder)
    if kind == "comparison":
        from nint.report.comparison import comparison_page

        return comparison_page(folder, original)
    from nint.report.fit import fit_page

    return fit_page(folder, original)


def render(page: Page) -> str:
    """A page as HTML, in which every text from a record is escaped."""
    import jinja2

    assets = files("nint.report") / "assets"
    loader = jinja2.FunctionLoader(lambda name: (assets / name).read_text(encoding="utf-8"))
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    templates.filters |= {"code": _with_code, "shown": lambda items, frame: items[min(frame, len(items) - 1)]}
    values: dict[str, Any] = {
        "page": page,
        "generator": f"{GENERATOR} {__version__}",
        "version": __version__,
        "style": (assets / "page.css").read_text(encoding="utf-8"),
        "script": (assets / "page.js").read_text(encoding="utf-8"),
        "plotly": _plotly(assets, page.plots),
    }
    return str(templates.get_template("page.html").render(**values))


def _with_code(text: str) -> Any:
    """A sentence, escaped, with the text between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _plotly(assets: Any, bundle: str) -> str:
    """The script of plotly that a page needs, which is part of the package: "basic", "gl3d" for meshes, or "" for none."""
    return str((assets / f"plotly-{bundle}.min.js").read_text(encoding="utf-8")) if bundle else ""
