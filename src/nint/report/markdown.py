"""Markdown written by nint -> HTML markup of a page."""

from __future__ import annotations

from pathlib import Path

from nint.errors import UsageError

_UNDERLINE = (("&lt;u&gt;", "<u>"), ("&lt;/u&gt;", "</u>"))


def markup(text: str, first_heading: int = 3) -> str:
    """HTML of headings, paragraphs, lists and tables; HTML, links and pictures in the text are escaped.

    Args:
        text: Markdown.
        first_heading: Level of the HTML heading for "##"; "#" is left out, because the page has a title.
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink", "reference"])
    tokens = reader.parse(text)
    kept, hidden = [], False
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            if token.tag == "h1":
                hidden = token.type == "heading_open"
                continue
            token.tag = f"h{min(int(token.tag[1]) - 2 + first_heading, 6)}"
        if not hidden:
            kept.append(token)
    found = str(reader.renderer.render(kept, reader.options, {}))
    # Tables mark the second best value by <u>, which the parser has escaped with everything else.
    for escaped, tag in _UNDERLINE:
        found = found.replace(escaped, tag)
    opening = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="sorts">'
    return found.replace("<table>", opening).replace("</table>", "</table></div>")


def title_of(text: str) -> str:
    """The text of the first "#" heading; empty where there is none."""
    return next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), "")


def read(path: Path) -> str | None:
    """The text of a Markdown file; None where it does not exist.

    Raises:
        UsageError: where it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from error
