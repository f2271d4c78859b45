"""What a page is made of. `kind` names the macro in blocks.html that draws a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nint.report.encode import Picture


class Block:
    """One piece of a section."""

    kind: ClassVar[str]
    plots: ClassVar[bool] = False
    """Whether the page needs plotly for it."""


@dataclass(frozen=True)
class Notes(Block):
    """Sentences, for example about what is missing."""

    sentences: Sequence[str]
    kind: ClassVar[str] = "notes"


@dataclass(frozen=True)
class Facts(Block):
    """Names and values in two columns."""

    title: str
    rows: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table(Block):
    """A table that sorts.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: Cells.
        folded: Hidden until asked for.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Prose(Block):
    """Markup that `nint.report.markdown` made."""

    markup: str
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Still(Block):
    """A picture with its caption."""

    picture: Picture
    alt: str
    caption: str
    pixelated: bool = False
    kind: ClassVar[str] = "still"


@dataclass(frozen=True)
class Panel:
    """One picture of a block of frames.

    Attributes:
        title: What it shows.
        layers: Name of a layer -> its pictures, one a frame; a shorter list stays at its last.
        captions: One a frame.
    """

    title: str
    layers: dict[str, list[Picture]]
    captions: list[str]


@dataclass(frozen=True)
class Frames(Block):
    """Pictures that one slider moves.

    Attributes:
        title: What the slider moves through: "Step", "Frame".
        labels: One a frame.
        panels: The pictures.
        note: How to read them.
        pixelated: Enlarge without smoothing.
        start: Frame that is shown first; -1 is the last.
        heading: What the pictures have in common, where there are several such blocks.
    """

    title: str
    labels: list[str]
    panels: list[Panel]
    note: str = ""
    pixelated: bool = False
    start: int = -1
    heading: str = ""
    kind: ClassVar[str] = "frames"

    @property
    def first(self) -> int:
        return range(len(self.labels))[self.start]

    @property
    def layers(self) -> list[str]:
        """Layers that a reader can choose from."""
        return list(dict.fromkeys(name for panel in self.panels for name in panel.layers)) if self.selectable else []

    @property
    def selectable(self) -> bool:
        return any(len(panel.layers) > 1 for panel in self.panels)

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        panels = [
            {
                "title": panel.title,
                "layers": {name: [picture.uri for picture in pictures] for name, pictures in panel.layers.items()},
                "captions": panel.captions,
            }
            for panel in self.panels
        ]
        return {"labels": self.labels, "panels": panels}


@dataclass(frozen=True)
class Split(Block):
    """Two pictures of one size on top of each other, with a slider between them."""

    left: Picture
    right: Picture
    left_name: str
    right_name: str
    pixelated: bool = False
    kind: ClassVar[str] = "split"


@dataclass(frozen=True)
class Curves(Block):
    """Curves over steps, seconds and work.

    Attributes:
        groups: Each with a name, axes, metrics and series; see `nint.report.curves`.
    """

    groups: list[dict[str, Any]]
    kind: ClassVar[str] = "curves"
    plots: ClassVar[bool] = True


@dataclass(frozen=True)
class Sound(Block):
    """A player and a spectrogram.

    Attributes:
        title: What it is.
        uri: The sound.
        levels: Decibels `[f, t]` and the ends of both axes, for the page's script.
    """

    title: str
    uri: str
    levels: dict[str, Any]
    kind: ClassVar[str] = "sound"
    plots: ClassVar[bool] = True


@dataclass(frozen=True)
class Turnable(Block):
    """A mesh that can be turned; `data` has its vertices and faces."""

    title: str
    caption: str
    data: dict[str, Any]
    kind: ClassVar[str] = "turnable"
    plots: ClassVar[bool] = True


@dataclass
class Section:
    """A heading and what stands below it, perhaps after a sentence."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    lead: str = ""


@dataclass
class Page:
    """A whole report.

    Attributes:
        title: Heading.
        lead: A sentence below it.
        tiles: The leading numbers, as (label, value).
        sections: What follows.
    """

    title: str
    lead: str
    tiles: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    @property
    def plots(self) -> bool:
        return any(block.plots for section in self.sections for block in section.blocks)
