"""Every piece of code in docs/own-loop.md runs, in the order of the page."""

import logging
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "own-loop.md"


@pytest.mark.skipif(find_spec("lightning") is None, reason="needs Lightning (pip install 'nint[lightning]')")
@pytest.mark.filterwarnings("ignore")  # of Lightning about itself
def test_the_code_of_the_page_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    names = {"__name__": "page"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"own-loop.md, code {number + 1}", "exec"), names)
    said = capsys.readouterr().out
    assert "is random" in said and "does not need the kernel (nint-fast" in said
    assert re.search(r"\{'interior': \d+, 'boundary': \d+\}", said)
