"""Hooks of mkdocs: a link to any file of the repository works on the site, as it does where the repository is browsed.

Pages of docs/ link to files elsewhere (`../benchmarks/...`, `../src/nint/...`). Each such file becomes a page or a copy at the same path:
Markdown a page, source code a page with the code, a folder a page that lists it, everything else a copy. Notebooks become pages with their
outputs.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
ALWAYS = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
CODE = {".py": "python", ".toml": "toml", ".c": "c"}
PICTURES = (".png", ".webp", ".jpg", ".svg")
LARGEST_COPY = 2 * 2**20

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^()\s]+)(\))")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what is linked to, and what is linked from there."""
    for path in sorted((ROOT / DOCS / "notebooks").glob("*.ipynb")):
        _add_notebook(path, files, config)
    seen: set[str] = set()
    waiting = [*ALWAYS, *(link for name, text in _pages(files) for link in _outside(name, text))]
    while waiting:
        name = waiting.pop(0)
        if name in seen or name == "README.md":
            continue
        seen.add(name)
        text = _add(name, files, config)
        waiting += [] if text is None else _outside(f"{name}/index.md" if (ROOT / name).is_dir() else name, text)
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Turns links to files of the repository into links within the site."""
    here = _repository_name(page.file.src_uri)

    def linked(match: re.Match[str]) -> str:
        target = _target(here, match[2])
        if target is None:
            return match[0]
        name, anchor = target
        return f"{match[1]}{posixpath.relpath(_site_name(name), posixpath.dirname(page.file.src_uri) or '.')}{anchor}{match[3]}"

    parts, last = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(linked, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, _LINK.sub(linked, markdown[last:])])


def _pages(files: Files) -> Iterator[tuple[str, str]]:
    for file in files.documentation_pages():
        yield _repository_name(file.src_uri), file.content_string


def _repository_name(src_uri: str) -> str:
    """Where the source of a page lies in the repository."""
    if (ROOT / DOCS / src_uri).exists() or src_uri.startswith("notebooks/"):
        return f"{DOCS}/{src_uri}"
    return src_uri


def _target(here: str, link: str) -> tuple[str, str] | None:
    """The file of the repository that a link of a file names, and the anchor; None for a link that is none."""
    path, mark, anchor = link.partition("#")
    if not path or "://" in path or path.startswith(("mailto:", "/", "data:")):
        return None
    name = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    return None if name.startswith("..") or not (ROOT / name).exists() else (name, mark + anchor)


def _outside(here: str, text: str) -> list[str]:
    """Files outside docs/ that a page links to."""
    found = [_target(here, match[2]) for match in _LINK.finditer(_FENCE.sub("", text))]
    return [target[0] for target in found if target is not None and not target[0].startswith(f"{DOCS}/")]


def _site_name(name: str) -> str:
    """Path on the site of a file of the repository."""
    if name == "README.md":
        return "index.md"
    if name.startswith(f"{DOCS}/"):
        inner = name.removeprefix(f"{DOCS}/")
        if (ROOT / name).is_dir():
            return f"{inner}/{sorted(os.listdir(ROOT / name))[0]}"
        return f"{inner.removesuffix('.ipynb')}.md" if inner.endswith(".ipynb") else inner
    path = ROOT / name
    if path.is_dir():
        return f"{name}/README.md" if (path / "README.md").exists() else f"{name}/index.md"
    return f"{name}.md" if path.suffix in CODE else name


def _add(name: str, files: Files, config: Any) -> str | None:
    """Adds a file or folder of the repository; returns the Markdown of a page, whose links are followed."""
    path, uri = ROOT / name, _site_name(name)
    if path.is_dir():
        if (path / "README.md").exists():
            return _add(f"{name}/README.md", files, config)
        return _page(uri, _listing(name), files, config)
    if path.suffix == ".md":
        return _page(uri, path.read_text(encoding="utf-8"), files, config)
    if path.suffix in CODE:
        code = path.read_text(encoding="utf-8")
        return _page(uri, f"# `{name}`\n\n````{CODE[path.suffix]}\n{code}````\n", files, config)
    if path.suffix not in PICTURES and path.stat().st_size > LARGEST_COPY:
        return _page(f"{uri}.md", f"# `{name}`\n\nThis file is too large for the site; it is in the repository.\n", files, config)
    files.append(File.generated(config, uri, abs_src_path=str(path)))
    return None


def _page(uri: str, text: str, files: Files, config: Any) -> str:
    if files.get_file_from_path(uri) is None:
        files.append(File.generated(config, uri, content=text))
    return text


def _listing(name: str) -> str:
    """A page about a folder: its tables and files as links, its pictures shown."""
    entries = [path for path in sorted((ROOT / name).iterdir()) if not path.name.startswith((".", "__"))]
    kept = [path for path in entries if path.is_dir() or path.suffix in (".md", *CODE, *PICTURES)]
    lines = [f"# `{name}`", ""]
    lines += [f"- [{path.name}]({path.name})" for path in kept if path.suffix not in PICTURES]
    lines += [f"\n![{path.name}]({path.name})\n" for path in kept if path.suffix in PICTURES]
    if len(kept) < len(entries):
        others = ", ".join(f"`{path.name}`" for path in entries if path not in kept)
        lines.append(f"\nAlso in the repository: {others}.")
    return "\n".join(lines) + "\n"


def _add_notebook(path: Path, files: Files, config: Any) -> None:
    """A page with the cells and the outputs that are stored in the notebook, and the notebook itself to take away."""
    import nbformat
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4))
    for name, content in resources["outputs"].items():
        files.append(File.generated(config, f"notebooks/{path.stem}_files/{name}", content=content))
        text = text.replace(f"]({name})", f"]({path.stem}_files/{name})")
    text += f'\n<a href="{path.name}" download>{path.name}</a>\n'
    files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
