"""Row numbers found from marks, against a plain list of them."""

import pytest
import torch

from nint.signals.marked_rows import BLOCK, MarkedRows


def marks_of(share, blocks=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    marks = (torch.rand(blocks * BLOCK, generator=generator) < share).to(torch.uint8)
    marks[3 * BLOCK : 7 * BLOCK] = 0  # a stretch without any
    marks[9 * BLOCK : 12 * BLOCK] = 1  # and one of nothing else
    marks[-2 * BLOCK :] = 0
    return marks


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("mark", [0, 1, 2])
def test_rows_are_those_of_nonzero(share, mark, monkeypatch):
    monkeypatch.setattr("nint.signals.marked_rows._LOOK_UP", 37)
    monkeypatch.setattr("nint.signals.marked_rows._BUILD_BLOCKS", 3)
    marks = marks_of(share)
    expected = torch.tensor([row for row, value in enumerate(marks.tolist()) if value == mark], dtype=torch.int64)
    rows = MarkedRows(marks, mark)
    assert len(rows) == len(expected) and torch.equal(rows[:], expected) and rows[:].dtype == torch.int64
    assert torch.equal(rows[5:200:3], expected[5:200:3]) and len(rows[4:4]) == 0
    if len(expected):
        which = torch.randint(len(expected), (300,), generator=torch.Generator().manual_seed(1))
        assert torch.equal(rows[which], expected[which])
        assert torch.equal(rows[torch.tensor([len(rows) - 1, 0])], expected[[-1, 0]])


def test_a_device_that_it_lies_on_changes_nothing():
    rows = MarkedRows(marks_of(0.5), 1)
    assert rows.to("cpu") is rows and rows.device == torch.device("cpu")
