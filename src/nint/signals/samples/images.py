"""`sample:NAME`: photos that lie in scikit-image's own package, and signals made by code, so that trying something needs no file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nint.errors import UsageError, nearest
from nint.signals.base import Signal
from nint.signals.image.loader import load_image
from nint.signals.kinds import KINDS, PREFIX, given_options, resolve

_SAMPLES = {
    "astronaut": ("astronaut.png", "Eileen Collins in her space suit"),
    "brick": ("brick.png", "brick wall"),
    "camera": ("camera.png", "photographer with a camera on a tripod"),
    "cell": ("cell.png", "cell in saline, phase microscopy"),
    "chelsea": ("chelsea.png", "a cat's face"),
    "clock": ("clock_motion.png", "wall clock, blurred by motion"),
    "coffee": ("coffee.png", "cup of coffee on a wooden table"),
    "coins": ("coins.png", "Greek coins from Pompeii"),
    "grass": ("grass.png", "grass"),
    "gravel": ("gravel.png", "gravel"),
    "hubble": ("hubble_deep_field.jpg", "Hubble eXtreme Deep Field"),
    "ihc": ("ihc.png", "stained tissue, microscopy"),
    "microaneurysms": ("microaneurysms.png", "detail of a retina"),
    "moon": ("moon.png", "surface of the moon"),
    "motorcycle": ("motorcycle_left.png", "motorcycle, left view of a stereo pair"),
    "page": ("page.png", "scanned page of text"),
    "retina": ("retina.jpg", "human retina"),
    "rocket": ("rocket.jpg", "launch of a Falcon 9"),
    "text": ("text.png", "photo of handwriting"),
}
_ALIASES = {"cat": "chelsea"}


def sample_names() -> list[str]:
    """Names of the photos that the installed scikit-image carries, then of the signals that are made by code."""
    folder = _folder()
    return [*(name for name, (file, _) in _SAMPLES.items() if (folder / file).is_file()), *_made()]


def _made() -> dict[str, tuple[str, Callable[..., Signal]]]:
    """Samples of the other kinds: name -> (description, function of its options that makes the signal); made by code."""
    made: dict[str, tuple[str, Callable[..., Signal]]] = {}
    for kind in KINDS.values():
        if kind.samples:
            made |= resolve(kind.samples)
    return made


def describe(name: str) -> str:
    """One line: "451x300 RGB, a cat's face".

    Raises:
        UsageError: for an unknown name; the nearest is named.
    """
    from PIL import Image

    made = _made()
    if name in made:
        return made[name][0]
    path, text = _find(name)
    with Image.open(path) as image:
        mode = {"L": "grey"}.get(image.mode, image.mode)
        return f"{image.width}x{image.height} {mode}, {text}"


def load_sample(name: str, **options: Any) -> Signal:
    """Loads a sample by its name, without `sample:`.

    Args:
        name: One of `sample_names()`.
        **options: Those of the loader of the sample's kind that have an effect on it; None counts as not given.

    Raises:
        UsageError: for an unknown name (the nearest is named) or an option that its kind does not have.
    """
    made = _made()
    if name in made:
        _, make = made[name]
        signal = make(**given_options(make, f"sample:{name}", options))
        signal.origin = f"{PREFIX}{name} is synthetic: made by code."
        return signal
    path, _ = _find(name)
    return load_image(path, **given_options(load_image, "photos", options), name=PREFIX + name)


def _folder() -> Path:
    # Found without importing scikit-image; its own functions could reach for the network.
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise UsageError("Samples need scikit-image, which is not installed.")
    return Path(found.submodule_search_locations[0]) / "data"


def _find(name: str) -> tuple[Path, str]:
    names = sample_names()
    key = _ALIASES.get(name, name)
    if key not in names:
        raise UsageError(f"There is no sample called '{name}'.{nearest(name, [*names, *_ALIASES])}")
    file, text = _SAMPLES[key]
    return _folder() / file, text
