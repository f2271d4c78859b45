"""The blocks that a page consists of. `kind` names the macro in blocks.html that draws a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nint.report.encode import Picture


class Block:
    """One part of a section."""

    kind: ClassVar[str]
    plots: ClassVar[str] = ""
    """The bundle of plotly that the block needs; "" for none."""


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
        title: Caption.
        columns: Column headings.
        rows: Texts of the cells.
        folded: Whether the table is collapsed at first.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Prose(Block):
    """HTML markup from `nint.report.markdown`."""

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
        title: Heading.
        layers: Name of a layer -> its pictures, one per frame; the last is repeated where the list is shorter.
        captions: One per frame.
    """

    title: str
    layers: dict[str, list[Picture]]
    captions: list[str]


@dataclass(frozen=True)
class Frames(Block):
    """Pictures controlled by one slider.

    Attributes:
        title: Quantity on the slider, such as "Step" or "Frame".
        labels: One per frame.
        panels: The pictures.
        note: Explanation of the pictures.
        pixelated: Enlarge without smoothing.
        start: Index of the frame shown first; -1 is the last.
        heading: Heading of the block, where a section has several.
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
        """Index of the frame shown first, at least 0."""
        return range(len(self.labels))[self.start]

    @property
    def layers(self) -> list[str]:
        """Names of the layers that a reader can choose from; empty where no panel has several."""
        return list(dict.fromkeys(name for panel in self.panels for name in panel.layers)) if self.selectable else []

    @property
    def selectable(self) -> bool:
        """Whether a panel has several layers."""
        return any(len(panel.layers) > 1 for panel in self.panels)

    @property
    def data(self) -> dict[str, Any]:
        """Labels, pictures and captions, as the page's script reads them."""
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
        groups: One per plot, with name, axes, metrics and series; see `nint.report.curves.group`.
    """

    groups: list[dict[str, Any]]
    kind: ClassVar[str] = "curves"
    plots: ClassVar[str] = "basic"


@dataclass(frozen=True)
class Sound(Block):
    """A player and a spectrogram.

    Attributes:
        title: Heading.
        uri: The sound as a data URI.
        levels: Decibels `[f, t]`, the ranges of both axes and the colours of the scale, for the page's script.
    """

    title: str
    uri: str
    levels: dict[str, Any]
    kind: ClassVar[str] = "sound"
    plots: ClassVar[str] = "basic"


@dataclass(frozen=True)
class Turnable(Block):
    """A mesh that can be rotated; `data` holds its vertices and faces."""

    title: str
    caption: str
    data: dict[str, Any]
    kind: ClassVar[str] = "turnable"
    plots: ClassVar[str] = "gl3d"


@dataclass
class Section:
    """A heading, an optional introductory sentence, and blocks."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    lead: str = ""


@dataclass
class Page:
    """A whole report.

    Attributes:
        title: Heading.
        lead: Sentence below the heading.
        tiles: The most important numbers, as (label, value).
        sections: The sections.
        verdict: Sentences that say first what came out.
    """

    title: str
    lead: str
    tiles: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    verdict: list[str] = field(default_factory=list)

    @property
    def plots(self) -> str:
        """The bundle of plotly that the blocks need: "gl3d" where one is a mesh, "basic" for curves; "" where none is a plot."""
        needed = {block.plots for section in self.sections for block in section.blocks} - {""}
        return "gl3d" if "gl3d" in needed else "basic" if needed else ""
