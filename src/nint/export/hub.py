"""A folder in the layout of the Hugging Face Hub: config.json, model.safetensors, README.md. Nothing is sent anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import loads, read_bytes

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_ARCHITECTURE = "nint"


def config_of(header: dict[str, Any]) -> dict[str, Any]:
    """What config.json holds.

    Args:
        header: As of `Fit.header`.
    """
    return {"library_name": _ARCHITECTURE, "model_type": _ARCHITECTURE, **header}


def read_config(folder: Path) -> dict[str, Any]:
    """The header in the config.json of a folder.

    Raises:
        UsageError: for a folder without one, and for one of another library.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(f"{folder} has no {CONFIG}; give a folder that save_pretrained wrote.")
    try:
        text = read_bytes(path, "a JSON file").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8.") from error
    found = loads(text, str(path))
    if not isinstance(found, dict) or found.get("library_name") != _ARCHITECTURE:
        raise UsageError(f"{path} is not the configuration of a model of nint.")
    return {key: value for key, value in found.items() if key not in ("library_name", "model_type")}


def card(header: dict[str, Any], described: str, parameters: int) -> str:
    """The README.md of a model: front matter for the Hub, and what a reader needs to use it.

    Args:
        header: As of `Fit.header`.
        described: The signal in one line.
        parameters: Numbers in the network.
    """
    settings = (header.get("record") or {}).get("settings") or {}
    rows = [f"| {name} | {value:.4g} |" for name, value in header["metrics"].items()]
    measured = ["", "| measured on the signal | |", "|---|---:|", *rows] if rows else []
    sampler, source = settings.get("sampler"), _plain(settings.get("input", "a signal"))
    trained = f"Trained with the sampler `{sampler}` on {source}." if sampler else ""
    network = f"`{header['field'] or header['module']}` ({parameters:,} numbers)"
    return "\n".join(
        [
            "---",
            f"library_name: {_ARCHITECTURE}",
            "tags:",
            "- implicit-neural-representation",
            f"- {header['layout']['kind']}",
            "---",
            "",
            f"# A coordinate network that is a {header['layout']['kind']}",
            "",
            f"{described}, stored in the weights of {network}, written by nint {header['nint']}.",
            *filter(None, [trained]),
            *measured,
            "",
            "```python",
            "from nint import Fit",
            "",
            'fit = Fit.from_pretrained("path/to/this/folder")',
            "signal = fit.decode()",
            "```",
            "",
            f"Inputs: {header['in_features']} coordinates, {header['coordinates']}. Outputs: {header['out_features']} values from "
            f"{header['value_range'][0]:g} to {header['value_range'][1]:g}.",
            "",
        ]
    )


def _plain(text: str) -> str:
    """A name as text of one line that Markdown leaves as it is."""
    return "`" + "".join(letter for letter in str(text) if letter.isprintable()).replace("`", "'") + "`"
